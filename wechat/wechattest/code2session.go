package wechattest

import (
	"net/http"
	"strings"
)

// PathCode2Session is the path of auth.code2Session.
const PathCode2Session = "/sns/jscode2session"

// mockCode is what WeChat's developer tools hand out when they run without an AppID.
const mockCode = "the code is a mock one"

// code2Session exchanges a code of wx.login() for openid and session_key.
//
// The order of the checks, what an empty grant_type does, 43001 for POST, and 40002 on this endpoint are
// unconfirmed; so is that a refusal (40226, 45011) leaves the code unused.
func (e *Emulator) code2Session(c call) answer {
	if c.method != http.MethodGet {
		return refuse(43001)
	}
	q := c.query
	switch {
	case q.Get("appid") == "":
		return refuse(41002)
	case q.Get("secret") == "":
		return refuse(41004)
	case q.Get("js_code") == "":
		return refuse(41008)
	case q.Get("grant_type") != "authorization_code":
		return refuse(40002)
	}
	app, ok := e.apps[q.Get("appid")]
	if !ok {
		return refuse(40013)
	}
	if q.Get("secret") != app.credentials.secret {
		return refuse(40125)
	}
	entry, ok := e.loginCode(c, app)
	switch {
	case !ok:
		return refuse(40029)
	case entry.used:
		return refuse(40163)
	case app.blocked[entry.user]:
		return refuse(40226)
	}
	m := app.member(entry.user)
	if m.overQuota(e.userQuota, c.now) {
		return refuse(45011)
	}
	entry.used = true
	fields := []field{{"session_key", entry.key}, {"openid", m.openID}}
	if id := app.unionID(entry.user); id != "" {
		fields = append(fields, field{"unionid", id})
	}
	return answer{fields: fields}
}

// loginCode finds the minted code, or reads one that only development knows.
func (e *Emulator) loginCode(c call, app *App) (*codeEntry, bool) {
	code := c.query.Get("js_code")
	if e.devCodes {
		user, named := strings.CutPrefix(code, "dev:")
		if code == mockCode {
			user, named = MockUser, true
		}
		if named && validUser(user) {
			return &codeEntry{appID: app.id, user: user, key: app.login(user, c.now).key}, true
		}
	}
	entry, ok := e.codes.find(c.now, code)
	return entry, ok && entry.appID == app.id && !entry.expired(c.now)
}
