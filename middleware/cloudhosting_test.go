package middleware_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/middleware"
	"github.com/ginwx/wxlogin/store"
)

func fromGateway(*http.Request) bool           { return true }
func fromAnywhere(*http.Request) bool          { return false }
func only(h ...string) []string                { return h }
func with(h []string, more ...string) []string { return append(append([]string(nil), h...), more...) }

// cloud are the headers of a call by openID in app.
func cloud(app, openID string) []string {
	return []string{"X-WX-SOURCE", "wx_client", "X-WX-APPID", app, "X-WX-OPENID", openID}
}

// shared are the headers of a call by openID in app, whose mini program shares the
// environment of testApp.
func shared(app, openID string) []string {
	return []string{"X-WX-SOURCE", "wx_client", "X-WX-APPID", testApp, "X-WX-FROM-APPID", app, "X-WX-FROM-OPENID", openID}
}

func TestCloudHostingHeaders(t *testing.T) {
	auth := newAuth(t, wxlogin.Config{Apps: []string{testApp, otherApp}})
	from := middleware.WithCloudHostingFrom()
	one := middleware.WithApps(testApp)
	alice := cloud(testApp, "alice")
	long := strings.Repeat("a", 129)
	const (
		ok      = "alice"
		refused = "!invalid_token"
		none    = "!missing_token" // Required's word: nobody is vouched for
	)
	rows := []struct {
		name    string
		headers []string
		opts    []middleware.Option
		want    string
	}{
		{"the pair and a source", alice, nil, ok},
		{"a source that is a chain", only("X-WX-SOURCE", "wx_client,scf", "X-WX-APPID", testApp, "X-WX-OPENID", "alice"), nil, ok},
		{"names in lower case", only("x-wx-source", "wx_client", "x-wx-appid", testApp, "x-wx-openid", "alice"), nil, ok},
		{"128 bytes of openid", cloud(testApp, long[:128]), nil, long[:128]},
		{"another app that is served", cloud(otherApp, "alice"), nil, ok},
		{"a unionid", with(alice, "X-WX-UNIONID", "u"), nil, ok},
		{"other headers of the gateway", with(alice, "X-WX-ENV", "prod", "X-Original-Forwarded-For", "203.0.113.1"), nil, ok},

		{"no header", nil, nil, none},
		{"a source alone", only("X-WX-SOURCE", "wx_trigger"), nil, none},
		{"an app alone", only("X-WX-SOURCE", "wx_client", "X-WX-APPID", testApp), nil, none},
		{"a unionid alone", only("X-WX-SOURCE", "wx_client", "X-WX-UNIONID", "u"), nil, none},
		{"a name with underscores", only("X-WX-SOURCE", "wx_client", "X_WX_APPID", testApp, "X_WX_OPENID", "alice"), nil, none},
		{"in the query", nil, nil, none},

		{"no source", only("X-WX-APPID", testApp, "X-WX-OPENID", "alice"), nil, refused},
		{"an empty source", only("X-WX-SOURCE", "", "X-WX-APPID", testApp, "X-WX-OPENID", "alice"), nil, refused},
		{"two sources", with(alice, "X-WX-SOURCE", "wx_client"), nil, refused},
		{"no app", only("X-WX-SOURCE", "wx_client", "X-WX-OPENID", "alice"), nil, refused},
		{"an empty app", cloud("", "alice"), nil, refused},
		{"an app that is not served", cloud("wx-unknown", "alice"), nil, refused},
		{"an app that the route does not take", cloud(otherApp, "alice"), []middleware.Option{one}, refused},
		{"an app in another case", cloud(strings.ToUpper(testApp), "alice"), nil, refused},
		{"an empty openid", cloud(testApp, ""), nil, refused},
		{"129 bytes of openid", cloud(testApp, long), nil, refused},
		{"64 KiB of openid", cloud(testApp, strings.Repeat("a", 64<<10)), nil, refused},
		{"129 bytes of app", cloud(long, "alice"), nil, refused},
		{"two openids", with(alice, "X-WX-OPENID", "mallory"), nil, refused},
		{"the same openid twice", with(alice, "X-WX-OPENID", "alice"), nil, refused},
		{"two openids in one", cloud(testApp, "mallory, alice"), nil, refused},
		{"two openids in one, without a blank", cloud(testApp, "mallory,alice"), nil, refused},
		{"a comma at the end", cloud(testApp, "alice,"), nil, refused},
		{"two apps", with(alice, "X-WX-APPID", testApp), nil, refused},
		{"two apps in one", cloud(testApp+","+testApp, "alice"), nil, refused},
		{"an openid with a blank", cloud(testApp, "ali ce"), nil, refused},
		{"an openid with a blank before", cloud(testApp, " alice"), nil, refused},
		{"an openid with a tab", cloud(testApp, "alice\t"), nil, refused},
		{"an openid with a zero byte", cloud(testApp, "alice\x00"), nil, refused},
		{"an openid that is not ASCII", cloud(testApp, "aliçe"), nil, refused},
		{"an empty unionid", with(alice, "X-WX-UNIONID", ""), nil, refused},
		{"two unionids", with(alice, "X-WX-UNIONID", "u", "X-WX-UNIONID", "v"), nil, refused},
		{"two unionids in one", with(alice, "X-WX-UNIONID", "u,v"), nil, refused},

		{"the FROM pair without the option", shared(otherApp, "alice"), nil, none},
		{"the FROM pair", shared(otherApp, "alice"), []middleware.Option{from}, ok},
		{"the FROM pair of an app that is not served", shared("wx-unknown", "alice"), []middleware.Option{from}, refused},
		{"the FROM pair of an app that the route does not take", shared(otherApp, "alice"), []middleware.Option{from, one}, refused},
		{"the FROM pair without source", shared(otherApp, "alice")[2:], []middleware.Option{from}, refused},
		{"two FROM openids", with(shared(otherApp, "alice"), "X-WX-FROM-OPENID", "bob"), []middleware.Option{from}, refused},
		{"both pairs without the option", with(alice, "X-WX-FROM-APPID", otherApp, "X-WX-FROM-OPENID", "bob"), nil, ok},
		{"both pairs", with(alice, "X-WX-FROM-APPID", otherApp, "X-WX-FROM-OPENID", "bob"), []middleware.Option{from}, ok},
		{"half of each pair", only("X-WX-SOURCE", "s", "X-WX-OPENID", "alice", "X-WX-FROM-APPID", testApp), []middleware.Option{from}, refused},
		{"the other halves", only("X-WX-SOURCE", "s", "X-WX-FROM-OPENID", "alice", "X-WX-APPID", testApp), []middleware.Option{from}, refused},
		{"the option and the usual pair", alice, []middleware.Option{from}, ok},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			target := "/me"
			if row.name == "in the query" {
				target = "/me?X-WX-SOURCE=s&X-WX-APPID=" + testApp + "&X-WX-OPENID=alice"
			}
			trusting := middleware.TrustCloudHostingHeaders(auth, fromGateway, row.opts...)
			required := guarded(trusting, middleware.Required(auth))
			optional := guarded(trusting, middleware.Optional(auth))
			alone := guarded(trusting)
			switch row.want {
			case refused:
				for _, engine := range []http.Handler{required, optional, alone} {
					wantFailure(t, get(engine, target, row.headers...), 401, "invalid_token")
				}
			case none:
				wantFailure(t, get(required, target, row.headers...), 401, "missing_token")
				wantOpenID(t, get(optional, target, row.headers...), "")
				wantOpenID(t, get(alone, target, row.headers...), "")
			default:
				for _, engine := range []http.Handler{required, optional, alone} {
					wantOpenID(t, get(engine, target, row.headers...), row.want)
				}
			}

			// On the public network nobody is vouched for, whatever the headers say.
			forged := middleware.TrustCloudHostingHeaders(auth, fromAnywhere, row.opts...)
			code, status := "invalid_token", 401
			if row.want == none {
				code = "missing_token"
			}
			wantFailure(t, get(guarded(forged, middleware.Required(auth)), target, row.headers...), status, code)
			w := get(guarded(forged, middleware.Optional(auth)), target, row.headers...)
			if row.want == none {
				wantOpenID(t, w, "")
			} else {
				wantFailure(t, w, 401, "invalid_token")
			}
			// Without the middleware the headers mean nothing at all.
			wantFailure(t, get(guarded(middleware.Required(auth)), target, row.headers...), 401, "missing_token")
			wantOpenID(t, get(guarded(middleware.Optional(auth)), target, row.headers...), "")
		})
	}
}

func TestTrustIsAskedForEachRequestWithAnOpenID(t *testing.T) {
	auth := newAuth(t, wxlogin.Config{})
	var asked atomic.Int64
	trust := func(r *http.Request) bool {
		asked.Add(1)
		return r.Header.Get("X-Ingress-Proof") == "synthetic"
	}
	engine := guarded(middleware.TrustCloudHostingHeaders(auth, trust), middleware.Required(auth))
	wantOpenID(t, get(engine, "/me", with(cloud(testApp, "alice"), "X-Ingress-Proof", "synthetic")...), "alice")
	wantFailure(t, get(engine, "/me", cloud(testApp, "alice")...), 401, "invalid_token")
	wantOpenID(t, get(engine, "/me", with(cloud(testApp, "alice"), "X-Ingress-Proof", "synthetic")...), "alice")
	if got := asked.Load(); got != 3 {
		t.Errorf("trust: asked %d times, want 3", got)
	}
	get(engine, "/me")
	get(engine, "/me", "X-WX-SOURCE", "wx_client", "X-WX-APPID", testApp)
	if got := asked.Load(); got != 3 {
		t.Errorf("trust: asked %d times, want not without an openid", got)
	}
}

func TestHeadersOfOneAuthSayNothingToAnother(t *testing.T) {
	auth, other := newAuth(t, wxlogin.Config{}), newAuth(t, wxlogin.Config{})
	engine := guarded(middleware.TrustCloudHostingHeaders(auth, fromGateway), middleware.Required(other))
	wantFailure(t, get(engine, "/me", cloud(testApp, "alice")...), 401, "missing_token")
	wantOpenID(t, get(guarded(middleware.TrustCloudHostingHeaders(auth, fromGateway), middleware.Optional(other)), "/me"), "")
}

func TestARouteInsideTakesItsOwnAppsOnly(t *testing.T) {
	auth := newAuth(t, wxlogin.Config{Apps: []string{testApp, otherApp}})
	trusting := middleware.TrustCloudHostingHeaders(auth, fromGateway)
	one := middleware.WithApps(testApp)
	for _, inner := range []gin.HandlerFunc{middleware.Required(auth, one), middleware.Optional(auth, one)} {
		wantOpenID(t, get(guarded(trusting, inner), "/me", cloud(testApp, "alice")...), "alice")
		wantFailure(t, get(guarded(trusting, inner), "/me", cloud(otherApp, "alice")...), 401, "invalid_token")
	}
}

func TestOnLoginRefusalAndRevocationHoldForHeaders(t *testing.T) {
	var logins atomic.Int64
	var banned atomic.Bool
	watched := newWatchedStore(t)
	auth := newAuth(t, wxlogin.Config{
		Store: watched, Keys: [][]byte{testKey}, IdleTimeout: time.Hour,
		OnLogin: func(_ context.Context, e *wxlogin.LoginEvent) error {
			logins.Add(1)
			if banned.Load() {
				return wxlogin.Refuse("banned", "Go away.")
			}
			if e.UnionID != "u" || e.UserAgent != "agent" || e.AppID != testApp {
				t.Errorf("event: got app %q, unionid %q, agent %q", e.AppID, e.UnionID, e.UserAgent)
			}
			e.UserID = "user-" + e.OpenID
			return nil
		},
	})
	engine := gin.New()
	engine.Use(middleware.TrustCloudHostingHeaders(auth, fromGateway), middleware.Required(auth))
	engine.GET("/me", func(c *gin.Context) {
		id, _ := wxlogin.FromContext(c)
		c.String(200, "openid=%s", id.UserID)
	})
	headers := with(cloud(testApp, "alice"), "X-WX-UNIONID", "u", "User-Agent", "agent")
	ask := func() { t.Helper(); wantOpenID(t, get(engine, "/me", headers...), "user-alice") }
	wantLogins := func(want int64) {
		t.Helper()
		if got := logins.Load(); got != want {
			t.Errorf("OnLogin: called %d times, want %d", got, want)
		}
	}

	ask()
	ask()
	wantLogins(1)
	banned.Store(true)
	ask() // a session is a session until it is ended
	wantLogins(1)
	if err := auth.RevokeUser(t.Context(), wxlogin.Identity{AppID: testApp, Subject: "alice", UserID: "user-alice"}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		w := get(engine, "/me", headers...)
		wantFailure(t, w, 403, "login_refused")
		if !strings.Contains(w.Body.String(), `"reason":"banned"`) {
			t.Errorf("body: got %s", w.Body)
		}
	}
	wantLogins(3)

	watched.down.Store(true)
	wantFailure(t, get(engine, "/me", headers...), 503, "store_unavailable")
	watched.down.Store(false)
	banned.Store(false)
	ask()
	watched.down.Store(true)
	wantFailure(t, get(engine, "/me", headers...), 503, "store_unavailable")
}

func TestOnLoginDoesNotHearOfUsersWhoAreNotVouchedFor(t *testing.T) {
	watched := newWatchedStore(t)
	auth := newAuth(t, wxlogin.Config{Store: watched, Keys: [][]byte{testKey}, Apps: []string{testApp, otherApp},
		OnLogin: func(_ context.Context, e *wxlogin.LoginEvent) error {
			t.Errorf("OnLogin: called for %s of %s", e.OpenID, e.AppID)
			return nil
		},
	})
	for _, guard := range []gin.HandlerFunc{
		middleware.TrustCloudHostingHeaders(auth, fromAnywhere),
		middleware.TrustCloudHostingHeaders(auth, fromGateway, middleware.WithApps(otherApp)),
	} {
		wantFailure(t, get(guarded(guard), "/me", cloud(testApp, "alice")...), 401, "invalid_token")
	}
	wantFailure(t, get(guarded(middleware.TrustCloudHostingHeaders(auth, fromGateway)), "/me", cloud("wx-unknown", "alice")...), 401, "invalid_token")
	if got := watched.calls(); got != 0 {
		t.Errorf("store calls: got %d, want 0", got)
	}
}

func TestOneRequestIsAdmittedOnce(t *testing.T) {
	watched := newWatchedStore(t)
	auth := newAuth(t, wxlogin.Config{Store: watched, Keys: [][]byte{testKey}})
	engine := guarded(middleware.TrustCloudHostingHeaders(auth, fromGateway), middleware.Optional(auth), middleware.Required(auth))
	wantOpenID(t, get(engine, "/me", cloud(testApp, "alice")...), "alice")
	watched.reset()
	wantOpenID(t, get(engine, "/me", cloud(testApp, "alice")...), "alice")
	if got := watched.calls(); got != 1 {
		t.Errorf("store calls of a later request: got %d, want 1", got)
	}
}

func TestAppsThatComeAtRunTimeAreServedForHeadersToo(t *testing.T) {
	auth := newAuth(t, wxlogin.Config{Resolve: func(_ context.Context, appID string) (wxlogin.Provider, error) {
		if appID == otherApp {
			return resolvedApp(appID), nil
		}
		return nil, nil
	}})
	engine := guarded(middleware.TrustCloudHostingHeaders(auth, fromGateway), middleware.Required(auth))
	wantOpenID(t, get(engine, "/me", cloud(otherApp, "alice")...), "alice")
	wantFailure(t, get(engine, "/me", cloud("wx-unknown", "alice")...), 401, "invalid_token")
}

type resolvedApp string

func (a resolvedApp) AppID() string { return string(a) }

func (resolvedApp) Exchange(context.Context, string) (wxlogin.Account, error) {
	return wxlogin.Account{}, wxlogin.ErrInvalidCode
}

func TestWhatTheHeadersSayIsNotInErrors(t *testing.T) {
	const canary = "canary-openid"
	auth := newAuth(t, wxlogin.Config{Store: plainStore{newWatchedStore(t)}, Keys: [][]byte{testKey}})
	var errs []string
	engine := gin.New()
	engine.Use(func(c *gin.Context) {
		c.Next()
		for _, err := range c.Errors {
			errs = append(errs, fmt.Sprintf("%v %+v", err, err.Err))
		}
	}, middleware.TrustCloudHostingHeaders(auth, fromGateway), middleware.Required(auth))
	bob := issue(t, auth, wxlogin.Identity{AppID: testApp, OpenID: "bob"})
	for _, headers := range [][]string{
		cloud(testApp, canary+","), cloud(canary, canary), cloud(canary+" ", "alice"), with(cloud(testApp, canary), bearer(bob)...),
		cloud(testApp, canary)[2:], with(cloud(testApp, canary), "X-WX-UNIONID", canary+","),
	} {
		w := get(engine, "/me", headers...)
		wantFailure(t, w, 401, "invalid_token")
		errs = append(errs, w.Body.String())
	}
	if len(errs) != 12 {
		t.Errorf("errors and replies: got %d, want 12", len(errs))
	}
	if text := strings.Join(errs, "\n"); strings.Contains(text, canary) || strings.Contains(text, bob) {
		t.Errorf("shown: %s", text)
	}
}

// plainStore cannot list by account.
type plainStore struct{ store.Store }

func TestWrongWiringOfCloudHostingPanics(t *testing.T) {
	auth := newAuth(t, wxlogin.Config{})
	for name, wire := range map[string]func(){
		"no auth":      func() { middleware.TrustCloudHostingHeaders(nil, fromGateway) },
		"no trust":     func() { middleware.TrustCloudHostingHeaders(auth, nil) },
		"a nil option": func() { middleware.TrustCloudHostingHeaders(auth, fromGateway, nil) },
		"an app that is not served": func() {
			middleware.TrustCloudHostingHeaders(auth, fromGateway, middleware.WithApps("wx-unknown"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.HasPrefix(got, "middleware.TrustCloudHostingHeaders: ") {
					t.Errorf("panic: got %q, want one that names the function", got)
				}
			}()
			wire()
		})
	}
}

func TestUserDataAgeMustBePositive(t *testing.T) {
	auth := newAuth(t, wxlogin.Config{})
	for _, limit := range []time.Duration{0, -time.Second} {
		if _, err := middleware.NewSettings(auth, middleware.WithUserDataAge(limit)); err == nil {
			t.Errorf("%v: got no error", limit)
		}
	}
	s, err := middleware.NewSettings(auth, middleware.WithUserDataAge(time.Hour))
	if err != nil || s.UserDataAge() != time.Hour {
		t.Errorf("got %v, %v, want an hour", s.UserDataAge(), err)
	}
	if s, err = middleware.NewSettings(auth); err != nil || s.UserDataAge() != 0 {
		t.Errorf("without it: got %v, %v, want 0", s.UserDataAge(), err)
	}
}
