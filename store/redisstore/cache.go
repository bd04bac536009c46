package redisstore

import (
	"context"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/ginwx/wxlogin/internal/recent"
	"github.com/ginwx/wxlogin/store"
)

const (
	cacheShards = 64

	// maxChanged bounds what a cache remembers of this process's own changes, to
	// some 15 MiB.
	maxChanged = 100_000
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
//
// The server's message that an entry has changed may arrive after the answer to
// whoever changed it, and over another connection. So that this process never
// serves what it has just changed itself, such a key is read by a command of its
// own, of which the client cannot have an older answer, until whatever the client
// may hold by other commands has expired.
type LocalCache struct {
	maxStaleness time.Duration
	start        time.Time // times are counted from here
	seed         maphash.Seed
	shards       [cacheShards]cacheShard

	listens atomic.Bool
	changes atomic.Uint64 // how many there were
}

type cacheShard struct {
	mu       sync.RWMutex
	sessions recent.Map[cachedSession]
	room     int // for how many sessions
	changed  recent.Map[change]
	all      change // of every key
	news     uint64 // counts what may have made a value that is being read an old one

	_ [64]byte // shards are written by different cores
}

// cachedSession is a value of the server, up to date until then unless the cache
// hears otherwise.
type cachedSession struct {
	value string
	until time.Duration
}

// drop is called with the lock held.
func (s *cacheShard) drop(key string) {
	s.news++
	s.sessions.Delete(key)
}

// change is of a key by this process.
type change struct {
	number uint64        // no two are the same
	until  time.Duration // when the client has forgotten what was before
}

// NewLocalCache returns an empty cache for some maxSessions sessions, about 300
// bytes each: past it, those that were read from the server longest ago make room.
//
// The server says when a session was changed or deleted, and a broken connection
// clears the cache, so that a session which ended elsewhere is refused here after
// the time that a message takes. maxStaleness bounds how long an old answer can
// live where that fails, as on a network that is cut without a sign. One under a
// millisecond panics, and so does a maxSessions that is not positive.
func NewLocalCache(maxStaleness time.Duration, maxSessions int) *LocalCache {
	if maxStaleness < time.Millisecond {
		panic("wxlogin/redisstore: NewLocalCache: maxStaleness must be at least a millisecond")
	}
	if maxSessions <= 0 {
		panic("wxlogin/redisstore: NewLocalCache: maxSessions must be positive")
	}
	c := &LocalCache{maxStaleness: maxStaleness, start: time.Now(), seed: maphash.MakeSeed()}
	for i := range c.shards {
		c.shards[i].room = (maxSessions + cacheShards - 1) / cacheShards
	}
	return c
}

// Listen returns option with an OnInvalidations by which the cache hears what the
// server says, and which then calls the one that option had. The client of
// the cache's stores must be made of it. With DisableCache nothing is ever cached. ClientTrackingOptions
// decide what the server tells, and must be unset: others panic.
func (c *LocalCache) Listen(option rueidis.ClientOption) rueidis.ClientOption {
	if len(option.ClientTrackingOptions) > 0 {
		panic("wxlogin/redisstore: Listen: ClientTrackingOptions must be unset")
	}
	former := option.OnInvalidations
	option.OnInvalidations = func(keys []rueidis.RedisMessage) {
		c.invalidate(keys)
		if former != nil {
			former(keys)
		}
	}
	c.listens.Store(true)
	return option
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

// begin is called before a key is read. It returns what fill needs, and the number
// of the change by this process, if there was one of late, which the client's answer
// must not be older than; else 0.
func (c *LocalCache) begin(key string) (news, changed uint64) {
	s := c.shardOf(key)
	s.mu.RLock()
	defer s.mu.RUnlock()
	now := time.Since(c.start)
	last, _ := s.changed.Get(key)
	for _, ch := range [...]change{last, s.all} {
		if now < ch.until {
			changed = max(changed, ch.number)
		}
	}
	return s.news, changed
}

// fill keeps what was read of a key since begin, for left, unless there was news
// meanwhile. The client's reader tells the news in the order in which the server
// sent them, after it has dropped what it holds itself, so what was read between
// two equal counts was not old.
func (c *LocalCache) fill(key, value string, news uint64, left time.Duration) {
	now := time.Since(c.start)
	s := c.shardOf(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.news != news || left <= 0 {
		return
	}
	s.sessions.Turn(now, c.maxStaleness, s.room)
	s.sessions.Put(key, cachedSession{value, now + min(left, c.maxStaleness)})
}

// change remembers that a key is being changed here, for maxStaleness at least.
func (c *LocalCache) change(key string) {
	now := time.Since(c.start)
	s := c.shardOf(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(key)
	s.changed.Turn(now, c.maxStaleness, 0)
	ch := change{number: c.changes.Add(1), until: now + c.maxStaleness}
	if s.changed.Len() < maxChanged/cacheShards {
		s.changed.Put(key, ch)
	} else {
		s.all = ch
	}
}

// invalidate drops what the server says was changed, or everything where keys is
// nil, as when a connection is lost.
func (c *LocalCache) invalidate(keys []rueidis.RedisMessage) {
	if keys == nil {
		for i := range c.shards {
			s := &c.shards[i]
			s.mu.Lock()
			s.news++
			s.sessions = recent.Map[cachedSession]{}
			s.mu.Unlock()
		}
		return
	}
	for i := range keys {
		key, err := keys[i].ToString()
		if err != nil {
			continue // the server names keys, nothing else
		}
		s := c.shardOf(key)
		s.mu.Lock()
		s.drop(key)
		s.mu.Unlock()
	}
}

// changes tells the cache that this process begins to change the keys, and
// returns what tells it that it has: a read in between may have filled the client's
// cache with the old value once more.
func (s *Store) changes(keys ...string) (done func()) {
	if s.cache == nil {
		return func() {}
	}
	change := func() {
		for _, key := range keys {
			s.cache.change(s.prefix + key)
		}
	}
	change()
	return change
}

// getToCache is GET of the server, or of the client's own cache, and keeps the
// answer. A miss need not be certain.
func (s *Store) getToCache(ctx context.Context, key string) ([]byte, error) {
	news, changed := s.cache.begin(key)
	reply := s.client.DoCache(ctx, s.wholeOf(key, changed), s.cache.maxStaleness)
	if raw, err := reply.AsBytes(); err == nil && len(raw) == 0 {
		return nil, store.ErrNotFound // GETRANGE's answer; no entry is empty
	}
	value, err := valueOf(reply)
	if err != nil {
		return nil, err
	}
	text := string(value)
	if ends := reply.CachePXAT(); ends > 0 { // the server tells of changes
		s.cache.fill(key, text, news, time.Until(time.UnixMilli(ends)))
	}
	// The client's cache keeps the bytes, and the caller may change them.
	return []byte(text), nil
}

// beyondEntry is more bytes than an entry has.
const beyondEntry = 1 << 20

// wholeOf reads a whole entry, after each change by a command of its own: the
// client caches answers by command, and the server cuts a range that is too long.
// The client may repeat a command after it has recycled it, so it is pinned.
func (s *Store) wholeOf(key string, changed uint64) rueidis.Cacheable {
	if changed == 0 {
		return s.client.B().Get().Key(key).Cache().Pin()
	}
	return s.client.B().Getrange().Key(key).Start(0).End(beyondEntry + int64(changed)).Cache().Pin()
}
