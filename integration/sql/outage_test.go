package sql

import (
	"context"
	"database/sql"
	"strings"
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
	*testapp.Site
	server interface {
		Freeze()
		Thaw()
		Kill()
		Restart()
	}
	proxy *faultproxy.Proxy
	pool  *sql.DB
	root  *sql.DB // beside the proxy, with all rights

	taken  []*sql.Conn // from the pool
	holder *sql.Tx     // of locks
}

// The engines of sites need not wait for the disk, which many tests share: what they
// have written outlives their own death, if not the machine's.

func postgresSite(t *testing.T, driver string) *site {
	pg := engine.StartPostgres(t, "fsync=off")
	s := &site{server: pg, root: database{driver: "pgx", dsn: pg.DSN()}.open(t)}
	return s.serve(t, sqlstore.PostgreSQL, driver, engine.Addr(pg.Port), pg.DSN())
}

func mariaSite(t *testing.T) *site {
	m := engine.StartMariaDB(t, "--innodb-flush-log-at-trx-commit=2")
	s := &site{server: m, root: database{driver: "mysql", dsn: m.RootDSN()}.open(t)}
	return s.serve(t, sqlstore.MySQL, "mysql", engine.Addr(m.Port), m.DSN("timeout=1s", "readTimeout=1s", "writeTimeout=1s"))
}

func (s *site) serve(t *testing.T, dialect sqlstore.Dialect, driver, addr, dsn string) *site {
	t.Helper()
	s.proxy = faultproxy.Start(t, engine.Addr(engine.FreePort(t)), addr)
	s.pool = database{driver: driver, dsn: strings.Replace(dsn, addr, s.proxy.Addr(), 1)}.open(t)
	sessions := newSQLStore(t, s.pool, dialect, sqlstore.WithCallTimeout(callTimeout))
	s.Site = testapp.NewSite(t, sessions, bound)
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

// outage is one thing that goes wrong, and how it is mended.
type outage struct {
	name       string
	begin, end func(t *testing.T, s *site)
	want       testapp.Answers
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
		{"answers come too late", fault(faultproxy.Fault{Delay: 4 * callTimeout}), heal, testapp.Down, true},
		{"nothing comes through", fault(faultproxy.Fault{Hang: true}), heal, testapp.Down, true},
		{"connections are reset", fault(faultproxy.Fault{Reset: true}), heal, testapp.Down, false},
		{"connections are refused", fault(faultproxy.Fault{Refuse: true}), heal, testapp.Down, false},
		{"answers are another's", fault(faultproxy.Fault{Garbage: "HTTP/1.1 400 Bad Request\r\nServer: proxy\r\n\r\n"}), heal, testapp.Down, true},
		{"answers are random bytes", fault(faultproxy.Fault{Garbage: "\x16\x03\x01\x00\xff\x80"}), heal, testapp.Down, true},
		{"answers are zeros", fault(faultproxy.Fault{Garbage: strings.Repeat("\x00", 64)}), heal, testapp.Down, true},
		{"every answer gets lost", fault(faultproxy.Fault{Request: lose}), heal, testapp.Down, false},
		{"the server hangs", func(_ *testing.T, s *site) { s.server.Freeze() }, func(_ *testing.T, s *site) { s.server.Thaw() }, testapp.Down, true},
		{"the server is killed", func(_ *testing.T, s *site) { s.server.Kill() }, func(_ *testing.T, s *site) { s.server.Restart() }, testapp.Down, false},
		{"the pool is exhausted", takeConnections, giveConnectionsBack, testapp.Down, false},
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
	s.Strike(t, func() { o.begin(t, s) }, func() { o.end(t, s) }, o.want)
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
					statements("SET default_transaction_read_only = off", "ALTER SYSTEM RESET default_transaction_read_only", reload), testapp.Readable, false},
				outage{"somebody locks the table",
					hold("LOCK TABLE wxlogin_entries IN ACCESS EXCLUSIVE MODE"), release, testapp.Down, false},
				outage{"somebody locks the rows",
					hold("SELECT * FROM wxlogin_entries FOR UPDATE"), release, testapp.Answers{Logout: wxlogin.ErrStoreUnavailable}, false},
				outage{"the disk is full",
					filesMayNotGrow(fillPostgres, "ALTER TABLE wxlogin_entries SET (autovacuum_enabled = off)", "VACUUM wxlogin_entries"), // or it makes room meanwhile
					filesMayGrow("ALTER TABLE wxlogin_entries RESET (autovacuum_enabled)", "VACUUM wxlogin_entries"), testapp.Roomless, false},
				outage{"the table is gone",
					statements("ALTER TABLE wxlogin_entries RENAME TO away"),
					statements("ALTER TABLE away RENAME TO wxlogin_entries"), testapp.Down, false},
				outage{"a column is gone",
					statements("ALTER TABLE wxlogin_entries RENAME COLUMN value TO away"),
					statements("ALTER TABLE wxlogin_entries RENAME COLUMN away TO value"), testapp.Down, false},
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
			statements("SET GLOBAL read_only = 1"), statements("SET GLOBAL read_only = 0"), testapp.Readable, false},
		outage{"somebody locks the table",
			hold("LOCK TABLES wxlogin_entries WRITE"), unlock, testapp.Down, false},
		outage{"somebody locks the rows", // and the gaps between them, so that no login gets through either
			hold("SELECT * FROM wxlogin_entries FOR UPDATE"), release, testapp.Readable, false},
		outage{"the engine gives up waiting for the rows",
			sequence(statements("SET GLOBAL innodb_lock_wait_timeout = 0"), hold("SELECT * FROM wxlogin_entries FOR UPDATE")),
			sequence(release, statements("SET GLOBAL innodb_lock_wait_timeout = 50")), testapp.Readable, false},
		outage{"the table is gone",
			statements("RENAME TABLE wxlogin_entries TO away"), statements("RENAME TABLE away TO wxlogin_entries"), testapp.Down, false},
		outage{"the disk is full", filesMayNotGrow(fillMariaDB), filesMayGrow("OPTIMIZE TABLE wxlogin_entries"), testapp.Roomless, false},
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
