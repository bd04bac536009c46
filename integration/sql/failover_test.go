package sql

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/integration/engine"
	"github.com/ginwx/wxlogin/integration/testapp"
	"github.com/ginwx/wxlogin/store/sqlstore"
)

func TestAReplicaReadsAndAnswersWritesWith503(t *testing.T) {
	primary := engine.StartPostgres(t)
	d := database{sqlstore.PostgreSQL, "pgx", primary.DSN()}
	token := testapp.Login(t, testapp.New(t, d.store(t)), "user")
	replica := engine.StartPostgresReplica(t, primary)

	d.dsn = replica.DSN()
	s, err := sqlstore.New(d.open(t), d.dialect)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	auth := testapp.New(t, s, func(cfg *wxlogin.Config) {
		// A slide is due, which cannot be written.
		cfg.Now = func() time.Time { return time.Now().Add(time.Hour) }
	})
	ctx := background(t)
	if _, err := auth.Authenticate(ctx, token); err != nil {
		t.Errorf("Authenticate at a replica: error %v, want none", err)
	}
	result, err := auth.Login(ctx, wxlogin.LoginRequest{Code: testapp.Code("other")})
	if !errors.Is(err, wxlogin.ErrStoreUnavailable) || result.Token.Reveal() != "" {
		t.Errorf("Login at a replica: error %v, want ErrStoreUnavailable and no token", err)
	}
	if err := auth.Logout(ctx, token); !errors.Is(err, wxlogin.ErrStoreUnavailable) {
		t.Errorf("Logout at a replica: error %v, want ErrStoreUnavailable", err)
	}
}

func TestAFailoverWithSynchronousReplicationLosesNothing(t *testing.T) {
	primary := engine.StartPostgres(t)
	replica := engine.StartPostgresReplica(t, primary)
	admin := database{driver: "pgx", dsn: primary.DSN()}.open(t)
	for _, statement := range []string{"ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"} {
		if _, err := admin.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, "a synchronous standby", func(ctx context.Context) error {
		var n int
		err := admin.QueryRowContext(ctx, "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'").Scan(&n)
		if err == nil && n != 1 {
			err = fmt.Errorf("%d of them", n)
		}
		return err
	})

	// The client knows both servers and wants one that can be written to.
	dsn := strings.Replace(primary.DSN(), engine.Addr(primary.Port), engine.Addr(primary.Port)+","+engine.Addr(replica.Port), 1)
	auth := testapp.New(t, database{sqlstore.PostgreSQL, "pgx", dsn + "&target_session_attrs=read-write&connect_timeout=1"}.store(t))
	ctx := background(t)
	var tokens, ended []string
	for i := range 50 {
		tokens = append(tokens, testapp.Login(t, auth, fmt.Sprint("user", i)))
		ended = append(ended, testapp.Login(t, auth, fmt.Sprint("user", i)))
		if err := auth.Logout(ctx, ended[i]); err != nil {
			t.Fatal(err)
		}
	}
	primary.Kill()
	if _, err := auth.Authenticate(ctx, tokens[0]); !errors.Is(err, wxlogin.ErrStoreUnavailable) {
		t.Errorf("Authenticate without a server: error %v, want ErrStoreUnavailable", err)
	}
	start := time.Now()
	promoted := database{driver: "pgx", dsn: replica.DSN()}.open(t)
	if _, err := promoted.Exec("SELECT pg_promote(true, 30)"); err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	waitFor(t, "the service to come back", func(ctx context.Context) error {
		_, err := auth.Authenticate(ctx, tokens[0])
		if errors.Is(err, wxlogin.ErrInvalidToken) {
			t.Fatalf("a live token after the failover: %v", err)
		}
		return err
	})
	t.Logf("promotion took %v, the service was back after %v", took.Round(time.Millisecond), time.Since(start).Round(time.Millisecond))
	for i := range tokens {
		if _, err := auth.Authenticate(ctx, tokens[i]); err != nil {
			t.Errorf("a live token after the failover: error %v, want none", err)
		}
		if _, err := auth.Authenticate(ctx, ended[i]); !errors.Is(err, wxlogin.ErrInvalidToken) {
			t.Errorf("a token that was logged out, after the failover: error %v, want ErrInvalidToken", err)
		}
	}
	testapp.Login(t, auth, "later")
}

// waitFor waits until ready returns nil.
func waitFor(t *testing.T, what string, ready func(ctx context.Context) error) {
	t.Helper()
	if err := engine.Poll(30*time.Second, ready); err != nil {
		t.Fatalf("no %s: %v", what, err)
	}
}

// TestAConnectionThatDiedWhileIdleCostsOneCallAtMost has the server close every
// pooled connection, as restarts, proxies and idle time-outs do. go-sql-driver
// looks before it sends; pgx does so where a connection was idle for a second.
func TestAConnectionThatDiedWhileIdleCostsOneCallAtMost(t *testing.T) {
	t.Run("PostgreSQL with pgx", func(t *testing.T) {
		t.Parallel()
		pg := engine.StartPostgres(t)
		s := &site{root: database{driver: "pgx", dsn: pg.DSN()}.open(t)}
		s.dieIdle(t, database{sqlstore.PostgreSQL, "pgx", pg.DSN()}, 1,
			"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
			"SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()")
	})
	t.Run("MariaDB", func(t *testing.T) {
		t.Parallel()
		m := engine.StartMariaDB(t)
		s := &site{root: database{driver: "mysql", dsn: m.RootDSN()}.open(t)}
		s.dieIdle(t, database{sqlstore.MySQL, "mysql", m.DSN()}, 0,
			"KILL USER wxlogin",
			"SELECT count(*) FROM information_schema.processlist WHERE user = 'wxlogin'")
	})
}

func (s *site) dieIdle(t *testing.T, d database, costOfEach int, kill, count string) {
	t.Helper()
	ctx := background(t)
	s.pool = d.open(t)
	s.root.SetMaxOpenConns(1)
	auth := testapp.New(t, newSQLStore(t, s.pool, d.dialect))
	token := testapp.Login(t, auth, "user")
	for range 5 {
		takeConnections(t, s)
		idle := len(s.taken)
		giveConnectionsBack(t, s)
		s.exec(t, kill)
		waitFor(t, "end of the connections", func(ctx context.Context) error {
			var n int
			err := s.root.QueryRowContext(ctx, count).Scan(&n)
			if err == nil && n > 0 {
				err = fmt.Errorf("%d are left", n)
			}
			return err
		})
		failures := 0
		for range 2*idle + 10 {
			switch _, err := auth.Authenticate(ctx, token); {
			case errors.Is(err, wxlogin.ErrStoreUnavailable):
				failures++
			case err != nil:
				t.Errorf("Authenticate after the idle connections died: error %v, want none or ErrStoreUnavailable", err)
			}
		}
		if failures > costOfEach*idle {
			t.Errorf("%d calls failed after %d idle connections died, want at most %d for each", failures, idle, costOfEach)
		}
	}
}
