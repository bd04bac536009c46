package store

import (
	"context"
	"errors"
	"hash/maphash"
	"sync/atomic"
	"time"
)

var (
	// ErrClosed says that the store was closed.
	ErrClosed = errors.New("wxlogin/store: closed")

	// ErrFull says that the store holds as many entries as it may; see
	// [WithMaxEntries].
	ErrFull = errors.New("wxlogin/store: full")
)

// DefaultSweepInterval is how often a [Memory] drops expired entries.
const DefaultSweepInterval = time.Minute

// Memory is an [AccountStore] in the memory of this process, on go-cache. It is
// for one process alone: a second instance does not see its entries, and they are
// lost on restart. Make one with [NewMemory]; the zero Memory is not usable.
//
// It is safe for concurrent use, and every write is atomic. The entries are spread
// over shards: a write waits for the writes of its shard alone, a read for nothing
// but go-cache's own map access, and a sweep takes one shard after the other. Set
// on a live entry with an owner keeps the owner.
//
// An entry is gone from the very instant at which its time to live has passed,
// for every method alike; its memory is freed by the next sweep. Times to live
// under a millisecond count as one, over a hundred years as a hundred. The wall
// clock counts, so setting it forward by a day ends what had less than a day left.
//
// A key or owner outside [0-9a-z:]{1,128}, a value above [MaxValueLen], a time to
// live that is not positive and a context that is done are errors, and change
// nothing. The errors of a Memory are [ErrNotFound], [ErrClosed], [ErrFull],
// those of the context, and plain errors for malformed arguments. None of them
// holds a key or a value.
//
// One session of one account takes about 350 bytes, its index entry included (a
// key of 60 bytes, a value of 100).
//
// A Memory has a goroutine that sweeps: whoever made it closes it. An Auth that
// was given none makes its own, and closes that.
type Memory struct {
	seed   maphash.Seed
	slots  []uint16 // from hash bits to the number of a shard; see skewed
	shards []shard
	rows   [shardCount / 64]atomic.Uint64 // see filled
	index  index

	count    atomic.Int64 // entries, those that wait for the sweep included
	max      int64        // 0: no limit
	interval time.Duration

	closed  atomic.Bool
	stop    chan struct{} // closed by Close
	stopped chan struct{} // closed by the sweeper as it ends
	hurry   chan struct{} // asks for a sweep before its time
}

var _ AccountStore = (*Memory)(nil)

// MemoryOption changes a default of [NewMemory].
type MemoryOption func(*Memory)

// WithMaxEntries makes a [Memory] refuse, with [ErrFull], a new key where it
// already holds n entries. It never drops a live entry to make room, and entries
// that exist can still be read, set, swapped and deleted. Expired entries count
// until a sweep has dropped them; meeting the limit makes the sweep come early,
// at most once a second.
//
// The default, 0, is no limit: then memory grows with the logins of one session
// lifetime. A user takes two entries (the session and the session_keys), together
// about 700 bytes. A negative n panics.
func WithMaxEntries(n int) MemoryOption {
	if n < 0 {
		panic("wxlogin/store: WithMaxEntries: n must not be negative")
	}
	return func(m *Memory) { m.max = int64(n) }
}

// WithSweepInterval makes a [Memory] drop expired entries every d instead of
// every [DefaultSweepInterval]. Entries expire on time all the same; the interval
// decides only how long their memory stays in use. A d that is not positive
// panics.
func WithSweepInterval(d time.Duration) MemoryOption {
	if d <= 0 {
		panic("wxlogin/store: WithSweepInterval: d must be positive")
	}
	return func(m *Memory) { m.interval = d }
}

// NewMemory returns an empty [Memory]. Close it when it is no longer used.
func NewMemory(opts ...MemoryOption) *Memory {
	slots := skewed()
	m := &Memory{
		seed:     maphash.MakeSeed(),
		slots:    slots,
		shards:   make([]shard, shardCount),
		index:    newIndex(slots),
		interval: DefaultSweepInterval,
		stop:     make(chan struct{}),
		stopped:  make(chan struct{}),
		hurry:    make(chan struct{}, 1),
	}
	for _, opt := range opts {
		opt(m)
	}
	for i := range m.shards {
		m.shards[i].store, m.shards[i].number = m, i
	}
	go m.sweepUntilClosed()
	return m
}

// Close stops the sweeper and waits for its end. Every later call of another
// method fails with [ErrClosed]; one that is under way is not disturbed. Close
// may be called more than once and from several goroutines; its error is always
// nil.
func (m *Memory) Close() error {
	if m.closed.CompareAndSwap(false, true) {
		close(m.stop)
	}
	<-m.stopped
	return nil
}

// Len returns the number of entries, those included that have expired and were
// not swept yet.
func (m *Memory) Len() int { return int(m.count.Load()) }

// Get implements [Store].
func (m *Memory) Get(ctx context.Context, key string) ([]byte, error) {
	value, err := m.GetString(ctx, key)
	if err != nil {
		return nil, err
	}
	return []byte(value), nil
}

// GetString is Get without the copy: a Memory keeps its values as strings, which
// nobody can change.
func (m *Memory) GetString(ctx context.Context, key string) (string, error) {
	if err := m.ready(ctx); err != nil {
		return "", err
	}
	e := m.shardOf(key).live(key)
	if e == nil {
		// A malformed key is never stored, so only a miss needs the check.
		if err := CheckKey(key); err != nil {
			return "", err
		}
		return "", ErrNotFound
	}
	return e.value(), nil
}

// Set implements [Store].
func (m *Memory) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	if err := m.readyToWrite(ctx, key, value, ttl); err != nil {
		return err
	}
	s := m.shardOf(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.live(key); e != nil {
		s.overwrite(e, value, ttl)
		return nil
	}
	return s.insert("", key, value, ttl)
}

// Add implements [Store].
func (m *Memory) Add(ctx context.Context, key string, value []byte, ttl time.Duration) (bool, error) {
	return m.add(ctx, "", key, value, ttl)
}

// AddFor implements [AccountStore].
func (m *Memory) AddFor(ctx context.Context, owner, key string, value []byte, ttl time.Duration) (bool, error) {
	if err := CheckKey(owner); err != nil {
		return false, err
	}
	return m.add(ctx, ownerID(owner), key, value, ttl)
}

func (m *Memory) add(ctx context.Context, owner, key string, value []byte, ttl time.Duration) (bool, error) {
	if err := m.readyToWrite(ctx, key, value, ttl); err != nil {
		return false, err
	}
	s := m.shardOf(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live(key) != nil {
		return false, nil
	}
	if err := s.insert(owner, key, value, ttl); err != nil {
		return false, err
	}
	return true, nil
}

// Swap implements [Store].
func (m *Memory) Swap(ctx context.Context, key string, old, new []byte, ttl time.Duration) (bool, error) {
	if err := m.readyToWrite(ctx, key, new, ttl); err != nil {
		return false, err
	}
	s := m.shardOf(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.live(key)
	if e == nil {
		return false, ErrNotFound
	}
	if e.value() != string(old) {
		return false, nil
	}
	if !s.replace(e, new, ttl) {
		return false, ErrNotFound
	}
	return true, nil
}

// Delete implements [Store].
func (m *Memory) Delete(ctx context.Context, key string) error {
	if err := m.ready(ctx); err != nil {
		return err
	}
	if err := CheckKey(key); err != nil {
		return err
	}
	s := m.shardOf(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(key)
	return nil
}

// ListFor implements [AccountStore].
func (m *Memory) ListFor(ctx context.Context, owner string) ([]Entry, error) {
	keys, id, err := m.keysFor(ctx, owner)
	if err != nil {
		return nil, err
	}
	list := make([]Entry, 0, len(keys))
	for _, key := range keys {
		// The key may have been deleted, and even added for someone else,
		// since the index was read.
		if e := m.shardOf(key).live(key); e != nil && e.owner() == id {
			list = append(list, Entry{Key: key, Value: []byte(e.value())})
		}
	}
	return list, nil
}

// DeleteFor implements [AccountStore]. It stops early if ctx ends meanwhile, and
// then returns the context's error.
func (m *Memory) DeleteFor(ctx context.Context, owner string) error {
	keys, id, err := m.keysFor(ctx, owner)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if err := ctx.Err(); err != nil {
			return err
		}
		m.shardOf(key).removeFor(id, key)
	}
	return nil
}

func (m *Memory) keysFor(ctx context.Context, owner string) (keys []string, id string, err error) {
	if err := m.ready(ctx); err != nil {
		return nil, "", err
	}
	if err := CheckKey(owner); err != nil {
		return nil, "", err
	}
	id = ownerID(owner)
	return m.index.keys(id), id, nil
}

func (m *Memory) ready(ctx context.Context) error {
	if m.closed.Load() {
		return ErrClosed
	}
	return ctx.Err()
}

func (m *Memory) readyToWrite(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	if err := m.ready(ctx); err != nil {
		return err
	}
	return CheckEntry(key, value, ttl)
}

// reserve counts one more entry, unless there is no room for it.
func (m *Memory) reserve() error {
	if n := m.count.Add(1); m.max == 0 || n <= m.max {
		return nil
	}
	m.count.Add(-1)
	select {
	case m.hurry <- struct{}{}:
	default:
	}
	return ErrFull
}

// sweepUntilClosed is the body of the sweeper.
func (m *Memory) sweepUntilClosed() {
	defer close(m.stopped)
	ticker := time.NewTicker(m.interval)
	defer ticker.Stop()
	var last time.Time
	for {
		select {
		case <-m.stop:
			return
		case <-ticker.C:
		case <-m.hurry:
			// A full store that is refusing logins must not sweep all the time.
			if time.Since(last) < time.Second {
				continue
			}
		}
		m.sweep()
		last = time.Now()
	}
}
