package wechat

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"

	"github.com/ginwx/wxlogin"
)

// TokenSource hands out the access_token of one app, for the calls of this package
// that need one; logging in to a mini program never does. Every provider of this
// package is one, so that the rest of an application can use the same token; give
// a provider another one with [WithTokenSource], such as your team's central token
// service.
type TokenSource interface {
	// AccessToken returns a token that should work. stale is the zero Secret, or
	// a token that WeChat has just refused (errcode 40001, 40014 or 42001). Then
	// the source gets another one, but only if stale is still the one that it
	// would hand out: whoever comes later with the same stale token gets what the
	// first one got. Returning stale again means that there is no other one, and
	// the refusal stands.
	//
	// It must honour ctx and be safe for concurrent use. An error without a class
	// of package wxlogin counts as wxlogin.ErrUpstreamUnavailable; neither a
	// token nor a secret may be part of its text.
	AccessToken(ctx context.Context, stale wxlogin.Secret) (wxlogin.Secret, error)
}

// TokenSourceFunc is a function as a TokenSource.
type TokenSourceFunc func(ctx context.Context, stale wxlogin.Secret) (wxlogin.Secret, error)

// AccessToken calls f.
func (f TokenSourceFunc) AccessToken(ctx context.Context, stale wxlogin.Secret) (wxlogin.Secret, error) {
	return f(ctx, stale)
}

// WithTokenSource takes access_tokens from source instead of WeChat's
// stable_token, which is then never asked. The source's tokens must be those of
// the provider's app. A [MultiTerminal] sends them with every login, as
// [WithAccessToken] says.
func WithTokenSource(source TokenSource) Option {
	return func(o *options) error {
		if source == nil {
			return errors.New("WithTokenSource: the source is nil")
		}
		o.tokens = source
		return nil
	}
}

// tokens is where a provider's access_tokens come from: a TokenSource of the
// caller's, or stable_token.
type tokens struct {
	TokenSource
	own *stableSource // nil where the source is the caller's
}

func newTokens(appID string, app *secrets, c *client, o options) tokens {
	if o.tokens != nil {
		return tokens{TokenSource: o.tokens}
	}
	own := &stableSource{appID: appID, app: app, client: c, owner: rand.Text(), limit: fetchAttempts * o.timeout}
	return tokens{TokenSource: own, own: own}
}

func (t tokens) useVault(vault *wxlogin.Vault) {
	if t.own != nil {
		t.own.shared.vault.Store(vault)
	}
}

func (t tokens) close() {
	if t.own != nil {
		t.own.Close()
	}
}

// tokenRefused are the errcodes for an access_token that works no longer:
// replaced, never issued, expired.
var tokenRefused = []int{40001, 40014, 42001}

// authorized makes a call with an access_token. When WeChat refuses the token the
// call is made once more with another one, and for no other errcode: one that
// judged the code has used it up.
func (c *client) authorized(ctx context.Context, tokens TokenSource, in call, out answer) error {
	token, err := takeToken(ctx, tokens, wxlogin.Secret{})
	if err != nil {
		return err
	}
	refusal := c.do(ctx, in.with(token), out)
	if !hasCode(refusal, tokenRefused) {
		return refusal
	}
	fresh, err := takeToken(ctx, tokens, token)
	if err != nil {
		return err
	}
	if fresh.Equal(token) {
		return refusal
	}
	return c.do(ctx, in.with(fresh), out)
}

// with returns the call with an access_token in its query, as WeChat wants it
// whatever the method.
func (in call) with(token wxlogin.Secret) call {
	query := make(url.Values, len(in.query)+1)
	for name, values := range in.query {
		query[name] = values
	}
	query.Set("access_token", token.Reveal())
	in.query = query
	in.hidden = append([]wxlogin.Secret{token}, in.hidden...)
	return in
}

// takeToken asks a source, which may be somebody else's.
func takeToken(ctx context.Context, tokens TokenSource, stale wxlogin.Secret) (wxlogin.Secret, error) {
	source := api{name: "access_token"}
	token, err := tokens.AccessToken(ctx, stale)
	switch {
	case err == nil && token.IsZero():
		return wxlogin.Secret{}, fmt.Errorf("%w: the TokenSource returned no token and no error", wxlogin.ErrMisconfigured)
	case err == nil:
		return token, nil
	case errors.Is(ctx.Err(), context.Canceled):
		return wxlogin.Secret{}, left(source)
	case hasClass(err) && !hasURL(err):
		return wxlogin.Secret{}, err
	case isTimeout(err):
		return wxlogin.Secret{}, timedOut(source, describe(call{hidden: []wxlogin.Secret{stale}}, err))
	}
	return wxlogin.Secret{}, unavailable(source, describe(call{hidden: []wxlogin.Secret{stale}}, err))
}

func hasURL(err error) bool {
	var u *url.Error
	return errors.As(err, &u)
}

// hasClass reports whether err has a class that a TokenSource may return.
func hasClass(err error) bool {
	for _, class := range [...]error{
		wxlogin.ErrUpstreamUnavailable, wxlogin.ErrMisconfigured, wxlogin.ErrRateLimited, wxlogin.ErrStoreUnavailable,
		wxlogin.ErrClosed, wxlogin.ErrInternal,
	} {
		if errors.Is(err, class) {
			return true
		}
	}
	return false
}
