package sqlstore

import (
	"context"
	"database/sql/driver"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ginwx/wxlogin/store"
)

// readers are the verbs that read alone, and whether they found something.
func readers(s *Store) map[string]func() (found bool, err error) {
	return map[string]func() (bool, error){
		"Get": func() (bool, error) {
			_, err := s.Get(context.Background(), "k")
			if errors.Is(err, store.ErrNotFound) {
				return false, nil
			}
			return true, err
		},
		"ListFor": func() (bool, error) {
			list, err := s.ListFor(context.Background(), "o")
			return len(list) > 0, err
		},
	}
}

func TestAMissIsConfirmedByAWriteOnTheSameConnection(t *testing.T) {
	for _, d := range []Dialect{PostgreSQL, MySQL} {
		for _, verb := range []string{"Get", "ListFor"} {
			s, f := newFake(t, d, always(answer{}))
			for range 2 { // the second time the connection comes from the pool
				if found, err := readers(s)[verb](); found || err != nil {
					t.Errorf("%v, %s: found is %v, error %v, want nothing and no error", d, verb, found, err)
				}
			}
			if got, want := f.texts(), []string{"SELECT", "DELETE", "SELECT", "DELETE"}; !slices.Equal(got, want) {
				t.Fatalf("%v, %s: sent %v, want %v", d, verb, got, want)
			}
			if f.sent[0].on != f.sent[1].on || f.sent[2].on != f.sent[3].on {
				t.Errorf("%v, %s: the connection was given back before the confirmation", d, verb)
			}
			if f.sent[1].on == f.sent[2].on {
				t.Errorf("%v, %s: this test cannot tell one use of a connection from another", d, verb)
			}
			if !strings.HasSuffix(f.sent[1].text, "WHERE 1 = 0") {
				t.Errorf("%v, %s: the confirmation %q may write", d, verb, f.sent[1].text)
			}
		}
	}
}

func TestAMissThatCannotBeConfirmedIsAnOutage(t *testing.T) {
	for _, d := range []Dialect{PostgreSQL, MySQL} {
		for _, verb := range []string{"Get", "ListFor"} {
			s, _ := newFake(t, d, func(_ context.Context, text string, _ []driver.NamedValue) answer {
				if strings.HasPrefix(text, "SELECT") {
					return answer{}
				}
				return answer{err: errEngine}
			})
			if err := verbs(s)[verb](context.Background()); !errors.Is(err, errEngine) || errors.Is(err, store.ErrNotFound) {
				t.Errorf("%v, %s: error %v, want the driver's own", d, verb, err)
			}
		}
	}
}

func TestWhatNeedsNoConfirmationHasNone(t *testing.T) {
	row := [][]driver.Value{{"k", []byte("v")}}
	for _, test := range []struct {
		name    string
		dialect Dialect
		verb    string
		answers []answer
	}{
		{"a hit", PostgreSQL, "Get", []answer{{rows: value("v")}}},
		{"a hit", MySQL, "Get", []answer{{rows: value("v")}}},
		{"a list", PostgreSQL, "ListFor", []answer{{rows: row}}},
		{"a list", MySQL, "ListFor", []answer{{rows: row}}},
		{"SQLite, which has no replicas", SQLite, "Get", []answer{{}}},
		{"SQLite, which has no replicas", SQLite, "ListFor", []answer{{}}},
		{"a swap, which has written", PostgreSQL, "Swap", []answer{{}, {}}},
		{"a swap, which has written", MySQL, "Swap", []answer{{}, {}}},
		{"a delete, which writes", PostgreSQL, "Delete", []answer{{}}},
		{"a delete of all, which writes", MySQL, "DeleteFor", []answer{{}, {}}},
	} {
		t.Run(test.dialect.String()+": "+test.name, func(t *testing.T) {
			s, f := newFake(t, test.dialect, inTurn(t, test.answers...))
			if err := verbs(s)[test.verb](context.Background()); err != nil && !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s: error %v", test.verb, err)
			}
			if f.count() != len(test.answers) {
				t.Errorf("%s sent %v, want %d statements", test.verb, f.texts(), len(test.answers))
			}
		})
	}
}

// A second look at another server could find the old value for ever.
func TestSwapLooksWhereItWrote(t *testing.T) {
	for _, d := range []Dialect{PostgreSQL, MySQL} {
		s, f := newFake(t, d, inTurn(t, answer{}, answer{rows: value("other")}))
		if _, err := s.Swap(context.Background(), "k", []byte("old"), []byte("new"), ttl); err != nil {
			t.Fatal(err)
		}
		if f.sent[0].on != f.sent[1].on {
			t.Errorf("%v: the connection was given back before the second look", d)
		}
	}
}

func TestConnectionsThatTheDriverDropsAreReplaced(t *testing.T) {
	for _, d := range []Dialect{PostgreSQL, MySQL} {
		const stale = 7 // more than database/sql itself goes through
		f := &fakeDB{}
		old := map[*fakeConn]bool{}
		f.scriptOn = func(on use, text string) answer {
			if old[on.conn] && strings.HasPrefix(text, "DELETE") {
				return answer{err: driver.ErrBadConn} // as of rejectReadOnly
			}
			return answer{}
		}
		db := f.open(t)
		db.SetMaxIdleConns(stale)
		s, err := New(db, d, WithoutSweeper())
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		leaveIdle(t, f, stale)
		for conn := range f.conns {
			old[conn] = true
		}
		if _, err := s.Get(context.Background(), "k"); err != store.ErrNotFound {
			t.Errorf("%v: Get: error %v, want store.ErrNotFound of a new connection", d, err)
		}
		if got, want := f.count(), 2*stale+2; got != want {
			t.Errorf("%v: sent %d statements, want %d", d, got, want)
		}
	}
}

// leaveIdle leaves n idle connections in the pool.
func leaveIdle(t *testing.T, f *fakeDB, n int) {
	t.Helper()
	for range n {
		conn, err := f.pool.Conn(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
}

func TestReplacingConnectionsEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := newFake(t, MySQL, always(answer{err: driver.ErrBadConn}))
		start := time.Now()
		if _, err := s.Get(context.Background(), "k"); !errors.Is(err, driver.ErrBadConn) || errors.Is(err, store.ErrNotFound) {
			t.Errorf("Get: error %v, want driver.ErrBadConn", err)
		}
		if waited := time.Since(start); waited != 0 || f.count() > 5 {
			t.Errorf("gave up after %d statements and %v, want a few and no wait", f.count(), waited)
		}
	})
}
