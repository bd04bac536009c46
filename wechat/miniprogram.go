package wechat

import (
	"context"
	"errors"

	"github.com/ginwx/wxlogin"
)

// MiniProgramProvider exchanges the codes of wx.login in a mini program or a mini
// game, and of wx.getMiniProgramCode in a multi-terminal app that is bound to it.
// It makes the other calls around login as well: CheckSessionKey,
// ResetUserSessionKey and PhoneNumber, which take an access_token. Make one with
// [MiniProgram]. It is safe for concurrent use.
type MiniProgramProvider struct {
	appID   string
	secrets *secrets
	client  *client
	tokens  tokens
	err     error // what Validate reports
}

// MiniProgram returns the provider of one mini program: its app id and AppSecret
// from mp.weixin.qq.com, where the AppSecret stays on the server.
//
// By default a call may take 5 seconds per attempt, through connections of the
// provider's own; see [NewTransport]. Nothing is sent before the first Exchange,
// and no access_token is asked for before a call that needs one.
// Wrong arguments are reported by Validate, which wxlogin.New calls, and by
// every Exchange.
func MiniProgram(appID, secret string, opts ...Option) *MiniProgramProvider {
	o, optErr := resolve(opts)
	if o.withToken {
		optErr = errors.Join(optErr, errNoToken)
	}
	given := wxlogin.NewSecret(secret)
	p := &MiniProgramProvider{appID: appID, secrets: newSecrets(given, o.nextSecret), client: newClient(o)}
	p.tokens = newTokens(p.appID, p.secrets, p.client, o)
	p.err = misconfigured("MiniProgram", checkApp(appID, given), optErr)
	return p
}

// AppID returns the app id given to MiniProgram.
func (p *MiniProgramProvider) AppID() string { return p.appID }

// Validate reports what is wrong with the arguments of MiniProgram, as an error
// of class wxlogin.ErrMisconfigured. It sends nothing: whether WeChat knows the
// app id and the AppSecret shows at the first Exchange.
func (p *MiniProgramProvider) Validate() error { return p.err }

// Exchange trades a code of wx.login for the user's openid (which is the
// Account's Subject, too), session_key and, where the mini program is bound to
// an Open Platform account, unionid.
//
// A code works once. Exchange sends it once, and a second time in two cases alone:
// 100 to 300 ms later, where WeChat answered errcode -1; and with the other
// AppSecret, where there is one (see [WithNextSecret]). When the connection breaks or time
// runs out, WeChat may have used the code up; the error then is of class
// wxlogin.ErrUpstreamUnavailable, and an Exchange of the same code either works
// or says wxlogin.ErrInvalidCode, so that the client calls wx.login again.
//
// The classes of errors:
//
//   - wxlogin.ErrBadRequest: the code is empty, longer than 256 bytes or not
//     printable ASCII; nothing was sent
//   - wxlogin.ErrInvalidCode: errcode 40029, 40163, 41008
//   - wxlogin.ErrUserBlocked: 40226
//   - wxlogin.ErrRateLimited: 45011
//   - wxlogin.ErrMisconfigured: 40013, 40125 and others that an operator must
//     act on, and what Validate reports
//   - wxlogin.ErrUpstreamUnavailable: -1 twice, every other errcode, and no
//     answer or one that is not code2Session's; with a time-out it matches
//     context.DeadlineExceeded as well
//
// Once ctx is cancelled the error matches context.Canceled and has no class. Where
// WeChat gave an errcode the error is an [*Error].
func (p *MiniProgramProvider) Exchange(ctx context.Context, code string) (wxlogin.Account, error) {
	if p.err != nil {
		return wxlogin.Account{}, p.err
	}
	if err := checkCode(code); err != nil {
		return wxlogin.Account{}, err
	}
	session, err := p.client.code2Session(ctx, p.appID, p.secrets, wxlogin.NewSecret(code))
	if err != nil {
		return wxlogin.Account{}, err
	}
	return wxlogin.Account{
		Subject:    session.OpenID,
		OpenID:     session.OpenID,
		UnionID:    session.UnionID,
		SessionKey: wxlogin.NewSecret(session.SessionKey),
	}, nil
}

// AccessToken returns the app's access_token, for calls to WeChat of your own: the
// provider is a [TokenSource]. By default the token is one of stable_token, fetched
// once for all callers and, where the provider is in a wxlogin.Config, once for
// all instances that share its store; it is renewed before its end. Where a call of
// yours is refused with 40001, 40014 or 42001, ask once more with that token as
// stale, and call once more.
//
// When WeChat insists on a stale token a refresh is forced, which ends the token
// for everybody who has it: at most 20 times a day and 35 seconds apart.
//
// The classes of errors:
//
//   - wxlogin.ErrRateLimited: a quota is spent (45009, 45011), or no forced refresh
//     is free
//   - wxlogin.ErrMisconfigured: 40001, 40013, 40125, 40164, 40243 and others that
//     an operator must act on, and what Validate reports
//   - wxlogin.ErrUpstreamUnavailable: -1 twice, every other errcode, no answer or
//     one that is not stable_token's
//   - wxlogin.ErrStoreUnavailable: a refresh would have to be forced and the store
//     cannot count it
//   - wxlogin.ErrClosed: after Close
//
// After a failure WeChat is left alone for a while, and the same error is returned
// meanwhile: seconds at first and up to 45, more than a minute after 45011 and more
// than ten after 45009. A token that still lives is returned all the same.
func (p *MiniProgramProvider) AccessToken(ctx context.Context, stale wxlogin.Secret) (wxlogin.Secret, error) {
	if p.err != nil {
		return wxlogin.Secret{}, p.err
	}
	return takeToken(ctx, p.tokens, stale)
}

// UseVault shares the access_token with the other instances of a service. It is
// for wxlogin.New, which calls it.
func (p *MiniProgramProvider) UseVault(vault *wxlogin.Vault) { p.tokens.useVault(vault) }

// Close closes the provider's idle connections, and those in use when their call
// has ended; connections of a client given by [WithHTTPClient] stay open. It ends
// a fetch of an access_token that is running and waits for its end; a
// [TokenSource] given by [WithTokenSource] is left alone. Close may be called again
// and always returns nil. An Exchange after it opens a connection anew; no
// access_token is fetched any more.
func (p *MiniProgramProvider) Close() error {
	p.tokens.close()
	p.client.closeIdle()
	return nil
}
