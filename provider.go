package wxlogin

import "context"

// Provider exchanges a client's code for an account. Package wechat has one for
// mini programs and others; write your own for another gateway.
//
// Implementations must be safe for concurrent use by multiple goroutines.
type Provider interface {
	// AppID returns the id of the app whose codes this provider exchanges. It
	// must be constant and not empty.
	AppID() string

	// Exchange trades code for the account behind it. It must honour ctx and
	// send a code at most once per attempt, because codes work once. An error
	// wraps the class it belongs to (ErrInvalidCode, ErrUserBlocked,
	// ErrRateLimited, ErrMisconfigured or ErrUpstreamUnavailable); one without
	// a class counts as ErrUpstreamUnavailable. Neither the code nor a secret
	// may be part of an error's text.
	Exchange(ctx context.Context, code string) (Account, error)
}

// Account is what a platform says about the user behind a code.
type Account struct {
	// Subject identifies the user within the app and never changes: the openid
	// of a mini program, the user_id of a multi-terminal app. Required, at most
	// 128 bytes.
	Subject string

	// OpenID is the user's openid in a mini program, where there is one. At most
	// 128 bytes.
	OpenID string

	// UnionID joins apps of one WeChat Open Platform account. It may be empty
	// and may appear later for a user who had none. At most 128 bytes.
	UnionID string

	// SessionKey is WeChat's key for this user's data; the zero Secret where the
	// platform has none. At most 128 bytes.
	SessionKey Secret

	// Details is whatever else the platform said, in a type of the provider's
	// own. It reaches OnLogin once and is not stored.
	Details any
}
