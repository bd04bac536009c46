package sql

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/integration/engine"
	"github.com/ginwx/wxlogin/integration/testapp"
	"github.com/ginwx/wxlogin/store"
	"github.com/ginwx/wxlogin/store/sqlstore"
)

// nothingIsCertain checks that an application whose server lacks a live session,
// and takes no writes, says that it does not know.
func nothingIsCertain(t *testing.T, auth *wxlogin.Auth, token string, id wxlogin.Identity) {
	t.Helper()
	ctx := background(t)
	sessions := func() error { _, err := auth.Sessions(ctx, id); return err }
	for name, call := range map[string]func() error{
		"Authenticate": func() error { _, err := auth.Authenticate(ctx, token); return err },
		"Logout":       func() error { return auth.Logout(ctx, token) },
		"Sessions":     sessions,
		"EndSession":   func() error { return auth.EndSession(ctx, id, id.SessionID) },
		"SessionKeys":  func() error { _, err := auth.SessionKeys(ctx, id); return err },
		"RevokeUser":   func() error { return auth.RevokeUser(ctx, id) },
		"Forget":       func() error { return auth.Forget(ctx, id.AppID, id.Subject) },
	} {
		for range 3 {
			if err := call(); !errors.Is(err, wxlogin.ErrStoreUnavailable) || errors.Is(err, wxlogin.ErrInvalidToken) {
				t.Errorf("%s: error %v, want ErrStoreUnavailable", name, err)
			}
		}
	}
}

func TestAReadOnlyServerThatLacksASessionDoesNotEndIt(t *testing.T) {
	t.Run("a PostgreSQL standby that lags", func(t *testing.T) {
		t.Parallel()
		primary := engine.StartPostgres(t)
		d := database{sqlstore.PostgreSQL, "pgx", primary.DSN()}
		auth := testapp.New(t, d.store(t))
		standby := engine.StartPostgresReplica(t, primary)
		for _, driver := range []string{"pgx", "postgres"} {
			replica := database{sqlstore.PostgreSQL, driver, standby.DSN()}
			pool := replica.open(t)
			pauseReplay(t, pool)
			token, id := loginAs(t, auth, "user of "+driver)
			nothingIsCertain(t, testapp.New(t, unmigrated(t, pool, replica.dialect)), token, id)
		}
	})
	for name, parameters := range map[string][]string{
		"a MariaDB replica":                         {"interpolateParams=true"},
		"a MariaDB replica that the driver rejects": {"rejectReadOnly=true"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := engine.StartMariaDB(t)
			d := database{sqlstore.MySQL, "mysql", m.DSN(parameters...)}
			auth := testapp.New(t, d.store(t))
			token, id := loginAs(t, auth, "user")
			s := &site{root: database{driver: "mysql", dsn: m.RootDSN()}.open(t)}
			s.exec(t, "SET GLOBAL read_only = 1", "DELETE FROM wxlogin_entries")
			nothingIsCertain(t, auth, token, id)
			s.exec(t, "SET GLOBAL read_only = 0")
			if _, err := auth.Authenticate(background(t), token); !errors.Is(err, wxlogin.ErrInvalidToken) {
				t.Errorf("Authenticate where the server takes writes and the session is gone: error %v, want ErrInvalidToken", err)
			}
		})
	}
}

func pauseReplay(t *testing.T, standby *sql.DB) {
	t.Helper()
	if _, err := standby.Exec("SELECT pg_wal_replay_pause()"); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "pause of the replay", func(ctx context.Context) error {
		var state string
		err := standby.QueryRowContext(ctx, "SELECT pg_get_wal_replay_pause_state()").Scan(&state)
		if err == nil && state != "paused" {
			err = errors.New(state)
		}
		return err
	})
}

func loginAs(t *testing.T, auth *wxlogin.Auth, user string) (token string, id wxlogin.Identity) {
	t.Helper()
	token = testapp.Login(t, auth, user)
	id, err := auth.Authenticate(background(t), token)
	if err != nil {
		t.Fatal(err)
	}
	return token, id
}

// unmigrated returns a Store on a table that another one made.
func unmigrated(t *testing.T, db *sql.DB, dialect sqlstore.Dialect) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.New(db, dialect)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// TestPooledConnectionsToAFormerPrimary sets a server read-only while a pool has
// connections to it, and sends new connections to another one, as a switchover
// does that moves a name or a virtual address.
func TestPooledConnectionsToAFormerPrimary(t *testing.T) {
	t.Parallel()
	for name, reject := range map[string]bool{"are replaced with rejectReadOnly": true, "end no session without it": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			old, successor := engine.StartMariaDB(t), engine.StartMariaDB(t)
			var primary atomic.Int64
			primary.Store(int64(old.Port))
			s := &site{
				root: database{driver: "mysql", dsn: old.RootDSN()}.open(t),
				pool: poolOf(t, &primary, reject),
			}
			auth := testapp.New(t, newSQLStore(t, s.pool, sqlstore.MySQL))
			takeConnections(t, s)
			giveConnectionsBack(t, s)
			s.exec(t, "SET GLOBAL read_only = 1")
			primary.Store(int64(successor.Port))

			// Somebody logs in at the new primary, and uses the token here.
			token := testapp.Login(t, testapp.New(t, database{sqlstore.MySQL, "mysql", successor.DSN()}.store(t)), "user")
			ctx := background(t)
			for range 3 * s.pool.Stats().MaxOpenConnections {
				_, err := auth.Authenticate(ctx, token)
				if reject && err != nil || !reject && (!errors.Is(err, wxlogin.ErrStoreUnavailable) || errors.Is(err, wxlogin.ErrInvalidToken)) {
					t.Fatalf("Authenticate: error %v", err)
				}
			}
			if !reject {
				return
			}
			other := testapp.Login(t, auth, "other")
			for _, token := range []string{token, other} {
				if err := auth.Logout(ctx, token); err != nil {
					t.Errorf("Logout: error %v", err)
				}
			}
		})
	}
}

// poolOf dials 127.0.0.1 at whatever port is the primary's at the time.
func poolOf(t *testing.T, primary *atomic.Int64, rejectReadOnly bool) *sql.DB {
	t.Helper()
	cfg := mysql.NewConfig()
	cfg.User, cfg.DBName, cfg.Net, cfg.Addr = "wxlogin", "wxlogin", "tcp", "127.0.0.1:1"
	cfg.InterpolateParams, cfg.RejectReadOnly = true, rejectReadOnly
	cfg.DialFunc = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, engine.Addr(int(primary.Load())))
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(6)
	db.SetMaxIdleConns(6)
	t.Cleanup(func() { db.Close() })
	return db
}

// A miss is no event of the binary log, which would be written to the disk for it.
func TestAMissLeavesNoTraceInMariaDBsBinaryLog(t *testing.T) {
	for _, format := range []string{"MIXED", "ROW"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			m := engine.StartMariaDB(t, "--log-bin", "--server-id=1", "--binlog-format="+format)
			root := database{driver: "mysql", dsn: m.RootDSN()}.open(t)
			position := func() string {
				t.Helper()
				var at string
				if err := root.QueryRow("SELECT @@gtid_binlog_pos").Scan(&at); err != nil {
					t.Fatal(err)
				}
				return at
			}
			s := database{sqlstore.MySQL, "mysql", m.DSN()}.store(t, sqlstore.WithoutSweeper())
			ctx := background(t)
			before := position()
			for range 10 {
				if _, err := s.Get(ctx, "none"); !errors.Is(err, store.ErrNotFound) {
					t.Fatalf("Get: error %v, want store.ErrNotFound", err)
				}
				if list, err := s.ListFor(ctx, "nobody"); err != nil || len(list) > 0 {
					t.Fatalf("ListFor: got %d entries, error %v, want none", len(list), err)
				}
			}
			if after := position(); after != before {
				t.Errorf("the binary log went from %q to %q, want no event", before, after)
			}
			if err := s.Set(ctx, "key", []byte("v"), time.Minute); err != nil {
				t.Fatal(err)
			}
			if position() == before {
				t.Error("a write is no event either: this test measures nothing")
			}
		})
	}
}
