package wechattest

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"time"
)

// PathCode2VerifyInfo is the path of code2Verifyinfo, the exchange of multi-terminal apps.
const PathCode2VerifyInfo = "/donut/code2verifyinfo"

// terminalCodeMemory is how long an expired code (10001000) is told from one that never was (10001001).
const terminalCodeMemory = time.Hour

// LoginType is a way to log in to a multi-terminal app, as login_info.type names it.
type LoginType string

// The ways to log in. The documents do not list Huawei's name; this is the type of its user_info part.
const (
	LoginWeixinMiniProgram LoginType = "weixinMiniProgram" // wx.weixinMiniProgramLogin
	LoginWeixinApp         LoginType = "weixinApp"         // wx.weixinAppLogin
	LoginPhoneSMS          LoginType = "phoneSms"          // wx.phoneSmsLogin
	LoginPhoneOneClick     LoginType = "phoneOneClick"     // the one-click phone button
	LoginApple             LoginType = "apple"             // wx.appleLogin
	LoginHuawei            LoginType = "huawei-app"        // unconfirmed
)

func (l LoginType) known() bool {
	switch l {
	case LoginWeixinMiniProgram, LoginWeixinApp, LoginPhoneSMS, LoginPhoneOneClick, LoginApple, LoginHuawei:
		return true
	}
	return false
}

// MultiTerminalApp is a multi-terminal app (多端应用): what its users do on their phones. Get one from
// [Emulator.MultiTerminal]. A user is one identity here, whichever way they log in.
//
// It is safe for concurrent use.
type MultiTerminalApp struct {
	e           *Emulator
	id          string
	credentials *credentials
	linked      string // app id of the mini program
	needsToken  bool
	disabled    bool

	bound map[string]map[LoginType]bool // by user; guarded by e.mu
}

// MultiTerminalOption sets up one multi-terminal app; see [WithMultiTerminal].
type MultiTerminalOption func(*MultiTerminalApp)

// WithMultiTerminal adds a multi-terminal app. Its id is one of its own: not the mini program's, not the mobile
// app's. Its access tokens come from the same interfaces with this id and secret (documented for
// /cgi-bin/token; unconfirmed for stable_token).
func WithMultiTerminal(appID, secret string, opts ...MultiTerminalOption) Option {
	return func(e *Emulator) {
		m := &MultiTerminalApp{
			e: e, id: appID, credentials: e.addCredentials(appID, secret),
			bound: make(map[string]map[LoginType]bool),
		}
		for _, opt := range opts {
			opt(m)
		}
		e.terminals[appID] = m
	}
}

// LinkMiniProgram names the mini program behind the app, whose openid and unionid a user has in
// miniprogram_info; by default the first one. Its [App.Code] is also wx.getMiniProgramCode.
func LinkMiniProgram(appID string) MultiTerminalOption {
	return func(m *MultiTerminalApp) { m.linked = appID }
}

// RequireAccessToken refuses an exchange without an access token, as the newer revision of the documents asks
// for one. Without this option it is not looked at, as in the older revision and in a report of 2024.
func RequireAccessToken() MultiTerminalOption {
	return func(m *MultiTerminalApp) { m.needsToken = true }
}

// WithoutIdentityManagement is an app whose console has identity management switched off: 10001005.
func WithoutIdentityManagement() MultiTerminalOption {
	return func(m *MultiTerminalApp) { m.disabled = true }
}

// resolveLink checks the link once all options have been read.
func (m *MultiTerminalApp) resolveLink() {
	if m.linked == "" {
		m.linked = m.e.order[0]
	}
	m.e.App(m.linked)
}

// MultiTerminal is the multi-terminal app with this id. It panics if the emulator was not given it.
func (e *Emulator) MultiTerminal(appID string) *MultiTerminalApp {
	m, ok := e.terminals[appID]
	if !ok {
		panic(fmt.Sprintf("wechattest: multi-terminal app %q is not configured; pass WithMultiTerminal(%q, secret)", appID, appID))
	}
	return m
}

// Format prints the app's id and nothing secret, whatever the verb.
func (m *MultiTerminalApp) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "wechattest.MultiTerminalApp(%s)", m.id)
}

// Code is a login of the user on a phone: a code for code2verifyinfo, good for [CodeTTL] and once (its look,
// 32 letters and digits, is unconfirmed).
func (m *MultiTerminalApp) Code(user string, login LoginType) string {
	if !login.known() {
		panic(fmt.Sprintf("wechattest: %q is not a login type", login))
	}
	m.e.mu.Lock()
	defer m.e.mu.Unlock()
	return m.e.terminalCodes.mint(m.e.now(), codeEntry{appID: m.id, user: user, login: login})
}

// UserID is the user's user_id in this app, always the same (its look is unconfirmed).
func (m *MultiTerminalApp) UserID(user string) string {
	return fmt.Sprintf("%x", digest("user_id", m.id, user))[:32]
}

// Bind binds further accounts to the user (wx.miniapp.bindPhone and its like): their parts of user_info come
// back beside that of the login.
func (m *MultiTerminalApp) Bind(user string, logins ...LoginType) {
	m.e.mu.Lock()
	defer m.e.mu.Unlock()
	if m.bound[user] == nil {
		m.bound[user] = make(map[LoginType]bool)
	}
	for _, l := range logins {
		if !l.known() {
			panic(fmt.Sprintf("wechattest: %q is not a login type", l))
		}
		m.bound[user][l] = true
	}
}

// AccessToken is the token that stable_token would give the app now, without a request.
func (m *MultiTerminalApp) AccessToken() string { return m.e.stableTokenOf(m.credentials) }

// code2VerifyInfo exchanges a code of a multi-terminal login. The parameter is named appsecret; a secret is
// not looked at. Parameters count in the query only (the newer page files them under a payload of the GET).
//
// Unconfirmed: the order of the checks, the errcodes of absent parameters, and 10001001 for a used code.
func (e *Emulator) code2VerifyInfo(c call) answer {
	if c.method != http.MethodGet {
		return refuse(43001)
	}
	q := c.query
	m, ok := e.terminals[q.Get("appid")]
	switch {
	case !ok:
		return refuse(10001002)
	case q.Get("appsecret") != m.credentials.secret:
		return refuse(10001003)
	}
	if m.needsToken {
		owner, errcode := e.authorize(c)
		if errcode == 0 && owner != m.credentials {
			errcode = 40001
		}
		if errcode != 0 {
			return refuse(errcode)
		}
	}
	switch {
	case q.Get("grant_type") != "authorization_code":
		return refuse(10001004)
	case m.disabled:
		return refuse(10001005)
	}
	entry, ok := e.terminalCodes.find(c.now, q.Get("code"))
	switch {
	case !ok || entry.appID != m.id || entry.used:
		return refuse(10001001)
	case entry.expired(c.now):
		return refuse(10001000)
	}
	entry.used = true
	return answer{fields: []field{
		{"errcode", 0},
		{"login_info", []field{{"type", string(entry.login)}, {"login_time", entry.minted.Unix()}, {"appid", m.id}}},
		{"user_info", m.userInfo(entry.user, entry.login)},
	}}
}

// userInfo holds the part of the login and those of bound accounts. The order of the parts is the sample's;
// Huawei's place is unconfirmed.
func (m *MultiTerminalApp) userInfo(user string, login LoginType) []field {
	has := func(types ...LoginType) bool {
		for _, t := range types {
			if t == login || m.bound[user][t] {
				return true
			}
		}
		return false
	}
	mini := m.e.apps[m.linked]
	info := []field{{"user_id", m.UserID(user)}}
	if has(LoginWeixinApp) {
		mobile := fmt.Sprintf("wx%x", digest("mobile app", m.id, ""))[:18]
		info = append(info, field{"openapp_info", []field{
			{"appid", mobile}, {"openid", derive("openid", mobile, user)}, {"unionid", mini.unionID(user)},
			{"headimgurl", "https://thirdwx.qlogo.cn/mmopen/vi_32/wechattest/132"}, {"nickname", user},
		}})
	}
	if has(LoginPhoneSMS, LoginPhoneOneClick) {
		info = append(info, field{"phone_info", []field{{"phone", mini.phone(user).number}}})
	}
	if has(LoginApple) {
		info = append(info, field{"apple_info", m.appleInfo(user)})
	}
	if has(LoginWeixinMiniProgram) {
		info = append(info, field{"miniprogram_info", []field{
			{"appid", mini.id}, {"openid", mini.OpenID(user)}, {"unionid", mini.unionID(user)},
		}})
	}
	if has(LoginHuawei) {
		info = append(info, field{"huawei_info", m.huaweiInfo(user)})
	}
	return info
}

func (m *MultiTerminalApp) appleInfo(user string) []field {
	id := fmt.Sprintf("%x", digest("apple", m.id, user))[:32]
	return []field{
		{"bundleid", "com.example.app"}, {"apple_user_id", id}, {"apple_email", id + "@example.com"},
		{"is_apple_email_verified", true}, {"is_apple_email_private", false},
	}
}

func (m *MultiTerminalApp) huaweiInfo(user string) []field {
	id := fmt.Sprintf("%x", digest("huawei", m.id, user))
	return []field{
		{"client_id", "100000000"}, {"huawei_open_id", id[:32]}, {"huawei_union_id", id[32:]},
		{"huawei_display_name", user}, {"huawei_picture", "https://example.com/picture.png"},
		{"huawei_email", id[:32] + "@example.com"}, {"is_huawei_email_verified", true}, {"type", string(LoginHuawei)},
	}
}

// digest makes an id that depends on all of its parts and on where each ends.
func digest(kind, scope, user string) [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "wechattest %s\x00%d\x00%s\x00%s", kind, len(scope), scope, user))
}
