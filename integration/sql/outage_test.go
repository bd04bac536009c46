package sql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/integration/engine"
	"github.com/ginwx/wxlogin/integration/faultproxy"
	"github.com/ginwx/wxlogin/integration/testapp"
	"github.com/ginwx/wxlogin/store/sqlstore"
)

const (
	// callTimeout is short, to keep the tests short.
	callTimeout = 500 * time.Millisecond
	// bound is within which every answer must come: a login makes several calls.
	bound = 4 * time.Second
)

// site is an application whose database is behind a proxy.
type site struct {
	server interface {
		Freeze()
		Thaw()
		Kill()
		Restart()
	}
	proxy *faultproxy.Proxy
	pool  *sql.DB
	root  *sql.DB // beside the proxy, with all rights
	auth  *wxlogin.Auth
	ahead atomic.Int64 // how far the application's clock is ahead

	taken  []*sql.Conn // from the pool
	holder *sql.Tx     // of locks
}

func postgresSite(t *testing.T, driver string) *site {
	pg := engine.StartPostgres(t)
	s := &site{server: pg, root: database{driver: "pgx", dsn: pg.DSN()}.open(t)}
	return s.serve(t, sqlstore.PostgreSQL, driver, engine.Addr(pg.Port), pg.DSN())
}

func mariaSite(t *testing.T) *site {
	m := engine.StartMariaDB(t)
	s := &site{server: m, root: database{driver: "mysql", dsn: m.RootDSN()}.open(t)}
	return s.serve(t, sqlstore.MySQL, "mysql", engine.Addr(m.Port), m.DSN("timeout=1s", "readTimeout=1s", "writeTimeout=1s"))
}

func (s *site) serve(t *testing.T, dialect sqlstore.Dialect, driver, addr, dsn string) *site {
	t.Helper()
	s.proxy = faultproxy.Start(t, engine.Addr(engine.FreePort(t)), addr)
	s.pool = database{driver: driver, dsn: strings.Replace(dsn, addr, s.proxy.Addr(), 1)}.open(t)
	sessions := newSQLStore(t, s.pool, dialect, sqlstore.WithCallTimeout(callTimeout))
	s.auth = testapp.New(t, sessions, func(cfg *wxlogin.Config) {
		cfg.Now = func() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) }
	})
	return s
}

// exec runs statements beside the store.
func (s *site) exec(t *testing.T, list ...string) {
	t.Helper()
	for _, statement := range list {
		if _, err := s.root.Exec(statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
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

var (
	down     = expect{wxlogin.ErrStoreUnavailable, wxlogin.ErrStoreUnavailable, wxlogin.ErrStoreUnavailable}
	readable = expect{nil, wxlogin.ErrStoreUnavailable, wxlogin.ErrStoreUnavailable}
)

func (s *site) during(t *testing.T, token, doomed string, want expect) {
	t.Helper()
	ctx := context.Background()
	err := within(t, "Authenticate", func() error { _, err := s.auth.Authenticate(ctx, token); return err })
	if !errors.Is(err, want.authenticate) || errors.Is(err, wxlogin.ErrInvalidToken) || errors.Is(err, wxlogin.ErrSessionExpired) {
		t.Errorf("Authenticate with a live token: %v, want %v", err, want.authenticate)
	}
	var result wxlogin.LoginResult
	err = within(t, "Login", func() error {
		result, err = s.auth.Login(ctx, wxlogin.LoginRequest{Code: testapp.Code(fmt.Sprint("late", s.ahead.Load()))})
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

// recovers waits until everything works again, and reports how long that took.
func (s *site) recovers(t *testing.T, token string) {
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
}

// login succeeds at last: the timeout is short, and a busy machine may miss it.
func (s *site) login(t *testing.T) (token string) {
	t.Helper()
	err := engine.Poll(30*time.Second, func(ctx context.Context) error {
		result, err := s.auth.Login(ctx, wxlogin.LoginRequest{Code: testapp.Code("user")})
		token = result.Token.Reveal()
		return err
	})
	if err != nil {
		t.Fatalf("login: %v", err)
	}
	return token
}

// outage is one thing that goes wrong, and how it is mended.
type outage struct {
	name       string
	begin, end func(t *testing.T, s *site)
	want       expect
	silent     bool // whether connections stay open and no whole answer comes
}

// networkOutages happen to every engine that is reached over a network.
func networkOutages() []outage {
	heal := func(_ *testing.T, s *site) { s.proxy.Heal() }
	fault := func(f faultproxy.Fault) func(*testing.T, *site) {
		return func(_ *testing.T, s *site) { s.proxy.Set(f) }
	}
	lose := func([]byte) faultproxy.Verdict { return faultproxy.LoseAnswer }
	return []outage{
		{"answers come too late", fault(faultproxy.Fault{Delay: 4 * callTimeout}), heal, down, true},
		{"nothing comes through", fault(faultproxy.Fault{Hang: true}), heal, down, true},
		{"connections are reset", fault(faultproxy.Fault{Reset: true}), heal, down, false},
		{"connections are refused", fault(faultproxy.Fault{Refuse: true}), heal, down, false},
		{"answers are another's", fault(faultproxy.Fault{Garbage: "HTTP/1.1 400 Bad Request\r\nServer: proxy\r\n\r\n"}), heal, down, true},
		{"answers are random bytes", fault(faultproxy.Fault{Garbage: "\x16\x03\x01\x00\xff\x80"}), heal, down, true},
		{"answers are zeros", fault(faultproxy.Fault{Garbage: strings.Repeat("\x00", 64)}), heal, down, true},
		{"every answer gets lost", fault(faultproxy.Fault{Request: lose}), heal, down, false},
		{"the server hangs", func(_ *testing.T, s *site) { s.server.Freeze() }, func(_ *testing.T, s *site) { s.server.Thaw() }, down, true},
		{"the server is killed", func(_ *testing.T, s *site) { s.server.Kill() }, func(_ *testing.T, s *site) { s.server.Restart() }, down, false},
		{"the pool is exhausted", takeConnections, giveConnectionsBack, down, false},
	}
}

// takeConnections leaves none of the pool to the store.
func takeConnections(t *testing.T, s *site) {
	for range s.pool.Stats().MaxOpenConnections {
		conn, err := s.pool.Conn(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		s.taken = append(s.taken, conn)
	}
}

func giveConnectionsBack(_ *testing.T, s *site) {
	for _, conn := range s.taken {
		conn.Close()
	}
	s.taken = nil
}

func statements(list ...string) func(*testing.T, *site) {
	return func(t *testing.T, s *site) { s.exec(t, list...) }
}

// hold runs statements in a transaction that stays open until release.
func hold(list ...string) func(*testing.T, *site) {
	return func(t *testing.T, s *site) {
		tx, err := s.root.Begin()
		if err != nil {
			t.Fatal(err)
		}
		s.holder = tx
		for _, statement := range list {
			if _, err := tx.Exec(statement); err != nil {
				t.Fatalf("%s: %v", statement, err)
			}
		}
	}
}

func release(t *testing.T, s *site) {
	if err := s.holder.Rollback(); err != nil {
		t.Fatal(err)
	}
}

// strike lets the outage happen to s, and checks what users see of it.
func (o outage) strike(t *testing.T, s *site) {
	token, doomed := s.login(t), s.login(t)
	o.begin(t, s)
	for range 2 {
		// By now a slide is due, which cannot be written.
		s.ahead.Add(int64(10 * time.Minute))
		s.during(t, token, doomed, o.want)
	}
	o.end(t, s)
	s.recovers(t, token)
	_, err := s.auth.Authenticate(context.Background(), doomed)
	switch gone := errors.Is(err, wxlogin.ErrInvalidToken); {
	case err != nil && !gone:
		t.Errorf("Authenticate after the outage: %v", err)
	case o.want.logout == nil && !gone:
		t.Error("a token that was logged out still works")
	}
}

func TestAnOutageOfPostgreSQLIsAnswered503AndEndsByItself(t *testing.T) {
	const reload = "SELECT pg_reload_conf()"
	for _, driver := range []string{"pgx", "postgres"} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			s := postgresSite(t, driver)
			for _, o := range append(networkOutages(),
				outage{"the server is read-only",
					statements("ALTER SYSTEM SET default_transaction_read_only = on", reload),
					statements("SET default_transaction_read_only = off", "ALTER SYSTEM RESET default_transaction_read_only", reload), readable, false},
				outage{"somebody locks the table",
					hold("LOCK TABLE wxlogin_entries IN ACCESS EXCLUSIVE MODE"), release, down, false},
				outage{"somebody locks the rows",
					hold("SELECT * FROM wxlogin_entries FOR UPDATE"), release, expect{logout: wxlogin.ErrStoreUnavailable}, false},
				outage{"the disk is full",
					filesMayNotGrow(fillPostgres, "ALTER TABLE wxlogin_entries SET (autovacuum_enabled = off)", "VACUUM wxlogin_entries"), // or it makes room meanwhile
					filesMayGrow("ALTER TABLE wxlogin_entries RESET (autovacuum_enabled)", "VACUUM wxlogin_entries"), roomless, false},
				outage{"the table is gone",
					statements("ALTER TABLE wxlogin_entries RENAME TO away"),
					statements("ALTER TABLE away RENAME TO wxlogin_entries"), down, false},
				outage{"a column is gone",
					statements("ALTER TABLE wxlogin_entries RENAME COLUMN value TO away"),
					statements("ALTER TABLE wxlogin_entries RENAME COLUMN away TO value"), down, false},
			) {
				if o.silent && driver == "postgres" {
					continue // pq waits even when its context has ended: the package documentation says so
				}
				t.Run(o.name, func(t *testing.T) { o.strike(t, s) })
			}
		})
	}
}

func TestAnOutageOfMariaDBIsAnswered503AndEndsByItself(t *testing.T) {
	t.Parallel()
	s := mariaSite(t)
	for _, o := range append(networkOutages(),
		outage{"the server is read-only",
			statements("SET GLOBAL read_only = 1"), statements("SET GLOBAL read_only = 0"), readable, false},
		outage{"somebody locks the table",
			hold("LOCK TABLES wxlogin_entries WRITE"), unlock, down, false},
		outage{"somebody locks the rows", // and the gaps between them, so that no login gets through either
			hold("SELECT * FROM wxlogin_entries FOR UPDATE"), release, readable, false},
		outage{"the engine gives up waiting for the rows",
			sequence(statements("SET GLOBAL innodb_lock_wait_timeout = 0"), hold("SELECT * FROM wxlogin_entries FOR UPDATE")),
			sequence(release, statements("SET GLOBAL innodb_lock_wait_timeout = 50")), readable, false},
		outage{"the table is gone",
			statements("RENAME TABLE wxlogin_entries TO away"), statements("RENAME TABLE away TO wxlogin_entries"), down, false},
		outage{"the disk is full", filesMayNotGrow(fillMariaDB), filesMayGrow("OPTIMIZE TABLE wxlogin_entries"), roomless, false},
	) {
		t.Run(o.name, func(t *testing.T) { o.strike(t, s) })
	}
}

func sequence(steps ...func(*testing.T, *site)) func(*testing.T, *site) {
	return func(t *testing.T, s *site) {
		for _, step := range steps {
			step(t, s)
		}
	}
}

// unlock ends what LOCK TABLES began.
func unlock(t *testing.T, s *site) {
	if _, err := s.holder.Exec("UNLOCK TABLES"); err != nil {
		t.Fatal(err)
	}
	release(t, s)
}
