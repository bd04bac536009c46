package wechat

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/wechat/wechattest"
)

// The first is the example of WeChat's documents, the second the same key over
// the empty text, as a GET is signed.
func TestLoginSignatureMatchesTheOfficialVector(t *testing.T) {
	key := wxlogin.NewSecret("o0q0otL8aEzpcZL/FT9WsQ==")
	for body, want := range map[string]string{
		`{"foo":"bar"}`: "654571f79995b2ce1e149e53c0a33dc39c0a74090db514261454e8dbe432aa0b",
		"":              "46e043c5525c2d817c44be603d30837a808a1d930d038f6fdc3e62a201fed128",
	} {
		if got := loginSignature(key, []byte(body)).Reveal(); got != want {
			t.Errorf("%q: got %s, want %s", body, got, want)
		}
	}
}

func TestSessionKeyIsProvenInTheQueryOfAGETAndNotSent(t *testing.T) {
	for path, body := range map[string]string{
		"/wxa/checksession":        `{"errcode":0,"errmsg":"ok"}`,
		"/wxa/resetusersessionkey": `{"errcode":0,"errmsg":"ok","openid":"o1","session_key":"bmV3LWtleQ=="}`,
	} {
		rt := &script{t: t, bodies: []string{`{"access_token":"canary-token-1","expires_in":7200}`, body}}
		p := provider(t, rt)
		key := wxlogin.NewSecret("o0q0otL8aEzpcZL/FT9WsQ==")
		var err error
		if path == "/wxa/checksession" {
			_, err = p.CheckSessionKey(t.Context(), "o1", key)
		} else {
			_, err = p.ResetUserSessionKey(t.Context(), "o1", key)
		}
		if err != nil {
			t.Fatal(err)
		}
		r := rt.seen[1]
		want := "access_token=canary-token-1&openid=o1&sig_method=hmac_sha256" +
			"&signature=46e043c5525c2d817c44be603d30837a808a1d930d038f6fdc3e62a201fed128"
		if r.Method != http.MethodGet || r.URL.Path != path || r.URL.RawQuery != want {
			t.Errorf("got %s %s with a query of %d bytes, want GET %s?%s", r.Method, r.URL.Path, len(r.URL.RawQuery), path, want)
		}
		if r.Body == nil || r.GetBody != nil {
			t.Error("net/http takes this request for one it may replay")
		}
		_ = p.Close()
	}
}

func TestSessionKeyIsHonouredUntilAnotherTakesItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		app := w.App(testAppID)
		first := w.keyOf("alice")
		check := func(rule string, key wxlogin.Secret, want bool) {
			t.Helper()
			got, err := w.mini.CheckSessionKey(t.Context(), w.OpenID("alice"), key)
			if err != nil || got != want {
				t.Errorf("%s: got %v, %v, want %v", rule, got, err, want)
			}
		}
		check("the current key", first, true)
		second := w.keyOf("alice")
		check("a key that a login replaced", first, false)
		check("the key of the login", second, true)
		check("another user's key", w.keyOf("bob"), false)
		third, err := w.mini.ResetUserSessionKey(t.Context(), w.OpenID("alice"), second)
		if err != nil {
			t.Fatal(err)
		}
		if third.Reveal() != app.SessionKey("alice") {
			t.Error("the reset did not return the new key")
		}
		check("a key that was reset", second, false)
		check("the key of the reset", third, true)
		if key, err := w.mini.ResetUserSessionKey(t.Context(), w.OpenID("alice"), second); !errors.Is(err, wxlogin.ErrSessionKeyStale) || !key.IsZero() {
			t.Errorf("reset with a dead key: got %v, %v, want ErrSessionKeyStale", key, err)
		}
		app.ExpireKey("alice")
		check("an expired key", third, false) // 87007
		if _, err := w.mini.ResetUserSessionKey(t.Context(), w.OpenID("alice"), third); !errors.Is(err, wxlogin.ErrSessionKeyStale) {
			t.Errorf("reset with an expired key: got %v, want ErrSessionKeyStale", err)
		}
		if _, err := w.mini.CheckSessionKey(t.Context(), "o-of-another-app", third); !errors.Is(err, wxlogin.ErrBadRequest) {
			t.Errorf("another app's openid: got %v, want ErrBadRequest", err)
		}
	})
}

func TestWhatCannotBeAKeyOrAnOpenIDIsNotSent(t *testing.T) {
	p := provider(t, &script{t: t})
	for _, tt := range []struct{ openID, key string }{{"", testKey}, {"o1", ""}, {"o 1", testKey}, {"o1", "a\nb"}} {
		if _, err := p.CheckSessionKey(t.Context(), tt.openID, wxlogin.NewSecret(tt.key)); !errors.Is(err, wxlogin.ErrBadRequest) {
			t.Errorf("check of %q: got %v, want ErrBadRequest", tt.openID, err)
		}
		if _, err := p.ResetUserSessionKey(t.Context(), tt.openID, wxlogin.NewSecret(tt.key)); !errors.Is(err, wxlogin.ErrBadRequest) {
			t.Errorf("reset of %q: got %v, want ErrBadRequest", tt.openID, err)
		}
	}
	broken := MiniProgram("", "")
	if _, err := broken.CheckSessionKey(t.Context(), "o1", wxlogin.NewSecret(testKey)); err == nil || err.Error() != broken.Validate().Error() {
		t.Errorf("got %v, want the error of Validate", err)
	}
	if _, err := broken.PhoneNumber(t.Context(), "o1", wxlogin.NewSecret(testKey)); !errors.Is(err, wxlogin.ErrMisconfigured) {
		t.Errorf("got %v, want the error of Validate", err)
	}
	if _, err := broken.AccessToken(t.Context(), wxlogin.Secret{}); !errors.Is(err, wxlogin.ErrMisconfigured) {
		t.Errorf("got %v, want the error of Validate", err)
	}
}

func TestAnAnswerThatIsNoResetIsUnavailable(t *testing.T) {
	for name, body := range map[string]string{
		"no key":         `{"errcode":0,"openid":"o1"}`,
		"an empty key":   `{"errcode":0,"openid":"o1","session_key":""}`,
		"no openid":      `{"errcode":0,"session_key":"` + testKey + `"}`,
		"another openid": `{"errcode":0,"openid":"o2","session_key":"` + testKey + `"}`,
		"openid as list": `{"errcode":0,"openid":["o1"],"session_key":"` + testKey + `"}`,
	} {
		rt := &script{t: t, bodies: []string{`{"access_token":"canary-token-1","expires_in":7200}`, body}}
		p := provider(t, rt)
		key, err := p.ResetUserSessionKey(t.Context(), "o1", wxlogin.NewSecret(testKey))
		if !errors.Is(err, wxlogin.ErrUpstreamUnavailable) || !key.IsZero() {
			t.Errorf("%s: got %v, %v, want ErrUpstreamUnavailable", name, key, err)
		}
		mustNotShow(t, name, renderings(t, err))
		_ = p.Close()
	}
}

func TestACutThatHidesAResetIsNotTriedAgain(t *testing.T) {
	server := wechattest.NewServer(wechattest.WithApp(testAppID, testSecret))
	defer server.Close()
	p := MiniProgram(testAppID, testSecret, WithBaseURL(server.URL))
	defer p.Close()
	app := server.App(testAppID)
	app.Code("alice")
	key := wxlogin.NewSecret(app.SessionKey("alice"))
	mustToken(t, p, wxlogin.Secret{}) // opens the connection
	server.Next(wechattest.Cut().Consuming())
	_, err := p.ResetUserSessionKey(t.Context(), server.OpenID("alice"), key)
	if !errors.Is(err, wxlogin.ErrUpstreamUnavailable) || server.Count(wechattest.PathResetSessionKey) != 1 {
		t.Errorf("got %v after %d calls, want ErrUpstreamUnavailable after 1", err, server.Count(wechattest.PathResetSessionKey))
	}
	if ok, err := p.CheckSessionKey(t.Context(), server.OpenID("alice"), key); ok || err != nil {
		t.Errorf("the old key: got %v, %v, want false: WeChat took the reset", ok, err)
	}
}
