package sql

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/ginwx/wxlogin/integration/engine"
	"github.com/ginwx/wxlogin/integration/killtest"
	"github.com/ginwx/wxlogin/store"
	"github.com/ginwx/wxlogin/store/sqlstore"
)

func TestMain(m *testing.M) {
	// Outages are what is tested; the driver need not report them.
	if err := mysql.SetLogger(&mysql.NopLogger{}); err != nil {
		panic(err)
	}
	killtest.Main(m, openByName)
}

// name writes d for openByName, which runs in another process.
func (d database) name() string {
	return fmt.Sprintf("%d %s %s", d.dialect, d.driver, d.dsn)
}

func openByName(name string) (store.Store, error) {
	var d database
	kind, rest, _ := strings.Cut(name, " ")
	d.driver, d.dsn, _ = strings.Cut(rest, " ")
	if _, err := fmt.Sscan(kind, &d.dialect); err != nil {
		return nil, err
	}
	db, err := sql.Open(d.driver, d.dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(8)
	db.SetMaxIdleConns(8)
	s, err := sqlstore.New(db, d.dialect, sqlstore.WithSweepInterval(time.Second))
	if err != nil {
		return nil, err
	}
	return s, s.Migrate(context.Background())
}

func TestNothingIsLostWhenTheServerIsKilled(t *testing.T) {
	run := func(t *testing.T, server killtest.Engine, d database) {
		l := killtest.Run(t, d.store(t), killtest.Config{Engine: server, Store: d.name()})
		t.Log(l)
		l.Check(t)
	}
	t.Run("PostgreSQL", func(t *testing.T) {
		pg := engine.StartPostgres(t)
		run(t, pg, database{sqlstore.PostgreSQL, "pgx", pg.DSN()})
	})
	t.Run("MariaDB", func(t *testing.T) {
		m := engine.StartMariaDB(t)
		run(t, m, database{sqlstore.MySQL, "mysql", m.DSN("interpolateParams=true", "timeout=1s", "readTimeout=3s", "writeTimeout=3s")})
	})
	// The file has no server: every round kills one of the instances.
	t.Run("SQLite", func(t *testing.T) { run(t, nil, sqliteIn(t.TempDir(), walDSN)) })
}
