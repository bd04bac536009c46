package redis

import (
	"context"
	"errors"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/integration/engine"
	"github.com/ginwx/wxlogin/integration/faultproxy"
	"github.com/ginwx/wxlogin/integration/testapp"
	"github.com/ginwx/wxlogin/store/redisstore"
)

const (
	// callTimeout is short, to keep the tests short.
	callTimeout = 300 * time.Millisecond
	// bound is within which every answer must come: a login makes several calls,
	// and each may first have waited for somebody else's connection.
	bound = 5 * time.Second
)

// quick are the client options that the package documentation recommends, with
// shorter times.
func quick(addr string) rueidis.ClientOption {
	option := rueidis.ClientOption{InitAddress: []string{addr}, ConnWriteTimeout: 500 * time.Millisecond}
	option.Dialer.Timeout = 250 * time.Millisecond
	option.Dialer.KeepAlive = 250 * time.Millisecond
	return option
}

// site is an application whose server is behind a proxy.
type site struct {
	server *engine.Redis
	proxy  *faultproxy.Proxy
	auth   *wxlogin.Auth
	ahead  atomic.Int64 // how far the application's clock is ahead
}

func newSite(t *testing.T, client func(addr string) rueidis.ClientOption, settings []string, opts ...redisstore.Option) *site {
	t.Helper()
	s := &site{server: engine.StartRedis(t, settings...)}
	s.proxy = faultproxy.Start(t, engine.Addr(engine.FreePort(t)), s.server.Addr())
	opts = append([]redisstore.Option{redisstore.WithCallTimeout(callTimeout)}, opts...)
	s.auth = testapp.New(t, redisstore.New(connect(t, client(s.proxy.Addr())), opts...), func(cfg *wxlogin.Config) {
		cfg.Now = func() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) }
	})
	return s
}

// within fails the test if call takes longer than the bound.
func within(t *testing.T, what string, call func() error) error {
	t.Helper()
	start := time.Now()
	err := call()
	if took := time.Since(start); took > bound {
		t.Errorf("%s took %v, want at most %v", what, took, bound)
	}
	return err
}

// expect is what an application may answer during an outage.
type expect struct{ authenticate, login, logout error }

func (s *site) during(t *testing.T, token, doomed string, want expect) {
	t.Helper()
	ctx := context.Background()
	err := within(t, "Authenticate", func() error { _, err := s.auth.Authenticate(ctx, token); return err })
	if !errors.Is(err, want.authenticate) || errors.Is(err, wxlogin.ErrInvalidToken) || errors.Is(err, wxlogin.ErrSessionExpired) {
		t.Errorf("Authenticate with a live token: %v, want %v", err, want.authenticate)
	}
	var result wxlogin.LoginResult
	err = within(t, "Login", func() error {
		result, err = s.auth.Login(ctx, wxlogin.LoginRequest{Code: testapp.Code("late")})
		return err
	})
	if !errors.Is(err, want.login) {
		t.Errorf("Login: %v, want %v", err, want.login)
	}
	if err != nil && result.Token.Reveal() != "" {
		t.Error("a login that failed handed out a token")
	}
	err = within(t, "Logout", func() error { return s.auth.Logout(ctx, doomed) })
	if !errors.Is(err, want.logout) {
		t.Errorf("Logout: %v, want %v", err, want.logout)
	}
}

// recovers waits until everything works again, and returns how long that took.
func (s *site) recovers(t *testing.T, token string) time.Duration {
	t.Helper()
	start := time.Now()
	err := engine.Poll(30*time.Second, func(ctx context.Context) error {
		_, err := s.auth.Authenticate(ctx, token)
		if errors.Is(err, wxlogin.ErrInvalidToken) {
			t.Fatalf("Authenticate with a live token after the outage: %v", err)
		}
		return err
	})
	if err != nil {
		t.Fatalf("the service does not come back: %v", err)
	}
	reads := time.Since(start)
	err = engine.Poll(30*time.Second, func(ctx context.Context) error {
		result, err := s.auth.Login(ctx, wxlogin.LoginRequest{Code: testapp.Code("after")})
		if err == nil {
			err = s.auth.Logout(ctx, result.Token.Reveal())
		}
		return err
	})
	if err != nil {
		t.Fatalf("the service does not come back: %v", err)
	}
	t.Logf("back after the outage: reads in %v, logins and logouts in %v",
		reads.Round(time.Millisecond), time.Since(start).Round(time.Millisecond))
	return reads
}

func TestAnOutageIsAnswered503AndEndsByItself(t *testing.T) {
	down := expect{wxlogin.ErrStoreUnavailable, wxlogin.ErrStoreUnavailable, wxlogin.ErrStoreUnavailable}
	readable := expect{nil, wxlogin.ErrStoreUnavailable, wxlogin.ErrStoreUnavailable}
	for name, test := range map[string]struct {
		settings   []string
		begin, end func(t *testing.T, s *site)
		want       expect
	}{
		"answers come too late":      {begin: fault(faultproxy.Fault{Delay: 4 * callTimeout}), end: heal, want: down},
		"nothing comes through":      {begin: fault(faultproxy.Fault{Hang: true}), end: heal, want: down},
		"connections are reset":      {begin: fault(faultproxy.Fault{Reset: true}), end: heal, want: down},
		"connections are refused":    {begin: fault(faultproxy.Fault{Refuse: true}), end: heal, want: down},
		"answers are another's":      {begin: fault(faultproxy.Fault{Garbage: "HTTP/1.1 400 Bad Request\r\nServer: proxy\r\n\r\n"}), end: heal, want: down},
		"answers are random bytes":   {begin: fault(faultproxy.Fault{Garbage: "\x16\x03\x01\x00\xff\x80"}), end: heal, want: down},
		"answers are cut in half":    {begin: fault(faultproxy.Fault{Garbage: "$500\r\nabc"}), end: heal, want: down},
		"every answer gets lost":     {begin: fault(faultproxy.Fault{Request: func([]byte) faultproxy.Verdict { return faultproxy.LoseAnswer }}), end: heal, want: down},
		"the server hangs":           {begin: func(_ *testing.T, s *site) { s.server.Freeze() }, end: func(_ *testing.T, s *site) { s.server.Thaw() }, want: down},
		"the server forbids":         {begin: must("ACL", "SETUSER", "default", "-@read", "-@write", "-@scripting"), end: must("ACL", "SETUSER", "default", "+@all"), want: down},
		"the server is killed":       {settings: durable, begin: func(_ *testing.T, s *site) { s.server.Kill() }, end: func(_ *testing.T, s *site) { s.server.Restart() }, want: down},
		"the server is read-only":    {begin: must("REPLICAOF", "127.0.0.1", "1"), end: must("REPLICAOF", "NO", "ONE"), want: readable},
		"the server is out of room":  {begin: must("CONFIG", "SET", "maxmemory", "1"), end: must("CONFIG", "SET", "maxmemory", "0"), want: expect{nil, wxlogin.ErrStoreUnavailable, nil}},
		"the server fails to save":   {settings: []string{"--save", "3600 1"}, begin: breakSaving, end: mendSaving, want: readable},
		"the server waits for peers": {begin: must("CONFIG", "SET", "min-replicas-to-write", "1"), end: must("CONFIG", "SET", "min-replicas-to-write", "0"), want: readable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, quick, test.settings)
			token, doomed := testapp.Login(t, s.auth, "user"), testapp.Login(t, s.auth, "user")
			test.begin(t, s)
			for range 3 {
				// By now a slide is due, which cannot be written.
				s.ahead.Add(int64(10 * time.Minute))
				s.during(t, token, doomed, test.want)
			}
			test.end(t, s)
			s.recovers(t, token)
			_, err := s.auth.Authenticate(context.Background(), doomed)
			switch gone := errors.Is(err, wxlogin.ErrInvalidToken); {
			case err != nil && !gone:
				t.Errorf("Authenticate after the outage: %v", err)
			case test.want.logout == nil && !gone:
				t.Error("a token that was logged out still works")
			}
		})
	}
}

var durable = []string{"--appendonly", "yes", "--appendfsync", "always"}

func fault(f faultproxy.Fault) func(*testing.T, *site) {
	return func(_ *testing.T, s *site) { s.proxy.Set(f) }
}

func heal(_ *testing.T, s *site) { s.proxy.Heal() }

func must(args ...string) func(*testing.T, *site) {
	return func(t *testing.T, s *site) { s.server.Must(t, args...) }
}

// breakSaving takes the server's directory away from it, which it answers by
// refusing writes.
func breakSaving(t *testing.T, s *site) {
	if err := os.Chmod(s.server.Dir, 0o555); err != nil {
		t.Fatal(err)
	}
	s.server.Must(t, "BGSAVE")
	s.server.WaitFor(t, "rdb_last_bgsave_status:err", "INFO", "persistence")
}

func mendSaving(t *testing.T, s *site) {
	if err := os.Chmod(s.server.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s.server.Must(t, "BGSAVE")
	s.server.WaitFor(t, "rdb_last_bgsave_status:ok", "INFO", "persistence")
}
