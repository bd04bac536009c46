package redisstore

import (
	"context"
	"errors"
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/ginwx/wxlogin/internal/recent"
)

// LocalCache keeps sessions that were read from the server in this process's
// memory; see the package documentation for what it buys and costs. It is for the
// stores of one client, through which it hears of changes:
//
//	cache := redisstore.NewLocalCache(10*time.Second, 100_000)
//	client, err := rueidis.NewClient(cache.Listen(rueidis.ClientOption{…}))
//	…
//	sessions := redisstore.New(client, redisstore.WithLocalCache(cache))
//
// It has no goroutine and nothing to close, and is safe for concurrent use. Make
// one with [NewLocalCache]; the zero LocalCache is not usable.
type LocalCache struct {
	maxStaleness time.Duration
	start        time.Time // times are counted from here
	seed         maphash.Seed
	shards       [cacheShards]cacheShard
	listens      atomic.Bool
}

const (
	cacheShards = 64

	// longestStaleness is longer than anybody wants, and short enough to add to.
	longestStaleness = 24 * time.Hour
)

type cacheShard struct {
	mu       sync.RWMutex
	sessions recent.Map[cachedSession]
	room     int    // for how many sessions
	news     uint64 // counts what may have made a value that is being read an old one

	_ [64]byte // shards are written by different cores
}

// cachedSession is a value of the server, up to date until then unless the cache
// hears otherwise.
type cachedSession struct {
	value string
	until time.Duration
}

// NewLocalCache returns an empty cache for some maxSessions sessions, about 300
// bytes each: past it, those that were read from the server longest ago make room.
//
// The server says when a session was changed or deleted, and a broken connection
// clears the cache, so that a session which ended elsewhere is refused here after
// the time that a message takes. maxStaleness bounds how long an old answer can
// live where that fails, as on a network that is cut without a sign. One under a
// millisecond panics, one above a day counts as a day. A maxSessions that is not
// positive panics.
func NewLocalCache(maxStaleness time.Duration, maxSessions int) *LocalCache {
	if maxStaleness < time.Millisecond {
		panic("wxlogin/redisstore: NewLocalCache: maxStaleness must be at least a millisecond")
	}
	if maxSessions <= 0 {
		panic("wxlogin/redisstore: NewLocalCache: maxSessions must be positive")
	}
	c := &LocalCache{maxStaleness: min(maxStaleness, longestStaleness), start: time.Now(), seed: maphash.MakeSeed()}
	for i := range c.shards {
		c.shards[i].room = (maxSessions + cacheShards - 1) / cacheShards
	}
	return c
}

func (c *LocalCache) shardOf(key string) *cacheShard {
	return &c.shards[maphash.String(c.seed, key)%cacheShards]
}

// get returns the value of a key if it is known.
func (c *LocalCache) get(key string) (string, bool) {
	s := c.shardOf(key)
	s.mu.RLock()
	e, ok := s.sessions.Get(key)
	s.mu.RUnlock()
	if !ok || time.Since(c.start) >= e.until {
		return "", false
	}
	return e.value, true
}

// reading is a read of a key that has begun.
type reading struct {
	begun time.Duration
	news  uint64
}

// begin is called before a key is read.
func (c *LocalCache) begin(key string) reading {
	s := c.shardOf(key)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return reading{begun: time.Since(c.start), news: s.news}
}

// fill keeps what was read of a key for left, and not for longer than maxStaleness
// after the read began. News that came meanwhile may be of a change after the
// server answered, and then nothing is kept.
func (c *LocalCache) fill(key, value string, r reading, left time.Duration) {
	now := time.Since(c.start)
	until := min(now+left, r.begun+c.maxStaleness)
	s := c.shardOf(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.news != r.news || until <= now {
		return
	}
	s.sessions.Turn(now, c.maxStaleness, s.room)
	s.sessions.Put(key, cachedSession{value, until})
}

// drop forgets a key, and what is being read of it.
func (c *LocalCache) drop(key string) {
	s := c.shardOf(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.news++
	s.sessions.Delete(key)
}

func (c *LocalCache) clear() {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.news++
		s.sessions = recent.Map[cachedSession]{}
		s.mu.Unlock()
	}
}

// changes drops the sessions among keys, which this process begins to change, and
// returns what drops them once more when it has: a read in between may have got the
// old value. So nothing is served of what was before, whenever the server's message
// arrives.
func (s *Store) changes(keys ...string) (done func()) {
	if s.cache == nil {
		return func() {}
	}
	drop := func() {
		for _, key := range keys {
			if strings.HasPrefix(key, sessionPrefix) {
				s.cache.drop(s.prefix + key)
			}
		}
	}
	drop()
	return drop
}

// getToCache is GET of the server, and keeps the answer. A miss need not be certain.
func (s *Store) getToCache(ctx context.Context, key string) ([]byte, error) {
	r := s.cache.begin(key)
	// The client may repeat a command after it has recycled it, so it is pinned.
	reply := s.client.DoCache(ctx, s.client.B().Get().Key(key).Cache().Pin(), s.cache.maxStaleness)
	if refused(reply.Error()) {
		return s.get(ctx, key)
	}
	value, err := valueOf(reply)
	if err != nil {
		return nil, err
	}
	if ends := reply.CachePXAT(); ends > 0 { // the server tells of changes
		s.cache.fill(key, string(value), r, time.Until(time.UnixMilli(ends)))
	}
	return value, nil
}

// refused reports whether the server did not want to read for a cache: what it is
// sent then is a transaction, which it refuses while it is out of memory.
func refused(err error) bool {
	if errors.Is(err, rueidis.ErrDoCacheAborted) {
		return true
	}
	_, said := rueidis.IsRedisErr(err)
	return said && !rueidis.IsRedisNil(err)
}
