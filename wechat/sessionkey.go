package wechat

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"

	"github.com/ginwx/wxlogin"
)

// The errcodes that say that a session_key is not, or no longer, the user's. A
// wrong and a superseded one look the same.
const (
	codeKeyExpired   = 87007
	codeKeyInvalid   = 87009
	codeWrongSigning = 87008
)

// checkSessionAPI is WeChat's checkSessionKey, a GET with everything in its query,
// as all pages but the newest have it:
// https://developers.weixin.qq.com/miniprogram/dev/server/API/user-login/api_checksessionkey
func checkSessionAPI() api {
	return api{name: "checkSessionKey", path: "/wxa/checksession", class: sessionKeyClass}
}

// resetSessionKeyAPI is WeChat's ResetUserSessionKey:
// https://developers.weixin.qq.com/miniprogram/dev/server/API/user-login/api_resetusersessionkey
func resetSessionKeyAPI() api {
	return api{name: "ResetUserSessionKey", path: "/wxa/resetusersessionkey", class: sessionKeyClass}
}

// sessionKeyClass is the table of what both refuse. 87007 and 87008 are documented
// by client libraries, 40003 and 41009 in the general list alone.
func sessionKeyClass(errcode int) error {
	switch errcode {
	case codeKeyExpired, codeKeyInvalid:
		return wxlogin.ErrSessionKeyStale
	case 40003, 41009: // openid of another app, or missing
		return wxlogin.ErrBadRequest
	case codeWrongSigning, 40013:
		return wxlogin.ErrMisconfigured
	default:
		return tokenCallClass(errcode)
	}
}

// CheckSessionKey reports whether WeChat still honours the user's session_key, as
// [wxlogin.Auth.SessionKeys] returns it: false where it has expired or another one
// has taken its place (87007, 87009), so that the client calls wx.login before it
// fetches data to decrypt. The key itself is not sent, but a proof of knowing it.
//
// WeChat has it asked by an access_token, and once for each call. The classes of
// errors are those of AccessToken, and
//
//   - wxlogin.ErrBadRequest: the openid or the key is empty or cannot be one, and
//     nothing was sent; or the openid is of another app (40003)
//   - wxlogin.ErrRateLimited: 45009, 45011
//   - wxlogin.ErrMisconfigured: 40013, 87008 and others that an operator must act on
//   - wxlogin.ErrUpstreamUnavailable: every other errcode, no answer or an
//     unreadable one
func (p *MiniProgramProvider) CheckSessionKey(ctx context.Context, openID string, key wxlogin.Secret) (bool, error) {
	in, err := p.keyCall(checkSessionAPI(), openID, key)
	if err != nil {
		return false, err
	}
	err = p.client.authorized(ctx, p.tokens, in, &bareAnswer{})
	if hasCode(err, []int{codeKeyExpired, codeKeyInvalid}) {
		return false, nil
	}
	return err == nil, err
}

// ResetUserSessionKey gives the user a new session_key and returns it. The old one
// dies at once, so data that the client encrypted before can be read with the old
// one alone; the new one lives no longer than the old one would have. Do not reset
// one user often; for most purposes the next wx.login is enough.
//
// It has the classes of errors of CheckSessionKey, and wxlogin.ErrSessionKeyStale
// where the key given is not the user's (87007, 87009). When no answer came, WeChat
// may have changed the key; then the client's next login brings the right one.
func (p *MiniProgramProvider) ResetUserSessionKey(ctx context.Context, openID string, key wxlogin.Secret) (wxlogin.Secret, error) {
	in, err := p.keyCall(resetSessionKeyAPI(), openID, key)
	if err != nil {
		return wxlogin.Secret{}, err
	}
	out := resetAnswer{asked: openID}
	if err := p.client.authorized(ctx, p.tokens, in, &out); err != nil {
		return wxlogin.Secret{}, err
	}
	return wxlogin.NewSecret(out.SessionKey), nil
}

// keyCall is a call that proves to know a user's session_key.
func (p *MiniProgramProvider) keyCall(a api, openID string, key wxlogin.Secret) (call, error) {
	switch {
	case p.err != nil:
		return call{}, p.err
	case !validID(openID):
		return call{}, fmt.Errorf("%w: %s: not an openid", wxlogin.ErrBadRequest, a.name)
	case !validID(key.Reveal()):
		return call{}, fmt.Errorf("%w: %s: not a session_key", wxlogin.ErrBadRequest, a.name)
	}
	signature := loginSignature(key, nil)
	return call{
		api: a,
		query: url.Values{
			"openid":     {openID},
			"signature":  {signature.Reveal()},
			"sig_method": {"hmac_sha256"},
		},
		hidden: []wxlogin.Secret{key, signature},
	}, nil
}

// loginSignature proves knowledge of the session_key over the body of a POST, or
// over nothing for a GET. The key is the base64 text as it is, not what it decodes
// to: https://developers.weixin.qq.com/miniprogram/dev/framework/open-ability/signature.html
func loginSignature(key wxlogin.Secret, body []byte) wxlogin.Secret {
	mac := hmac.New(sha256.New, []byte(key.Reveal()))
	mac.Write(body)
	return wxlogin.NewSecret(hex.EncodeToString(mac.Sum(nil)))
}

// bareAnswer is a success without contents.
type bareAnswer struct {
	Code *number `json:"errcode"`
}

// complete wants the errcode to be there: an answer without it is of something
// else.
func (b *bareAnswer) complete() bool { return b.Code != nil }

type resetAnswer struct {
	OpenID     string `json:"openid"`
	SessionKey string `json:"session_key"`

	asked string
}

// complete reports whether the new key is that of the user it was asked for.
func (r *resetAnswer) complete() bool { return r.OpenID == r.asked && validID(r.SessionKey) }
