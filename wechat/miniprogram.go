package wechat

import (
	"context"

	"github.com/ginwx/wxlogin"
)

// MiniProgramProvider exchanges the codes of wx.login in a mini program or a mini
// game. Make one with [MiniProgram]. It is safe for concurrent use.
type MiniProgramProvider struct {
	appID  string
	secret wxlogin.Secret
	client *client
	err    error // what Validate reports
}

// MiniProgram returns the provider of one mini program: its app id and AppSecret
// from mp.weixin.qq.com, where the AppSecret stays on the server.
//
// By default a call may take 5 seconds per attempt, through connections of the
// provider's own; see [NewTransport]. Nothing is sent before the first Exchange.
// Wrong arguments are reported by Validate, which wxlogin.New calls, and by
// every Exchange.
func MiniProgram(appID, secret string, opts ...Option) *MiniProgramProvider {
	o, optErr := resolve(opts)
	p := &MiniProgramProvider{appID: appID, secret: wxlogin.NewSecret(secret), client: newClient(o)}
	p.err = misconfigured("MiniProgram", checkApp(appID, p.secret), optErr)
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
// A code works once. Exchange sends it once, and a second time 100 to 300 ms
// later in one case alone: WeChat answered errcode -1. When the connection breaks or time
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
	session, err := p.client.code2Session(ctx, p.appID, p.secret, wxlogin.NewSecret(code))
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

// Close closes the provider's idle connections, and those in use when their
// exchange has ended. Connections of a client given by [WithHTTPClient] stay
// open. Close does not wait, may be called again, and always returns nil; an
// Exchange after it opens a connection anew.
func (p *MiniProgramProvider) Close() error {
	p.client.closeIdle()
	return nil
}
