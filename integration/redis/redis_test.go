// Package redis tests the Redis store against real servers.
package redis

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/ginwx/wxlogin/integration/engine"
	"github.com/ginwx/wxlogin/store"
	"github.com/ginwx/wxlogin/store/redisstore"
	"github.com/ginwx/wxlogin/store/storetest"
)

// connect returns a client that is closed at the end of the test.
func connect(t testing.TB, option rueidis.ClientOption) rueidis.Client {
	t.Helper()
	client, err := rueidis.NewClient(option)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func connectTo(t testing.TB, servers ...*engine.Redis) rueidis.Client {
	t.Helper()
	var option rueidis.ClientOption
	for _, s := range servers {
		option.InitAddress = append(option.InitAddress, s.Addr())
	}
	return connect(t, option)
}

// connectCached connects for stores with a local cache, or without one where
// maxStaleness is 0.
func connectCached(t testing.TB, option rueidis.ClientOption, maxStaleness time.Duration) (rueidis.Client, redisstore.Option) {
	t.Helper()
	if maxStaleness == 0 {
		return connect(t, option), func(*redisstore.Store) {}
	}
	cache := redisstore.NewLocalCache(maxStaleness, 10_000)
	return connect(t, cache.Listen(option)), redisstore.WithLocalCache(cache)
}

// cachedStore is a store with a local cache, or without one where maxStaleness is 0.
func cachedStore(t testing.TB, server *engine.Redis, maxStaleness time.Duration) *redisstore.Store {
	t.Helper()
	client, cached := connectCached(t, rueidis.ClientOption{InitAddress: []string{server.Addr()}}, maxStaleness)
	return redisstore.New(client, cached)
}

// conformance runs the suite with one client, and then looks at what is left.
func conformance(t *testing.T, client rueidis.Client, opts ...redisstore.Option) {
	t.Helper()
	t.Run("suite", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) store.Store { return redisstore.New(client, opts...) })
	})
	everyKeyExpires(t, client)
}

// sessionConformance is conformance with the keys of sessions.
func sessionConformance(t *testing.T, client rueidis.Client, opts ...redisstore.Option) {
	t.Helper()
	t.Run("suite", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) store.Store { return sessions{redisstore.New(client, opts...)} })
	})
	everyKeyExpires(t, client)
}

// sessions makes every key a session's, because the store treats those differently.
type sessions struct{ inner *redisstore.Store }

const session = "session:"

func (s sessions) Get(ctx context.Context, key string) ([]byte, error) {
	return s.inner.Get(ctx, session+key)
}

func (s sessions) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	return s.inner.Set(ctx, session+key, value, ttl)
}

func (s sessions) Add(ctx context.Context, key string, value []byte, ttl time.Duration) (bool, error) {
	return s.inner.Add(ctx, session+key, value, ttl)
}

func (s sessions) Swap(ctx context.Context, key string, old, new []byte, ttl time.Duration) (bool, error) {
	return s.inner.Swap(ctx, session+key, old, new, ttl)
}

func (s sessions) Delete(ctx context.Context, key string) error {
	return s.inner.Delete(ctx, session+key)
}

func (s sessions) AddFor(ctx context.Context, owner, key string, value []byte, ttl time.Duration) (bool, error) {
	return s.inner.AddFor(ctx, owner, session+key, value, ttl)
}

func (s sessions) ListFor(ctx context.Context, owner string) ([]store.Entry, error) {
	list, err := s.inner.ListFor(ctx, owner)
	for i := range list {
		list[i].Key = strings.TrimPrefix(list[i].Key, session)
	}
	return list, err
}

func (s sessions) DeleteFor(ctx context.Context, owner string) error {
	return s.inner.DeleteFor(ctx, owner)
}
