package handler_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/handler"
	"github.com/ginwx/wxlogin/store"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.TestMode)
	os.Exit(m.Run())
}

const (
	testApp  = "wx-test-app"
	otherApp = "wx-other-app"

	canaryCode       = "canary-login-code"
	canarySessionKey = "canary-session-key"
)

var testKey = bytes.Repeat([]byte("canary-key-"), 4)

// provider answers the code "ok:<name>" or "ok:<name>;<anything>" with the user of
// that name, the codes of failures with them, and every other one as invalid. It
// records the codes that reached it.
type provider struct {
	appID    string
	failures map[string]error

	mu    sync.Mutex
	codes []string
}

func newProvider(appID string) *provider { return &provider{appID: appID} }

func (p *provider) AppID() string { return p.appID }

func (p *provider) Exchange(_ context.Context, code string) (wxlogin.Account, error) {
	p.mu.Lock()
	p.codes = append(p.codes, code)
	p.mu.Unlock()
	if err := p.failures[code]; err != nil {
		return wxlogin.Account{}, err
	}
	name, ok := strings.CutPrefix(code, "ok:")
	if !ok {
		return wxlogin.Account{}, wxlogin.ErrInvalidCode
	}
	name, _, _ = strings.Cut(name, ";")
	return wxlogin.Account{Subject: name, OpenID: name, SessionKey: wxlogin.NewSecret(canarySessionKey)}, nil
}

func (p *provider) seen() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.codes...)
}

func newAuth(t testing.TB, cfg wxlogin.Config) *wxlogin.Auth {
	t.Helper()
	if len(cfg.Providers)+len(cfg.Apps) == 0 {
		cfg.Providers = []wxlogin.Provider{newProvider(testApp)}
	}
	auth, err := wxlogin.New(cfg)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	t.Cleanup(func() { _ = auth.Close() })
	return auth
}

// mounted returns an engine with all routes under /wx.
func mounted(auth *wxlogin.Auth) *gin.Engine {
	engine := gin.New()
	handler.Mount(engine.Group("/wx"), auth)
	return engine
}

// request is one to send: a body of "" is none.
type request struct {
	method, target, contentType, body string
	token                             string
	headers                           []string // name, value pairs
}

func send(engine http.Handler, q request) *httptest.ResponseRecorder {
	var body io.Reader
	if q.body != "" {
		body = strings.NewReader(q.body)
	}
	r := httptest.NewRequest(q.method, q.target, body)
	if q.contentType != "" {
		r.Header.Set("Content-Type", q.contentType)
	}
	if q.token != "" {
		r.Header.Set("Authorization", "Bearer "+q.token)
	}
	for i := 0; i < len(q.headers); i += 2 {
		r.Header.Add(q.headers[i], q.headers[i+1])
	}
	w := httptest.NewRecorder()
	engine.ServeHTTP(w, r)
	return w
}

func get(engine http.Handler, target, token string) *httptest.ResponseRecorder {
	return send(engine, request{method: "GET", target: target, token: token})
}

func post(engine http.Handler, target, token string) *httptest.ResponseRecorder {
	return send(engine, request{method: "POST", target: target, token: token})
}

// logIn logs a user in and returns the token.
func logIn(t testing.TB, engine http.Handler, query string) string {
	t.Helper()
	w := get(engine, "/wx/login?"+query, "")
	token, _ := decode(t, w)["token"].(string)
	if w.Code != http.StatusOK || token == "" {
		t.Fatalf("login: got %d %s, want a token", w.Code, w.Body)
	}
	return token
}

func decode(t testing.TB, w *httptest.ResponseRecorder) map[string]any {
	t.Helper()
	var body map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatalf("body: got %d %q, want JSON: %v", w.Code, w.Body, err)
	}
	return body
}

func wantFailure(t testing.TB, w *httptest.ResponseRecorder, status int, code string) {
	t.Helper()
	failure, _ := decode(t, w)["error"].(map[string]any)
	if w.Code != status || failure["code"] != code {
		t.Errorf("got %d %s, want %d %s", w.Code, w.Body, status, code)
	}
	wantNoStore(t, w)
}

func wantStatus(t testing.TB, w *httptest.ResponseRecorder, status int) {
	t.Helper()
	if w.Code != status {
		t.Errorf("got %d %s, want %d", w.Code, w.Body, status)
	}
	wantNoStore(t, w)
}

func wantNoStore(t testing.TB, w *httptest.ResponseRecorder) {
	t.Helper()
	if got := w.Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control: got %q, want no-store", got)
	}
}

var errDown = errors.New("connection refused")

// brokenStore is a memory store that can go down, for reads or for deletes.
type brokenStore struct {
	*store.Memory
	down, noDelete atomic.Bool
	refused        atomic.Int64 // reads while down
}

func newBrokenStore(t testing.TB) *brokenStore {
	t.Helper()
	s := &brokenStore{Memory: store.NewMemory()}
	t.Cleanup(func() { _ = s.Memory.Close() })
	return s
}

func (s *brokenStore) Get(ctx context.Context, key string) ([]byte, error) {
	if s.down.Load() {
		s.refused.Add(1)
		return nil, errDown
	}
	return s.Memory.Get(ctx, key)
}

func (s *brokenStore) Delete(ctx context.Context, key string) error {
	if s.noDelete.Load() {
		return errDown
	}
	return s.Memory.Delete(ctx, key)
}

func (s *brokenStore) DeleteFor(ctx context.Context, owner string) error {
	if s.noDelete.Load() {
		return errDown
	}
	return s.Memory.DeleteFor(ctx, owner)
}

func (s *brokenStore) ListFor(ctx context.Context, owner string) ([]store.Entry, error) {
	if s.down.Load() {
		return nil, errDown
	}
	return s.Memory.ListFor(ctx, owner)
}

// plainStore cannot list by account.
type plainStore struct{ store.Store }

// clock is a time that stands still until it is moved.
type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.at.Store(time.Date(2026, 3, 1, 8, 30, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) Now() time.Time          { return time.Unix(0, c.at.Load()) }
func (c *clock) advance(d time.Duration) { c.at.Add(int64(d)) }
