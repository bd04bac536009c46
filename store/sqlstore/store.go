package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/ginwx/wxlogin/store"
)

// Store is a [store.AccountStore] in one table of an SQL database. Make one with
// [New]; the zero Store is not usable.
//
// It is safe for concurrent use, by any number of processes on one database. Every
// verb but DeleteFor takes effect at once or not at all. The engine's clock alone
// decides what has expired, to the millisecond; the clocks of the processes do not
// matter. Times to live under a millisecond count as one, over a hundred years as
// a hundred. Set on a live entry with an owner keeps the owner.
//
// Errors are [store.ErrNotFound], [store.ErrClosed], those of the context, plain
// ones for malformed arguments (a key or owner outside [0-9a-z:]{1,128}, a value
// above [store.MaxValueLen], a time to live that is not positive), and for
// everything else what the driver returned, wrapped. After an error of a driver or
// of the context a write may have happened or not.
type Store struct {
	db      *sql.DB
	dialect Dialect
	settings
	sql *statements

	// writing holds the turn of the one writer that SQLite allows: its own
	// callers wait in line here instead of polling for the file lock. Nil for
	// the other dialects.
	writing chan struct{}

	closed    atomic.Bool
	stopSweep context.CancelFunc
	swept     chan struct{} // closed by the sweeper as it ends
}

var _ store.AccountStore = (*Store)(nil)

// New returns a Store on db, or an error that says which argument is wrong. It
// does not talk to the database: call [Store.Migrate], or make the table with
// your own migrations, before the first use.
//
// The Store uses db and never closes it or changes its settings. Unless
// [WithoutSweeper] is given it has a goroutine that deletes expired entries, so
// Close it, before db, when it is no longer used.
func New(db *sql.DB, dialect Dialect, opts ...Option) (*Store, error) {
	if db == nil {
		return nil, errors.New("wxlogin/sqlstore: New: the database is nil")
	}
	set := settings{
		table:       DefaultTable,
		callTimeout: DefaultCallTimeout,
		sweepEvery:  DefaultSweepInterval,
		sweepBatch:  DefaultSweepBatch,
		log:         slog.New(slog.DiscardHandler),
	}
	for _, opt := range opts {
		if opt == nil {
			return nil, errors.New("wxlogin/sqlstore: New: an option is nil")
		}
		if err := opt(&set); err != nil {
			return nil, err
		}
	}
	if _, err := dialect.schema(set.table); err != nil {
		return nil, err
	}
	s := &Store{
		db:       db,
		dialect:  dialect,
		settings: set,
		sql:      newStatements(dialect, set.table),
		swept:    make(chan struct{}),
	}
	if dialect == SQLite {
		s.writing = make(chan struct{}, 1)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.stopSweep = cancel
	if s.sweepEvery > 0 {
		go s.sweepUntilDone(ctx)
	} else {
		close(s.swept)
	}
	return s, nil
}

// Close stops the sweeper and waits for its end. Every later call of another
// method fails with [store.ErrClosed]; one that is under way is not disturbed. The
// database stays open. Close may be called more than once and from several
// goroutines; its error is always nil.
func (s *Store) Close() error {
	s.closed.Store(true)
	s.stopSweep()
	<-s.swept
	return nil
}

// Get implements [store.Store].
func (s *Store) Get(ctx context.Context, key string) ([]byte, error) {
	c, err := s.begin(ctx, "get", store.CheckKey(key))
	if err != nil {
		return nil, err
	}
	defer c.end()
	value, err := onOne(c, func(on connection) ([]byte, error) {
		value, err := c.get(on, &params{key: key})
		if !errors.Is(err, store.ErrNotFound) {
			return value, err
		}
		if err := c.confirm(on); err != nil {
			return nil, err
		}
		return nil, store.ErrNotFound
	})
	if err != nil {
		return nil, c.failed(err)
	}
	return value, nil
}

// Set implements [store.Store].
func (s *Store) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	c, err := s.begin(ctx, "set", store.CheckEntry(key, value, ttl))
	if err != nil {
		return err
	}
	defer c.end()
	_, err = c.exec(s.db, &s.sql.set, &params{key: key, value: value, ttl: milliseconds(ttl)})
	return c.failed(err)
}

// Add implements [store.Store].
func (s *Store) Add(ctx context.Context, key string, value []byte, ttl time.Duration) (bool, error) {
	c, err := s.begin(ctx, "add", store.CheckEntry(key, value, ttl))
	if err != nil {
		return false, err
	}
	defer c.end()
	added, err := c.add(&params{key: key, value: value, ttl: milliseconds(ttl)})
	return added, c.failed(err)
}

// Swap implements [store.Store].
func (s *Store) Swap(ctx context.Context, key string, old, new []byte, ttl time.Duration) (bool, error) {
	c, err := s.begin(ctx, "swap", store.CheckEntry(key, new, ttl))
	if err != nil {
		return false, err
	}
	defer c.end()
	swapped, err := c.swap(&params{key: key, value: new, old: old, ttl: milliseconds(ttl)})
	return swapped, c.failed(err)
}

// Delete implements [store.Store].
func (s *Store) Delete(ctx context.Context, key string) error {
	c, err := s.begin(ctx, "delete", store.CheckKey(key))
	if err != nil {
		return err
	}
	defer c.end()
	_, err = c.exec(s.db, &s.sql.remove, &params{key: key})
	return c.failed(err)
}

func (c *call) get(on connection, p *params) ([]byte, error) {
	var value []byte
	err := c.row(on, &c.store.sql.get, p, &value)
	return notNil(value), err
}

// add writes a row that is not there or has expired.
func (c *call) add(p *params) (bool, error) {
	return onOne(c, func(on connection) (bool, error) { return c.addOn(on, p) })
}

func (c *call) addOn(on connection, p *params) (bool, error) {
	for {
		n, err := c.exec(on, &c.store.sql.add, p)
		if err != nil || n == 1 || c.store.dialect != MySQL {
			return n == 1, err
		}
		// MySQL: the row was there. Either it has expired and is taken over, or
		// it is live, or it has gone meanwhile and the next round adds it.
		if n, err = c.exec(on, &c.store.sql.takeOver, p); err != nil || n == 1 {
			return n == 1, err
		}
		if _, err = c.get(on, p); !errors.Is(err, store.ErrNotFound) {
			return false, err
		}
	}
}

// swap tells a row that is gone from one with another value by a second look. That
// needs no confirmation: the server has just taken a write.
func (c *call) swap(p *params) (bool, error) {
	return onOne(c, func(on connection) (bool, error) { return c.swapOn(on, p) })
}

func (c *call) swapOn(on connection, p *params) (bool, error) {
	for {
		n, err := c.exec(on, &c.store.sql.swap, p)
		if err != nil || n == 1 {
			return n == 1, err
		}
		present, err := c.get(on, p)
		if err != nil || !bytes.Equal(present, p.old) {
			return false, err
		}
		// The value came to be the old one between the two looks: not refused.
	}
}

// call is one verb under way.
type call struct {
	store  *Store
	verb   string
	caller context.Context
	ctx    context.Context // the caller's, with the store's time-out
	cancel context.CancelFunc
}

// begin refuses a call with a wrong argument, and one that nobody waits for.
func (s *Store) begin(ctx context.Context, verb string, wrong error) (*call, error) {
	if s.closed.Load() {
		return nil, store.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if wrong != nil {
		return nil, wrong
	}
	c := &call{store: s, verb: verb, caller: ctx}
	c.ctx, c.cancel = context.WithTimeout(ctx, s.callTimeout)
	return c, nil
}

func (c *call) end() { c.cancel() }

// failed adds to err what its reader lacks.
func (c *call) failed(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrNotFound):
		return store.ErrNotFound
	}
	over := c.ctx.Err()
	if over != nil && !errors.Is(err, over) {
		err = fmt.Errorf("%w: %w", over, err) // the driver's words for it
	}
	if over != nil && c.caller.Err() == nil {
		return fmt.Errorf("wxlogin/sqlstore: %s: no answer within %v: %w", c.verb, c.store.callTimeout, err)
	}
	return fmt.Errorf("wxlogin/sqlstore: %s: %w", c.verb, err)
}
