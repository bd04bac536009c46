package middleware_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/middleware"
)

func TestRequiredPutsTheIdentityWhereHandlersLook(t *testing.T) {
	auth, token := issued(t)
	type contextKey struct{}
	for _, fallback := range []bool{false, true} {
		engine := gin.New()
		engine.ContextWithFallback = fallback
		engine.Use(middleware.Required(auth))
		engine.GET("/me", func(c *gin.Context) {
			request := c.Request.Context()
			derived, cancel := context.WithTimeout(context.WithValue(request, contextKey{}, 1), time.Minute)
			defer cancel()
			fromGin, cancelGin := context.WithCancel(c)
			defer cancelGin()
			for name, ctx := range map[string]context.Context{
				"gin context": c, "request context": request, "derived from request": derived,
				"derived from gin": fromGin, "copy": c.Copy(), "request of the copy": c.Copy().Request.Context(),
			} {
				id, ok := wxlogin.FromContext(ctx)
				if !ok || id.OpenID != "alice" || !id.VerifiedBy(auth) {
					t.Errorf("fallback %v, %s: got %q, %v, want alice's verified identity", fallback, name, id.OpenID, ok)
				}
				if got := wxlogin.OpenID(ctx); got != "alice" {
					t.Errorf("fallback %v, %s: OpenID: got %q, want alice", fallback, name, got)
				}
			}
			if got := c.GetString("openid"); got != "alice" {
				t.Errorf(`GetString("openid"): got %q, want alice`, got)
			}
			c.Status(http.StatusNoContent)
		})
		server := httptest.NewServer(engine)
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/me", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		response, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		server.Close()
		if response.StatusCode != http.StatusNoContent {
			t.Errorf("status: got %d, want 204", response.StatusCode)
		}
	}
}

func TestARefusedRequestReachesNoHandler(t *testing.T) {
	auth, _ := issued(t)
	for name, guard := range map[string]gin.HandlerFunc{
		"Required": middleware.Required(auth), "Optional": middleware.Optional(auth),
	} {
		engine := gin.New()
		var seen []*gin.Error
		engine.Use(func(c *gin.Context) { c.Next(); seen = c.Errors }, guard)
		engine.GET("/me", func(*gin.Context) { t.Errorf("%s: a handler ran", name) })
		wantFailure(t, get(engine, "/me", bearer("forged")...), 401, "invalid_token")
		if len(seen) != 1 || !seen[0].IsType(gin.ErrorTypePrivate) || seen[0].IsType(gin.ErrorTypePublic) {
			t.Errorf("%s: c.Errors: got %v, want one private error", name, seen)
		}
	}
}

func TestOptional(t *testing.T) {
	watched := newWatchedStore(t)
	auth := newAuth(t, wxlogin.Config{Store: watched, Keys: [][]byte{testKey}})
	token := issue(t, auth, wxlogin.Identity{OpenID: "alice"})
	engine := guarded(middleware.Optional(auth))

	watched.reset()
	wantOpenID(t, get(engine, "/me"), "")
	wantOpenID(t, get(engine, "/me", "Authorization", "Bearer "), "")
	wantOpenID(t, get(engine, "/me", "Authorization", "Basic QWxhZGRpbg=="), "")
	if got := watched.calls(); got != 0 {
		t.Errorf("store calls for guests: got %d, want 0", got)
	}
	wantOpenID(t, get(engine, "/me", bearer(token)...), "alice")
	wantFailure(t, get(engine, "/me", bearer(token+"x")...), 401, "invalid_token")

	watched.down.Store(true)
	wantFailure(t, get(engine, "/me", bearer(token)...), 503, "store_unavailable")
	wantOpenID(t, get(engine, "/me"), "")
}

func TestStoreDownIsNeverALogout(t *testing.T) {
	watched := newWatchedStore(t)
	auth := newAuth(t, wxlogin.Config{Store: watched, Keys: [][]byte{testKey}})
	token := issue(t, auth, wxlogin.Identity{OpenID: "alice"})
	engine := guarded(middleware.Required(auth))

	watched.down.Store(true)
	w := get(engine, "/me", bearer(token)...)
	wantFailure(t, w, 503, "store_unavailable")
	wantRetryAfter(t, w, 5, 30)
	if strings.Contains(w.Body.String(), errDown.Error()) {
		t.Errorf("body shows the store's error: %s", w.Body)
	}
	watched.down.Store(false)
	wantOpenID(t, get(engine, "/me", bearer(token)...), "alice")
}

func TestExpiredIsToldFromUnknown(t *testing.T) {
	now := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	auth := newAuth(t, wxlogin.Config{IdleTimeout: time.Minute, Now: func() time.Time { return now }})
	token := issue(t, auth, wxlogin.Identity{OpenID: "alice"})
	engine := guarded(middleware.Required(auth))
	wantOpenID(t, get(engine, "/me", bearer(token)...), "alice")
	now = now.Add(time.Minute)
	w := get(engine, "/me", bearer(token)...)
	wantFailure(t, w, 401, "session_expired")
	if got, want := w.Header().Get("WWW-Authenticate"), `Bearer error="invalid_token"`; got != want {
		t.Errorf("WWW-Authenticate: got %q, want %q", got, want)
	}
}

func TestRequiredAfterOptionalAuthenticatesOnce(t *testing.T) {
	watched := newWatchedStore(t)
	auth := newAuth(t, wxlogin.Config{Store: watched, Keys: [][]byte{testKey}})
	token := issue(t, auth, wxlogin.Identity{OpenID: "alice"})
	watched.reset()
	engine := guarded(middleware.Optional(auth), middleware.Required(auth))
	wantOpenID(t, get(engine, "/me", bearer(token)...), "alice")
	if got := watched.gets.Load(); got != 1 {
		t.Errorf("store reads: got %d, want 1", got)
	}
	wantFailure(t, get(engine, "/me"), 401, "missing_token")
}

func TestRequiredAfterOptionalKeepsItsOwnRules(t *testing.T) {
	auth := newAuth(t, wxlogin.Config{Apps: []string{testApp, otherApp}})
	token := issue(t, auth, wxlogin.Identity{AppID: otherApp, OpenID: "bob"})
	optional := middleware.Optional(auth, middleware.WithToken(middleware.FromQuery("token")))

	apps := guarded(optional, middleware.Required(auth,
		middleware.WithApps(testApp), middleware.WithToken(middleware.FromQuery("token"))))
	wantFailure(t, get(apps, "/me?token="+token), 401, "invalid_token")

	header := guarded(optional, middleware.Required(auth))
	wantFailure(t, get(header, "/me?token="+token), 401, "missing_token")
	wantFailure(t, get(header, "/me?token="+token, bearer("forged")...), 401, "invalid_token")
	wantOpenID(t, get(header, "/me?token="+token, bearer(token)...), "bob")
}

func TestAnIdentityFromElsewhereIsNoLogin(t *testing.T) {
	auth, token := issued(t)
	another, othersToken := issued(t)
	put := func(id wxlogin.Identity) gin.HandlerFunc {
		return func(c *gin.Context) {
			c.Request = c.Request.WithContext(wxlogin.WithIdentity(c.Request.Context(), id))
		}
	}
	forged := put(wxlogin.Identity{AppID: testApp, Subject: "admin", OpenID: "admin"})
	verified, err := auth.Authenticate(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	changed := verified
	changed.OpenID = "admin"
	for _, tt := range []struct {
		name   string
		guards []gin.HandlerFunc
	}{
		{"put by WithIdentity", []gin.HandlerFunc{forged, middleware.Required(auth)}},
		{"a verified one, put by WithIdentity", []gin.HandlerFunc{put(verified), middleware.Required(auth)}},
		{"put over an Optional guest", []gin.HandlerFunc{middleware.Optional(auth), forged, middleware.Required(auth)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wantFailure(t, get(guarded(tt.guards...), "/me"), 401, "missing_token")
			wantOpenID(t, get(guarded(tt.guards...), "/me", bearer(token)...), "alice")
		})
	}
	t.Run("put over a verified one", func(t *testing.T) {
		engine := guarded(middleware.Optional(auth), put(changed), middleware.Required(auth))
		wantOpenID(t, get(engine, "/me", bearer(token)...), "alice")
	})
	t.Run("of another Auth", func(t *testing.T) {
		engine := guarded(middleware.Required(another), middleware.Required(auth))
		wantFailure(t, get(engine, "/me", bearer(othersToken)...), 401, "invalid_token")
	})
	t.Run("lost from the request's context", func(t *testing.T) {
		engine := guarded(middleware.Optional(auth), func(c *gin.Context) {
			c.Request = c.Request.WithContext(context.Background())
		}, middleware.Required(auth), func(c *gin.Context) {
			if got := wxlogin.OpenID(c.Request.Context()); got != "alice" {
				t.Errorf("openid on the request's context: got %q, want alice", got)
			}
		})
		wantOpenID(t, get(engine, "/me", bearer(token)...), "alice")
	})
}

func TestReplayAfterLogoutIsRefused(t *testing.T) {
	auth, token := issued(t)
	engine := guarded(middleware.Required(auth))
	wantOpenID(t, get(engine, "/me", bearer(token)...), "alice")
	if err := auth.Logout(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	wantFailure(t, get(engine, "/me", bearer(token)...), 401, "invalid_token")
}
