package sql

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/ginwx/wxlogin/integration/engine"
	"github.com/ginwx/wxlogin/store/sqlstore"
)

// The table is so large that no engine prefers reading all of it for one row.
const manyRows = 5000

// everyVerb calls each method of s, those that meet a live, an expired and no row
// among them.
func everyVerb(t *testing.T, s *sqlstore.Store) {
	t.Helper()
	ctx := background(t)
	for _, key := range []string{"live:7", "expired:7", "none"} {
		_, _ = s.Get(ctx, key)
		_, _ = s.Swap(ctx, key, []byte("v"), []byte("w"), time.Hour)
		_, _ = s.Swap(ctx, key, []byte("v"), []byte("w"), time.Hour)
		_, _ = s.Add(ctx, key, []byte("v"), time.Hour)
		_, _ = s.AddFor(ctx, "someone", key, []byte("v"), time.Hour)
		if err := s.Set(ctx, key, []byte("v"), time.Hour); err != nil {
			t.Errorf("Set: error %v", err)
		}
		if err := s.Delete(ctx, key); err != nil {
			t.Errorf("Delete: error %v", err)
		}
	}
	if list, err := s.ListFor(ctx, "few"); err != nil || len(list) != 5 {
		t.Errorf("ListFor: %d entries, error %v, want 5", len(list), err)
	}
	if err := s.DeleteFor(ctx, "few"); err != nil {
		t.Errorf("DeleteFor: error %v", err)
	}
	if n, err := s.Sweep(ctx); err != nil || n == 0 {
		t.Errorf("Sweep: got (%d, %v), want some and no error", n, err)
	}
}

func fillForPlans(t *testing.T, d database, analyze string) {
	t.Helper()
	db := d.open(t)
	s := newSQLStore(t, db, d.dialect, sqlstore.WithoutSweeper())
	fill(t, s, "live", manyRows, time.Hour)
	fill(t, s, "few", 5, time.Hour)
	fill(t, s, "expired", 50, time.Millisecond)
	if _, err := db.Exec(analyze); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestPostgreSQLNeverReadsTheWholeTable(t *testing.T) {
	pg := engine.StartPostgres(t, "fsync=off", "autovacuum=off")
	d := database{sqlstore.PostgreSQL, "pgx", pg.DSN()}
	fillForPlans(t, d, "ANALYZE wxlogin_entries")
	admin := d.open(t)
	scans := func() (whole, index int) {
		t.Helper()
		// A connection's counts are complete when it has ended.
		waitFor(t, "end of the connections", func(ctx context.Context) error {
			var n int
			err := admin.QueryRowContext(ctx, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()").Scan(&n)
			if err == nil && n > 0 {
				err = fmt.Errorf("%d are left", n)
			}
			return err
		})
		if err := admin.QueryRow("SELECT seq_scan, idx_scan FROM pg_stat_user_tables WHERE relname = 'wxlogin_entries'").Scan(&whole, &index); err != nil {
			t.Fatal(err)
		}
		return whole, index
	}
	wholeBefore, indexBefore := scans()
	db := d.open(t)
	everyVerb(t, newSQLStore(t, db, d.dialect, sqlstore.WithoutSweeper()))
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	whole, index := scans()
	if index-indexBefore < 20 {
		t.Errorf("the verbs used an index %d times, want more: they are not counted", index-indexBefore)
	}
	if whole != wholeBefore {
		t.Errorf("the verbs read the whole table %d times, want never", whole-wholeBefore)
	}
}

func TestMariaDBNeverReadsTheWholeTable(t *testing.T) {
	m := engine.StartMariaDB(t, "--innodb-flush-log-at-trx-commit=0")
	d := database{sqlstore.MySQL, "mysql", m.DSN()}
	fillForPlans(t, d, "ANALYZE TABLE wxlogin_entries")
	db := d.open(t)
	db.SetMaxOpenConns(1) // whose counts are read
	read := func() (total int) {
		t.Helper()
		for _, name := range []string{"Handler_read_rnd_next", "Handler_read_next", "Handler_read_first", "Handler_read_prev"} {
			var n int
			if err := db.QueryRow("SHOW SESSION STATUS LIKE '"+name+"'").Scan(new(string), &n); err != nil {
				t.Fatal(err)
			}
			total += n
		}
		return total
	}
	s := newSQLStore(t, db, d.dialect, sqlstore.WithoutSweeper())
	before := read()
	everyVerb(t, s)
	// The sweep reads the rows that it deletes, and SHOW some of its own.
	if n := read() - before; n > 500 {
		t.Errorf("the verbs went from row to row %d times, want far less than the %d rows of the table", n, manyRows)
	}
}
