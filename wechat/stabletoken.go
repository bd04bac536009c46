package wechat

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/ginwx/wxlogin"
)

// stableTokenAPI is WeChat's getStableAccessToken, a POST:
// https://developers.weixin.qq.com/doc/service/api/base/api_getstableaccesstoken
//
// In normal mode it answers every caller with the same token until five minutes
// before its end, and with a new one from then on, while the old one works to its
// end. A forced refresh ends the old one at once.
func stableTokenAPI() api {
	return api{name: "stable_token", path: "/cgi-bin/stable_token", class: stableTokenClass}
}

// stableTokenClass is the table of what stable_token refuses. 61004 is named by
// one guide in the place of 40164.
func stableTokenClass(errcode int) error {
	switch errcode {
	case 45009, 45011: // quota of the day, of the minute
		return wxlogin.ErrRateLimited
	case 40001, 40125, // AppSecret
		40002,        // grant_type
		40013,        // app id
		40164, 61004, // address not on the list of allowed ones
		40243,        // AppSecret frozen
		41002, 41004, // app id or AppSecret missing
		43002, 47001, // POST, JSON required
		50004, 50007, // app restricted or frozen
		61024,               // only through the third-party platform
		89503, 89506, 89507: // an administrator must admit the address, or has refused it
		return wxlogin.ErrMisconfigured
	default: // -1 after the second attempt, and what we do not know
		return wxlogin.ErrUpstreamUnavailable
	}
}

// secretRefused are the errcodes with which code2Session and stable_token say that
// the AppSecret is wrong.
var (
	secretRefusedByLogin = []int{40125}
	secretRefusedByToken = []int{40001, 40125}
)

type stableTokenAnswer struct {
	Token     string `json:"access_token"`
	ExpiresIn number `json:"expires_in"` // seconds
}

const (
	// maxToken is four times the room that the documents ask for.
	maxToken = 2048

	// maxTokenLife bounds expires_in, which is 7200 at most but "may change".
	maxTokenLife = 24 * time.Hour
)

func (a *stableTokenAnswer) complete() bool {
	return a.Token != "" && len(a.Token) <= maxToken && !strings.ContainsFunc(a.Token, notVisible) && a.ExpiresIn > 0
}

// stableToken asks WeChat for the app's token.
func (c *client) stableToken(ctx context.Context, appID string, app *secrets, force bool) (token, error) {
	var out stableTokenAnswer
	sent := time.Now() // before the answer, so that the token's end is never late
	err := app.use(secretRefusedByToken, func(secret wxlogin.Secret) error {
		payload, err := json.Marshal(map[string]any{
			"grant_type": "client_credential", "appid": appID, "secret": secret.Reveal(), "force_refresh": force,
		})
		if err != nil {
			return err // cannot be: these are texts
		}
		return c.do(ctx, call{api: stableTokenAPI(), payload: payload, hidden: app.all}, &out)
	})
	if err != nil {
		return token{}, err
	}
	life := maxTokenLife
	if int64(out.ExpiresIn) < int64(maxTokenLife/time.Second) {
		life = time.Duration(out.ExpiresIn) * time.Second
	}
	return newToken(wxlogin.NewSecret(out.Token), sent.Add(life)), nil
}
