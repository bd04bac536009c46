package handler_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/handler"
	"github.com/ginwx/wxlogin/middleware"
)

const perMinute = 6

// limited returns an engine whose clients are told apart by X-Forwarded-For, the
// clock of its Auth, and what WeChat is asked.
func limited(t *testing.T, client func(*gin.Context) string) (*gin.Engine, *clock, *provider) {
	t.Helper()
	now, wechat := newClock(), newProvider(testApp)
	auth := newAuth(t, wxlogin.Config{Providers: []wxlogin.Provider{wechat}, Now: now.Now})
	engine := gin.New()
	handler.Mount(engine.Group("/wx"), auth, middleware.WithLoginLimit(perMinute, client))
	return engine, now, wechat
}

var codes atomic.Int64

// loginFrom logs in from an address and returns the status.
func loginFrom(engine http.Handler, address, code string) int {
	return send(engine, request{
		method: "POST", target: "/wx/login", contentType: jsonType,
		body:    fmt.Sprintf(`{"code":"%s;%d"}`, code, codes.Add(1)),
		headers: []string{"X-Forwarded-For", address},
	}).Code
}

func TestAClientLogsInOnlySoOften(t *testing.T) {
	engine, now, wechat := limited(t, middleware.ClientIP)
	for i := range perMinute {
		if got := loginFrom(engine, "192.0.2.1", "ok:alice"); got != http.StatusOK {
			t.Fatalf("login number %d: got %d, want 200", i+1, got)
		}
	}
	asked := len(wechat.seen())
	w := send(engine, request{method: "GET", target: "/wx/login?code=ok:alice", headers: []string{"X-Forwarded-For", "192.0.2.1"}})
	wantFailure(t, w, http.StatusTooManyRequests, "rate_limited")
	if after, err := strconv.Atoi(w.Header().Get("Retry-After")); err != nil || after < 1 {
		t.Errorf("Retry-After: got %q, want seconds", w.Header().Get("Retry-After"))
	}
	if got := len(wechat.seen()); got != asked {
		t.Errorf("WeChat was asked about a login over the limit")
	}
	if got := loginFrom(engine, "192.0.2.2", "ok:bob"); got != http.StatusOK {
		t.Errorf("another client: got %d, want 200", got)
	}

	now.advance(time.Minute / perMinute)
	for i, want := range []int{http.StatusOK, http.StatusTooManyRequests} {
		if got := loginFrom(engine, "192.0.2.1", "ok:alice"); got != want {
			t.Errorf("login number %d after a sixth of a minute: got %d, want %d", i+1, got, want)
		}
	}
	now.advance(time.Hour)
	for i := range perMinute + 1 {
		want := http.StatusOK
		if i == perMinute {
			want = http.StatusTooManyRequests
		}
		if got := loginFrom(engine, "192.0.2.1", "ok:alice"); got != want {
			t.Errorf("login number %d after an hour: got %d, want %d", i+1, got, want)
		}
	}
}

func TestFailedLoginsCountToo(t *testing.T) {
	engine, _, _ := limited(t, middleware.ClientIP)
	for range perMinute {
		if got := loginFrom(engine, "192.0.2.1", "forged"); got != http.StatusUnauthorized {
			t.Fatalf("got %d, want 401", got)
		}
	}
	if got := loginFrom(engine, "192.0.2.1", "ok:alice"); got != http.StatusTooManyRequests {
		t.Errorf("a good code after many bad ones: got %d, want 429", got)
	}
}

func TestTheLimitIsOfLoginsAlone(t *testing.T) {
	engine, _, _ := limited(t, func(*gin.Context) string { return "everybody" })
	token := logIn(t, engine, "code=ok:alice")
	for range 3 * perMinute {
		wantStatus(t, get(engine, "/wx/session", token), http.StatusOK)
	}
	for range perMinute - 1 {
		logIn(t, engine, fmt.Sprint("code=ok:alice%3B", codes.Add(1)))
	}
	wantFailure(t, get(engine, "/wx/login?code=ok:bob", ""), http.StatusTooManyRequests, "rate_limited")
}

func TestRoutesThatShareALimitAreCountedTogether(t *testing.T) {
	auth := newAuth(t, wxlogin.Config{})
	limit := middleware.WithLoginLimit(2, middleware.ClientIP)
	engine := gin.New()
	engine.Any("/one", handler.Login(auth, limit))
	engine.Any("/two", handler.Login(auth, limit))
	engine.Any("/own", handler.Login(auth, middleware.WithLoginLimit(2, middleware.ClientIP)))
	for i, tt := range []struct {
		path   string
		status int
	}{{"/one", 200}, {"/two", 200}, {"/one", 429}, {"/two", 429}, {"/own", 200}} {
		if w := get(engine, tt.path+"?code=ok:alice%3B"+strconv.Itoa(i), ""); w.Code != tt.status {
			t.Errorf("login number %d, %s: got %d, want %d", i+1, tt.path, w.Code, tt.status)
		}
	}
}

func TestOfManyLoginsAtOnceTheLimitPasses(t *testing.T) {
	engine, _, _ := limited(t, middleware.ClientIP)
	var (
		passed  atomic.Int64
		clients sync.WaitGroup
	)
	for range 20 * perMinute {
		clients.Go(func() {
			if loginFrom(engine, "192.0.2.1", "ok:alice") == http.StatusOK {
				passed.Add(1)
			}
		})
	}
	clients.Wait()
	if got := passed.Load(); got != perMinute {
		t.Errorf("%d logins passed at once, want %d", got, perMinute)
	}
}

func TestWhoIsOneClient(t *testing.T) {
	for name, tt := range map[string]struct {
		one, other string
		same       bool
	}{
		"IPv4 addresses":                    {"192.0.2.1", "192.0.2.2", false},
		"one IPv4 address":                  {"192.0.2.1", "192.0.2.1", true},
		"one IPv4 address, written as IPv6": {"::ffff:192.0.2.1", "192.0.2.1", true},
		"IPv6 addresses of one network":     {"2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true},
		"IPv6 addresses of two networks":    {"2001:db8:1:2::1", "2001:db8:1:3::1", false},
	} {
		engine, _, _ := limited(t, middleware.ClientIP)
		for range perMinute {
			loginFrom(engine, tt.one, "ok:alice")
		}
		if got := loginFrom(engine, tt.other, "ok:alice") == http.StatusTooManyRequests; got != tt.same {
			t.Errorf("%s: counted together: %v, want %v", name, got, tt.same)
		}
	}
}

func TestALongNameOfAClientIsNotKept(t *testing.T) {
	engine, _, _ := limited(t, func(c *gin.Context) string { return c.Request.UserAgent() })
	for i := range perMinute + 1 {
		w := send(engine, request{
			method: "GET", target: fmt.Sprint("/wx/login?code=ok:alice%3B", codes.Add(1)),
			headers: []string{"User-Agent", strings.Repeat("x", 1<<20)},
		})
		if limited := w.Code == http.StatusTooManyRequests; limited != (i == perMinute) {
			t.Errorf("login number %d: got %d", i+1, w.Code)
		}
	}
}
