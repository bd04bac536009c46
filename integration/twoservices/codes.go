package twoservices

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ginwx/wxlogin"
)

// statusOf sends the class, whose text is safe to show, and not what went wrong.
//
// A store that is asked for a caller who leaves fails too: that is no outage. Only
// the caller's context can tell, as a store's own time limit is an error of the
// same kind.
func statusOf(ctx context.Context, err error) error {
	if gone := left(ctx); gone != nil {
		return status.FromContextError(gone).Err()
	}
	for _, c := range classes {
		if errors.Is(err, c.class) {
			return status.Error(c.code, c.class.Error())
		}
	}
	return status.Error(codes.Internal, wxlogin.ErrInternal.Error())
}

// left is ctx.Err, also in the moment between a deadline and the timer that tells
// of it: a connection with the same deadline may be faster.
func left(ctx context.Context) error {
	if end, ok := ctx.Deadline(); ok && ctx.Err() == nil && !time.Now().Before(end) {
		return context.DeadlineExceeded
	}
	return ctx.Err()
}

// classes are in the order of middleware's table. Unavailable alone tells clients
// to try the same call again.
var classes = []struct {
	class error
	code  codes.Code
}{
	{wxlogin.ErrBadRequest, codes.InvalidArgument},
	{wxlogin.ErrInvalidCode, codes.Unauthenticated},
	{wxlogin.ErrUserBlocked, codes.PermissionDenied},
	{wxlogin.ErrLoginRefused, codes.PermissionDenied},
	{wxlogin.ErrRateLimited, codes.ResourceExhausted},
	{wxlogin.ErrUpstreamUnavailable, codes.Unavailable},
	{wxlogin.ErrMisconfigured, codes.Internal},
	{wxlogin.ErrMissingToken, codes.Unauthenticated},
	{wxlogin.ErrInvalidToken, codes.Unauthenticated},
	{wxlogin.ErrSessionExpired, codes.Unauthenticated},
	{wxlogin.ErrSessionKeyStale, codes.FailedPrecondition},
	{wxlogin.ErrInvalidUserData, codes.InvalidArgument},
	{wxlogin.ErrStoreUnavailable, codes.Unavailable},
	{wxlogin.ErrNoAccountIndex, codes.Unimplemented},
	{wxlogin.ErrClosed, codes.Unavailable},
	{wxlogin.ErrInternal, codes.Internal},
}
