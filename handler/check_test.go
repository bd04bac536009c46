package handler_test

import (
	"net/http"
	"testing"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/handler"
	"github.com/ginwx/wxlogin/wechat"
	"github.com/ginwx/wxlogin/wechat/wechattest"
)

func TestCheckSaysWhetherWeChatHonoursTheSessionKey(t *testing.T) {
	b := newButton(t, wxlogin.Config{})
	token := b.logIn("alice")
	want := func(rule string, valid bool) {
		t.Helper()
		w := get(b.engine, "/wx/session?check=wechat", token)
		if body := decode(t, w); w.Code != http.StatusOK || body["session_key_valid"] != valid || body["expires_in"] == nil {
			t.Errorf("%s: got %d %s, want %v", rule, w.Code, w.Body, valid)
		}
		wantNoStore(t, w)
	}
	want("after a login", true)
	b.app.Code("alice") // wx.login, of which this server never hears
	want("after a login elsewhere", false)
	token = b.logIn("alice")
	want("after the next login", true)
	b.app.ExpireKey("alice")
	want("after WeChat let it expire", false)

	before := b.wechat.Count(wechattest.PathCheckSession)
	for _, target := range []string{"/wx/session", "/wx/session?other=1", "/wx/session?%zz"} {
		if _, asked := decode(t, get(b.engine, target, token))["session_key_valid"]; asked {
			t.Errorf("%s: an answer to what was not asked", target)
		}
	}
	for _, target := range []string{"/wx/session?check=", "/wx/session?check=all", "/wx/session?check=wechat&check=wechat"} {
		wantFailure(t, get(b.engine, target, token), http.StatusBadRequest, "bad_request")
	}
	wantFailure(t, get(b.engine, "/wx/session?check=wechat", ""), http.StatusUnauthorized, "missing_token")
	wantFailure(t, get(b.engine, "/wx/session?check=wechat", "x"), http.StatusUnauthorized, "invalid_token")
	if got := b.wechat.Count(wechattest.PathCheckSession); got != before {
		t.Errorf("WeChat was asked %d times more", got-before)
	}
}

func TestCheckFailsWhereWeChatOrTheStoreDoes(t *testing.T) {
	broken := newBrokenStore(t)
	b := newButton(t, wxlogin.Config{Store: broken, Keys: [][]byte{testKey}})
	token := b.logIn("alice")
	b.wechat.Next(wechattest.Cut().On(wechattest.PathCheckSession))
	wantFailure(t, get(b.engine, "/wx/session?check=wechat", token), http.StatusBadGateway, "wechat_unavailable")
	b.wechat.Next(wechattest.ErrCode(45011).On(wechattest.PathCheckSession))
	wantFailure(t, get(b.engine, "/wx/session?check=wechat", token), http.StatusTooManyRequests, "rate_limited")
	broken.down.Store(true)
	wantFailure(t, get(b.engine, "/wx/session?check=wechat", token), http.StatusServiceUnavailable, "store_unavailable")
}

func TestAUserWithoutSessionKeyHasNoneThatWeChatHonours(t *testing.T) {
	b := newButton(t, wxlogin.Config{})
	issued, err := b.auth.Issue(t.Context(), wxlogin.Identity{OpenID: b.app.OpenID("alice")})
	if err != nil {
		t.Fatal(err)
	}
	w := get(b.engine, "/wx/session?check=wechat", issued.Token.Reveal())
	if wantStatus(t, w, http.StatusOK); decode(t, w)["session_key_valid"] != false {
		t.Errorf("got %s", w.Body)
	}
}

func TestAnAppWithoutSessionKeysCannotBeChecked(t *testing.T) {
	server := wechattest.NewServer(wechattest.WithMultiTerminal("wx00000000000000dd", "synthetic-terminal-secret"))
	defer server.Close()
	auth := newAuth(t, wxlogin.Config{Providers: []wxlogin.Provider{
		wechat.MultiTerminal("wx00000000000000dd", "synthetic-terminal-secret", wechat.WithBaseURL(server.URL)),
	}})
	engine := mounted(auth)
	token := logIn(t, engine, "code="+server.MultiTerminal("wx00000000000000dd").Code("alice", wechattest.LoginPhoneSMS))
	wantFailure(t, get(engine, "/wx/session?check=wechat", token), http.StatusBadRequest, "bad_request")
	wantStatus(t, get(engine, "/wx/session", token), http.StatusOK)

	defer func() {
		if recover() == nil {
			t.Error("Phone was wired to an app without phone codes")
		}
	}()
	handler.Phone(auth, (&button{}).note)
}
