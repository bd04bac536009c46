// Package sql tests the SQL store against real databases.
package sql

import (
	"context"
	"database/sql"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/lib/pq"
	_ "modernc.org/sqlite"

	"github.com/ginwx/wxlogin/integration/engine"
	"github.com/ginwx/wxlogin/store"
	"github.com/ginwx/wxlogin/store/sqlstore"
	"github.com/ginwx/wxlogin/store/storetest"
)

// database is one way to reach one engine.
type database struct {
	dialect     sqlstore.Dialect
	driver, dsn string
}

// open returns a pool of its own, closed at the end of the test.
func (d database) open(t testing.TB) *sql.DB {
	t.Helper()
	db, err := sql.Open(d.driver, d.dsn)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(6)
	db.SetMaxIdleConns(6)
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close the pool: %v", err)
		}
	})
	return db
}

// store returns a Store on a pool of its own with its table made, closed at the
// end of the test.
func (d database) store(t testing.TB, opts ...sqlstore.Option) *sqlstore.Store {
	t.Helper()
	return newSQLStore(t, d.open(t), d.dialect, opts...)
}

func newSQLStore(t testing.TB, db *sql.DB, dialect sqlstore.Dialect, opts ...sqlstore.Option) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.New(db, dialect, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := s.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	return s
}

const walDSN = "?_pragma=journal_mode(WAL)&_pragma=busy_timeout(1000)&_pragma=synchronous(NORMAL)"

func sqliteIn(dir, parameters string) database {
	return database{sqlstore.SQLite, "sqlite", "file:" + filepath.Join(dir, "wxlogin.db") + parameters}
}

// conform runs the conformance suite with a new table for every rule.
func conform(t *testing.T, d database) {
	t.Helper()
	table := 0
	storetest.Run(t, func(t *testing.T) store.Store {
		table++
		return d.store(t, sqlstore.WithTable("entries_"+strconv.Itoa(table)), sqlstore.WithSweepInterval(20*time.Millisecond))
	})
}

// The suite counts goroutines, so nothing may run beside it.
func TestSQLStoreKeepsTheContract(t *testing.T) {
	t.Run("PostgreSQL", func(t *testing.T) {
		pg := engine.StartPostgres(t, "fsync=off")
		for name, d := range map[string]database{
			"pgx":                                {sqlstore.PostgreSQL, "pgx", pg.DSN()},
			"pgx, simple protocol and time zone": {sqlstore.PostgreSQL, "pgx", pg.DSN() + "&default_query_exec_mode=simple_protocol&timezone=Asia%2FShanghai"},
			"pgx, unnamed and repeatable read":   {sqlstore.PostgreSQL, "pgx", pg.DSN() + "&default_query_exec_mode=exec&default_transaction_isolation=repeatable%20read"},
			"pgx and serializable":               {sqlstore.PostgreSQL, "pgx", pg.DSN() + "&default_transaction_isolation=serializable"},
			"pq":                                 {sqlstore.PostgreSQL, "postgres", pg.DSN()},
		} {
			t.Run(name, func(t *testing.T) { conform(t, d) })
		}
	})
	t.Run("MariaDB", func(t *testing.T) {
		m := engine.StartMariaDB(t, "--innodb-flush-log-at-trx-commit=0")
		for name, parameters := range map[string][]string{
			"plain":                              nil,
			"found rows, interpolated":           {"clientFoundRows=true", "interpolateParams=true"},
			"found rows, read committed":         {"clientFoundRows=true", "tx_isolation=%27READ-COMMITTED%27"},
			"snapshot isolation":                 {"innodb_snapshot_isolation=ON"},
			"loose mode, charset and time zones": {"sql_mode=%27%27", "charset=latin1", "parseTime=true", "loc=Asia%2FShanghai", "time_zone=%27%2B08%3A00%27"},
			"strictest mode":                     {"sql_mode=%27TRADITIONAL,ANSI,NO_BACKSLASH_ESCAPES,ONLY_FULL_GROUP_BY,SIMULTANEOUS_ASSIGNMENT%27"},
		} {
			t.Run(name, func(t *testing.T) {
				conform(t, database{sqlstore.MySQL, "mysql", m.DSN(parameters...)})
			})
		}
	})
	t.Run("SQLite", func(t *testing.T) {
		for name, parameters := range map[string]string{
			"write-ahead log":  walDSN,
			"rollback journal": "?_pragma=busy_timeout(1000)",
		} {
			t.Run(name, func(t *testing.T) { conform(t, sqliteIn(t.TempDir(), parameters)) })
		}
	})
}
