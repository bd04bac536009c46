package sqlstore

import (
	"context"
	"errors"
	"math/rand/v2"
	"reflect"
	"time"
)

// A statement that the engine rolled back because it met another one, or gave up
// waiting for a lock, has done nothing and is sent again. An answer that was lost
// is never asked for again: the statement may have been carried out.
const (
	maxTries  = 50
	firstWait = 2 * time.Millisecond
	maxWait   = 100 * time.Millisecond
)

// retry calls do until it succeeds, fails for good, or ctx ends.
func (s *Store) retry(ctx context.Context, do func() error) error {
	wait := firstWait
	for try := 1; ; try++ {
		err := do()
		if err == nil || try == maxTries || !s.dialect.rolledBack(err) {
			return err
		}
		pause := time.NewTimer(wait/2 + rand.N(wait/2))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return err
		}
		wait = min(2*wait, maxWait)
	}
}

// rolledBack reports whether err says that the statement was undone and may
// succeed now. It knows the error types of the drivers by their shape, because
// this package imports none of them; with an unknown driver it reports false.
func (d Dialect) rolledBack(err error) bool {
	switch d {
	case PostgreSQL:
		var e interface{ SQLState() string } // pgx, pq
		if !errors.As(err, &e) {
			return false
		}
		switch e.SQLState() {
		case "40001", "40P01", "55P03": // serialization failure, deadlock, lock time-out
			return true
		}
	case MySQL:
		switch fieldOf(err, "Number") { // go-sql-driver
		case 1213, 1205, 1020: // deadlock, lock time-out, MariaDB's snapshot isolation
			return true
		}
	case SQLite:
		code := -1
		var e interface{ Code() int } // modernc
		if errors.As(err, &e) {
			code = e.Code()
		} else {
			code = fieldOf(err, "Code") // mattn
		}
		switch code & 0xff { // the rest tells more about the reason
		case 5, 6: // busy, locked
			return code >= 0
		}
	}
	return false
}

// fieldOf returns the number in the named field of the first error in err's chain
// that is a struct with such a field, or -1.
func fieldOf(err error, name string) int {
	for ; err != nil; err = errors.Unwrap(err) {
		v := reflect.Indirect(reflect.ValueOf(err))
		if v.Kind() != reflect.Struct {
			continue
		}
		switch f := v.FieldByName(name); {
		case !f.IsValid():
		case f.CanInt():
			return int(f.Int())
		case f.CanUint():
			return int(f.Uint())
		}
	}
	return -1
}
