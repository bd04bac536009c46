package sqlstore

import (
	"bytes"
	"context"
	"database/sql/driver"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestSweepGoesOnUntilABatchFallsShort(t *testing.T) {
	for _, d := range dialects {
		s, f := newFake(t, d, inTurn(t, answer{affected: 5}, answer{affected: 5}, answer{affected: 4}), WithSweepBatch(5))
		if n, err := s.Sweep(context.Background()); n != 14 || err != nil {
			t.Errorf("%v: Sweep: got (%d, %v), want (14, <nil>)", d, n, err)
		}
		for _, sent := range f.sent {
			if len(sent.args) != 1 || sent.args[0] != int64(5) {
				t.Errorf("%v: a sweep has arguments %v, want the batch", d, sent.args)
			}
		}
	}
}

func TestSweepTellsWhatItDeletedBeforeAnError(t *testing.T) {
	s, _ := newFake(t, MySQL, inTurn(t, answer{affected: 5}, answer{err: errEngine}), WithSweepBatch(5))
	if n, err := s.Sweep(context.Background()); n != 5 || !errors.Is(err, errEngine) {
		t.Errorf("Sweep: got (%d, %v), want 5 and the driver's error", n, err)
	}
}

func TestSweepEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s, f := newFake(t, SQLite, func(context.Context, string, []driver.NamedValue) answer {
		cancel()
		return answer{affected: DefaultSweepBatch}
	})
	if n, err := s.Sweep(ctx); n != DefaultSweepBatch || !errors.Is(err, context.Canceled) {
		t.Errorf("Sweep: got (%d, %v), want one batch and context.Canceled", n, err)
	}
	if f.count() != 1 {
		t.Errorf("sent %d statements, want 1", f.count())
	}
}

// logText is what a logger wrote.
type logText struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// sweeping returns a Store with a sweeper; call it in a bubble.
func sweeping(t *testing.T, play script, opts ...Option) (*Store, *fakeDB) {
	t.Helper()
	f := &fakeDB{script: play}
	s, err := New(f.open(t), PostgreSQL, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, f
}

func TestTheSweeperWorksAboutEveryMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logText
		var failing atomic.Bool
		failing.Store(true)
		s, f := sweeping(t, func(context.Context, string, []driver.NamedValue) answer {
			if failing.Load() {
				return answer{err: errEngine}
			}
			return answer{affected: 1}
		}, WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		sleep := func(d time.Duration) {
			<-time.After(d) // in a bubble
			synctest.Wait()
		}
		if sleep(53 * time.Second); f.count() != 0 {
			t.Errorf("%d sweeps within 53 seconds, want none: the table may not be made yet", f.count())
		}
		if sleep(14 * time.Second); f.count() != 1 {
			t.Errorf("%d sweeps after 67 seconds, want 1", f.count())
		}
		if !strings.Contains(log.String(), errEngine.Error()) {
			t.Errorf("the log of a failed sweep is %q, want the failure", log.String())
		}
		failing.Store(false)
		logged := log.String()
		if sleep(time.Hour); f.count() < 54 || f.count() > 68 {
			t.Errorf("%d sweeps after an hour, want about 60", f.count())
		}
		s.Close()
		n := f.count()
		if sleep(time.Hour); f.count() != n {
			t.Errorf("%d sweeps after Close, want none", f.count()-n)
		}
		if more := strings.TrimPrefix(log.String(), logged); more != "" {
			t.Errorf("the log of sweeps that succeed is %q, want nothing", more)
		}
	})
}

func TestCloseStopsASweepAndWaitsForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logText
		var ended atomic.Bool
		s, f := sweeping(t, func(ctx context.Context, _ string, _ []driver.NamedValue) answer {
			<-ctx.Done()
			<-time.After(time.Second) // a driver that is slow to give up
			ended.Store(true)
			return answer{err: ctx.Err()}
		}, WithSweepInterval(time.Second), WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		<-time.After(2 * time.Second)
		synctest.Wait()
		if f.count() != 1 {
			t.Fatalf("%d sweeps are under way, want 1", f.count())
		}
		for range 3 {
			go s.Close()
		}
		if err := s.Close(); err != nil || !ended.Load() {
			t.Errorf("Close: error %v, and the sweep has ended is %v; want none and true", err, ended.Load())
		}
		if log.String() != "" {
			t.Errorf("the log of a sweep that Close ended is %q, want nothing", log.String())
		}
	})
}

func TestASweepThatHangsIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := newFake(t, PostgreSQL, hang)
		start := time.Now()
		if _, err := s.Sweep(context.Background()); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != sweepTimeout {
			t.Errorf("Sweep: error %v after %v, want a deadline after %v", err, time.Since(start), sweepTimeout)
		}
	})
}

func TestWithoutSweeperThereIsNoGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeDB{script: always(answer{})}
		db := f.open(t)
		if _, err := New(db, SQLite, WithoutSweeper()); err != nil {
			t.Fatal(err)
		}
		// Not closed: a goroutine that is left fails the bubble.
	})
}
