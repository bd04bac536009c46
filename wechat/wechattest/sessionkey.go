package wechattest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
)

// The paths of the two interfaces around session_key.
const (
	PathCheckSession    = "/wxa/checksession"
	PathResetSessionKey = "/wxa/resetusersessionkey"
)

// checkSession is checkSessionKey: whether the caller's key is the one that WeChat holds valid.
func (e *Emulator) checkSession(c call) answer {
	_, code := e.provenMember(c)
	if code != 0 {
		return refuse(code)
	}
	return answer{fields: okFields()}
}

// resetSessionKey is ResetUserSessionKey: the old key dies at once, the new one inherits its expiry.
func (e *Emulator) resetSessionKey(c call) answer {
	m, code := e.provenMember(c)
	if code != 0 {
		return refuse(code)
	}
	m.key, m.rotated = newSessionKey(), c.now
	return answer{fields: okFields(field{"openid", m.openID}, field{"session_key", m.key})}
}

// provenMember finds the user whose session_key the request knows, without having sent it. A superseded key
// looks like a wrong one.
//
// The order of the checks is unconfirmed; so are POST, 41009 and 40003 on these two interfaces, and 87007 and
// 87009 on the reset.
func (e *Emulator) provenMember(c call) (*member, int) {
	if c.method != http.MethodGet {
		return nil, 43001
	}
	owner, code := e.authorize(c)
	if code != 0 {
		return nil, code
	}
	q := c.query
	if q.Get("openid") == "" {
		return nil, 41009
	}
	app, ok := e.apps[owner.id]
	if !ok { // a multi-terminal app's token
		return nil, 40013
	}
	m, ok := app.users[q.Get("openid")]
	switch {
	case !ok:
		return nil, 40003
	case q.Get("sig_method") != "hmac_sha256":
		return nil, 87008
	case !m.keyLives(c.now):
		return nil, 87007
	case !hmac.Equal([]byte(q.Get("signature")), []byte(loginSignature(m.key, ""))):
		return nil, 87009
	}
	return m, 0
}

// loginSignature signs a message, the empty one for a GET, with the key as the base64 text that it is.
func loginSignature(sessionKey, message string) string {
	mac := hmac.New(sha256.New, []byte(sessionKey))
	mac.Write([]byte(message))
	return hex.EncodeToString(mac.Sum(nil))
}
