package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/ginwx/wxlogin/integration/engine"
	"github.com/ginwx/wxlogin/store/redisstore"
)

// TestNoOldAnswerStaysInTheCache has two instances read sessions all the time that a
// third one changes, with connections that are cut in between. Whenever the changes
// end, both come to the last values; with an hour of staleness, an old one that got
// into a cache behind the server's message would stay.
func TestNoOldAnswerStaysInTheCache(t *testing.T) {
	const (
		sessions = 8
		rounds   = 6
		changes  = 100 // of each session in a round
	)
	for name, cut := range map[string]bool{"on a quiet network": false, "while connections are cut": true} {
		t.Run(name, func(t *testing.T) {
			server := engine.StartRedis(t)
			elsewhere := redisstore.New(connectTo(t, server))
			readers := make([]*redisstore.Store, 2)
			for i := range readers {
				option := rueidis.ClientOption{InitAddress: []string{server.Addr()}}
				client, cached := connectCached(t, option, time.Hour)
				readers[i] = redisstore.New(client, cached)
			}
			keys := make([]string, sessions)
			for i := range keys {
				keys[i] = "session:" + strconv.Itoa(i)
				set(t, elsewhere, keys[i], "first")
			}
			var reads atomic.Int64
			for round := range rounds {
				last := ""
				stop := readAll(readers, keys, &reads)
				for n := range changes {
					last = fmt.Sprintf("%d.%d", round, n)
					for _, key := range keys {
						setInTheEnd(t, elsewhere, key, last)
					}
					if cut && n%25 == 24 {
						server.Must(t, "CLIENT", "KILL", "TYPE", "normal")
					}
				}
				stop()
				for _, reader := range readers {
					for _, key := range keys {
						settles(t, reader, key, last)
					}
				}
			}
			t.Logf("%d reads beside %d changes", reads.Load(), rounds*changes*sessions)
		})
	}
}

// readAll has every reader read all keys, over and over, until it is stopped.
func readAll(readers []*redisstore.Store, keys []string, reads *atomic.Int64) (stop func()) {
	var (
		stopped atomic.Bool
		running sync.WaitGroup
	)
	for i := range 2 * len(readers) {
		running.Go(func() {
			for n := 0; !stopped.Load(); n++ {
				_, _ = readers[i%len(readers)].Get(context.Background(), keys[n%len(keys)])
				reads.Add(1)
			}
		})
	}
	return func() { stopped.Store(true); running.Wait() }
}

// setInTheEnd repeats what a cut connection may have kept from the server.
func setInTheEnd(t *testing.T, s *redisstore.Store, key, value string) {
	err := engine.Poll(5*time.Second, func(ctx context.Context) error {
		return s.Set(ctx, key, []byte(value), time.Hour)
	})
	if err != nil {
		t.Error(err)
	}
}

func settles(t *testing.T, s *redisstore.Store, key, want string) {
	t.Helper()
	err := engine.Poll(2*time.Second, func(ctx context.Context) error {
		got, err := s.Get(ctx, key)
		if err == nil && string(got) != want {
			err = errors.New("old")
		}
		return err
	})
	if err != nil {
		t.Fatalf("Get(%s) long after the last change: %v", key, err)
	}
}
