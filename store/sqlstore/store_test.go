package sqlstore

import (
	"context"
	"database/sql/driver"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ginwx/wxlogin/store"
)

var (
	errEngine = errors.New("the engine is on fire")
	dialects  = []Dialect{PostgreSQL, MySQL, SQLite}
	ttl       = time.Minute
)

func TestNewRefusesWhatCannotWork(t *testing.T) {
	db := (&fakeDB{}).open(t)
	for name, opts := range map[string][]Option{
		"an empty table name":           {WithTable("")},
		"a table name with a quote":     {WithTable(`entries"; DROP TABLE users`)},
		"a table name in capitals":      {WithTable("Entries")},
		"a table name of three parts":   {WithTable("a.b.c")},
		"a table name with a bare dot":  {WithTable("a.")},
		"a table name with a digit":     {WithTable("1entries")},
		"a table name that is too long": {WithTable(strings.Repeat("t", maxTableLen+1))},
		"no call timeout":               {WithCallTimeout(0)},
		"a negative call timeout":       {WithCallTimeout(-1)},
		"no sweep interval":             {WithSweepInterval(0)},
		"no sweep batch":                {WithSweepBatch(0)},
		"a huge sweep batch":            {WithSweepBatch(maxSweepBatch + 1)},
		"no logger":                     {WithLogger(nil)},
		"no option":                     {nil},
	} {
		t.Run(name, func(t *testing.T) {
			if s, err := New(db, SQLite, opts...); err == nil || s != nil {
				t.Errorf("got %v, %v; want no store and an error", s, err)
			}
		})
	}
	if _, err := New(nil, SQLite); err == nil {
		t.Error("New without a database: no error")
	}
	for _, d := range []Dialect{0, SQLite + 1} {
		if _, err := New(db, d); err == nil {
			t.Errorf("New with %v: no error", d)
		}
	}
	for _, table := range []string{"t", "wx.entries", "order", strings.Repeat("t", maxTableLen)} {
		s, err := New(db, SQLite, WithTable(table))
		if err != nil {
			t.Errorf("New with table %q: error %v", table, err)
			continue
		}
		s.Close()
	}
}

// verbs calls every method that takes a context with good arguments.
func verbs(s *Store) map[string]func(ctx context.Context) error {
	return map[string]func(ctx context.Context) error{
		"Get":    func(ctx context.Context) error { _, err := s.Get(ctx, "thekey"); return err },
		"Set":    func(ctx context.Context) error { return s.Set(ctx, "thekey", []byte("the value"), ttl) },
		"Add":    func(ctx context.Context) error { _, err := s.Add(ctx, "thekey", []byte("the value"), ttl); return err },
		"Delete": func(ctx context.Context) error { return s.Delete(ctx, "thekey") },
		"Swap": func(ctx context.Context) error {
			_, err := s.Swap(ctx, "thekey", []byte("the old"), []byte("the value"), ttl)
			return err
		},
		"AddFor": func(ctx context.Context) error {
			_, err := s.AddFor(ctx, "theowner", "thekey", []byte("the value"), ttl)
			return err
		},
		"ListFor":   func(ctx context.Context) error { _, err := s.ListFor(ctx, "theowner"); return err },
		"DeleteFor": func(ctx context.Context) error { return s.DeleteFor(ctx, "theowner") },
	}
}

func TestAFailureIsNeverAnAbsence(t *testing.T) {
	for _, d := range dialects {
		s, _ := newFake(t, d, always(answer{err: errEngine}))
		for verb, call := range verbs(s) {
			err := call(context.Background())
			if !errors.Is(err, errEngine) || errors.Is(err, store.ErrNotFound) {
				t.Errorf("%v, %s: error %v, want the driver's own", d, verb, err)
			}
		}
		s, _ = newFake(t, d, always(answer{rowsErr: errEngine}))
		for _, verb := range []string{"Get", "Swap", "ListFor", "DeleteFor"} {
			if err := verbs(s)[verb](context.Background()); !errors.Is(err, errEngine) {
				t.Errorf("%v, %s, rows that break off: error %v, want the driver's own", d, verb, err)
			}
		}
	}
}

func TestNoAnswerIsAnErrorAtTheLimit(t *testing.T) {
	for _, d := range dialects {
		for _, verb := range []string{"Get", "Set", "Add", "Swap", "Delete", "AddFor", "ListFor", "DeleteFor"} {
			synctest.Test(t, func(t *testing.T) {
				s, _ := newFake(t, d, hang)
				start := time.Now()
				err := verbs(s)[verb](context.Background())
				if waited := time.Since(start); waited != DefaultCallTimeout {
					t.Errorf("%v, %s: returned after %v, want %v", d, verb, waited, DefaultCallTimeout)
				}
				if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no answer within 2s") {
					t.Errorf("%v, %s: error %v, want a deadline that names the limit", d, verb, err)
				}
			})
		}
	}
}

func TestRowsThatEndWithTheContextAreNoAbsence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := newFake(t, SQLite, func(ctx context.Context, _ string, _ []driver.NamedValue) answer {
			<-ctx.Done()
			return answer{} // no rows and no error
		})
		for _, verb := range []string{"Get", "Swap", "ListFor"} {
			err := verbs(s)[verb](context.Background())
			if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s: error %v, want the end of the context", verb, err)
			}
		}
	})
}

func TestACallThatCannotSucceedSendsNothing(t *testing.T) {
	s, f := newFake(t, PostgreSQL, always(answer{}))
	ctx := context.Background()
	done, cancel := context.WithCancel(ctx)
	cancel()
	long := strings.Repeat("k", store.MaxKeyLen+1)
	big := make([]byte, store.MaxValueLen+1)
	for verb, call := range verbs(s) {
		if err := call(done); !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a context that is done: error %v", verb, err)
		}
	}
	for name, err := range map[string]error{
		"Get of an empty key":        second(s.Get(ctx, "")),
		"Get of a long key":          second(s.Get(ctx, long)),
		"Get of a key in capitals":   second(s.Get(ctx, "KEY")),
		"Set of a big value":         s.Set(ctx, "k", big, ttl),
		"Set for no time":            s.Set(ctx, "k", nil, 0),
		"Add for a negative time":    second(s.Add(ctx, "k", nil, -ttl)),
		"Swap to a big value":        second(s.Swap(ctx, "k", nil, big, ttl)),
		"Delete of a key with a '":   s.Delete(ctx, "k'"),
		"AddFor of an empty owner":   second(s.AddFor(ctx, "", "k", nil, ttl)),
		"ListFor of a long owner":    second(s.ListFor(ctx, long)),
		"DeleteFor of no such owner": s.DeleteFor(ctx, "o%"),
	} {
		if err == nil || errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: error %v, want one about the argument", name, err)
		}
	}
	s.Close()
	for verb, call := range verbs(s) {
		if err := call(ctx); !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s after Close: error %v, want store.ErrClosed", verb, err)
		}
	}
	if err := s.Migrate(ctx); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Migrate after Close: error %v, want store.ErrClosed", err)
	}
	if _, err := s.Sweep(ctx); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Sweep after Close: error %v, want store.ErrClosed", err)
	}
	if n := f.count(); n != 0 {
		t.Errorf("%d statements were sent, want none", n)
	}
}

func second[T any](_ T, err error) error { return err }

func TestAddTellsWhatTheRowsTell(t *testing.T) {
	live := answer{rows: value("live")}
	tests := []struct {
		name    string
		dialect Dialect
		answers []answer
		want    bool
	}{
		{"a row was written", PostgreSQL, []answer{{affected: 1}}, true},
		{"a live row was in the way", PostgreSQL, []answer{{affected: 0}}, false},
		{"a row was written", SQLite, []answer{{affected: 1}}, true},
		{"a live row was in the way", SQLite, []answer{{affected: 0}}, false},
		{"a row was written", MySQL, []answer{{affected: 1}}, true},
		{"an expired row was taken over", MySQL, []answer{{affected: 2}, {affected: 1}}, true},
		{"a live row was in the way", MySQL, []answer{{affected: 2}, {affected: 0}, live}, false},
		{"a row was in the way that then was gone", MySQL, []answer{{affected: 2}, {affected: 0}, {}, {affected: 1}}, true},
	}
	for _, test := range tests {
		t.Run(test.dialect.String()+": "+test.name, func(t *testing.T) {
			s, f := newFake(t, test.dialect, inTurn(t, test.answers...))
			got, err := s.Add(context.Background(), "k", []byte("v"), ttl)
			if got != test.want || err != nil {
				t.Errorf("got (%v, %v), want (%v, <nil>)", got, err, test.want)
			}
			if f.count() != len(test.answers) {
				t.Errorf("sent %v, want %d statements", f.texts(), len(test.answers))
			}
		})
	}
}

func TestSwapTellsGoneFromChanged(t *testing.T) {
	tests := []struct {
		name    string
		answers []answer
		want    bool
		err     error
	}{
		{"the value was the old one", []answer{{affected: 1}}, true, nil},
		{"the value is another one", []answer{{}, {rows: value("other")}}, false, nil},
		{"there is no value", []answer{{}, {}}, false, store.ErrNotFound},
		{"the value became the old one meanwhile", []answer{{}, {rows: value("old")}, {affected: 1}}, true, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, f := newFake(t, MySQL, inTurn(t, test.answers...))
			got, err := s.Swap(context.Background(), "k", []byte("old"), []byte("new"), ttl)
			if got != test.want || err != test.err {
				t.Errorf("got (%v, %v), want (%v, %v)", got, err, test.want, test.err)
			}
			if f.count() != len(test.answers) {
				t.Errorf("sent %v, want %d statements", f.texts(), len(test.answers))
			}
		})
	}
}

func TestDeleteForGoesThroughManyEntriesInRanges(t *testing.T) {
	s, f := newFake(t, PostgreSQL, inTurn(t,
		answer{rows: [][]driver.Value{{"k500"}}}, answer{affected: ownerBatch},
		answer{rows: [][]driver.Value{{"k900"}}}, answer{affected: 3}, // someone else deleted as well
		answer{}, answer{affected: 7},
	))
	if err := s.DeleteFor(context.Background(), "o"); err != nil {
		t.Fatal(err)
	}
	limit := int64(ownerBatch - 1)
	want := [][]any{
		{"o", "", limit}, {"o", "", "k500"},
		{"o", "k500", limit}, {"o", "k500", "k900"},
		{"o", "k900", limit}, {"o", "k900"},
	}
	for i, sent := range f.sent {
		if !reflect.DeepEqual(sent.args, want[i]) {
			t.Errorf("statement %d has arguments %v, want %v", i, sent.args, want[i])
		}
	}
}

func TestDeleteForHeedsItsContextBetweenBatches(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s, f := newFake(t, SQLite, func(_ context.Context, text string, _ []driver.NamedValue) answer {
		if strings.HasPrefix(text, "DELETE") {
			cancel()
		}
		return answer{rows: [][]driver.Value{{"k"}}, affected: ownerBatch}
	})
	if err := s.DeleteFor(ctx, "o"); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	if got, want := f.texts(), []string{"SELECT", "DELETE"}; !slices.Equal(got, want) {
		t.Errorf("sent %v, want %v", got, want)
	}
}

func TestSQLiteWritersWaitInLineAndReadersDoNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := newFake(t, SQLite, func(ctx context.Context, text string, _ []driver.NamedValue) answer {
			if strings.HasPrefix(text, "SELECT") {
				return answer{rows: value("v")}
			}
			return hang(ctx, text, nil)
		})
		first := make(chan error, 1)
		go func() { first <- s.Delete(context.Background(), "k") }()
		synctest.Wait()
		if _, err := s.Get(context.Background(), "k"); err != nil {
			t.Errorf("Get while another call writes: error %v", err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := s.Delete(ctx, "k"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Delete while another call writes: error %v, want the end of its context", err)
		}
		if got := f.texts(); !slices.Equal(got, []string{"DELETE", "SELECT"}) {
			t.Errorf("sent %v, want no statement of the writer that waited", got)
		}
		<-first
	})
}

func TestATimeToLiveIsWholeMillisecondsAndNeverNone(t *testing.T) {
	for ttl, want := range map[time.Duration]int64{
		1:                        1,
		time.Millisecond - 1:     1,
		time.Millisecond:         1,
		2*time.Millisecond - 1:   1,
		time.Hour:                3600_000,
		maxTTL + 1:               maxTTL.Milliseconds(),
		time.Duration(1<<63 - 1): maxTTL.Milliseconds(),
	} {
		if got := milliseconds(ttl); got != want {
			t.Errorf("milliseconds(%v) = %d, want %d", ttl, got, want)
		}
	}
}
