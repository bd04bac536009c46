package sql

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"
)

// pack fills what is left of the pages that the table has, with rows that lie in
// each index where those of users lie, which every first login adds and no logout
// removes, and that are smaller. It ends when many in a row are refused.
func pack(t *testing.T, db execer) {
	t.Helper()
	const refusals = 600 // so many that each page was among them
	var last error
	packed := 0
	for refused := 0; refused < refusals; {
		if err := addFiller(t, db); err != nil {
			last = err
			refused++
			continue
		}
		packed++
		refused = 0
	}
	t.Logf("packed with %d rows, until: %v", packed, last)
}

func addFiller(t *testing.T, db execer) error {
	t.Helper()
	const lifetime = 30 * 24 * time.Hour
	key := strings.NewReplacer("W", "0", "X", "1", "Y", "8", "Z", "9").Replace(rand.Text()) // the alphabet of keys
	_, err := db.ExecContext(background(t), fmt.Sprintf("INSERT INTO wxlogin_entries (entry_key, value, expires_at, version) "+
		"VALUES ('subject:%s', 'v', %d, 1)", strings.ToLower(key), time.Now().Add(lifetime).UnixMilli()))
	return err
}

// addFillers adds so many that what a logout frees lies on other pages than what a
// login needs.
func addFillers(t *testing.T, s *site) {
	t.Helper()
	for range 500 {
		if err := addFiller(t, s.root); err != nil {
			t.Fatal(err)
		}
	}
}

// removeFillers removes the small and the large ones.
const removeFillers = "DELETE FROM wxlogin_entries WHERE length(value) = 1 OR length(value) > 1000"

type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

func fileMayNotGrow(t *testing.T, s *site) {
	addFillers(t, s)
	limitPages(t, s, 1) // counts as what there is now
	pack(t, s.pool)
}

func fileMayGrow(t *testing.T, s *site) {
	limitPages(t, s, 1<<30)
	s.exec(t, removeFillers)
}

// limitPages limits the file for each connection of the store.
func limitPages(t *testing.T, s *site, pages int) {
	t.Helper()
	takeConnections(t, s)
	defer giveConnectionsBack(t, s)
	for _, conn := range s.taken {
		if _, err := conn.ExecContext(background(t), fmt.Sprint("PRAGMA max_page_count = ", pages)); err != nil {
			t.Fatal(err)
		}
	}
}

// Statements that add large rows to the table, two or four to a page.
const (
	fillPostgres = "INSERT INTO wxlogin_entries (entry_key, value, expires_at, version) SELECT 'filler:' || gen_random_uuid(), " +
		"substring(decode(repeat(md5(random()::text), 120), 'hex') FOR 1850), CAST(extract(epoch FROM now()) * 1000 AS bigint) + 3600000, 1 FROM generate_series(1, 200)"
	fillMariaDB = "INSERT INTO wxlogin_entries (entry_key, value, expires_at, version) " +
		"SELECT CONCAT('filler:', UUID()), REPEAT('v', 7000), UNIX_TIMESTAMP() * 1000 + 3600000, 1 FROM seq_1_to_100"
)

// limiter is a server whose files can be kept from growing.
type limiter interface{ LimitFiles(bytes int) }

// filesMayNotGrow fills the table's file up to a size that the system lets no file
// of the server exceed. The engine's logs are smaller. The statements of settle
// follow before the last pages are packed.
func filesMayNotGrow(fill string, settle ...string) func(*testing.T, *site) {
	return func(t *testing.T, s *site) {
		addFillers(t, s)
		s.server.(limiter).LimitFiles(18 << 20)
		for {
			if _, err := s.root.ExecContext(background(t), fill); err != nil {
				t.Logf("filled until: %v", err)
				break
			}
		}
		s.exec(t, settle...)
		pack(t, s.root)
	}
}

func filesMayGrow(vacuum ...string) func(*testing.T, *site) {
	return func(t *testing.T, s *site) {
		s.server.(limiter).LimitFiles(-1)
		s.exec(t, removeFillers)
		s.exec(t, vacuum...)
	}
}
