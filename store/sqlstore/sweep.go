package sqlstore

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/ginwx/wxlogin/store"
)

// sweepTimeout bounds one batch of a sweep, which nobody waits for.
const sweepTimeout = 30 * time.Second

// Sweep deletes what has expired, one batch after the other, and returns how many
// entries it deleted, those before an error included. The store does this by
// itself, see [WithSweepInterval]; call it where a job of your own sweeps. Several
// processes may sweep at a time.
func (s *Store) Sweep(ctx context.Context) (int64, error) {
	if s.closed.Load() {
		return 0, store.ErrClosed
	}
	return s.sweep(ctx)
}

func (s *Store) sweep(ctx context.Context) (int64, error) {
	var total int64
	for {
		if err := ctx.Err(); err != nil {
			return total, err
		}
		n, err := s.sweepBatchOnce(ctx)
		total += n
		if err != nil {
			return total, fmt.Errorf("wxlogin/sqlstore: sweep: %w", err)
		}
		if n < int64(s.sweepBatch) {
			return total, nil
		}
	}
}

func (s *Store) sweepBatchOnce(ctx context.Context) (int64, error) {
	c := &call{store: s, verb: "sweep", caller: ctx}
	c.ctx, c.cancel = context.WithTimeout(ctx, sweepTimeout)
	defer c.end()
	return c.exec(s.db, &s.sql.sweep, &params{limit: int64(s.sweepBatch)})
}

// sweepUntilDone is the body of the sweeper. Its pauses are a little uneven, so
// that instances which were started together do not sweep together.
func (s *Store) sweepUntilDone(ctx context.Context) {
	defer close(s.swept)
	for {
		pause := time.NewTimer(s.sweepEvery - s.sweepEvery/10 + rand.N(s.sweepEvery/5+1))
		select {
		case <-ctx.Done():
			pause.Stop()
			return
		case <-pause.C:
		}
		if _, err := s.sweep(ctx); err != nil && ctx.Err() == nil {
			s.log.LogAttrs(ctx, slog.LevelWarn, "wxlogin: expired entries not swept", slog.Any("error", err))
		}
	}
}
