package sql

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"testing"

	"github.com/ginwx/wxlogin"
)

// roomless is what users see of an engine that can keep nothing more: sessions are
// served without being extended, and end.
var roomless = expect{nil, wxlogin.ErrStoreUnavailable, nil}

// pack fills what is left of the pages that the table has, with rows smaller than
// any session, until many in a row are refused.
func pack(t *testing.T, db execer, insert string) {
	t.Helper()
	const refusals = 60
	var last error
	packed := 0
	for refused := 0; refused < refusals; {
		var err error
		if _, err = db.ExecContext(background(t), fmt.Sprintf(insert, rand.Text())); err == nil {
			packed++
			refused = 0
			continue
		}
		last = err
		refused++
	}
	t.Logf("packed with %d rows, until: %v", packed, last)
}

type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// filler is a row whose key and owner spread it over the indexes as sessions are.
const filler = "INSERT INTO wxlogin_entries (entry_key, owner, value, expires_at, version) VALUES ('filler:%[1]s', '%[1]s', 'v', 9999999999999, 1)"

const removeFiller = "DELETE FROM wxlogin_entries WHERE entry_key LIKE 'filler:%'"

func fileMayNotGrow(t *testing.T, s *site) {
	limitPages(t, s, 1) // counts as what there is now
	pack(t, s.pool, filler)
}

func fileMayGrow(t *testing.T, s *site) {
	limitPages(t, s, 1<<30)
	s.exec(t, removeFiller)
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
		"substring(decode(repeat(md5(random()::text), 120), 'hex') FOR 1850), 9999999999999, 1 FROM generate_series(1, 200)"
	fillMariaDB = "INSERT INTO wxlogin_entries (entry_key, value, expires_at, version) " +
		"SELECT CONCAT('filler:', UUID()), REPEAT('v', 7000), 9999999999999, 1 FROM seq_1_to_100"
)

// limiter is a server whose files can be kept from growing.
type limiter interface{ LimitFiles(bytes int) }

// filesMayNotGrow fills the table's file up to a size that the system lets no file
// of the server exceed. The engine's logs are smaller.
func filesMayNotGrow(fill string) func(*testing.T, *site) {
	return func(t *testing.T, s *site) {
		s.server.(limiter).LimitFiles(18 << 20)
		for {
			if _, err := s.root.ExecContext(background(t), fill); err != nil {
				t.Logf("filled until: %v", err)
				break
			}
		}
		pack(t, s.root, filler)
	}
}

func filesMayGrow(vacuum string) func(*testing.T, *site) {
	return func(t *testing.T, s *site) {
		s.server.(limiter).LimitFiles(-1)
		s.exec(t, removeFiller, vacuum)
	}
}
