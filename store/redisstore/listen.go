package redisstore

import (
	"sync"
	"time"

	"github.com/redis/rueidis"
)

// Listen returns option changed so that the cache hears what the server says, by
// OnInvalidations, and then the one that option had. The client of the cache's
// stores, and no other one, must be made of it; every connection of that client
// which ends clears the cache.
//
// The client keeps nothing itself then: what DoCache reads is always read of the
// server, so an application that wants rueidis's own cache has another client for
// it. NewCacheStoreFn and ClientTrackingOptions, which decide what is kept and what
// the server tells, must be unset: others panic. With DisableCache nothing is cached
// here either.
func (c *LocalCache) Listen(option rueidis.ClientOption) rueidis.ClientOption {
	if len(option.ClientTrackingOptions) > 0 || option.NewCacheStoreFn != nil {
		panic("wxlogin/redisstore: Listen: ClientTrackingOptions and NewCacheStoreFn must be unset")
	}
	former := option.OnInvalidations
	option.OnInvalidations = func(keys []rueidis.RedisMessage) {
		c.invalidate(keys)
		if former != nil {
			former(keys)
		}
	}
	option.NewCacheStoreFn = func(rueidis.CacheStoreOption) rueidis.CacheStore { return new(passage) }
	c.listens.Store(true)
	return option
}

// invalidate drops what the server says was changed, or everything where keys is
// nil, as when a connection is lost. The client's reader calls it in the order in
// which the server answered and told.
func (c *LocalCache) invalidate(keys []rueidis.RedisMessage) {
	if keys == nil {
		c.clear()
		return
	}
	for i := range keys {
		if key, err := keys[i].ToString(); err == nil { // the server names keys, nothing else
			c.drop(key)
		}
	}
}

// passage is a [rueidis.CacheStore] of one connection that keeps nothing and shares
// nothing: rueidis's own would let readers share the fate, and the age, of a read
// that another one began. It says until when a reply is good, and that only of
// reads for a cache: others, such as those that follow a key on its way to another
// node of a cluster, are of keys of which the server will not tell.
type passage struct {
	mu      sync.Mutex
	pending map[string]int // reads for a cache, by key
}

// Flight implements [rueidis.CacheStore]: there is nothing, ask the server.
func (p *passage) Flight(key, _ string, _ time.Duration, _ time.Time) (rueidis.RedisMessage, rueidis.CacheEntry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pending == nil {
		p.pending = make(map[string]int)
	}
	p.pending[key]++
	return rueidis.RedisMessage{}, nil
}

// Update implements [rueidis.CacheStore].
func (p *passage) Update(key, _ string, reply rueidis.RedisMessage) (pxat int64) {
	if !p.land(key) {
		return 0
	}
	return max(0, reply.CachePXAT())
}

// Cancel implements [rueidis.CacheStore].
func (p *passage) Cancel(key, _ string, _ error) { p.land(key) }

// land reports whether a read for a cache was pending.
func (p *passage) land(key string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch n := p.pending[key]; n {
	case 0:
		return false
	case 1:
		delete(p.pending, key)
	default:
		p.pending[key] = n - 1
	}
	return true
}

// Delete implements [rueidis.CacheStore].
func (p *passage) Delete([]rueidis.RedisMessage) {}

// Close implements [rueidis.CacheStore].
func (p *passage) Close(error) {}
