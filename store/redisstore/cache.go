package redisstore

import (
	"bytes"
	"context"
	"sync"
	"time"
)

// maxChanged bounds what a cache remembers, to some 15 MiB.
const maxChanged = 100_000

// cache decides which reads the client's cache may answer.
//
// The server's message that an entry has changed may arrive after the answer to
// whoever changed it, and over another connection. So that this process never
// serves what it has just changed itself, reads of such a key go to the server
// until whatever the client's cache may hold of it has expired.
type cache struct {
	maxStaleness time.Duration

	mu       sync.RWMutex
	rotated  time.Time           // when recent was begun
	recent   map[string]struct{} // changed since then
	former   map[string]struct{} // changed in the time before
	allUntil time.Time           // until when every key counts as changed
}

func newCache(maxStaleness time.Duration) *cache {
	return &cache{maxStaleness: maxStaleness, recent: map[string]struct{}{}}
}

// changed reports whether key was changed here so recently that a cached answer
// may be older.
func (c *cache) changed(key string) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	_, recently := c.recent[key]
	_, formerly := c.former[key]
	if !recently && !formerly && c.allUntil.IsZero() {
		return false
	}
	now := time.Now()
	age := now.Sub(c.rotated)
	return recently && age < 2*c.maxStaleness || formerly && age < c.maxStaleness || now.Before(c.allUntil)
}

// change remembers that keys are being changed, for maxStaleness at least.
func (c *cache) change(keys ...string) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if age := now.Sub(c.rotated); age >= c.maxStaleness {
		c.former = c.recent
		if age >= 2*c.maxStaleness {
			c.former = nil
		}
		c.recent, c.rotated = map[string]struct{}{}, now
	}
	for _, key := range keys {
		if len(c.recent) >= maxChanged {
			c.allUntil = now.Add(c.maxStaleness)
			return
		}
		c.recent[key] = struct{}{}
	}
}

// changes tells the cache that this process begins to change the keys, and
// returns what tells it that it has: a read in between may have filled the cache
// with the old value once more.
func (s *Store) changes(keys ...string) (done func()) {
	if s.cache == nil {
		return func() {}
	}
	s.cache.change(keys...)
	return func() { s.cache.change(keys...) }
}

// cachedGet is a GET that the client's cache may answer. ctx is the caller's, which
// the cache does not look at.
func (s *Store) cachedGet(ctx context.Context, key string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, failed("get", err)
	}
	cmd := s.client.B().Get().Key(s.prefix + key).Cache()
	value, err := valueOf(s.client.DoCache(ctx, cmd, s.cache.maxStaleness))
	// The cache keeps the bytes, and the caller may change them.
	return bytes.Clone(value), err
}
