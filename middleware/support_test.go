package middleware_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/store"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.TestMode)
	os.Exit(m.Run())
}

const (
	testApp  = "wx-test-app"
	otherApp = "wx-other-app"
)

var (
	testKey  = bytes.Repeat([]byte("k"), 32)
	otherKey = bytes.Repeat([]byte("o"), 32)
)

func newAuth(t testing.TB, cfg wxlogin.Config) *wxlogin.Auth {
	t.Helper()
	if len(cfg.Apps) == 0 {
		cfg.Apps = []string{testApp}
	}
	auth, err := wxlogin.New(cfg)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	t.Cleanup(func() { _ = auth.Close() })
	return auth
}

// issued returns an Auth and a good token of it.
func issued(t testing.TB) (*wxlogin.Auth, string) {
	t.Helper()
	auth := newAuth(t, wxlogin.Config{})
	return auth, issue(t, auth, wxlogin.Identity{AppID: testApp, OpenID: "alice"})
}

func issue(t testing.TB, auth *wxlogin.Auth, id wxlogin.Identity) string {
	t.Helper()
	result, err := auth.Issue(t.Context(), id)
	if err != nil {
		t.Fatalf("Issue: %v", err)
	}
	return result.Token.Reveal()
}

var errDown = errors.New("connection refused")

// watchedStore counts what it is asked and can go down.
type watchedStore struct {
	*store.Memory
	gets, others atomic.Int64
	down         atomic.Bool
}

func newWatchedStore(t testing.TB) *watchedStore {
	t.Helper()
	s := &watchedStore{Memory: store.NewMemory()}
	t.Cleanup(func() { _ = s.Memory.Close() })
	return s
}

func (s *watchedStore) reset()       { s.gets.Store(0); s.others.Store(0) }
func (s *watchedStore) calls() int64 { return s.gets.Load() + s.others.Load() }

func (s *watchedStore) other() error {
	s.others.Add(1)
	if s.down.Load() {
		return errDown
	}
	return nil
}

func (s *watchedStore) Get(ctx context.Context, key string) ([]byte, error) {
	s.gets.Add(1)
	if s.down.Load() {
		return nil, errDown
	}
	return s.Memory.Get(ctx, key)
}

func (s *watchedStore) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	if err := s.other(); err != nil {
		return err
	}
	return s.Memory.Set(ctx, key, value, ttl)
}

func (s *watchedStore) Add(ctx context.Context, key string, value []byte, ttl time.Duration) (bool, error) {
	if err := s.other(); err != nil {
		return false, err
	}
	return s.Memory.Add(ctx, key, value, ttl)
}

func (s *watchedStore) Swap(ctx context.Context, key string, old, new []byte, ttl time.Duration) (bool, error) {
	if err := s.other(); err != nil {
		return false, err
	}
	return s.Memory.Swap(ctx, key, old, new, ttl)
}

func (s *watchedStore) Delete(ctx context.Context, key string) error {
	if err := s.other(); err != nil {
		return err
	}
	return s.Memory.Delete(ctx, key)
}

// guarded returns an engine whose GET /me answers the openid behind the guards.
func guarded(guards ...gin.HandlerFunc) *gin.Engine {
	engine := gin.New()
	engine.Use(guards...)
	engine.GET("/me", func(c *gin.Context) { c.String(http.StatusOK, "openid="+wxlogin.OpenID(c)) })
	return engine
}

// get asks for target with headers given as name, value pairs.
func get(engine http.Handler, target string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header[http.CanonicalHeaderKey(headers[i])] = append(r.Header.Values(headers[i]), headers[i+1])
	}
	w := httptest.NewRecorder()
	engine.ServeHTTP(w, r)
	return w
}

func bearer(token string) []string { return []string{"Authorization", "Bearer " + token} }

// wantFailure checks status and code, and what every failure must have.
func wantFailure(t *testing.T, w *httptest.ResponseRecorder, status int, code string) {
	t.Helper()
	var body struct {
		Error struct{ Code, Reason, Message string }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatalf("body: got %d %q, want JSON: %v", w.Code, w.Body, err)
	}
	if w.Code != status || body.Error.Code != code {
		t.Errorf("got %d %q, want %d %q", w.Code, body.Error.Code, status, code)
	}
	if body.Error.Message == "" {
		t.Error("message: got none")
	}
	if got := w.Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control: got %q, want no-store", got)
	}
	if got := w.Header().Get("WWW-Authenticate"); (status == http.StatusUnauthorized) != (got != "") {
		t.Errorf("WWW-Authenticate of a %d: got %q", status, got)
	}
}

func wantOpenID(t *testing.T, w *httptest.ResponseRecorder, openID string) {
	t.Helper()
	if w.Code != http.StatusOK || w.Body.String() != "openid="+openID {
		t.Errorf("got %d %q, want 200 openid=%s", w.Code, w.Body, openID)
	}
}

func wantRetryAfter(t *testing.T, w *httptest.ResponseRecorder, low, high int) {
	t.Helper()
	text := w.Header().Get("Retry-After")
	seconds, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || seconds < low || seconds > high {
		t.Errorf("Retry-After: got %q, want %d to %d seconds", text, low, high)
	}
}
