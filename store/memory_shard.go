package store

import (
	"hash/maphash"
	"math"
	"math/bits"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/patrickmn/go-cache"
)

const (
	// With a million entries the largest shard holds some 700, which a sweep drops
	// in a fraction of a millisecond.
	shardCount = 2048
	slotCount  = 1 << 14

	// shrinkFrom is the number of entries below which a map is never rebuilt.
	shrinkFrom = 32

	minTTL = time.Millisecond
	maxTTL = 100 * 365 * 24 * time.Hour // go-cache counts int64 nanoseconds since 1970
)

// skewed returns a table from slotCount values of a hash to shardCount shards, in
// which the last shard gets half of what the first one gets. Go's maps double in
// size; shards of one size would all do so at the same number of entries, and
// leave more than half of their room empty at once.
func skewed() []uint16 {
	slots := make([]uint16, slotCount)
	for i := range slots {
		at := (float64(i) + 0.5) / slotCount
		slots[i] = uint16(shardCount * (math.Exp2(at) - 1))
	}
	return slots
}

// entry is what go-cache holds. Its record never changes, so that it can be read
// without a lock; a new value is a new entry.
type entry struct {
	// record is one string, because one allocation is smaller than three: a byte
	// with len(key)-1 and the flag owned, the key, the owner's id if there is
	// one, the value. go-cache's map key is a part of it.
	record string

	next, prev *entry // the owner's other entries; guarded by the index
}

const owned = 0x80

func newEntry(owner, key string, value []byte) *entry {
	head := byte(len(key) - 1)
	if owner != "" {
		head |= owned
	}
	var b strings.Builder
	b.Grow(1 + len(key) + len(owner) + len(value))
	b.WriteByte(head)
	b.WriteString(key)
	b.WriteString(owner)
	b.Write(value)
	return &entry{record: b.String()}
}

func (e *entry) keyEnd() int { return int(e.record[0]&^owned) + 2 }

func (e *entry) ownerEnd() int {
	if e.record[0]&owned == 0 {
		return e.keyEnd()
	}
	return e.keyEnd() + ownerIDLen
}

func (e *entry) key() string   { return e.record[1:e.keyEnd()] }
func (e *entry) owner() string { return e.record[e.keyEnd():e.ownerEnd()] }
func (e *entry) value() string { return e.record[e.ownerEnd():] }

// shard is one part of the keys. Its methods need mu, except live.
type shard struct {
	mu     sync.Mutex // held by every write, across all its steps
	store  *Memory
	number int
	items  atomic.Pointer[cache.Cache] // nil before the first entry, another one after shrink
	count  int                         // entries, expired ones among them
	peak   int                         // the largest count that items has seen
}

// filled returns a bit for every shard in a row of 64 that may have entries. It
// spares the sweep the walk through thousands of empty ones.
func (m *Memory) filled(shard int) (row *atomic.Uint64, bit uint64) {
	return &m.rows[shard/64], 1 << (shard % 64)
}

func (s *shard) use(items *cache.Cache) {
	items.OnEvicted(s.evicted)
	s.items.Store(items)
	s.peak = items.ItemCount()
}

func (s *shard) live(key string) *entry {
	items := s.items.Load()
	if items == nil {
		return nil
	}
	if found, ok := items.Get(key); ok {
		return found.(*entry)
	}
	return nil
}

// insert writes an entry for a key that holds no live value.
func (s *shard) insert(owner, key string, value []byte, ttl time.Duration) error {
	if s.items.Load() == nil {
		s.use(cache.New(cache.NoExpiration, 0))
	}
	items := s.items.Load()
	items.Delete(key) // an expired entry that is still in its owner's list
	if err := s.store.reserve(); err != nil {
		return err
	}
	if s.count == 0 {
		row, bit := s.store.filled(s.number)
		row.Or(bit)
	}
	s.count++
	s.peak = max(s.peak, s.count)
	e := newEntry(owner, key, value)
	if owner != "" {
		s.store.index.link(e)
	}
	items.Set(e.key(), e, lifetime(ttl))
	return nil
}

// overwrite gives a live entry another value, and keeps its owner.
func (s *shard) overwrite(e *entry, value []byte, ttl time.Duration) {
	next := newEntry(e.owner(), e.key(), value)
	s.items.Load().Set(next.key(), next, lifetime(ttl))
	s.relink(e, next)
}

// replace is overwrite, unless e expires at the last moment: a reader that has
// seen it gone must not see it again.
func (s *shard) replace(e *entry, value []byte, ttl time.Duration) bool {
	next := newEntry(e.owner(), e.key(), value)
	if s.items.Load().Replace(next.key(), next, lifetime(ttl)) != nil {
		return false
	}
	s.relink(e, next)
	return true
}

func (s *shard) relink(old, next *entry) {
	if old.owner() != "" {
		s.store.index.replace(old, next)
	}
}

func (s *shard) remove(key string) {
	if s.count == 0 {
		return
	}
	s.items.Load().Delete(key)
	s.shrink()
}

// removeFor removes key unless it has come to belong to someone else. It takes mu.
func (s *shard) removeFor(owner, key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.live(key); e == nil || e.owner() == owner {
		s.remove(key)
	}
}

// evicted is called by go-cache for every entry that left it, in the goroutine
// that removed it, which holds mu.
func (s *shard) evicted(_ string, left any) {
	s.count--
	s.store.count.Add(-1)
	if e := left.(*entry); e.owner() != "" {
		s.store.index.unlink(e)
	}
}

// sweep drops what has expired. It takes mu.
func (s *shard) sweep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.count > 0 {
		s.items.Load().DeleteExpired()
		s.shrink()
	}
	if s.count == 0 {
		row, bit := s.store.filled(s.number)
		row.And(^bit)
	}
}

// shrink moves the entries to a map of their size when three quarters are gone,
// because Go's maps only grow. Readers keep the old one meanwhile.
func (s *shard) shrink() {
	if s.peak < shrinkFrom || s.count > s.peak/4 {
		return
	}
	old := s.items.Load()
	old.DeleteExpired()
	items := old.Items()
	if len(items) != s.count {
		return // one expired between the two calls; it must leave its owner's list first
	}
	s.use(cache.NewFrom(cache.NoExpiration, 0, items))
}

// lifetime is ttl as go-cache must be told it: go-cache still shows an entry at
// the very nanosecond at which it expires, and takes 0 for no expiry.
func lifetime(ttl time.Duration) time.Duration {
	return min(max(ttl, minTTL), maxTTL) - 1
}

func (m *Memory) shardOf(key string) *shard {
	return &m.shards[m.slots[maphash.String(m.seed, key)%slotCount]]
}

// sweep visits one shard after the other, and holds up only those who need that
// shard at that moment.
func (m *Memory) sweep() {
	for i := range m.rows {
		for row := m.rows[i].Load(); row != 0; row &= row - 1 {
			if m.closed.Load() {
				return
			}
			m.shards[64*i+bits.TrailingZeros64(row)].sweep()
			runtime.Gosched() // with few processors a long sweep would hold up everybody
		}
	}
}
