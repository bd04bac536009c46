package redis

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ginwx/wxlogin/integration/engine"
	"github.com/ginwx/wxlogin/store"
	"github.com/ginwx/wxlogin/store/redisstore"
)

// TestASessionThatWasChangedHereIsCachedAgain slides a session, which is what a
// process does to those that it serves.
func TestASessionThatWasChangedHereIsCachedAgain(t *testing.T) {
	c := newCountedCached(t, time.Hour)
	elsewhere := redisstore.New(connectTo(t, c.server))
	ctx := context.Background()
	const key = "session:a"
	set(t, elsewhere, key, "0")
	for n := range 5 {
		was, is := fmt.Sprint(n), fmt.Sprint(n+1)
		get(t, c.Store, key, was)
		if swapped, err := c.Swap(ctx, key, []byte(was), []byte(is), time.Hour); !swapped || err != nil {
			t.Fatalf("Swap: %v, %v", swapped, err)
		}
		// The message of the change arrives before the answer to the first read,
		// which it voids; the second one is kept.
		get(t, c.Store, key, is)
		get(t, c.Store, key, is)
		var read error
		trips := c.trips(t, func() error {
			for range 100 {
				if got, err := c.Get(ctx, key); string(got) != is || err != nil {
					read = fmt.Errorf("%q, %w", got, err)
				}
			}
			return read
		})
		if trips > 0 {
			t.Errorf("change %d: %d round trips for 100 reads, want none", n, trips)
		}
	}

	if err := elsewhere.Delete(ctx, key); err != nil {
		t.Fatal(err)
	}
	err := engine.Poll(5*time.Second, func(ctx context.Context) error {
		if _, err := c.Get(ctx, key); !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("still there: %w", err)
		}
		return nil
	})
	if err != nil {
		t.Errorf("a session that was changed here and ended elsewhere: %v", err)
	}
}

// TestAFullServerServesThroughTheCache reads sessions of a server that takes nothing
// more, those that are cached and those that are not.
func TestAFullServerServesThroughTheCache(t *testing.T) {
	server := engine.StartRedis(t)
	s := cachedStore(t, server, time.Hour)
	elsewhere := redisstore.New(connectTo(t, server))
	ctx := context.Background()
	set(t, elsewhere, "session:a", "v")
	set(t, elsewhere, "session:b", "v")
	get(t, s, "session:a", "v")
	server.Must(t, "CONFIG", "SET", "maxmemory", "1")
	for range 2 {
		get(t, s, "session:a", "v")
		get(t, s, "session:b", "v")
		if _, err := s.Get(ctx, "session:none"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Get of what is not there: %v", err)
		}
	}
	if _, err := s.Add(ctx, "session:new", nil, time.Hour); err == nil {
		t.Error("the server is not full: the test proves nothing")
	}
	if err := s.Delete(ctx, "session:a"); err != nil {
		t.Errorf("Delete: %v", err)
	}
	if _, err := s.Get(ctx, "session:a"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Get after Delete: %v", err)
	}
}
