package sqlstore

import (
	"errors"
	"log/slog"
	"time"
)

// Defaults of [New].
const (
	DefaultTable         = "wxlogin_entries"
	DefaultCallTimeout   = 2 * time.Second
	DefaultSweepInterval = time.Minute
	DefaultSweepBatch    = 1000
)

// maxSweepBatch keeps a batch from holding its locks for long.
const maxSweepBatch = 10_000

// Option changes a default of [New].
type Option func(*settings) error

type settings struct {
	table       string
	callTimeout time.Duration
	sweepEvery  time.Duration // 0: never
	sweepBatch  int
	log         *slog.Logger
}

// WithTable makes the store use the table name instead of [DefaultTable]. A name
// is 1 to 48 of a-z, 0-9 and _, does not start with a digit, and may have a
// schema (MySQL: a database, SQLite: an attached one) of the same kind and a dot
// before it. It is part of every statement, so take it from your configuration and
// never from a client.
func WithTable(name string) Option {
	return func(s *settings) error {
		s.table = name
		return checkTable(name)
	}
}

// WithCallTimeout makes a call fail that has no answer after d, instead of after
// [DefaultCallTimeout], even if its context would last longer. Waiting for a free
// connection of the pool counts.
func WithCallTimeout(d time.Duration) Option {
	return func(s *settings) error {
		s.callTimeout = d
		return positive(d > 0, "WithCallTimeout: the time")
	}
}

// WithSweepInterval makes the store delete expired entries about every d instead
// of every [DefaultSweepInterval]. Entries expire on time all the same; the
// interval decides only how long they take room.
func WithSweepInterval(d time.Duration) Option {
	return func(s *settings) error {
		s.sweepEvery = d
		return positive(d > 0, "WithSweepInterval: the interval")
	}
}

// WithSweepBatch makes a sweep delete at most n expired entries in one statement
// instead of [DefaultSweepBatch], 10,000 at the most.
func WithSweepBatch(n int) Option {
	return func(s *settings) error {
		s.sweepBatch = n
		if n > maxSweepBatch {
			return errors.New("wxlogin/sqlstore: WithSweepBatch: the batch must be at most 10,000 entries")
		}
		return positive(n > 0, "WithSweepBatch: the batch")
	}
}

// WithoutSweeper leaves expired entries in the table until somebody calls
// [Store.Sweep] or deletes them in another way. The store then has no goroutine.
func WithoutSweeper() Option {
	return func(s *settings) error {
		s.sweepEvery = 0
		return nil
	}
}

// WithLogger makes the sweeper report its failures to log. By default it is
// silent: the calls of the store return their own errors.
func WithLogger(log *slog.Logger) Option {
	return func(s *settings) error {
		s.log = log
		if log == nil {
			return errors.New("wxlogin/sqlstore: WithLogger: the logger must not be nil")
		}
		return nil
	}
}

func positive(ok bool, what string) error {
	if !ok {
		return errors.New("wxlogin/sqlstore: " + what + " must be positive")
	}
	return nil
}
