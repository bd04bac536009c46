package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/ginwx/wxlogin/store"
)

// Migrate makes the table and its indexes where they are not there yet, and checks
// that the table has the columns of this package. It may be called any number of
// times, by any number of processes at a time, and needs the right to make tables;
// see [Dialect.Schema] for doing it without. It lasts until it is done or ctx ends;
// [WithCallTimeout] does not hold.
func (s *Store) Migrate(ctx context.Context) error {
	if s.closed.Load() {
		return store.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	release, err := s.writeTurn(ctx)
	if err != nil {
		return err
	}
	defer release()
	if err := s.retry(ctx, func() error { return s.migrate(ctx) }); err != nil {
		return fmt.Errorf("wxlogin/sqlstore: migrate: %w", err)
	}
	return nil
}

func (s *Store) migrate(ctx context.Context) error {
	statements, err := s.dialect.schema(s.table)
	if err != nil {
		return err
	}
	switch s.dialect {
	case PostgreSQL:
		err = s.migrateLocked(ctx, statements)
	case MySQL:
		// The one statement waits for others on the same table by itself.
		if err = s.checkAutocommit(ctx); err == nil {
			err = execAll(ctx, s.db, statements)
		}
	case SQLite:
		// Each statement locks the file, and makes what the others left.
		err = execAll(ctx, s.db, statements)
	}
	if err != nil {
		return err
	}
	return s.checkColumns(ctx)
}

// migrateLocked makes parallel calls wait for each other: PostgreSQL's IF NOT
// EXISTS fails where another transaction is making the same table.
func (s *Store) migrateLocked(ctx context.Context, statements []string) error {
	tx, err := s.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after Commit
	if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)", lockID(s.table)); err != nil {
		return err
	}
	if err := execAll(ctx, tx, statements); err != nil {
		return err
	}
	return tx.Commit()
}

func lockID(table string) int64 {
	h := fnv.New64a()
	h.Write([]byte("wxlogin/sqlstore migrate " + table)) // never fails
	return int64(h.Sum64())
}

type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

func execAll(ctx context.Context, db execer, statements []string) error {
	for _, st := range statements {
		if _, err := db.ExecContext(ctx, st); err != nil {
			return err
		}
	}
	return nil
}

// checkAutocommit refuses connections on which nothing would ever be committed.
func (s *Store) checkAutocommit(ctx context.Context) error {
	var on bool
	if err := s.db.QueryRowContext(ctx, "SELECT @@autocommit").Scan(&on); err != nil {
		return err
	}
	if !on {
		return errors.New("autocommit is off: turn it on for the connections of this database handle")
	}
	return nil
}

// checkColumns finds a table of the same name that is somebody else's.
func (s *Store) checkColumns(ctx context.Context) error {
	columns := []string{"entry_key", "owner", "value", "expires_at", "version"}
	rows, err := s.db.QueryContext(ctx, "SELECT "+strings.Join(columns, ", ")+" FROM "+s.dialect.quoteTable(s.table)+" WHERE 1 = 0")
	if err != nil {
		return err
	}
	defer rows.Close()
	rows.Next()
	return rows.Err()
}
