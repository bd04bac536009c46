package storetest

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/ginwx/wxlogin/store"
)

// instance is one of several stores on one sound engine. It is as sound, except for
// the one flaw it is made with, which shows where there are others on the same
// engine.
type instance struct {
	*flawed // the engine, whose clock is right
	flaw    string
	ahead   time.Duration // of this instance's clock

	mu   sync.Mutex        // held for a call that is atomic for this instance alone
	seen map[string][]byte // what it read or wrote last; nil for what was not there
	mine map[string]bool   // what it added
}

// newInstances makes two of them; the clock of one is a day ahead.
func newInstances(flaw string) (one, other *instance) {
	shared := newFlawed("")
	one = &instance{flawed: shared, flaw: flaw, seen: map[string][]byte{}, mine: map[string]bool{}}
	other = &instance{flawed: shared, flaw: flaw, seen: map[string][]byte{}, mine: map[string]bool{}, ahead: 24 * time.Hour}
	return one, other
}

func (n *instance) is(flaw string) bool { return n.flaw == flaw }

func (n *instance) remember(key string, value []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.seen[key] = bytes.Clone(value)
}

func (n *instance) recall(key string) (value []byte, known bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	value, known = n.seen[key]
	return bytes.Clone(value), known
}

// ttl is what an instance asks of the engine.
func (n *instance) ttl(d time.Duration) time.Duration {
	if n.is("writes ends by its own clock") {
		return d + n.ahead
	}
	return d
}

// over reports whether an entry has ended by this instance's clock, and for the
// flaw of a sweeper removes all that have.
func (n *instance) over(key string) bool {
	n.flawed.mu.Lock()
	defer n.flawed.mu.Unlock()
	now := time.Now().Add(n.ahead)
	if n.is("sweeps by its own clock") {
		for k, it := range n.items {
			if !now.Before(it.end) {
				delete(n.items, k)
			}
		}
	}
	it := n.items[key]
	return n.is("reads ends by its own clock") && it != nil && !now.Before(it.end)
}

func (n *instance) Get(ctx context.Context, key string) ([]byte, error) {
	value, known := n.recall(key)
	switch {
	case n.is("serves what it read before") && value != nil, n.is("remembers what was not there") && known && value != nil:
		return value, nil
	case n.is("remembers what was not there") && known, n.over(key):
		return nil, store.ErrNotFound
	}
	got, err := n.flawed.Get(ctx, key)
	if errors.Is(err, store.ErrNotFound) && n.is("serves what the other instance deleted") && value != nil {
		return value, nil
	}
	n.remember(key, got)
	return got, err
}

func (n *instance) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	n.remember(key, value)
	return n.flawed.Set(ctx, key, value, n.ttl(ttl))
}

func (n *instance) Add(ctx context.Context, key string, value []byte, ttl time.Duration) (bool, error) {
	return n.AddFor(ctx, "", key, value, ttl)
}

func (n *instance) AddFor(ctx context.Context, owner, key string, value []byte, ttl time.Duration) (bool, error) {
	switch {
	case n.is("adds where it has not added itself"):
		if old, _ := n.recall(key); old == nil {
			n.remember(key, value)
			return true, n.flawed.Set(ctx, key, value, ttl)
		}
	case n.is("adds under a lock of its own") && owner == "", n.is("adds for an owner under a lock of its own") && owner != "":
		n.mu.Lock()
		defer n.mu.Unlock()
		if _, err := n.flawed.Get(ctx, key); err == nil {
			return false, nil
		}
		yield()
		_, err := n.flawed.AddFor(ctx, owner, key, value, ttl)
		return true, err
	}
	done, err := n.flawed.AddFor(ctx, owner, key, value, n.ttl(ttl))
	if done {
		n.remember(key, value)
		n.mu.Lock()
		n.mine[key] = true
		n.mu.Unlock()
	}
	return done, err
}

func (n *instance) Swap(ctx context.Context, key string, old, new []byte, ttl time.Duration) (bool, error) {
	switch {
	case n.is("swaps what it read last"):
		if last, _ := n.recall(key); last != nil {
			n.remember(key, new)
			return bytes.Equal(last, old), n.flawed.Set(ctx, key, new, ttl)
		}
	case n.is("swaps under a lock of its own"), n.is("swaps under a lock of its own, and revives"):
		n.mu.Lock()
		defer n.mu.Unlock()
		now, err := n.flawed.Get(ctx, key)
		if err != nil || !bytes.Equal(now, old) {
			return false, err
		}
		yield()
		return true, n.flawed.Set(ctx, key, new, ttl)
	}
	done, err := n.flawed.Swap(ctx, key, old, new, n.ttl(ttl))
	if done {
		n.remember(key, new)
	}
	return done, err
}

func (n *instance) Delete(ctx context.Context, key string) error {
	n.remember(key, nil)
	return n.flawed.Delete(ctx, key)
}

func (n *instance) ListFor(ctx context.Context, owner string) ([]store.Entry, error) {
	if n.is("ends the index by its own clock") && n.indexIsOver(owner) {
		return nil, nil
	}
	list, err := n.flawed.ListFor(ctx, owner)
	if !n.is("lists only what it added") {
		return list, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	var own []store.Entry
	for _, e := range list {
		if n.mine[e.Key] {
			own = append(own, e)
		}
	}
	return own, err
}

func (n *instance) indexIsOver(owner string) bool {
	n.flawed.mu.Lock()
	defer n.flawed.mu.Unlock()
	return !time.Now().Add(n.ahead).Before(n.indexEnd[owner])
}

func (n *instance) DeleteFor(ctx context.Context, owner string) error {
	switch {
	case n.is("ends only what it added"):
		list, err := n.flawed.ListFor(ctx, owner)
		for _, e := range list {
			n.mu.Lock()
			mine := n.mine[e.Key]
			n.mu.Unlock()
			if mine {
				err = errors.Join(err, n.flawed.Delete(ctx, e.Key))
			}
		}
		return err
	case n.is("drops the index after the values"):
		n.mu.Lock()
		defer n.mu.Unlock()
		list, err := n.flawed.ListFor(ctx, owner)
		if err != nil {
			return err
		}
		if err := n.flawed.DeleteFor(ctx, owner); err != nil {
			return err
		}
		n.gapUntilAdded(keysOf(list))
		n.disown(list)
		return nil
	}
	return n.flawed.DeleteFor(ctx, owner)
}

func (n *instance) disown(list []store.Entry) {
	n.flawed.mu.Lock()
	defer n.flawed.mu.Unlock()
	for _, e := range list {
		if it := n.items[e.Key]; it != nil {
			it.owner = ""
		}
	}
}

func keysOf(list []store.Entry) (keys []string) {
	for _, e := range list {
		keys = append(keys, e.Key)
	}
	return keys
}

// yield lets the other instance in between two steps that should be one.
func yield() {
	for range 20 {
		runtime.Gosched()
	}
}
