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
	"github.com/ginwx/wxlogin/integration/faultproxy"
	"github.com/ginwx/wxlogin/store"
	"github.com/ginwx/wxlogin/store/redisstore"
)

func get(t *testing.T, s *redisstore.Store, key, want string) {
	t.Helper()
	if got, err := s.Get(context.Background(), key); string(got) != want || err != nil {
		t.Fatalf("Get(%s): %q, %v; want %q", key, got, err, want)
	}
}

func set(t *testing.T, s *redisstore.Store, key, value string) {
	t.Helper()
	if err := s.Set(context.Background(), key, []byte(value), time.Hour); err != nil {
		t.Fatal(err)
	}
}

func TestTheCacheAnswersReadsOfSessionsAlone(t *testing.T) {
	c := newCountedCached(t, time.Minute)
	elsewhere := redisstore.New(connectTo(t, c.server))
	for key, want := range map[string]int64{"session:a": 0, "revoked:a": 1, "subject:a": 1, "account:a": 1, "sessions": 1} {
		set(t, elsewhere, key, "v")
		get(t, c.Store, key, "v")
		got := c.trips(t, func() error { _, err := c.Get(context.Background(), key); return err })
		if got != want {
			t.Errorf("the second Get of %s takes %d round trips, want %d", key, got, want)
		}
	}
	ctx := context.Background()
	for range 2 {
		got := c.trips(t, func() error {
			if _, err := c.Get(ctx, "session:none"); !errors.Is(err, store.ErrNotFound) {
				return fmt.Errorf("Get of what is not there: %v", err)
			}
			return nil
		})
		if got < 1 {
			t.Error("the cache said no without asking the server")
		}
	}
}

func TestACachedSessionIsNotReadWithAContextThatIsDone(t *testing.T) {
	c := newCountedCached(t, time.Minute)
	set(t, redisstore.New(connectTo(t, c.server)), "session:a", "v")
	get(t, c.Store, "session:a", "v")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if got, err := c.Get(ctx, "session:a"); !errors.Is(err, context.Canceled) {
		t.Errorf("Get with a context that is done: %q, %v; want %v", got, err, context.Canceled)
	}
}

func TestACachedSessionThatEndsElsewhereIsGone(t *testing.T) {
	server := engine.StartRedis(t)
	here := cachedStore(t, server, time.Hour)
	elsewhere := redisstore.New(connectTo(t, server))
	ctx := context.Background()
	for name, end := range map[string]func() error{
		"Delete":    func() error { return elsewhere.Delete(ctx, "session:a") },
		"DeleteFor": func() error { return elsewhere.DeleteFor(ctx, "account:a") },
		"FLUSHALL":  func() error { server.Must(t, "FLUSHALL"); return nil },
	} {
		if _, err := elsewhere.AddFor(ctx, "account:a", "session:a", []byte("v"), time.Hour); err != nil {
			t.Fatal(err)
		}
		get(t, here, "session:a", "v")
		get(t, here, "session:a", "v")
		if err := end(); err != nil {
			t.Fatal(err)
		}
		err := engine.Poll(5*time.Second, func(ctx context.Context) error {
			_, err := here.Get(ctx, "session:a")
			if !errors.Is(err, store.ErrNotFound) {
				return fmt.Errorf("still there: %v", err)
			}
			return nil
		})
		if err != nil {
			t.Errorf("%s elsewhere: %v", name, err)
		}
	}
}

func TestAnExpiredSessionIsNotCachedOn(t *testing.T) {
	server := engine.StartRedis(t)
	here := cachedStore(t, server, time.Hour)
	ctx := context.Background()
	const ttl = 300 * time.Millisecond
	begin := time.Now()
	if err := redisstore.New(connectTo(t, server)).Set(ctx, "session:a", nil, ttl); err != nil {
		t.Fatal(err)
	}
	err := engine.Poll(5*time.Second, func(ctx context.Context) error {
		_, err := here.Get(ctx, "session:a")
		switch age := time.Since(begin); {
		case err == nil && age > ttl+200*time.Millisecond:
			t.Fatalf("an entry with a life of %v is served after %v", ttl, age)
		case err == nil:
			return errors.New("alive")
		case !errors.Is(err, store.ErrNotFound):
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestWhatAProcessChangesItselfItSeesAtOnce asks at the moment at which the
// server's message may not have arrived, while others read.
func TestWhatAProcessChangesItselfItSeesAtOnce(t *testing.T) {
	server := engine.StartRedis(t)
	s := cachedStore(t, server, time.Hour)
	elsewhere := redisstore.New(connectTo(t, server))
	ctx := context.Background()
	for n := range 500 {
		key := "session:" + strconv.Itoa(n)
		set(t, elsewhere, key, "old")
		get(t, s, key, "old")
		var (
			stop    atomic.Bool
			readers sync.WaitGroup
		)
		for range n % 3 {
			readers.Go(func() {
				for !stop.Load() {
					_, _ = s.Get(ctx, key)
				}
			})
		}
		if swapped, err := s.Swap(ctx, key, []byte("old"), []byte("new"), time.Hour); !swapped || err != nil {
			t.Fatalf("Swap: %v, %v", swapped, err)
		}
		get(t, s, key, "new")
		set(t, s, key, "newer")
		get(t, s, key, "newer")
		if err := s.Delete(ctx, key); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Get(ctx, key); !errors.Is(err, store.ErrNotFound) {
			t.Fatalf("Get after Delete: %q, %v; want a miss", got, err)
		}
		stop.Store(true)
		readers.Wait()
	}
}

func TestAnAccountThatIsRevokedHereIsGoneHereAtOnce(t *testing.T) {
	server := engine.StartRedis(t)
	s := cachedStore(t, server, time.Hour)
	elsewhere := redisstore.New(connectTo(t, server))
	ctx := context.Background()
	for n := range 300 {
		key := "session:" + strconv.Itoa(n)
		if _, err := elsewhere.AddFor(ctx, "account:a", key, []byte("v"), time.Hour); err != nil {
			t.Fatal(err)
		}
		get(t, s, key, "v")
		get(t, s, key, "v")
		if err := s.DeleteFor(ctx, "account:a"); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Get(ctx, key); !errors.Is(err, store.ErrNotFound) {
			t.Fatalf("Get after DeleteFor: %q, %v; want a miss", got, err)
		}
	}
}

func TestABrokenConnectionClearsTheCache(t *testing.T) {
	server := engine.StartRedis(t)
	proxy := faultproxy.Start(t, engine.Addr(engine.FreePort(t)), server.Addr())
	elsewhere := redisstore.New(connectTo(t, server))
	client, cached := connectCached(t, quick(proxy.Addr()), time.Hour)
	here := redisstore.New(client, cached, redisstore.WithCallTimeout(callTimeout))
	ctx := context.Background()
	set(t, elsewhere, "session:a", "v")
	get(t, here, "session:a", "v")
	get(t, here, "session:a", "v")
	proxy.Set(faultproxy.Fault{Refuse: true})
	if err := elsewhere.Delete(ctx, "session:a"); err != nil {
		t.Fatal(err)
	}
	err := engine.Poll(5*time.Second, func(ctx context.Context) error {
		if _, err := here.Get(ctx, "session:a"); err == nil {
			return errors.New("served from a cache that cannot be told of changes")
		} else if errors.Is(err, store.ErrNotFound) {
			t.Fatal("Get without a connection: a miss, want an error")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	proxy.Heal()
	err = engine.Poll(5*time.Second, func(ctx context.Context) error {
		_, err := here.Get(ctx, "session:a")
		if err == nil {
			t.Fatal("an entry that was deleted is served after the outage")
		}
		if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestStalenessIsBoundedOnASilentNetwork deletes a session whose reader can
// neither hear of it nor notice that it cannot.
func TestStalenessIsBoundedOnASilentNetwork(t *testing.T) {
	const maxStaleness = 700 * time.Millisecond
	server := engine.StartRedis(t)
	proxy := faultproxy.Start(t, engine.Addr(engine.FreePort(t)), server.Addr())
	elsewhere := redisstore.New(connectTo(t, server))
	client, cached := connectCached(t, rueidis.ClientOption{InitAddress: []string{proxy.Addr()}}, maxStaleness)
	here := redisstore.New(client, cached, redisstore.WithCallTimeout(callTimeout))
	set(t, elsewhere, "session:a", "v")
	get(t, here, "session:a", "v")
	proxy.Set(faultproxy.Fault{Hang: true})
	begin := time.Now()
	if err := elsewhere.Delete(context.Background(), "session:a"); err != nil {
		t.Fatal(err)
	}
	served := 0
	err := engine.Poll(10*time.Second, func(ctx context.Context) error {
		asked := time.Since(begin)
		_, err := here.Get(ctx, "session:a")
		if err != nil {
			return nil
		}
		if served++; asked > maxStaleness {
			t.Fatalf("served from the cache %v after the session ended, want at most %v", asked, maxStaleness)
		}
		return errors.New("still served")
	})
	if err != nil {
		t.Fatal(err)
	}
	if served == 0 {
		t.Error("the cache served nothing: the test proves nothing")
	}
}
