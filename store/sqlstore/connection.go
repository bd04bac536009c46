package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/ginwx/wxlogin/store"
)

// connection is the pool, or one connection of it.
type connection interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// onOne runs do on one connection: after a switchover the pool may hold some to the
// old primary and some to the new one, and what one says of the other's rows means
// nothing. SQLite has no such servers.
//
// A connection that the driver found broken before it sent anything, or that it
// drops because the server takes no writes, is replaced, as database/sql does for
// single statements; everything that was idle with it may have to be.
func onOne[T any](c *call, do func(on connection) (T, error)) (T, error) {
	db := c.store.db
	if c.store.dialect == SQLite {
		return do(db)
	}
	for left := -1; ; left-- {
		conn, err := db.Conn(c.ctx)
		if err != nil {
			return *new(T), err
		}
		result, err := do(conn)
		conn.Close() // gives it back; one that is broken is closed by now
		if !errors.Is(err, driver.ErrBadConn) || left == 0 {
			return result, err
		}
		if left < 0 {
			left = db.Stats().Idle + 2
		}
	}
}

// confirm makes sure that what is not found is not there, by a write that changes
// nothing: a server that takes no writes, such as a replica or one that used to be
// the primary, fails instead of making a live session look ended.
func (c *call) confirm(on connection) error {
	if c.store.dialect == SQLite {
		return nil
	}
	if _, err := c.exec(on, &c.store.sql.confirm, &params{}); err != nil {
		return fmt.Errorf("not found, and the server took no write: %w", err)
	}
	return nil
}

// exec runs a statement that writes, and returns the number of affected rows.
func (c *call) exec(on connection, st *statement, p *params) (int64, error) {
	release, err := c.store.writeTurn(c.ctx)
	if err != nil {
		return 0, err
	}
	defer release()
	var n int64
	err = c.store.retry(c.ctx, func() error {
		result, err := on.ExecContext(c.ctx, st.text, st.args(p)...)
		if err != nil {
			return err
		}
		n, err = result.RowsAffected()
		return err
	})
	return n, err
}

// row reads the one column of the one row that a statement returns.
func (c *call) row(on connection, st *statement, p *params, column any) error {
	err := c.store.retry(c.ctx, func() error {
		return on.QueryRowContext(c.ctx, st.text, st.args(p)...).Scan(column)
	})
	if !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	// A driver that ends its rows early when the context ends must not make an
	// entry look absent.
	if over := c.ctx.Err(); over != nil {
		return over
	}
	return store.ErrNotFound
}

// writeTurn waits until this process may write to an SQLite database.
func (s *Store) writeTurn(ctx context.Context) (release func(), err error) {
	if s.writing == nil {
		return func() {}, nil
	}
	select {
	case s.writing <- struct{}{}:
		return func() { <-s.writing }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
