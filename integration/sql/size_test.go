package sql

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ginwx/wxlogin/store/sqlstore"
)

// TestBytesPerEntry fills a table with entries as long as real ones, in random
// order, and holds the package documentation to what they take.
func TestBytesPerEntry(t *testing.T) {
	type bytes struct{ session, keys float64 }
	documented := map[sqlstore.Dialect]bytes{
		sqlstore.PostgreSQL: {650, 370}, sqlstore.MySQL: {880, 630}, sqlstore.SQLite: {520, 310},
	}
	onEachEngine(t, func(t *testing.T, d database) {
		got := bytes{bytesEach(t, d, "session_entries", true), bytesEach(t, d, "key_entries", false)}
		t.Logf("a session takes %.0f bytes, session_keys %.0f", got.session, got.keys)
		want := documented[d.dialect]
		for what, part := range map[string]float64{"a session": got.session / want.session, "session_keys": got.keys / want.keys} {
			if part < 0.87 || part > 1.13 {
				t.Errorf("%s takes %.0f %% of the documented size", what, 100*part)
			}
		}
	})
}

func bytesEach(t *testing.T, d database, table string, owned bool) float64 {
	t.Helper()
	const entries, writers = 50_000, 6
	db := d.open(t)
	s := newSQLStore(t, db, d.dialect, sqlstore.WithTable(table), sqlstore.WithoutSweeper())
	size := func() (n float64) {
		t.Helper()
		query := map[sqlstore.Dialect][]string{
			sqlstore.PostgreSQL: {"SELECT pg_total_relation_size('" + table + "')"},
			sqlstore.MySQL:      {"ANALYZE TABLE " + table, "SELECT data_length + index_length FROM information_schema.tables WHERE table_name = '" + table + "'"},
			sqlstore.SQLite:     {"SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"},
		}[d.dialect]
		for _, statement := range query[:len(query)-1] {
			if _, err := db.Exec(statement); err != nil {
				t.Fatal(err)
			}
		}
		if err := db.QueryRow(query[len(query)-1]).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := size()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	random := func(n int) string { return strings.ToLower(rand.Text() + rand.Text())[:n] }
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for range entries / writers {
				var err error
				if owned {
					_, err = s.AddFor(ctx, "account:"+random(52), "session:"+random(52), fmt.Appendf(nil, "%-115s", "a session"), time.Hour)
				} else {
					err = s.Set(ctx, "subject:"+random(52), fmt.Appendf(nil, "%-123s", "sealed session_keys"), time.Hour)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	return (size() - before) / (entries / writers * writers)
}
