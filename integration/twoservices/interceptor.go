// Package twoservices is a login service over HTTP and a service over gRPC that
// only validates tokens, on one store.
//
// Its two files that are no tests are all that a service over gRPC writes itself:
// the interceptors, and the codes of its errors.
package twoservices

import (
	"context"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/ginwx/wxlogin"
)

// Required lets calls pass that carry a live token as "authorization: Bearer …",
// and puts the identity on their context, for wxlogin.FromContext.
func Required(auth *wxlogin.Auth) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		ctx, err := authenticate(ctx, auth)
		if err != nil {
			return nil, err
		}
		return next(ctx, req)
	}
}

// RequiredStream is Required for streams. The token counts when the stream opens:
// a session that ends later does not end it. A stream that lives for hours calls
// Authenticate again from time to time.
func RequiredStream(auth *wxlogin.Auth) grpc.StreamServerInterceptor {
	return func(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
		ctx, err := authenticate(stream.Context(), auth)
		if err != nil {
			return err
		}
		return next(srv, &identified{stream, ctx})
	}
}

// identified is a stream whose context carries the identity.
type identified struct {
	grpc.ServerStream
	ctx context.Context
}

func (s *identified) Context() context.Context { return s.ctx }

func authenticate(ctx context.Context, auth *wxlogin.Auth) (context.Context, error) {
	known, err := auth.AuthenticateContext(ctx, bearer(ctx))
	if err != nil {
		return nil, statusOf(ctx, err)
	}
	return known, nil
}

// bearer returns the token, or "" for none and for more than one.
func bearer(ctx context.Context) string {
	if values := metadata.ValueFromIncomingContext(ctx, "authorization"); len(values) == 1 {
		if scheme, token, ok := strings.Cut(values[0], " "); ok && strings.EqualFold(scheme, "Bearer") {
			return token
		}
	}
	return ""
}
