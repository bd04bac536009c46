package wxlogin

import (
	"context"
	"encoding/json"
	"time"

	"github.com/ginwx/wxlogin/internal/carrier"
)

// Identity is who a token belongs to. The pair (AppID, Subject) names the user
// and never changes; where the application gave a UserID, that names the account
// and joins apps.
type Identity struct {
	AppID   string // the app that the user logged in to
	Subject string // the user within the app: openid, or user_id of a multi-terminal app
	OpenID  string // the openid in the mini program, where there is one
	UnionID string // empty until the app is bound to a WeChat Open Platform account
	UserID  string // the application's own id, set by OnLogin or given to Issue

	// Data is the application's own small JSON value of this session, set by
	// OnLogin or given to Issue; nil where there is none. Do not change it.
	Data json.RawMessage

	Device    string // the label that the client gave at login
	SessionID string // names the session in lists and logs; useless as a token
	CreatedAt time.Time
	ExpiresAt time.Time // when the session ends if it is not used again

	verifiedBy *authMark
}

// authMark stands for an Auth in the identities it verified: fmt prints what a
// pointer in an unexported field points to under some verbs.
type authMark struct{ _ byte }

// VerifiedBy reports whether id came out of a's own Authenticate, as opposed to
// another Auth's or to a value that somebody made and put on a context.
func (id Identity) VerifiedBy(a *Auth) bool { return a != nil && id.verifiedBy == a.mark }

// WithIdentity returns a copy of ctx that carries id. The middleware calls it for
// every request that it lets pass; call it in tests of handlers that need an
// identity and no login.
func WithIdentity(ctx context.Context, id Identity) context.Context {
	return &carrier.Context[Identity]{Context: ctx, Identity: id}
}

// FromContext returns the identity that the middleware put on ctx, and whether
// there is one. It takes a *gin.Context, its Request.Context(), and contexts
// derived from either.
//
// A *gin.Context is reused for other users as soon as its handlers return: hand
// Request.Context(), or the Identity itself, to whatever outlives the request.
func FromContext(ctx context.Context) (Identity, bool) {
	if c := carrier.Find[Identity](ctx); c != nil {
		return c.Identity, true
	}
	return Identity{}, false
}

// OpenID returns the openid of the identity on ctx, or "" where there is none. It
// takes the same contexts as FromContext.
func OpenID(ctx context.Context) string {
	id, _ := FromContext(ctx)
	return id.OpenID
}
