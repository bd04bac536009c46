package wechattest_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"testing"
	"time"

	"github.com/ginwx/wxlogin/wechat/wechattest"
)

func proof(srv *wechattest.Server, openID, key string) url.Values {
	mac := hmac.New(sha256.New, []byte(key))
	return url.Values{
		"access_token": {srv.App(wechattest.DefaultAppID).AccessToken()}, "openid": {openID},
		"signature": {hex.EncodeToString(mac.Sum(nil))}, "sig_method": {"hmac_sha256"},
	}
}

func login(t *testing.T, srv *wechattest.Server, user string) (openID, key string) {
	t.Helper()
	r := exchange(t, srv, srv.Code(user))
	return r.text(t, "openid"), r.text(t, "session_key")
}

func TestCheckSessionKnowsTheCurrentKeyAlone(t *testing.T) {
	srv := newServer(t)
	openID, key := login(t, srv, "alice")
	got := get(t, srv, wechattest.PathCheckSession, proof(srv, openID, key))
	if want := `{"errcode":0,"errmsg":"ok"}`; got.body != want {
		t.Errorf("current key: got %s, want %s", got.body, want)
	}
	srv.Code("alice") // wx.login() alone replaces the key, before any exchange
	wantErrcode(t, get(t, srv, wechattest.PathCheckSession, proof(srv, openID, key)), 87009)
	_, key = login(t, srv, "alice")
	wantErrcode(t, get(t, srv, wechattest.PathCheckSession, proof(srv, openID, key)), 0)
}

func TestSessionKeyErrors(t *testing.T) {
	srv := newServer(t,
		wechattest.WithApp(wechattest.DefaultAppID, wechattest.DefaultSecret),
		wechattest.WithApp("wxb", "s"), wechattest.WithMultiTerminal("wxdonut", "s"))
	openID, key := login(t, srv, "alice")
	good := proof(srv, openID, key)
	rows := []struct {
		name, key, value string
		want             int
		text             string
	}{
		{"no token", "access_token", "", 41001, "access_token missing"},
		{"a token that is none", "access_token", "x", 40014, "invalid access_token"},
		{"another app's token", "access_token", srv.App("wxb").AccessToken(), 40003, "invalid openid"},
		{"a multi-terminal app's token", "access_token", srv.MultiTerminal("wxdonut").AccessToken(), 40013, "invalid appid"},
		{"no openid", "openid", "", 41009, "missing openid"},
		{"an openid of nobody", "openid", "x", 40003, "invalid openid"},
		{"no sig_method", "sig_method", "", 87008, "invalid sig_method"},
		{"another sig_method", "sig_method", "hmac_sha1", 87008, "invalid sig_method"},
		{"no signature", "signature", "", 87009, "invalid signature"},
		{"a wrong signature", "signature", "00", 87009, "invalid signature"},
		{"all well", "sig_method", "hmac_sha256", 0, "ok"},
	}
	for _, path := range []string{wechattest.PathCheckSession, wechattest.PathResetSessionKey} {
		for _, row := range rows {
			t.Run(path+": "+row.name, func(t *testing.T) {
				r := get(t, srv, path, with(good, row.key, row.value))
				wantErrcode(t, r, row.want)
				if row.want != 0 {
					wantMatch(t, r.text(t, "errmsg"), "^"+row.text+" rid: ")
				}
			})
		}
		wantErrcode(t, post(t, srv, path, good, "", ""), 43001)
	}
	srv.App(wechattest.DefaultAppID).ExpireKey("alice")
	for _, path := range []string{wechattest.PathCheckSession, wechattest.PathResetSessionKey} {
		wantErrcode(t, get(t, srv, path, good), 87007)
	}
	openID, key = login(t, srv, "alice")
	wantErrcode(t, get(t, srv, wechattest.PathCheckSession, proof(srv, openID, key)), 0)
}

func TestResetGivesANewKeyInTheOldOnesLife(t *testing.T) {
	c := newClock()
	srv := newServer(t, wechattest.WithClock(c.Now), wechattest.WithKeyLifetime(time.Hour), wechattest.WithRotation(wechattest.RotateNever))
	openID, old := login(t, srv, "alice")
	c.advance(30 * time.Minute)
	r := get(t, srv, wechattest.PathResetSessionKey, proof(srv, openID, old))
	wantMatch(t, r.body, `^\{"errcode":0,"errmsg":"ok","openid":"`+openID+`","session_key":"[^"]+"\}$`)
	fresh := r.text(t, "session_key")
	if fresh == old || fresh != srv.App(wechattest.DefaultAppID).SessionKey("alice") {
		t.Error("the reset must put another key in force and answer it")
	}
	wantErrcode(t, get(t, srv, wechattest.PathCheckSession, proof(srv, openID, old)), 87009)
	wantErrcode(t, get(t, srv, wechattest.PathCheckSession, proof(srv, openID, fresh)), 0)
	if _, key := login(t, srv, "alice"); key != fresh {
		t.Error("the next login must give the new key")
	}
	c.advance(30 * time.Minute)
	wantErrcode(t, get(t, srv, wechattest.PathCheckSession, proof(srv, openID, fresh)), 87007)
	if got := srv.App(wechattest.DefaultAppID).SessionKey("alice"); got != "" {
		t.Error("an expired key is no key")
	}
	if _, key := login(t, srv, "alice"); key == fresh {
		t.Error("wx.login after the expiry must give a new key")
	}
}
