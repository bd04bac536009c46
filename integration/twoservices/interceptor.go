// Package twoservices is a login service over HTTP and a service over gRPC that
// only validates tokens, on one store.
package twoservices

import (
	"context"
	"errors"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/ginwx/wxlogin"
)

// Required lets calls pass that carry a live token as "authorization: Bearer …",
// and puts the identity on their context, for wxlogin.FromContext.
func Required(auth *wxlogin.Auth) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		id, err := auth.Authenticate(ctx, bearer(ctx))
		if err != nil {
			return nil, statusOf(err)
		}
		return next(wxlogin.WithIdentity(ctx, id), req)
	}
}

func bearer(ctx context.Context) string {
	if values := metadata.ValueFromIncomingContext(ctx, "authorization"); len(values) == 1 {
		if scheme, token, ok := strings.Cut(values[0], " "); ok && strings.EqualFold(scheme, "Bearer") {
			return token
		}
	}
	return ""
}

// statusOf sends the class, whose text is safe to show, and not what went wrong.
func statusOf(err error) error {
	for _, c := range classes {
		if errors.Is(err, c.class) {
			return status.Error(c.code, c.class.Error())
		}
	}
	return status.Error(codes.Internal, wxlogin.ErrInternal.Error())
}

// classes are in the order of middleware's table. Unavailable alone tells clients
// to try the same call again.
var classes = []struct {
	class error
	code  codes.Code
}{
	{wxlogin.ErrMissingToken, codes.Unauthenticated},
	{wxlogin.ErrInvalidToken, codes.Unauthenticated},
	{wxlogin.ErrSessionExpired, codes.Unauthenticated},
	{wxlogin.ErrStoreUnavailable, codes.Unavailable},
	{wxlogin.ErrClosed, codes.Unavailable},
	{wxlogin.ErrBadRequest, codes.InvalidArgument},
	{wxlogin.ErrInvalidCode, codes.Unauthenticated},
	{wxlogin.ErrUserBlocked, codes.PermissionDenied},
	{wxlogin.ErrLoginRefused, codes.PermissionDenied},
	{wxlogin.ErrRateLimited, codes.ResourceExhausted},
	{wxlogin.ErrUpstreamUnavailable, codes.Unavailable},
	{wxlogin.ErrMisconfigured, codes.Internal},
	{wxlogin.ErrSessionKeyStale, codes.FailedPrecondition},
	{wxlogin.ErrInvalidUserData, codes.InvalidArgument},
	{wxlogin.ErrNoAccountIndex, codes.Unimplemented},
}
