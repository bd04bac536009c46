package sql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ginwx/wxlogin/integration/engine"
	"github.com/ginwx/wxlogin/store"
	"github.com/ginwx/wxlogin/store/sqlstore"
)

// rows counts the rows of the default table, expired ones among them.
func rows(t *testing.T, db *sql.DB) (n int) {
	t.Helper()
	if err := db.QueryRowContext(background(t), "SELECT count(*) FROM wxlogin_entries").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// fill adds n entries of one owner that live for ttl.
func fill(t *testing.T, s *sqlstore.Store, owner string, n int, ttl time.Duration) {
	t.Helper()
	ctx := background(t)
	var all sync.WaitGroup
	const writers = 8
	for w := range writers {
		all.Go(func() {
			for i := w; i < n; i += writers {
				if added, err := s.AddFor(ctx, owner, fmt.Sprintf("%s:%d", owner, i), []byte("v"), ttl); err != nil || !added {
					t.Errorf("AddFor: got (%v, %v), want (true, <nil>)", added, err)
					return
				}
			}
		})
	}
	all.Wait()
}

func TestSeveralInstancesSweepBesideLogins(t *testing.T) {
	const expired, live, instances = 1500, 100, 4
	onEachEngine(t, func(t *testing.T, d database) {
		ctx := background(t)
		db := d.open(t)
		first := newSQLStore(t, db, d.dialect, sqlstore.WithoutSweeper())
		fill(t, first, "expired", expired, time.Millisecond)
		fill(t, first, "live", live, time.Hour)
		if n := rows(t, db); n != expired+live {
			t.Fatalf("%d rows, want %d: expired ones stay until a sweep", n, expired+live)
		}

		var swept atomic.Int64
		var sweepers, logins sync.WaitGroup
		over := make(chan struct{})
		for i := range instances {
			s := d.store(t, sqlstore.WithoutSweeper(), sqlstore.WithSweepBatch(100))
			sweepers.Go(func() {
				n, err := s.Sweep(ctx)
				if err != nil {
					t.Errorf("Sweep beside others: error %v", err)
				}
				swept.Add(n)
			})
			logins.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-over:
						return
					default:
					}
					key := fmt.Sprintf("login:%d:%d", i, n)
					if added, err := s.AddFor(ctx, "login", key, []byte("v"), time.Hour); err != nil || !added {
						t.Errorf("AddFor during sweeps: got (%v, %v), want (true, <nil>)", added, err)
					}
					if swapped, err := s.Swap(ctx, key, []byte("v"), []byte("w"), time.Hour); err != nil || !swapped {
						t.Errorf("Swap during sweeps: got (%v, %v), want (true, <nil>)", swapped, err)
					}
					if err := s.Delete(ctx, key); err != nil {
						t.Errorf("Delete during sweeps: error %v", err)
					}
				}
			})
		}
		sweepers.Wait()
		close(over)
		logins.Wait()
		if rest, err := first.Sweep(ctx); err != nil {
			t.Errorf("the last Sweep: error %v", err)
		} else {
			swept.Add(rest)
		}
		if n := swept.Load(); n != expired {
			t.Errorf("%d entries were swept, want the %d that had expired", n, expired)
		}
		if n := rows(t, db); n != live {
			t.Errorf("%d rows are left, want the %d that are live", n, live)
		}
		if list, err := first.ListFor(ctx, "live"); err != nil || len(list) != live {
			t.Errorf("ListFor: %d entries, error %v, want %d", len(list), err, live)
		}
	})
}

func TestTheSweeperEmptiesTheTableByItself(t *testing.T) {
	onEachEngine(t, func(t *testing.T, d database) {
		db := d.open(t)
		s := newSQLStore(t, db, d.dialect, sqlstore.WithSweepInterval(50*time.Millisecond), sqlstore.WithSweepBatch(7))
		fill(t, s, "expired", 50, time.Millisecond)
		err := engine.Poll(20*time.Second, func(context.Context) error {
			if n := rows(t, db); n != 0 {
				return fmt.Errorf("%d rows are left", n)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestAnAccountWithThousandsOfSessionsIsEnded(t *testing.T) {
	const many = 3500 // more than three batches
	onEachEngine(t, func(t *testing.T, d database) {
		ctx := background(t)
		db := d.open(t)
		s := newSQLStore(t, db, d.dialect)
		fill(t, s, "many", many, time.Hour)
		fill(t, s, "other", 10, time.Hour)
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				if err := s.DeleteFor(ctx, "many"); err != nil {
					t.Errorf("DeleteFor beside others: error %v", err)
					return
				}
				// Each of them promises that all is gone, whoever deleted it.
				list, err := s.ListFor(ctx, "many")
				if err != nil || len(list) != 0 {
					t.Errorf("ListFor after DeleteFor: %d entries, error %v, want none", len(list), err)
				}
			})
		}
		all.Wait()
		if _, err := s.Get(ctx, fmt.Sprintf("many:%d", many-1)); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Get after DeleteFor: error %v, want store.ErrNotFound", err)
		}
		if n := rows(t, db); n != 10 {
			t.Errorf("%d rows are left, want the 10 of the other account", n)
		}
	})
}
