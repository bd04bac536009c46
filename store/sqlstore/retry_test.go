package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// The shapes of the drivers' errors.
type (
	stateError struct{ state string } // pgx, pq

	numberError struct { // go-sql-driver
		Number   uint16
		SQLState [5]byte
		Message  string
	}

	codeError int // modernc

	fieldError struct { // mattn
		Code, ExtendedCode int
	}
)

func (e *stateError) Error() string    { return "state " + e.state }
func (e *stateError) SQLState() string { return e.state }
func (e *numberError) Error() string   { return fmt.Sprint("number ", e.Number) }
func (e codeError) Error() string      { return "code" }
func (e codeError) Code() int          { return int(e) }
func (e fieldError) Error() string     { return "field" }

func TestWhatTheEngineRolledBackIsSentAgain(t *testing.T) {
	tests := []struct {
		dialect Dialect
		err     error
		again   bool
	}{
		{PostgreSQL, &stateError{"40001"}, true},
		{PostgreSQL, &stateError{"40P01"}, true},
		{PostgreSQL, &stateError{"55P03"}, true},
		{PostgreSQL, &stateError{"25006"}, false}, // read only
		{PostgreSQL, &stateError{"57P01"}, false}, // shutting down
		{PostgreSQL, &stateError{"08006"}, false}, // connection lost
		{PostgreSQL, &numberError{Number: 1213}, false},
		{MySQL, &numberError{Number: 1213}, true},
		{MySQL, &numberError{Number: 1205}, true},
		{MySQL, &numberError{Number: 1020}, true},
		{MySQL, &numberError{Number: 1290}, false}, // read only
		{MySQL, &numberError{Number: 1053}, false}, // shutting down
		{MySQL, &stateError{"40001"}, false},
		{SQLite, codeError(5), true},
		{SQLite, codeError(5 | 2<<8), true}, // busy with a stale snapshot
		{SQLite, codeError(6), true},
		{SQLite, codeError(8), false},      // read only
		{SQLite, codeError(10 | 1), false}, // a disk error
		{SQLite, fieldError{Code: 5}, true},
		{SQLite, &fieldError{Code: 6}, true},
		{SQLite, fieldError{Code: 13}, false}, // disk full
		{SQLite, &numberError{Number: 5}, false},
		{SQLite, context.DeadlineExceeded, false},
		{MySQL, errEngine, false},
		{PostgreSQL, errEngine, false},
		{SQLite, errEngine, false},
	}
	for _, test := range tests {
		for _, err := range []error{test.err, fmt.Errorf("wrapped: %w", test.err)} {
			t.Run(fmt.Sprintf("%v %T %v", test.dialect, test.err, err), func(t *testing.T) {
				s, f := newFake(t, test.dialect, inTurn(t, answer{err: err}, answer{err: err}, answer{affected: 1}))
				got := s.Delete(context.Background(), "k")
				if test.again && (got != nil || f.count() != 3) {
					t.Errorf("error %v after %d statements, want none after 3", got, f.count())
				}
				if !test.again && (!errors.Is(got, test.err) || f.count() != 1) {
					t.Errorf("error %v after %d statements, want %v after 1", got, f.count(), test.err)
				}
			})
		}
	}
}

func TestReadsAreRepeatedToo(t *testing.T) {
	busy := answer{err: codeError(5)}
	s, _ := newFake(t, SQLite, inTurn(t, busy, answer{rows: value("v")}))
	if v, err := s.Get(context.Background(), "k"); string(v) != "v" || err != nil {
		t.Errorf("Get after a busy file: got (%q, %v), want the value", v, err)
	}
	s, _ = newFake(t, SQLite, inTurn(t, answer{rows: nil, rowsErr: codeError(5)}, answer{}))
	if list, err := s.ListFor(context.Background(), "o"); len(list) != 0 || err != nil {
		t.Errorf("ListFor after a busy file: got (%v, %v), want an empty list", list, err)
	}
}

func TestRepeatingEndsWithTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		deadlock := &numberError{Number: 1213}
		s, f := newFake(t, MySQL, always(answer{err: deadlock}))
		start := time.Now()
		err := s.Delete(context.Background(), "k")
		if !errors.Is(err, deadlock) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want the deadlock and the end of the time", err)
		}
		if waited := time.Since(start); waited != DefaultCallTimeout {
			t.Errorf("gave up after %v, want %v", waited, DefaultCallTimeout)
		}
		if n := f.count(); n < 10 || n > maxTries {
			t.Errorf("sent %d statements, want a moderate number", n)
		}
	})
}

func TestRepeatingEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := newFake(t, MySQL, always(answer{err: &numberError{Number: 1213}}), WithCallTimeout(time.Hour))
		if err := s.Delete(context.Background(), "k"); err == nil {
			t.Error("no error of an engine that is always deadlocked")
		}
		if n := f.count(); n != maxTries {
			t.Errorf("sent %d statements, want %d", n, maxTries)
		}
	})
}

func TestMigrateRepeatsAsAWhole(t *testing.T) {
	serialization := answer{err: &stateError{"40001"}}
	s, f := newFake(t, PostgreSQL, inTurn(t,
		answer{}, answer{}, serialization, answer{}, // begin, lock, create, roll back
		answer{}, answer{}, answer{}, answer{}, answer{}, answer{}, // begin, lock, three statements, commit
		answer{}, // columns
	))
	if err := s.Migrate(context.Background()); err != nil {
		t.Fatal(err)
	}
	want := []string{"BEGIN", "SELECT", "CREATE", "ROLLBACK", "BEGIN", "SELECT", "CREATE", "CREATE", "CREATE", "COMMIT", "SELECT"}
	if got := f.texts(); !slices.Equal(got, want) {
		t.Errorf("sent %v, want %v", got, want)
	}
}
