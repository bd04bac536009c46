package sql

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/integration/testapp"
	"github.com/ginwx/wxlogin/store/sqlstore"
)

func TestAnOutageOfSQLiteIsAnswered503AndEndsByItself(t *testing.T) {
	begin := func(lock string) func(*testing.T, *site) {
		return func(t *testing.T, s *site) {
			t.Helper()
			// A connection outside the store, as of another process.
			conn, err := s.root.Conn(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := conn.ExecContext(context.Background(), lock); err != nil {
				t.Fatal(err)
			}
			s.taken = append(s.taken, conn)
		}
	}
	end := func(t *testing.T, s *site) {
		t.Helper()
		if _, err := s.taken[0].ExecContext(context.Background(), "ROLLBACK"); err != nil {
			t.Fatal(err)
		}
		giveConnectionsBack(t, s)
	}
	for journal, parameters := range map[string]string{"write-ahead log": walDSN, "rollback journal": "?_pragma=busy_timeout(200)"} {
		t.Run(journal, func(t *testing.T) {
			t.Parallel()
			d := sqliteIn(t.TempDir(), parameters)
			s := &site{root: d.open(t), pool: d.open(t)}
			sessions := newSQLStore(t, s.pool, d.dialect, sqlstore.WithCallTimeout(callTimeout))
			s.Site = testapp.NewSite(t, sessions, bound)
			exclusive := testapp.Down // a rollback journal's writer keeps readers away
			if journal == "write-ahead log" {
				exclusive = testapp.Readable
			}
			for _, o := range []outage{
				{"another process writes", begin("BEGIN IMMEDIATE"), end, testapp.Readable, false},
				{"another process locks the file", begin("BEGIN EXCLUSIVE"), end, exclusive, false},
				{"the pool is exhausted", takeConnections, giveConnectionsBack, testapp.Down, false},
				{"the file may not grow", fileMayNotGrow, fileMayGrow, testapp.Roomless, false},
				{"the table is gone", statements("ALTER TABLE wxlogin_entries RENAME TO away"), statements("ALTER TABLE away RENAME TO wxlogin_entries"), testapp.Down, false},
			} {
				t.Run(o.name, func(t *testing.T) { o.strike(t, s) })
			}
		})
	}
}

func TestAFileThatIsNoDatabaseIsAnOutage(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "wxlogin.db"), []byte("this is not an SQLite database at all, but some text that is long enough for a header"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := sqliteIn(dir, "")
	s, err := sqlstore.New(d.open(t), d.dialect)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Migrate(background(t)); err == nil {
		t.Error("Migrate of a file that is no database: no error")
	}
	auth := testapp.New(t, s)
	other := testapp.Login(t, testapp.New(t, sqliteIn(t.TempDir(), "").store(t)), "user")
	if _, err := auth.Authenticate(background(t), other); !errors.Is(err, wxlogin.ErrStoreUnavailable) {
		t.Errorf("Authenticate: error %v, want ErrStoreUnavailable", err)
	}
}

func TestSessionsSurviveInAFile(t *testing.T) {
	dir := t.TempDir()
	ctx := background(t)
	var tokens []string
	for i := range 5 {
		d := sqliteIn(dir, walDSN)
		db := d.open(t)
		s := newSQLStore(t, db, d.dialect)
		auth := testapp.New(t, s)
		for _, token := range tokens {
			if _, err := auth.Authenticate(ctx, token); err != nil {
				t.Errorf("a token from before restart %d: error %v, want none", i, err)
			}
		}
		tokens = append(tokens, testapp.Login(t, auth, fmt.Sprint("user", i)))
		auth.Close()
		s.Close()
		db.Close()
	}
}
