package wxlogin

import "errors"

// The classes of failure. Every error that this module returns while serving
// matches exactly one of them with errors.Is, except for a context's own error
// and what an application's hook returned. Package middleware holds the one
// table from classes to HTTP replies.
var (
	// ErrBadRequest: the caller sent something malformed: no code, one too long
	// or not printable ASCII, an app that is not served here.
	ErrBadRequest = errors.New("wxlogin: bad request")

	// ErrInvalidCode: the code is unknown, expired, used, or of another app. The
	// client calls wx.login again.
	ErrInvalidCode = errors.New("wxlogin: code is invalid or used")

	// ErrUserBlocked: WeChat's risk control blocked the user. Do not retry.
	ErrUserBlocked = errors.New("wxlogin: user is blocked by the platform")

	// ErrLoginRefused: OnLogin refused; see RefusedError.
	ErrLoginRefused = errors.New("wxlogin: login refused by the application")

	// ErrRateLimited: too many calls; try again in a minute.
	ErrRateLimited = errors.New("wxlogin: rate limited")

	// ErrUpstreamUnavailable: the platform failed, answered something unreadable
	// or unknown, or did not answer. With a time-out the error matches
	// context.DeadlineExceeded as well.
	ErrUpstreamUnavailable = errors.New("wxlogin: platform is unavailable")

	// ErrMisconfigured: the platform refused the app id, the secret or the shape
	// of the call. An operator must act; it is never the user's fault.
	ErrMisconfigured = errors.New("wxlogin: misconfigured")

	// ErrMissingToken: the request carries no token.
	ErrMissingToken = errors.New("wxlogin: no token")

	// ErrInvalidToken: the token is forged, unknown, revoked, or of an app that
	// is not served here.
	ErrInvalidToken = errors.New("wxlogin: token is invalid")

	// ErrSessionExpired: the token was genuine, its session reached its idle or
	// absolute limit.
	ErrSessionExpired = errors.New("wxlogin: session expired")

	// ErrSessionKeyStale: the client's data was encrypted or signed under a
	// session_key that is no longer known. The client calls wx.login and then
	// fetches the data again; the same data can never be read.
	ErrSessionKeyStale = errors.New("wxlogin: session_key is stale")

	// ErrInvalidUserData: signature, ciphertext or watermark is wrong.
	ErrInvalidUserData = errors.New("wxlogin: user data is invalid")

	// ErrStoreUnavailable: the store failed or holds something unreadable. It
	// says nothing about the token: never treat it as "not logged in".
	ErrStoreUnavailable = errors.New("wxlogin: store is unavailable")

	// ErrNoAccountIndex: the store cannot list by account (it is no
	// store.AccountStore), so sessions cannot be listed or revoked together.
	ErrNoAccountIndex = errors.New("wxlogin: store has no account index")

	// ErrClosed: the Auth was closed.
	ErrClosed = errors.New("wxlogin: closed")

	// ErrInternal: a bug, such as a hook that panicked.
	ErrInternal = errors.New("wxlogin: internal error")
)

// classes are all of the above, for classOf.
var classes = [...]error{
	ErrBadRequest, ErrInvalidCode, ErrUserBlocked, ErrLoginRefused, ErrRateLimited, ErrUpstreamUnavailable,
	ErrMisconfigured, ErrMissingToken, ErrInvalidToken, ErrSessionExpired, ErrSessionKeyStale, ErrInvalidUserData,
	ErrStoreUnavailable, ErrNoAccountIndex, ErrClosed, ErrInternal,
}

// classOf returns the class that err belongs to, or nil.
func classOf(err error) error {
	for _, class := range classes {
		if errors.Is(err, class) {
			return class
		}
	}
	return nil
}

// RefusedError is a refusal by the application: return one from
// [Config.OnLogin], made by [Refuse]. It matches ErrLoginRefused.
type RefusedError struct {
	Code    string // machine-readable, for the client; may be empty
	Message string // for people, sent to the client as it is; may be empty
}

// Refuse returns the error with which OnLogin turns a user away. Both texts are
// sent to the client.
func Refuse(code, message string) error { return &RefusedError{Code: code, Message: message} }

func (e *RefusedError) Error() string {
	if e.Code == "" {
		return ErrLoginRefused.Error()
	}
	return ErrLoginRefused.Error() + ": " + e.Code
}

// Is reports whether target is ErrLoginRefused.
func (e *RefusedError) Is(target error) bool { return target == ErrLoginRefused }
