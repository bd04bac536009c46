package wechat

import (
	"context"
	"net/url"
	"strings"
	"unicode"

	"github.com/ginwx/wxlogin"
)

// code2SessionAPI is WeChat's auth.code2Session, a GET without an access_token:
// https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/user-login/code2Session.html
//
// It answers HTTP status 200 and Content-Type text/plain, whether it refuses or
// not.
func code2SessionAPI() api {
	return api{name: "code2Session", path: "/sns/jscode2session", class: code2SessionClass}
}

// code2SessionClass is the table of what code2Session refuses. 40002, 40243,
// 43001, 45009, 50002 and 50007 are documented for other calls only.
func code2SessionClass(errcode int) error {
	switch errcode {
	case 40029, // unknown, expired, or of another app
		40163, // used
		41008: // missing: an empty code is never sent, so WeChat found nothing in the one it got
		return wxlogin.ErrInvalidCode
	case 40226:
		return wxlogin.ErrUserBlocked
	case 45011: // too many calls of this user or app in this minute
		return wxlogin.ErrRateLimited
	case 40002, // grant_type
		40013,        // app id
		40125,        // AppSecret
		40164,        // address not on the list of allowed ones
		40243,        // AppSecret frozen
		41002, 41004, // app id or AppSecret missing
		43001,        // GET required
		50002, 50007, // app restricted or frozen
		61003: // component not authorised
		return wxlogin.ErrMisconfigured
	default: // -1 after the second attempt, 45009 (daily quota), and what we do not know
		return wxlogin.ErrUpstreamUnavailable
	}
}

// sessionAnswer is what code2Session answers. unionid is absent or empty where
// the mini program is not bound to an Open Platform account.
type sessionAnswer struct {
	OpenID     string `json:"openid"`
	SessionKey string `json:"session_key"`
	UnionID    string `json:"unionid"`
}

// complete reports whether the answer is a success: an answer without an openid
// is none, whatever its errcode.
func (s *sessionAnswer) complete() bool {
	return validID(s.OpenID) && (s.UnionID == "" || validID(s.UnionID)) && (s.SessionKey == "" || validID(s.SessionKey))
}

// maxID is the longest id or key that wxlogin.Account takes.
const maxID = 128

func validID(id string) bool {
	return id != "" && len(id) <= maxID && !strings.ContainsFunc(id, func(r rune) bool {
		return r == unicode.ReplacementChar || unicode.IsSpace(r) || unicode.IsControl(r)
	})
}

func (c *client) code2Session(ctx context.Context, appID string, app *secrets, code wxlogin.Secret) (sessionAnswer, error) {
	var session sessionAnswer
	err := app.use(secretRefusedByLogin, func(secret wxlogin.Secret) error {
		return c.do(ctx, call{
			api: code2SessionAPI(),
			query: url.Values{
				"appid":      {appID},
				"secret":     {secret.Reveal()},
				"js_code":    {code.Reveal()},
				"grant_type": {"authorization_code"},
			},
			hidden: append([]wxlogin.Secret{code}, app.all...),
		}, &session)
	})
	if err != nil {
		return sessionAnswer{}, err
	}
	return session, nil
}
