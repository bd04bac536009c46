package sqlstore

import (
	"context"
	"errors"
	"time"

	"github.com/ginwx/wxlogin/store"
)

// ownerBatch is how many entries of an owner are deleted in one statement.
const ownerBatch = 1000

// AddFor implements [store.AccountStore]. The owner is a column of the entry's own
// row, so there is no second write.
func (s *Store) AddFor(ctx context.Context, owner, key string, value []byte, ttl time.Duration) (bool, error) {
	c, err := s.begin(ctx, "add for owner", errors.Join(store.CheckKey(owner), store.CheckEntry(key, value, ttl)))
	if err != nil {
		return false, err
	}
	defer c.end()
	added, err := c.add(&params{owner: owner, key: key, value: value, ttl: milliseconds(ttl)})
	return added, c.failed(err)
}

// ListFor implements [store.AccountStore]. It reads all entries in one statement.
func (s *Store) ListFor(ctx context.Context, owner string) ([]store.Entry, error) {
	c, err := s.begin(ctx, "list for owner", store.CheckKey(owner))
	if err != nil {
		return nil, err
	}
	defer c.end()
	list, err := onOne(c, func(on connection) ([]store.Entry, error) {
		list, err := c.list(on, &params{owner: owner})
		if err == nil && len(list) == 0 {
			err = c.confirm(on)
		}
		return list, err
	})
	if err != nil {
		return nil, c.failed(err)
	}
	return list, nil
}

func (c *call) list(on connection, p *params) ([]store.Entry, error) {
	st := &c.store.sql.listFor
	var list []store.Entry
	err := c.store.retry(c.ctx, func() error {
		list = []store.Entry{}
		rows, err := on.QueryContext(c.ctx, st.text, st.args(p)...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var e store.Entry
			if err := rows.Scan(&e.Key, &e.Value); err != nil {
				return err
			}
			e.Value = notNil(e.Value)
			list = append(list, e)
		}
		if err := rows.Err(); err != nil {
			return err
		}
		return c.ctx.Err() // what a driver read until then may not be all
	})
	return list, err
}

// DeleteFor implements [store.AccountStore]. It deletes up to a thousand entries
// in one statement, and one batch after the other; the call timeout holds for each.
// After an error some entries may be deleted and others not.
func (s *Store) DeleteFor(ctx context.Context, owner string) error {
	wrong := store.CheckKey(owner)
	for p := (&params{owner: owner, limit: ownerBatch - 1}); ; p.after = p.upTo {
		c, err := s.begin(ctx, "delete for owner", wrong)
		if err != nil {
			return err
		}
		last, err := c.removeBatch(p)
		err = c.failed(err)
		c.end()
		if last || err != nil {
			return err
		}
	}
}

// removeBatch deletes the entries of p.owner with keys after p.after, and where
// these are many only those up to p.upTo, which it sets. It reports whether there
// was no such bound.
func (c *call) removeBatch(p *params) (last bool, err error) {
	err = c.row(c.store.db, &c.store.sql.boundFor, p, &p.upTo)
	switch {
	case errors.Is(err, store.ErrNotFound):
		_, err = c.exec(c.store.db, &c.store.sql.removeFor, p)
		return true, err
	case err != nil:
		return false, err
	}
	_, err = c.exec(c.store.db, &c.store.sql.removeRangeFor, p)
	return false, err
}
