package wechat

import (
	"context"
	"errors"
	"net/url"

	"github.com/ginwx/wxlogin"
)

// code2VerifyInfoAPI is WeChat's code2Verifyinfo, a GET with everything in its
// query. It names the secret appsecret; its errmsg is Chinese.
// https://developers.weixin.qq.com/miniprogram/dev/platform-capabilities/miniapp/openapi/code2Verifyinfo.html
func code2VerifyInfoAPI() api {
	return api{name: "code2Verifyinfo", path: "/donut/code2verifyinfo", class: code2VerifyInfoClass}
}

// secretRefusedByTerminal are the errcodes with which code2Verifyinfo says that the
// AppSecret is wrong.
var secretRefusedByTerminal = []int{10001003}

// code2VerifyInfoClass is the table of what code2Verifyinfo refuses.
func code2VerifyInfoClass(errcode int) error {
	switch errcode {
	case 10001000, // expired
		10001001: // wrong, also a code of wx.login or of a phone button
		return wxlogin.ErrInvalidCode
	case 10001002, // app id
		10001003, // AppSecret
		10001004, // grant_type
		10001005: // identity management is not switched on in the console
		return wxlogin.ErrMisconfigured
	default: // 43001 (GET required) and what concerns the access_token among them
		return tokenCallClass(errcode)
	}
}

// MultiTerminalProvider exchanges the codes of a multi-terminal app (多端应用). Make
// one with [MultiTerminal]. It is safe for concurrent use.
type MultiTerminalProvider struct {
	appID     string
	secrets   *secrets
	client    *client
	tokens    tokens
	withToken bool
	err       error // what Validate reports
}

// MultiTerminal returns the provider of one multi-terminal app: the app id and
// AppSecret of its own, which are neither the mini program's nor the mobile app's.
// It exchanges the codes of wx.weixinMiniProgramLogin, wx.weixinAppLogin,
// wx.phoneSmsLogin, wx.appleLogin and the one-click phone button.
//
// A code of wx.getMiniProgramCode is the mini program's and goes to [MiniProgram],
// with the mini program's app id.
//
// The options and their defaults are those of MiniProgram; [WithAccessToken] is
// for here alone. Wrong arguments are reported by Validate, which wxlogin.New
// calls, and by every Exchange.
func MultiTerminal(appID, secret string, opts ...Option) *MultiTerminalProvider {
	o, optErr := resolve(opts)
	given := wxlogin.NewSecret(secret)
	p := &MultiTerminalProvider{
		appID: appID, secrets: newSecrets(given, o.nextSecret), client: newClient(o),
		withToken: o.withToken || o.tokens != nil,
	}
	p.tokens = newTokens(p.appID, p.secrets, p.client, o)
	p.err = misconfigured("MultiTerminal", checkApp(appID, given), optErr)
	return p
}

// WithAccessToken sends an access_token with every exchange of a [MultiTerminal]:
// the newer revision of WeChat's page asks for one, the older one and what is seen
// in practice do not. It is the multi-terminal app's own, from stable_token, or
// from [WithTokenSource]. The documents have it from /cgi-bin/token; that
// stable_token serves these apps is unconfirmed. [MiniProgram] refuses this option.
func WithAccessToken() Option {
	return func(o *options) error {
		o.withToken = true
		return nil
	}
}

// AppID returns the app id given to MultiTerminal.
func (p *MultiTerminalProvider) AppID() string { return p.appID }

// Validate reports what is wrong with the arguments of MultiTerminal, as an error
// of class wxlogin.ErrMisconfigured. It sends nothing.
func (p *MultiTerminalProvider) Validate() error { return p.err }

// Exchange trades a code for the user. The Account's Subject is the user_id, which
// is the user's whatever the way of logging in; OpenID is that of the mini program,
// and UnionID that of the mini program or else of the mobile app, where the answer
// has them; there is no session_key. Details is a [*VerifyInfo] with all that
// WeChat said.
//
// A code is sent once, and a second time in three cases alone: WeChat answered
// errcode -1, refused the AppSecret (see [WithNextSecret]) or the access_token (see
// [WithAccessToken]).
//
// The classes of errors:
//
//   - wxlogin.ErrBadRequest: the code is empty, longer than 256 bytes or not
//     printable ASCII; nothing was sent
//   - wxlogin.ErrInvalidCode: 10001000, 10001001
//   - wxlogin.ErrRateLimited: 45009, 45011
//   - wxlogin.ErrMisconfigured: 10001002 to 10001005, 43001 and others that an
//     operator must act on, and what Validate reports
//   - wxlogin.ErrUpstreamUnavailable: -1 twice, every other errcode, and no answer
//     or one that is not code2Verifyinfo's; with a time-out it matches
//     context.DeadlineExceeded as well
//   - with an access_token, those of AccessToken
//
// Once ctx is cancelled the error matches context.Canceled and has no class. Where
// WeChat gave an errcode the error is an [*Error].
func (p *MultiTerminalProvider) Exchange(ctx context.Context, code string) (wxlogin.Account, error) {
	if p.err != nil {
		return wxlogin.Account{}, p.err
	}
	if err := checkCode(code); err != nil {
		return wxlogin.Account{}, err
	}
	var out verifyAnswer
	err := p.secrets.use(secretRefusedByTerminal, func(secret wxlogin.Secret) error {
		in := call{
			api: code2VerifyInfoAPI(),
			query: url.Values{
				"appid":      {p.appID},
				"appsecret":  {secret.Reveal()},
				"code":       {code},
				"grant_type": {"authorization_code"},
			},
			hidden: append([]wxlogin.Secret{wxlogin.NewSecret(code)}, p.secrets.all...),
		}
		if p.withToken {
			return p.client.authorized(ctx, p.tokens, in, &out)
		}
		return p.client.do(ctx, in, &out)
	})
	if err != nil {
		return wxlogin.Account{}, err
	}
	return out.account(), nil
}

// AccessToken returns the access_token of the multi-terminal app, for calls to
// WeChat of your own; see [MiniProgramProvider.AccessToken].
func (p *MultiTerminalProvider) AccessToken(ctx context.Context, stale wxlogin.Secret) (wxlogin.Secret, error) {
	if p.err != nil {
		return wxlogin.Secret{}, p.err
	}
	return takeToken(ctx, p.tokens, stale)
}

// UseVault shares the access_token with the other instances of a service. It is
// for wxlogin.New, which calls it.
func (p *MultiTerminalProvider) UseVault(vault *wxlogin.Vault) { p.tokens.useVault(vault) }

// Close does what [MiniProgramProvider.Close] does.
func (p *MultiTerminalProvider) Close() error {
	p.tokens.close()
	p.client.closeIdle()
	return nil
}

var errNoToken = errors.New("WithAccessToken: code2Session takes none")
