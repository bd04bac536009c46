package wechattest_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ginwx/wxlogin/wechat/wechattest"
)

func tokenQuery() url.Values {
	return url.Values{"grant_type": {"client_credential"}, "appid": {wechattest.DefaultAppID}, "secret": {wechattest.DefaultSecret}}
}

func stable(t *testing.T, srv *wechattest.Server, force bool) (token string, expiresIn int) {
	t.Helper()
	body := fmt.Sprintf(`{"grant_type":"client_credential","appid":%q,"secret":%q,"force_refresh":%v}`, wechattest.DefaultAppID, wechattest.DefaultSecret, force)
	return readToken(t, post(t, srv, wechattest.PathStableToken, nil, "application/json", body))
}

func plain(t *testing.T, srv *wechattest.Server) (token string, expiresIn int) {
	t.Helper()
	return readToken(t, get(t, srv, wechattest.PathToken, tokenQuery()))
}

func readToken(t *testing.T, r wire) (string, int) {
	t.Helper()
	wantMatch(t, r.body, `^\{"access_token":"[0-9A-Za-z_-]{1,512}","expires_in":\d+\}$`)
	if got := r.header.Get("Content-Type"); got != "application/json; encoding=utf-8" {
		t.Errorf("got Content-Type %q", got)
	}
	m := r.decode(t)
	return m["access_token"].(string), int(m["expires_in"].(float64))
}

// wantToken uses a token on a business call. 41009 (no openid) lies behind the check of the token, so it means
// that the token was accepted.
func wantToken(t *testing.T, srv *wechattest.Server, token string, want int) {
	t.Helper()
	if want == 0 {
		want = 41009
	}
	wantErrcode(t, get(t, srv, wechattest.PathCheckSession, url.Values{"access_token": {token}}), want)
}

func TestEachPlainTokenReplacesTheFormerAfterFiveMinutes(t *testing.T) {
	c := newClock()
	srv := newServer(t, wechattest.WithClock(c.Now))
	first, expiresIn := plain(t, srv)
	if expiresIn != 7200 {
		t.Errorf("got expires_in %d, want 7200", expiresIn)
	}
	c.advance(time.Hour)
	wantToken(t, srv, first, 0)
	second, _ := plain(t, srv)
	if first == second {
		t.Fatal("got the same token twice")
	}
	c.advance(5*time.Minute - time.Second)
	wantToken(t, srv, first, 0)
	wantToken(t, srv, second, 0)
	third, _ := plain(t, srv) // must not give the first one more time
	c.advance(time.Second)
	wantToken(t, srv, first, 40001)
	wantToken(t, srv, second, 0)
	wantToken(t, srv, third, 0)
	c.advance(2 * time.Hour)
	wantToken(t, srv, third, 42001)
	wantToken(t, srv, "neverissued", 40014)
	wantToken(t, srv, "", 41001)
}

func TestStableTokenRepeatsItselfUntilFiveMinutesBeforeTheEnd(t *testing.T) {
	c := newClock()
	srv := newServer(t, wechattest.WithClock(c.Now))
	first, _ := stable(t, srv, false)
	c.advance(7200*time.Second - 345*time.Second)
	if again, expiresIn := stable(t, srv, false); again != first || expiresIn != 345 {
		t.Errorf("got another token or expires_in %d, want the same with 345", expiresIn)
	}
	c.advance(45 * time.Second)
	if again, expiresIn := stable(t, srv, false); again != first || expiresIn != 300 {
		t.Errorf("at five minutes: got another token or expires_in %d, want the same with 300", expiresIn)
	}
	c.advance(time.Second)
	second, expiresIn := stable(t, srv, false)
	if second == first || expiresIn != 7200 {
		t.Errorf("in the last five minutes: got expires_in %d, want a new token with 7200", expiresIn)
	}
	wantToken(t, srv, first, 0)
	wantToken(t, srv, second, 0)
	c.advance(299 * time.Second)
	wantToken(t, srv, first, 42001)
	wantToken(t, srv, second, 0)
}

func TestForcedRefreshKillsAtOnceAndIsRationed(t *testing.T) {
	c := newClock()
	srv := newServer(t, wechattest.WithClock(c.Now))
	first, _ := stable(t, srv, false)
	second, _ := stable(t, srv, true)
	if second == first {
		t.Fatal("a forced refresh must give a new token")
	}
	wantToken(t, srv, first, 40001)
	wantToken(t, srv, second, 0)

	c.advance(30*time.Second - time.Nanosecond)
	if got, _ := stable(t, srv, true); got != second {
		t.Error("within 30 seconds: got a new token, want no refresh")
	}
	c.advance(time.Nanosecond)
	last := second
	for n := 2; n <= 20; n++ {
		got, _ := stable(t, srv, true)
		if got == last {
			t.Fatalf("forced refresh %d of the day: got the same token", n)
		}
		last = got
		c.advance(30 * time.Second)
	}
	if got, _ := stable(t, srv, true); got != last {
		t.Error("forced refresh 21 of the day: got a new token, want no refresh")
	}
	wantToken(t, srv, last, 0)
	c.advance(24 * time.Hour)
	again, _ := stable(t, srv, false)
	if forced, _ := stable(t, srv, true); forced == again {
		t.Error("on the next day: got no refresh")
	}
}

func TestTheTwoTokenInterfacesDoNotTouchEachOther(t *testing.T) {
	c := newClock()
	srv := newServer(t, wechattest.WithClock(c.Now))
	s, _ := stable(t, srv, false)
	p, _ := plain(t, srv)
	plain(t, srv)
	c.advance(6 * time.Minute)
	wantToken(t, srv, p, 40001)
	wantToken(t, srv, s, 0)
	if again, _ := stable(t, srv, false); again != s {
		t.Error("stable_token must not follow token")
	}
	p, _ = plain(t, srv)
	stable(t, srv, true)
	wantToken(t, srv, p, 0)
}

func TestTokensDieAtWill(t *testing.T) {
	srv := newServer(t)
	app := srv.App(wechattest.DefaultAppID)
	token, _ := stable(t, srv, false)
	if token != app.AccessToken() {
		t.Error("AccessToken must be the one of stable_token")
	}
	srv.RevokeToken(token)
	wantToken(t, srv, token, 40001)
	second, _ := stable(t, srv, false)
	wantToken(t, srv, second, 0)
	srv.ExpireToken(second)
	wantToken(t, srv, second, 42001)
	third, _ := stable(t, srv, false)
	wantToken(t, srv, third, 0)
	wantPanic(t, func() { srv.RevokeToken("neverissued") })
	wantPanic(t, func() { srv.ExpireToken("neverissued") })
}

func TestTokenLifetimeCanBeSet(t *testing.T) {
	srv := newServer(t, wechattest.WithTokenLifetime(10*time.Minute))
	if _, got := plain(t, srv); got != 600 {
		t.Errorf("got expires_in %d, want 600", got)
	}
}

func TestTokenErrors(t *testing.T) {
	rows := []struct {
		name       string
		key, value string
		want       int
		text       string
	}{
		{name: "no appid", key: "appid", want: 41002, text: "appid missing"},
		{name: "no secret", key: "secret", want: 41004, text: "appsecret missing"},
		{name: "no grant_type", key: "grant_type", want: 40002, text: "invalid grant_type"},
		{name: "wrong grant_type", key: "grant_type", value: "authorization_code", want: 40002, text: "invalid grant_type"},
		{name: "unknown appid", key: "appid", value: "wxnobody", want: 40013, text: "invalid appid"},
		{name: "wrong secret", key: "secret", value: "x", want: 40125, text: "invalid appsecret"},
	}
	srv := newServer(t)
	for _, row := range rows {
		q := tokenQuery()
		if row.value == "" {
			q.Del(row.key)
		} else {
			q.Set(row.key, row.value)
		}
		flat := make(map[string]string)
		for k := range q {
			flat[k] = q.Get(k)
		}
		body, _ := json.Marshal(flat)
		for name, r := range map[string]wire{
			"token":        get(t, srv, wechattest.PathToken, q),
			"stable_token": post(t, srv, wechattest.PathStableToken, nil, "application/json", string(body)),
		} {
			t.Run(name+": "+row.name, func(t *testing.T) {
				wantErrcode(t, r, row.want)
				wantMatch(t, r.text(t, "errmsg"), "^"+row.text+" rid: [0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}$")
			})
		}
	}
	wantErrcode(t, post(t, srv, wechattest.PathToken, tokenQuery(), "", ""), 43001)
	wantErrcode(t, get(t, srv, wechattest.PathStableToken, tokenQuery()), 43002)
	for _, body := range []string{"", "null", "[]", tokenQuery().Encode(), `{"appid":`, `{"force_refresh":"yes"}`} {
		wantErrcode(t, post(t, srv, wechattest.PathStableToken, nil, "application/json", body), 47001)
	}
	// Keys in another case are other keys.
	wantErrcode(t, post(t, srv, wechattest.PathStableToken, nil, "application/json", `{"AppID":"x"}`), 41002)
}

func TestFaultsReachEveryInterface(t *testing.T) {
	srv := newServer(t)
	for _, path := range paths {
		srv.Next(wechattest.ErrCode(40164).On(path), wechattest.BadGateway().On(path))
		if r := get(t, srv, path, nil); r.errcode(t) != 40164 || !strings.HasPrefix(r.text(t, "errmsg"), "invalid ip 203.0.113.7 ipv6 ::ffff:203.0.113.7, not in whitelist") {
			t.Errorf("%s: got %s", path, r.body)
		}
		if r := get(t, srv, path, nil); r.status != 502 {
			t.Errorf("%s: got status %d, want 502", path, r.status)
		}
		if got := srv.Count(path); got != 2 {
			t.Errorf("%s: got count %d, want 2", path, got)
		}
	}
}
