package redisstore

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestALimitEndsLikeAContextWithADeadline(t *testing.T) {
	s := &Store{timeout: time.Second}
	for name, test := range map[string]struct {
		parent func() (context.Context, context.CancelFunc)
		after  time.Duration // when it ends
		want   error
	}{
		"by its own limit": {func() (context.Context, context.CancelFunc) { return context.WithCancel(context.Background()) }, time.Second, context.DeadlineExceeded},
		"by an earlier one of the caller": {func() (context.Context, context.CancelFunc) {
			return context.WithTimeout(context.Background(), time.Second/2)
		}, time.Second / 2, context.DeadlineExceeded},
		"not by a later one of the caller": {func() (context.Context, context.CancelFunc) {
			return context.WithTimeout(context.Background(), time.Minute)
		}, time.Second, context.DeadlineExceeded},
		"by the caller's cancellation": {func() (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(context.Background())
			time.AfterFunc(time.Second/4, cancel)
			return ctx, cancel
		}, time.Second / 4, context.Canceled},
	} {
		for how, waits := range map[string]bool{"waited for": true, "asked": false} {
			t.Run(name+" "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					parent, cancel := test.parent()
					defer cancel()
					begin := time.Now()
					c := s.limit(parent)
					defer c.release()
					if err := c.Err(); err != nil {
						t.Fatalf("Err at the start: %v", err)
					}
					if waits {
						<-c.Done()
						if took := time.Since(begin); took != test.after {
							t.Errorf("done after %v, want %v", took, test.after)
						}
					} else {
						sleep(test.after - 1)
						if err := c.Err(); err != nil {
							t.Errorf("Err before the end: %v", err)
						}
						sleep(1)
						synctest.Wait()
					}
					if err := c.Err(); !errors.Is(err, test.want) {
						t.Errorf("Err: %v, want %v", err, test.want)
					}
				})
			})
		}
	}
}

func TestAReleasedLimitLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // fails if a goroutine stays
		s := &Store{timeout: time.Hour}
		for range 10 {
			c := s.limit(context.Background())
			done := c.Done()
			c.release()
			<-done
		}
		s.limit(context.Background()).release()
	})
}
