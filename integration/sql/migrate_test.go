package sql

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ginwx/wxlogin/integration/engine"
	"github.com/ginwx/wxlogin/store/sqlstore"
)

// onEachEngine runs test on a database of every engine.
func onEachEngine(t *testing.T, test func(t *testing.T, d database)) {
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		test(t, database{sqlstore.PostgreSQL, "pgx", engine.StartPostgres(t, "fsync=off").DSN()})
	})
	t.Run("MariaDB", func(t *testing.T) {
		t.Parallel()
		m := engine.StartMariaDB(t, "--innodb-flush-log-at-trx-commit=0")
		test(t, database{sqlstore.MySQL, "mysql", m.DSN()})
	})
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		test(t, sqliteIn(t.TempDir(), walDSN))
	})
}

func background(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// works fails the test unless s can be written to and read.
func works(t *testing.T, s *sqlstore.Store) {
	t.Helper()
	ctx := background(t)
	if added, err := s.AddFor(ctx, "owner", "key", []byte("v"), time.Minute); err != nil || !added {
		t.Fatalf("AddFor on a new table: got (%v, %v), want (true, <nil>)", added, err)
	}
	if value, err := s.Get(ctx, "key"); err != nil || string(value) != "v" {
		t.Fatalf("Get on a new table: got (%q, %v), want the value", value, err)
	}
	if list, err := s.ListFor(ctx, "owner"); err != nil || len(list) != 1 {
		t.Fatalf("ListFor on a new table: got (%v, %v), want one entry", list, err)
	}
	if _, err := s.Sweep(ctx); err != nil {
		t.Fatalf("Sweep: error %v", err)
	}
	if err := s.DeleteFor(ctx, "owner"); err != nil {
		t.Fatalf("DeleteFor: error %v", err)
	}
}

func TestMigrateTwiceKeepsWhatIsThere(t *testing.T) {
	onEachEngine(t, func(t *testing.T, d database) {
		ctx := background(t)
		s := d.store(t)
		if err := s.Set(ctx, "key", []byte("v"), time.Minute); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := s.Migrate(ctx); err != nil {
				t.Fatalf("Migrate again: error %v", err)
			}
		}
		if value, err := s.Get(ctx, "key"); err != nil || string(value) != "v" {
			t.Errorf("after another Migrate: got (%q, %v), want the value", value, err)
		}
	})
}

func TestMigrateInParallelMakesOneTable(t *testing.T) {
	const rounds, processes = 10, 6
	onEachEngine(t, func(t *testing.T, d database) {
		ctx := background(t)
		for round := range rounds {
			table := sqlstore.WithTable(fmt.Sprintf("parallel_%d", round))
			var stores [processes]*sqlstore.Store
			for i := range stores {
				db := d.open(t)
				db.SetMaxOpenConns(1)
				if err := db.PingContext(ctx); err != nil {
					t.Fatal(err)
				}
				s, err := sqlstore.New(db, d.dialect, table)
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				stores[i] = s
			}
			var all sync.WaitGroup
			start := make(chan struct{})
			for _, s := range stores {
				all.Go(func() {
					<-start
					if err := s.Migrate(ctx); err != nil {
						t.Errorf("round %d: Migrate beside %d others: error %v", round, processes-1, err)
					}
				})
			}
			close(start)
			all.Wait()
			works(t, stores[round%processes])
			for _, s := range stores {
				s.Close()
			}
		}
	})
}

func TestATableFromSchemaServes(t *testing.T) {
	onEachEngine(t, func(t *testing.T, d database) {
		db := d.open(t)
		ctx := background(t)
		// A reserved word, in a schema of its own where there are any.
		table := map[sqlstore.Dialect]string{
			sqlstore.PostgreSQL: "wx.order", sqlstore.MySQL: "wxlogin.order", sqlstore.SQLite: "main.order",
		}[d.dialect]
		if d.dialect == sqlstore.PostgreSQL {
			if _, err := db.ExecContext(ctx, "CREATE SCHEMA wx"); err != nil {
				t.Fatal(err)
			}
		}
		schema, err := d.dialect.Schema(table)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			for statement := range strings.SplitSeq(strings.TrimSpace(schema), ";\n") {
				if _, err := db.ExecContext(ctx, strings.TrimSuffix(statement, ";")); err != nil {
					t.Fatalf("%v\n%s", err, statement)
				}
			}
		}
		s, err := sqlstore.New(db, d.dialect, sqlstore.WithTable(table))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		works(t, s)
		if err := s.Migrate(ctx); err != nil {
			t.Errorf("Migrate of a table that is there: error %v", err)
		}
	})
}

func TestMigrateRefusesSomebodyElsesTable(t *testing.T) {
	onEachEngine(t, func(t *testing.T, d database) {
		db := d.open(t)
		ctx := background(t)
		if _, err := db.ExecContext(ctx, "CREATE TABLE wxlogin_entries (owner VARCHAR(20), entry_key VARCHAR(20), expires_at BIGINT)"); err != nil {
			t.Fatal(err)
		}
		s, err := sqlstore.New(db, d.dialect)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := s.Migrate(ctx); err == nil {
			t.Error("Migrate where a table of that name has other columns: no error")
		}
	})
}

func TestMigrateRefusesTheWrongDialect(t *testing.T) {
	onEachEngine(t, func(t *testing.T, d database) {
		for _, dialect := range []sqlstore.Dialect{sqlstore.PostgreSQL, sqlstore.MySQL, sqlstore.SQLite} {
			if dialect == d.dialect {
				continue
			}
			s, err := sqlstore.New(d.open(t), dialect)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if err := s.Migrate(background(t)); err == nil {
				t.Errorf("Migrate with the dialect %v: no error", dialect)
			}
		}
	})
}

func TestMigrateRefusesConnectionsThatNeverCommit(t *testing.T) {
	m := engine.StartMariaDB(t)
	s, err := sqlstore.New(database{driver: "mysql", dsn: m.DSN("autocommit=0")}.open(t), sqlstore.MySQL)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Migrate(background(t)); err == nil || !strings.Contains(err.Error(), "autocommit") {
		t.Errorf("Migrate without autocommit: error %v, want one that names it", err)
	}
}
