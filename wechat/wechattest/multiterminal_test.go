package wechattest_test

import (
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/ginwx/wxlogin/wechat/wechattest"
)

func verifyQuery(code string) url.Values {
	return url.Values{"appid": {"wxdonut"}, "appsecret": {"synthetic"}, "code": {code}, "grant_type": {"authorization_code"}}
}

func verify(t *testing.T, srv *wechattest.Server, code string) wire {
	t.Helper()
	return get(t, srv, wechattest.PathCode2VerifyInfo, verifyQuery(code))
}

func newDonut(t *testing.T, opts ...wechattest.MultiTerminalOption) (*wechattest.Server, *wechattest.MultiTerminalApp, *clock) {
	t.Helper()
	c := newClock()
	srv := newServer(t, wechattest.WithClock(c.Now),
		wechattest.WithApp("wxa", "s"), wechattest.WithApp("wxmini", "s", wechattest.OpenPlatform("acme")),
		wechattest.WithMultiTerminal("wxdonut", "synthetic", opts...))
	return srv, srv.MultiTerminal("wxdonut"), c
}

func TestEachLoginTypeBringsItsPart(t *testing.T) {
	srv, app, c := newDonut(t, wechattest.LinkMiniProgram("wxmini"))
	mini := srv.App("wxmini")
	_, number := mini.Phone("alice")
	rows := []struct {
		login wechattest.LoginType
		want  string
	}{
		{wechattest.LoginWeixinMiniProgram, `"miniprogram_info":\{"appid":"wxmini","openid":"` + mini.OpenID("alice") + `","unionid":"` + mini.UnionID("alice") + `"\}`},
		{wechattest.LoginWeixinApp, `"openapp_info":\{"appid":"wx[0-9a-f]{16}","openid":"o[^"]{27}","unionid":"` + mini.UnionID("alice") + `","headimgurl":"https:[^"]+","nickname":"alice"\}`},
		{wechattest.LoginPhoneSMS, `"phone_info":\{"phone":"` + number + `"\}`},
		{wechattest.LoginPhoneOneClick, `"phone_info":\{"phone":"` + number + `"\}`},
		{wechattest.LoginApple, `"apple_info":\{"bundleid":"com.example.app","apple_user_id":"[0-9a-f]{32}","apple_email":"[^"]+","is_apple_email_verified":true,"is_apple_email_private":false\}`},
		{wechattest.LoginHuawei, `"huawei_info":\{"client_id":"\d+","huawei_open_id":"[^"]+","huawei_union_id":"[^"]+","huawei_display_name":"alice","huawei_picture":"[^"]+","huawei_email":"[^"]+","is_huawei_email_verified":true,"type":"huawei-app"\}`},
	}
	for _, row := range rows {
		t.Run(string(row.login), func(t *testing.T) {
			r := verify(t, srv, app.Code("alice", row.login))
			wantMatch(t, r.body, fmt.Sprintf(`^\{"errcode":0,"login_info":\{"type":"%s","login_time":%d,"appid":"wxdonut"\},"user_info":\{"user_id":"%s",%s\}\}$`,
				row.login, c.Now().Unix(), app.UserID("alice"), row.want))
		})
	}
	if app.UserID("alice") == app.UserID("bob") {
		t.Error("a user_id must differ by user")
	}
}

func TestBoundAccountsComeBackToo(t *testing.T) {
	srv, app, _ := newDonut(t)
	app.Bind("alice", wechattest.LoginPhoneSMS, wechattest.LoginApple)
	app.Bind("alice", wechattest.LoginWeixinApp)
	r := verify(t, srv, app.Code("alice", wechattest.LoginWeixinMiniProgram))
	wantMatch(t, r.body, `"user_info":\{"user_id":"[^"]+","openapp_info":\{.*\},"phone_info":\{.*\},"apple_info":\{.*\},"miniprogram_info":\{"appid":"wxa","openid":"`+srv.OpenID("alice")+`","unionid":""\}\}\}$`)
	if r := verify(t, srv, app.Code("bob", wechattest.LoginApple)); len(r.decode(t)["user_info"].(map[string]any)) != 2 {
		t.Errorf("bob bound nothing, got %s", r.body)
	}
}

func TestMultiTerminalErrors(t *testing.T) {
	srv, app, c := newDonut(t)
	good := verifyQuery(app.Code("alice", wechattest.LoginApple))
	used := app.Code("alice", wechattest.LoginApple)
	wantErrcode(t, verify(t, srv, used), 0)
	misnamed := with(with(good, "appsecret", ""), "secret", "synthetic")
	rows := []struct {
		name string
		q    url.Values
		want int
		text string
	}{
		{"no appid", with(good, "appid", ""), 10001002, "appid错误"},
		{"the mini program's appid", with(good, "appid", "wxmini"), 10001002, "appid错误"},
		{"wrong secret", with(good, "appsecret", "x"), 10001003, "appsecret错误"},
		{"the secret under the name secret", misnamed, 10001003, "appsecret错误"},
		{"wrong grant_type", with(good, "grant_type", "x"), 10001004, "grant_type错误"},
		{"no code", with(good, "code", ""), 10001001, "code错误"},
		{"unknown code", with(good, "code", "x"), 10001001, "code错误"},
		{"a code of wx.login", with(good, "code", srv.App("wxmini").Code("alice")), 10001001, "code错误"},
		{"a code of the phone button", with(good, "code", srv.App("wxmini").PhoneCode("alice")), 10001001, "code错误"},
		{"a used code", with(good, "code", used), 10001001, "code错误"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			r := get(t, srv, wechattest.PathCode2VerifyInfo, row.q)
			wantErrcode(t, r, row.want)
			wantMatch(t, r.text(t, "errmsg"), "^"+row.text+" rid: [0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}$")
		})
	}
	wantErrcode(t, post(t, srv, wechattest.PathCode2VerifyInfo, good, "", ""), 43001)
	c.advance(wechattest.CodeTTL)
	wantErrcode(t, get(t, srv, wechattest.PathCode2VerifyInfo, good), 10001000)
	c.advance(2 * time.Hour)
	wantErrcode(t, get(t, srv, wechattest.PathCode2VerifyInfo, good), 10001001)
	wantErrcode(t, exchange(t, srv, app.Code("alice", wechattest.LoginApple)), 40013) // DefaultAppID is not configured here
}

func TestMultiTerminalCodeBelongsToItsApp(t *testing.T) {
	srv := newServer(t, wechattest.WithMultiTerminal("wxdonut", "synthetic"), wechattest.WithMultiTerminal("wxother", "s"))
	code := srv.MultiTerminal("wxother").Code("alice", wechattest.LoginApple)
	wantErrcode(t, verify(t, srv, code), 10001001)
	wantErrcode(t, exchange(t, srv, srv.MultiTerminal("wxdonut").Code("alice", wechattest.LoginApple)), 40029)
}

func TestMultiTerminalAppCanDemandAnAccessToken(t *testing.T) {
	srv, app, _ := newDonut(t, wechattest.RequireAccessToken())
	q := verifyQuery(app.Code("alice", wechattest.LoginApple))
	wantErrcode(t, get(t, srv, wechattest.PathCode2VerifyInfo, q), 41001)
	wantErrcode(t, get(t, srv, wechattest.PathCode2VerifyInfo, with(q, "access_token", srv.App("wxmini").AccessToken())), 40001)
	tokens := url.Values{"grant_type": {"client_credential"}, "appid": {"wxdonut"}, "secret": {"synthetic"}}
	token, _ := readToken(t, get(t, srv, wechattest.PathToken, tokens))
	wantErrcode(t, get(t, srv, wechattest.PathCode2VerifyInfo, with(q, "access_token", token)), 0)
	q = verifyQuery(app.Code("alice", wechattest.LoginApple))
	wantErrcode(t, get(t, srv, wechattest.PathCode2VerifyInfo, with(q, "access_token", app.AccessToken())), 0)
}

func TestIdentityManagementCanBeOff(t *testing.T) {
	srv, app, _ := newDonut(t, wechattest.WithoutIdentityManagement())
	wantErrcode(t, verify(t, srv, app.Code("alice", wechattest.LoginApple)), 10001005)
}

func TestMultiTerminalWiringMistakesPanicAtOnce(t *testing.T) {
	wantPanic(t, func() { wechattest.New(wechattest.WithMultiTerminal("", "s")) })
	wantPanic(t, func() { wechattest.New(wechattest.WithApp("wxa", "s"), wechattest.WithMultiTerminal("wxa", "s")) })
	wantPanic(t, func() {
		wechattest.New(wechattest.WithMultiTerminal("wxdonut", "s", wechattest.LinkMiniProgram("wxnobody")))
	})
	wantPanic(t, func() { wechattest.New().MultiTerminal("wxnobody") })
	_, app, _ := newDonut(t)
	wantPanic(t, func() { app.Code("alice", "carrier pigeon") })
	wantPanic(t, func() { app.Bind("alice", "carrier pigeon") })
}
