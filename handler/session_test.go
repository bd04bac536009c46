package handler_test

import (
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/handler"
	"github.com/ginwx/wxlogin/middleware"
	"github.com/ginwx/wxlogin/store"
)

func TestSession(t *testing.T) {
	clock := newClock()
	engine := mounted(newAuth(t, wxlogin.Config{
		Providers: []wxlogin.Provider{newProvider(testApp)}, IdleTimeout: time.Hour, Now: clock.Now,
	}))
	token := logIn(t, engine, "code=ok:alice")
	clock.advance(10 * time.Second)
	w := get(engine, "/wx/session", token)
	wantStatus(t, w, 200)
	if got, want := w.Body.String(), `{"expires_in":3590,"created_at":"2026-03-01T08:30:00Z"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	clock.advance(30 * time.Minute)
	if got := decode(t, get(engine, "/wx/session", token))["expires_in"]; got != 3600.0 {
		t.Errorf("expires_in after a use: got %v, want 3600", got)
	}
	clock.advance(time.Hour)
	wantFailure(t, get(engine, "/wx/session", token), 401, "session_expired")
	wantFailure(t, get(engine, "/wx/session", ""), 401, "missing_token")
}

func TestLogoutEndsTheSession(t *testing.T) {
	engine := mounted(newAuth(t, wxlogin.Config{}))
	token, phone := logIn(t, engine, "code=ok:alice"), logIn(t, engine, "code=ok:alice")
	wantFailure(t, post(engine, "/wx/logout", ""), 401, "missing_token")
	wantFailure(t, post(engine, "/wx/logout", token+"x"), 401, "invalid_token")
	w := post(engine, "/wx/logout", token)
	wantStatus(t, w, 204)
	if w.Body.Len() != 0 {
		t.Errorf("body: got %q, want none", w.Body)
	}
	wantFailure(t, get(engine, "/wx/session", token), 401, "invalid_token")
	wantStatus(t, post(engine, "/wx/logout", token), 204)
	wantStatus(t, get(engine, "/wx/session", phone), 200)
}

func TestLogoutOfAnExpiredSession(t *testing.T) {
	clock := newClock()
	engine := mounted(newAuth(t, wxlogin.Config{
		Providers: []wxlogin.Provider{newProvider(testApp)}, IdleTimeout: time.Minute, Now: clock.Now,
	}))
	token := logIn(t, engine, "code=ok:alice")
	clock.advance(time.Minute)
	wantStatus(t, post(engine, "/wx/logout", token), 204)
}

func TestLogoutThatFailedIsNoLogout(t *testing.T) {
	broken := newBrokenStore(t)
	engine := mounted(newAuth(t, wxlogin.Config{
		Providers: []wxlogin.Provider{newProvider(testApp)}, Store: broken, Keys: [][]byte{testKey},
	}))
	token := logIn(t, engine, "code=ok:alice")
	for _, target := range []string{"/wx/logout", "/wx/logout?all=1"} {
		broken.noDelete.Store(true)
		w := post(engine, target, token)
		wantFailure(t, w, 503, "store_unavailable")
		if w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: Retry-After: got none", target)
		}
		broken.noDelete.Store(false)
		wantStatus(t, get(engine, "/wx/session", token), 200)

		broken.down.Store(true)
		wantFailure(t, post(engine, target, token), 503, "store_unavailable")
		wantFailure(t, get(engine, "/wx/sessions", token), 503, "store_unavailable")
		broken.down.Store(false)
		wantStatus(t, get(engine, "/wx/session", token), 200)
	}
}

func TestLogoutAsksAStoreThatIsDownOnce(t *testing.T) {
	broken := newBrokenStore(t)
	engine := mounted(newAuth(t, wxlogin.Config{
		Providers: []wxlogin.Provider{newProvider(testApp)}, Store: broken, Keys: [][]byte{testKey},
	}))
	token := logIn(t, engine, "code=ok:alice")
	broken.down.Store(true)
	wantFailure(t, post(engine, "/wx/logout", token), 503, "store_unavailable")
	if got := broken.refused.Load(); got != 1 {
		t.Errorf("reads: got %d, want 1: each may take a store's whole time-out", got)
	}
}

func TestLogoutOfAllSessions(t *testing.T) {
	engine := mounted(newAuth(t, wxlogin.Config{}))
	for name, q := range map[string]request{
		"query 1":    {target: "?all=1"},
		"query true": {target: "?all=true"},
		"JSON true":  {contentType: jsonType, body: `{"all":true}`},
		"JSON 1":     {contentType: jsonType, body: `{"all":1}`},
		"form":       {contentType: formType, body: "all=true"},
	} {
		t.Run(name, func(t *testing.T) {
			token, phone, bobs := logIn(t, engine, "code=ok:alice"), logIn(t, engine, "code=ok:alice"), logIn(t, engine, "code=ok:bob")
			q.method, q.target, q.token = "POST", "/wx/logout"+q.target, token
			wantStatus(t, send(engine, q), 204)
			wantFailure(t, get(engine, "/wx/session", token), 401, "invalid_token")
			wantFailure(t, get(engine, "/wx/session", phone), 401, "invalid_token")
			wantStatus(t, get(engine, "/wx/session", bobs), 200)
			wantFailure(t, send(engine, q), 401, "invalid_token")
		})
	}
	for name, q := range map[string]request{
		"query 0": {target: "?all=0"}, "query false": {target: "?all=false"}, "query empty": {target: "?all="},
		"JSON false": {contentType: jsonType, body: `{"all":false}`}, "JSON 0": {contentType: jsonType, body: `{"all":0}`},
		"JSON null": {contentType: jsonType, body: `{"all":null}`}, "empty object": {contentType: jsonType, body: `{}`},
	} {
		t.Run(name+" ends one alone", func(t *testing.T) {
			token, phone := logIn(t, engine, "code=ok:alice"), logIn(t, engine, "code=ok:alice")
			q.method, q.target, q.token = "POST", "/wx/logout"+q.target, token
			wantStatus(t, send(engine, q), 204)
			wantStatus(t, get(engine, "/wx/session", phone), 200)
		})
	}
	token := logIn(t, engine, "code=ok:alice")
	for name, q := range map[string]request{
		"a word": {target: "?all=yes"}, "twice": {target: "?all=1&all=1"}, "a list": {contentType: jsonType, body: `{"all":[true]}`},
		"an object": {contentType: jsonType, body: `{"all":{}}`}, "malformed": {contentType: jsonType, body: `{`},
	} {
		t.Run(name+" is refused", func(t *testing.T) {
			q.method, q.target, q.token = "POST", "/wx/logout"+q.target, token
			wantFailure(t, send(engine, q), 400, "bad_request")
			wantStatus(t, get(engine, "/wx/session", token), 200)
		})
	}
}

func TestSessionsListTheOwnAccountAlone(t *testing.T) {
	clock := newClock()
	engine := mounted(newAuth(t, wxlogin.Config{
		Providers: []wxlogin.Provider{newProvider(testApp)}, IdleTimeout: time.Hour, Now: clock.Now,
	}))
	phone := logIn(t, engine, "code=ok:alice&device=phone")
	clock.advance(20 * time.Minute)
	tablet := logIn(t, engine, "code=ok:alice&device=tablet")
	logIn(t, engine, "code=ok:bob")
	clock.advance(10 * time.Second)
	wantStatus(t, get(engine, "/wx/session", phone), 200)

	w := get(engine, "/wx/sessions", tablet)
	wantStatus(t, w, 200)
	list, _ := decode(t, w)["sessions"].([]any)
	if len(list) != 2 {
		t.Fatalf("got %s, want alice's two sessions", w.Body)
	}
	want := []map[string]any{
		{"device": "tablet", "app": testApp, "created_at": "2026-03-01T08:50:00Z", "last_seen_at": "2026-03-01T08:50:00Z", "expires_in": 3590.0, "current": true},
		{"device": "phone", "app": testApp, "created_at": "2026-03-01T08:30:00Z", "last_seen_at": "2026-03-01T08:50:10Z", "expires_in": 3600.0, "current": false},
	}
	for i, item := range list {
		session, _ := item.(map[string]any)
		for name, value := range want[i] {
			if session[name] != value {
				t.Errorf("session %d, %s: got %v, want %v", i, name, session[name], value)
			}
		}
		if id, _ := session["id"].(string); id == "" || len(session) != len(want[i])+1 {
			t.Errorf("session %d: got %v, want an id and %d fields", i, session, len(want[i])+1)
		}
	}
	wantFailure(t, get(engine, "/wx/sessions", ""), 401, "missing_token")
}

func TestEndSession(t *testing.T) {
	engine := mounted(newAuth(t, wxlogin.Config{}))
	phone, tablet, bobs := logIn(t, engine, "code=ok:alice"), logIn(t, engine, "code=ok:alice"), logIn(t, engine, "code=ok:bob")
	end := func(id, token string, status int) {
		t.Helper()
		w := send(engine, request{method: "DELETE", target: "/wx/sessions/" + id, token: token})
		wantStatus(t, w, status)
	}
	id := currentSession(t, engine, phone)

	end(id, "", 401)
	end(id, bobs, 204)
	wantStatus(t, get(engine, "/wx/session", phone), 200)
	end("unknown", tablet, 204)
	end("..%00", tablet, 204)
	wantStatus(t, get(engine, "/wx/session", tablet), 200)
	end(id, tablet, 204)
	wantFailure(t, get(engine, "/wx/session", phone), 401, "invalid_token")
	wantStatus(t, get(engine, "/wx/session", tablet), 200)
	end(id, tablet, 204)
	end(currentSession(t, engine, tablet), tablet, 204)
	wantFailure(t, get(engine, "/wx/session", tablet), 401, "invalid_token")
}

func currentSession(t *testing.T, engine *gin.Engine, token string) string {
	t.Helper()
	list, _ := decode(t, get(engine, "/wx/sessions", token))["sessions"].([]any)
	for _, item := range list {
		session, _ := item.(map[string]any)
		if session["current"] == true {
			id, _ := session["id"].(string)
			return id
		}
	}
	t.Fatal("no session is current")
	return ""
}

func TestEndSessionOnAPathWithoutAnID(t *testing.T) {
	auth := newAuth(t, wxlogin.Config{})
	engine := mounted(auth)
	engine.POST("/end", handler.EndSession(auth))
	wantFailure(t, post(engine, "/end", logIn(t, engine, "code=ok:alice")), 400, "bad_request")
}

func TestAStoreThatCannotListIsMisconfigured(t *testing.T) {
	memory := store.NewMemory()
	t.Cleanup(func() { _ = memory.Close() })
	engine := mounted(newAuth(t, wxlogin.Config{
		Providers: []wxlogin.Provider{newProvider(testApp)}, Store: plainStore{memory}, Keys: [][]byte{testKey},
	}))
	token := logIn(t, engine, "code=ok:alice")
	wantFailure(t, get(engine, "/wx/sessions", token), 500, "misconfigured")
	wantFailure(t, send(engine, request{method: "DELETE", target: "/wx/sessions/x", token: token}), 500, "misconfigured")
	wantFailure(t, post(engine, "/wx/logout?all=1", token), 500, "misconfigured")
	wantStatus(t, get(engine, "/wx/session", token), 200)
	wantStatus(t, post(engine, "/wx/logout", token), 204)
}

func TestRoutesBehindRequired(t *testing.T) {
	auth := newAuth(t, wxlogin.Config{})
	engine := gin.New()
	engine.GET("/wx/login", handler.Login(auth))
	account := engine.Group("/account", middleware.Required(auth))
	account.GET("", handler.Session(auth))
	account.GET("/devices", handler.Sessions(auth))
	account.DELETE("", handler.Logout(auth))
	token := logIn(t, engine, "code=ok:alice")
	wantFailure(t, get(engine, "/account", ""), 401, "missing_token")
	wantStatus(t, get(engine, "/account", token), 200)
	wantStatus(t, get(engine, "/account/devices", token), 200)
	wantStatus(t, send(engine, request{method: "DELETE", target: "/account", token: token}), 204)
	wantFailure(t, get(engine, "/account", token), 401, "invalid_token")
}
