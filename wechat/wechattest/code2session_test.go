package wechattest_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ginwx/wxlogin/wechat/wechattest"
)

func TestSuccessHasTheBytesOfWeChat(t *testing.T) {
	srv := newServer(t, wechattest.WithApp("wxbound", "s", wechattest.OpenPlatform("acme")))
	q := with(with(exchangeQuery(srv.Code("alice")), "appid", "wxbound"), "secret", "s")
	got := get(t, srv, wechattest.PathCode2Session, q)

	app := srv.App("wxbound")
	want := fmt.Sprintf(`{"session_key":"%s","openid":"%s","unionid":"%s"}`,
		strings.ReplaceAll(app.SessionKey("alice"), "/", `\/`), app.OpenID("alice"), app.UnionID("alice"))
	if got.body != want {
		t.Errorf("body: got %s, want %s", got.body, want)
	}
	if got.status != http.StatusOK || got.header.Get("Content-Type") != "text/plain" {
		t.Errorf("got status %d and Content-Type %q, want 200 and text/plain", got.status, got.header.Get("Content-Type"))
	}
}

func TestSlashInASessionKeyIsEscaped(t *testing.T) {
	srv := newServer(t)
	for {
		code := srv.Code("alice")
		if !strings.Contains(srv.App(wechattest.DefaultAppID).SessionKey("alice"), "/") {
			continue
		}
		if body := exchange(t, srv, code).body; !strings.Contains(body, `\/`) {
			t.Fatalf("got %s, want the slash as \\/", body)
		}
		return
	}
}

func TestErrorHasTheBytesOfWeChat(t *testing.T) {
	c := newClock()
	srv := newServer(t, wechattest.WithClock(c.Now))
	got := exchange(t, srv, "neverminted")
	wantMatch(t, got.body, `^\{"errcode":40029,"errmsg":"invalid code, rid: 617833f5-[0-9a-f]{8}-[0-9a-f]{8}"\}$`)
	if got.status != http.StatusOK || got.header.Get("Content-Type") != "text/plain" {
		t.Errorf("got status %d and Content-Type %q, want 200 and text/plain", got.status, got.header.Get("Content-Type"))
	}
}

func TestRIDCanBeLeftOut(t *testing.T) {
	srv := newServer(t, wechattest.WithoutRID())
	if got, want := exchange(t, srv, "neverminted").body, `{"errcode":40029,"errmsg":"invalid code"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestChecksComeInOrder(t *testing.T) {
	srv := newServer(t, wechattest.WithApp(wechattest.DefaultAppID, wechattest.DefaultSecret), wechattest.WithApp("wxother", "s"))
	srv.App(wechattest.DefaultAppID).Block("mallory")
	good := func() string { return srv.Code("alice") }
	used := srv.Code("alice")
	exchange(t, srv, used)
	foreign := srv.App("wxother").Code("alice")

	// Each row is wrong in every later respect too, where that is possible.
	rows := []struct {
		name                        string
		appid, secret, code, method string
		grant                       string
		want                        int
		text                        string
	}{
		{name: "any other method than GET", method: "POST", want: 43001, text: "require GET method"},
		{name: "no appid", want: 41002, text: "appid missing"},
		{name: "no secret", appid: "wxnobody", want: 41004, text: "appsecret missing"},
		{name: "no code", appid: "wxnobody", secret: "x", want: 41008, text: "missing code"},
		{name: "no grant_type", appid: "wxnobody", secret: "x", code: "x", want: 40002, text: "invalid grant_type"},
		{name: "unknown appid", appid: "wxnobody", secret: "x", code: "x", grant: "authorization_code", want: 40013, text: "invalid appid"},
		{name: "wrong secret", appid: wechattest.DefaultAppID, secret: "x", code: "x", grant: "authorization_code", want: 40125, text: "invalid appsecret"},
		{name: "unknown code", appid: wechattest.DefaultAppID, secret: wechattest.DefaultSecret, code: "x", grant: "authorization_code", want: 40029, text: "invalid code"},
		{name: "code of another app", appid: wechattest.DefaultAppID, secret: wechattest.DefaultSecret, code: foreign, grant: "authorization_code", want: 40029, text: "invalid code"},
		{name: "used code", appid: wechattest.DefaultAppID, secret: wechattest.DefaultSecret, code: used, grant: "authorization_code", want: 40163, text: "code been used"},
		{name: "blocked user", appid: wechattest.DefaultAppID, secret: wechattest.DefaultSecret, code: srv.Code("mallory"), grant: "authorization_code", want: 40226, text: "code blocked"},
		{name: "all well", appid: wechattest.DefaultAppID, secret: wechattest.DefaultSecret, code: good(), grant: "authorization_code", want: 0},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			q := exchangeQuery(row.code)
			q = with(with(with(with(q, "appid", row.appid), "secret", row.secret), "js_code", row.code), "grant_type", row.grant)
			var got wire
			if row.method == "" {
				got = get(t, srv, wechattest.PathCode2Session, q)
			} else {
				got = post(t, srv, wechattest.PathCode2Session, q, "application/x-www-form-urlencoded", q.Encode())
			}
			wantErrcode(t, got, row.want)
			if row.text != "" && !strings.HasPrefix(got.text(t, "errmsg"), row.text+", rid: ") {
				t.Errorf("got errmsg %q, want %q and a request id", got.text(t, "errmsg"), row.text)
			}
		})
	}
}

func TestCodeLivesFiveMinutesAndWorksOnce(t *testing.T) {
	c := newClock()
	srv := newServer(t, wechattest.WithClock(c.Now))

	late, inTime, replayed := srv.Code("alice"), srv.Code("alice"), srv.Code("alice")
	wantErrcode(t, exchange(t, srv, replayed), 0)
	c.advance(wechattest.CodeTTL - time.Nanosecond)
	wantErrcode(t, exchange(t, srv, inTime), 0)
	wantErrcode(t, exchange(t, srv, replayed), 40163)
	c.advance(time.Nanosecond)
	wantErrcode(t, exchange(t, srv, late), 40029)
	wantErrcode(t, exchange(t, srv, replayed), 40029)
}

func TestCodeIsThirtyTwoLettersAndDigits(t *testing.T) {
	e := wechattest.New()
	shape, seen := regexp.MustCompile(`^[0-9A-Za-z]{32}$`), make(map[string]bool)
	for range 1000 {
		code := e.Code("alice")
		if !shape.MatchString(code) {
			t.Fatalf("got a code of another shape: %q", code)
		}
		if seen[code] {
			t.Fatal("wx.login gave the same code twice")
		}
		seen[code] = true
	}
}

func TestIDsHaveWeChatsShapeAndScope(t *testing.T) {
	e := wechattest.New(
		wechattest.WithApp("wxa", "s", wechattest.OpenPlatform("acme")),
		wechattest.WithApp("wxb", "s", wechattest.OpenPlatform("acme")),
		wechattest.WithApp("wxc", "s", wechattest.OpenPlatform("other")),
		wechattest.WithApp("wxd", "s"))
	a, b, c, d := e.App("wxa"), e.App("wxb"), e.App("wxc"), e.App("wxd")

	wantMatch(t, a.OpenID("alice"), `^o[0-9A-Za-z_-]{27}$`)
	wantMatch(t, a.UnionID("alice"), `^o[0-9A-Za-z_-]{27}$`)
	if a.OpenID("alice") == b.OpenID("alice") || a.OpenID("alice") == a.OpenID("bob") {
		t.Error("an openid must differ by app and by user")
	}
	if a.UnionID("alice") != b.UnionID("alice") {
		t.Error("apps of one Open Platform account must share the unionid")
	}
	if a.UnionID("alice") == c.UnionID("alice") || a.UnionID("alice") == a.UnionID("bob") {
		t.Error("a unionid must differ by account and by user")
	}
	if got := d.UnionID("alice"); got != "" {
		t.Errorf("an unbound app: got unionid %q, want none", got)
	}
	if again := wechattest.New(wechattest.WithApp("wxa", "s")).App("wxa").OpenID("alice"); again != a.OpenID("alice") {
		t.Error("an openid must be the same in another run")
	}
}

func TestUnionIDCanBeHiddenAndAppearLater(t *testing.T) {
	srv := newServer(t)
	app := srv.App(wechattest.DefaultAppID)
	unionid := func(user string) string { return exchange(t, srv, srv.Code(user)).text(t, "unionid") }

	if got := exchange(t, srv, srv.Code("alice")).body; strings.Contains(got, "unionid") {
		t.Errorf("unbound app: got %s, want no unionid at all", got)
	}
	app.BindOpenPlatform("acme")
	app.HideUnionID("bob")
	if got, want := unionid("alice"), app.UnionID("alice"); got != want || got == "" {
		t.Errorf("after binding: got unionid %q, want %q", got, want)
	}
	if got := unionid("bob"); got != "" {
		t.Errorf("hidden user: got unionid %q, want none", got)
	}
	app.ShowUnionID("bob")
	if unionid("bob") == "" {
		t.Error("shown again: got no unionid")
	}
	app.BindOpenPlatform("")
	if got := unionid("alice"); got != "" {
		t.Errorf("after unbinding: got unionid %q, want none", got)
	}
}

func TestSessionKeyRotatesByPolicy(t *testing.T) {
	rows := []struct {
		name          string
		opts          []wechattest.Option
		wait          time.Duration
		wantSame      bool
		wantSameLater bool
	}{
		{name: "always is the default", wantSame: false, wantSameLater: false},
		{name: "never", opts: []wechattest.Option{wechattest.WithRotation(wechattest.RotateNever)}, wait: 1000 * time.Hour, wantSame: true, wantSameLater: true},
		{name: "after an hour", opts: []wechattest.Option{wechattest.WithRotation(wechattest.RotateAfter(time.Hour))}, wait: time.Hour, wantSame: true, wantSameLater: false},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			c := newClock()
			srv := newServer(t, append(row.opts, wechattest.WithClock(c.Now))...)
			key := func() string { return exchange(t, srv, srv.Code("alice")).text(t, "session_key") }
			first := key()
			if raw, err := base64.StdEncoding.DecodeString(first); err != nil || len(raw) != 16 {
				t.Fatalf("got a session_key of %d bytes (%v), want 16 in base64", len(raw), err)
			}
			if same := key() == first; same != row.wantSame {
				t.Errorf("second login: got the same key %v, want %v", same, row.wantSame)
			}
			first = key()
			c.advance(row.wait)
			if same := key() == first; same != row.wantSameLater {
				t.Errorf("login after %v: got the same key %v, want %v", row.wait, same, row.wantSameLater)
			}
		})
	}
}

func TestKeyCanBeRotatedAtWill(t *testing.T) {
	srv := newServer(t, wechattest.WithRotation(wechattest.RotateNever))
	app := srv.App(wechattest.DefaultAppID)
	if got := app.SessionKey("alice"); got != "" {
		t.Errorf("before wx.login: got key %q, want none", got)
	}
	old := exchange(t, srv, srv.Code("alice")).text(t, "session_key")
	fresh := app.RotateKey("alice")
	if fresh == old || fresh != app.SessionKey("alice") {
		t.Error("RotateKey must put a new key in force and return it")
	}
	if got := exchange(t, srv, srv.Code("alice")).text(t, "session_key"); got != fresh {
		t.Error("the next exchange must give the new key")
	}
}

func TestDevelopmentCodesWorkOnlyByOption(t *testing.T) {
	dev, strict := newServer(t, wechattest.WithDevCodes()), newServer(t)
	rows := []struct{ code, user string }{
		{"the code is a mock one", wechattest.MockUser},
		{"dev:alice", "alice"},
		{"dev:张三", "张三"},
	}
	for _, row := range rows {
		for range 2 {
			if got, want := exchange(t, dev, row.code).text(t, "openid"), dev.OpenID(row.user); got != want {
				t.Errorf("%s: got openid %q, want %q", row.code, got, want)
			}
		}
		wantErrcode(t, exchange(t, strict, row.code), 40029)
	}
	for _, code := range []string{"dev:", "dev:" + strings.Repeat("x", 65), "dev:a\nb", "dev:\xff", "the code is a mock one "} {
		wantErrcode(t, exchange(t, dev, code), 40029)
	}
}

func TestUserQuota(t *testing.T) {
	c := newClock()
	srv := newServer(t, wechattest.WithClock(c.Now), wechattest.WithUserQuota(2))
	wantErrcode(t, exchange(t, srv, srv.Code("alice")), 0)
	wantErrcode(t, exchange(t, srv, srv.Code("alice")), 0)
	third := srv.Code("alice")
	wantErrcode(t, exchange(t, srv, third), 45011)
	wantErrcode(t, exchange(t, srv, srv.Code("bob")), 0)
	c.advance(time.Minute)
	wantErrcode(t, exchange(t, srv, third), 0)
}

func TestBlockedUserCanComeBack(t *testing.T) {
	srv := newServer(t)
	srv.App(wechattest.DefaultAppID).Block("alice", "bob")
	code := srv.Code("alice")
	wantErrcode(t, exchange(t, srv, code), 40226)
	srv.App(wechattest.DefaultAppID).Unblock("alice")
	wantErrcode(t, exchange(t, srv, code), 0)
	wantErrcode(t, exchange(t, srv, srv.Code("bob")), 40226)
}

func TestOtherPathsAreNotEmulated(t *testing.T) {
	srv := newServer(t)
	srv.Next(wechattest.ErrCode(-1))
	if got := get(t, srv, "/sns/elsewhere", nil); got.status != http.StatusNotFound {
		t.Errorf("got status %d, want 404", got.status)
	}
	wantErrcode(t, exchange(t, srv, srv.Code("alice")), -1) // the script waited for WeChat's own path
}

func TestAppsKeepTheirOrder(t *testing.T) {
	e := wechattest.New(wechattest.WithApp("wxb", "s"), wechattest.WithApp("wxa", "s"))
	if got := e.AppIDs(); !slices.Equal(got, []string{"wxb", "wxa"}) {
		t.Errorf("got %v, want wxb and wxa", got)
	}
	if e.OpenID("alice") != e.App("wxb").OpenID("alice") || e.App("wxb").ID() != "wxb" {
		t.Error("the first app must be the one of Code and OpenID")
	}
	if got := wechattest.New().AppIDs(); !slices.Equal(got, []string{wechattest.DefaultAppID}) {
		t.Errorf("got %v, want the default app", got)
	}
}

func TestWiringMistakesPanicAtOnce(t *testing.T) {
	wantPanic(t, func() { wechattest.New(wechattest.WithApp("", "s")) })
	wantPanic(t, func() { wechattest.New(wechattest.WithApp("wxa", "")) })
	wantPanic(t, func() { wechattest.New(wechattest.WithApp("wxa", "s"), wechattest.WithApp("wxa", "s")) })
	wantPanic(t, func() { wechattest.New().App("wxnobody") })
	wantPanic(t, func() { wechattest.New(wechattest.WithFailureRate(-0.1, wechattest.Cut())) })
	wantPanic(t, func() {
		wechattest.New(wechattest.WithFailureRate(0.6, wechattest.Cut()), wechattest.WithFailureRate(0.6, wechattest.HTML()))
	})
}
