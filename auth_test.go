package wxlogin

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ginwx/wxlogin/store"
)

const testApp = "wxtestapp00000001"

// fakeProvider answers code "<user>" or "<user>/<anything>" with that user.
type fakeProvider struct {
	app      string
	exchange func(ctx context.Context, code string) (Account, error)
	calls    atomic.Int64
}

func (p *fakeProvider) AppID() string { return p.app }

func (p *fakeProvider) Exchange(ctx context.Context, code string) (Account, error) {
	p.calls.Add(1)
	if p.exchange != nil {
		return p.exchange(ctx, code)
	}
	return testAccount(code), nil
}

func testAccount(code string) Account {
	user := code
	for i := range code {
		if code[i] == '/' {
			user = code[:i]
			break
		}
	}
	return Account{Subject: "o-" + user, OpenID: "o-" + user, SessionKey: NewSecret("key-of-" + code)}
}

// testClock moves by hand.
type testClock struct{ offset atomic.Int64 }

func (c *testClock) now() time.Time          { return testStart.Add(time.Duration(c.offset.Load())) }
func (c *testClock) advance(d time.Duration) { c.offset.Add(int64(d)) }

var testStart = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func testKey(name string) []byte {
	sum := sha256.Sum256([]byte(name))
	return sum[:]
}

// newTestAuth makes an Auth on a clock of its own; each change edits its Config.
func newTestAuth(t testing.TB, changes ...func(*Config)) (*Auth, *testClock) {
	t.Helper()
	clock := &testClock{}
	cfg := Config{
		Providers: []Provider{&fakeProvider{app: testApp}},
		Now:       clock.now,
	}
	for _, change := range changes {
		change(&cfg)
	}
	a, err := New(cfg)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return a, clock
}

// withStore shares one memory store between several Auths.
func withStore(s store.Store) func(*Config) {
	return func(cfg *Config) {
		cfg.Store = s
		if cfg.Keys == nil {
			cfg.Keys = [][]byte{testKey("current")}
		}
	}
}

func newTestStore(t testing.TB) *store.Memory {
	t.Helper()
	m := store.NewMemory()
	t.Cleanup(func() { _ = m.Close() })
	return m
}

func mustLogin(t testing.TB, a *Auth, code string) LoginResult {
	t.Helper()
	result, err := a.Login(t.Context(), LoginRequest{Code: NewSecret(code)})
	if err != nil {
		t.Fatalf("Login: %v", err)
	}
	return result
}

func wantClass(t testing.TB, what string, err, class error) {
	t.Helper()
	if !errors.Is(err, class) {
		t.Errorf("%s: got error %v, want %v", what, err, class)
	}
}

func wantLive(t testing.TB, a *Auth, token Secret, what string) {
	t.Helper()
	if _, err := a.Authenticate(t.Context(), token.Reveal()); err != nil {
		t.Errorf("%s: got error %v, want a live session", what, err)
	}
}

func wantDead(t testing.TB, a *Auth, token Secret, what string) {
	t.Helper()
	id, err := a.Authenticate(t.Context(), token.Reveal())
	wantClass(t, what, err, ErrInvalidToken)
	if id.OpenID != "" {
		t.Errorf("%s: an identity came with the error", what)
	}
}

func TestLoginTurnsACodeIntoATokenAndTheTokenIntoTheOpenID(t *testing.T) {
	a, _ := newTestAuth(t)
	result := mustLogin(t, a, "alice")
	if result.ExpiresIn <= 0 || result.ExpiresIn > DefaultIdleTimeout {
		t.Errorf("ExpiresIn: got %v, want up to %v", result.ExpiresIn, DefaultIdleTimeout)
	}
	id, err := a.Authenticate(t.Context(), result.Token.Reveal())
	if err != nil {
		t.Fatalf("Authenticate: %v", err)
	}
	if id.OpenID != "o-alice" || id.Subject != "o-alice" || id.AppID != testApp {
		t.Errorf("got %q, %q of app %q, want o-alice twice of %q", id.OpenID, id.Subject, id.AppID, testApp)
	}
	if !id.VerifiedBy(a) || (Identity{OpenID: "o-alice"}).VerifiedBy(a) {
		t.Error("VerifiedBy must tell an authenticated identity from a made one")
	}
}

func TestNewRefusesWrongConfigurationAndSaysWhatToDo(t *testing.T) {
	provider := func(app string) Provider { return &fakeProvider{app: app} }
	memory := newTestStore(t)
	good := testKey("k")
	for _, c := range []struct {
		rule string
		cfg  Config
	}{
		{"neither provider nor apps", Config{}},
		{"nil provider", Config{Providers: []Provider{nil}}},
		{"empty app id of a provider", Config{Providers: []Provider{provider("")}}},
		{"provider that finds itself invalid", Config{Providers: []Provider{invalidProvider{}}}},
		{"empty app id in Apps", Config{Apps: []string{""}}},
		{"two providers of one app", Config{Providers: []Provider{provider("a"), provider("a")}}},
		{"short key", Config{Apps: []string{"a"}, Keys: [][]byte{good, good[:31]}}},
		{"empty key", Config{Apps: []string{"a"}, Keys: [][]byte{nil}}},
		{"store without keys", Config{Apps: []string{"a"}, Store: plainStore{memory}}},
		{"negative idle", Config{Apps: []string{"a"}, IdleTimeout: -1}},
		{"negative lifetime", Config{Apps: []string{"a"}, MaxLifetime: -time.Hour}},
		{"negative login timeout", Config{Apps: []string{"a"}, LoginTimeout: -time.Second}},
		{"a lifetime of nanoseconds", Config{Apps: []string{"a"}, MaxLifetime: 30}},
	} {
		t.Run(c.rule, func(t *testing.T) {
			a, err := New(c.cfg)
			if a != nil {
				t.Error("New returned an Auth beside the error")
			}
			wantClass(t, "New", err, ErrMisconfigured)
		})
	}
	_, err := New(Config{Apps: []string{""}, IdleTimeout: -1})
	if got := len(err.(interface{ Unwrap() []error }).Unwrap()); got != 2 {
		t.Errorf("New reported %d faults of 2: %v", got, err)
	}
}

func TestAMemoryStoreNeedsNoKeysAndStaysTheCallers(t *testing.T) {
	m := newTestStore(t)
	a, err := New(Config{Apps: []string{"a"}, Store: m})
	if err != nil {
		t.Fatal(err)
	}
	result, err := a.Issue(t.Context(), Identity{OpenID: "o"})
	if err != nil {
		t.Fatal(err)
	}
	wantLive(t, a, result.Token, "with a random key")
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if err := m.Set(t.Context(), "a", nil, time.Second); err != nil {
		t.Errorf("the caller's store after Close: %v", err)
	}
}

type invalidProvider struct{ Provider }

func (invalidProvider) AppID() string   { return "a" }
func (invalidProvider) Validate() error { return errors.New("no secret") }

func TestNewCopiesItsConfig(t *testing.T) {
	key := testKey("current")
	keys := [][]byte{key}
	apps := []string{"one"}
	a, err := New(Config{Apps: apps, Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	apps[0] = "two"
	result, err := a.Issue(t.Context(), Identity{OpenID: "o"})
	if err != nil || result.Identity.AppID != "one" {
		t.Fatalf("got app %q, %v; want one", result.Identity.AppID, err)
	}
	clear(key)
	wantLive(t, a, result.Token, "after the caller cleared its key")
}

func TestAnAuthWithoutProvidersOnlyValidates(t *testing.T) {
	shared := newTestStore(t)
	login, _ := newTestAuth(t, withStore(shared))
	validate, _ := newTestAuth(t, withStore(shared), func(cfg *Config) {
		cfg.Providers, cfg.Apps = nil, []string{testApp}
	})
	other, _ := newTestAuth(t, withStore(shared), func(cfg *Config) {
		cfg.Providers, cfg.Apps = nil, []string{"wxother"}
	})
	token := mustLogin(t, login, "alice").Token
	wantLive(t, validate, token, "an Auth that only validates")
	wantDead(t, other, token, "an Auth of another app")
	_, err := validate.Login(t.Context(), LoginRequest{Code: NewSecret("alice")})
	wantClass(t, "Login without a provider", err, ErrMisconfigured)
	if err := other.Logout(t.Context(), token.Reveal()); !errors.Is(err, ErrInvalidToken) {
		t.Errorf("Logout by an Auth of another app: got %v, want %v", err, ErrInvalidToken)
	}
	wantLive(t, validate, token, "after another app's logout")
}

func TestCloseWaitsForLoginsAndRefusesNewOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		leave := make(chan struct{})
		provider := &fakeProvider{app: testApp, exchange: func(ctx context.Context, code string) (Account, error) {
			<-leave
			return testAccount(code), nil
		}}
		a, err := New(Config{Providers: []Provider{provider}})
		if err != nil {
			t.Fatal(err)
		}
		var loginErr error
		var logged, closed bool
		go func() {
			_, loginErr = a.Login(t.Context(), LoginRequest{Code: NewSecret("alice")})
			logged = true
		}()
		synctest.Wait()
		go func() { _ = a.Close(); closed = true }()
		synctest.Wait()
		if logged || closed {
			t.Fatalf("login returned: %v, Close returned: %v; want neither", logged, closed)
		}
		_, err = a.Login(t.Context(), LoginRequest{Code: NewSecret("bob")})
		wantClass(t, "Login after Close", err, ErrClosed)
		close(leave)
		synctest.Wait()
		if !logged || loginErr != nil || !closed {
			t.Errorf("logged %v (%v), closed %v; want both and no error", logged, loginErr, closed)
		}
		if err := a.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
	})
}
