package storetest

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ginwx/wxlogin/store"
)

// flawed is a store that keeps the contract, except for the one flaw it is made
// with. Every flaw is one that a real engine or a hasty implementation has.
type flawed struct {
	flaw string

	mu       sync.Mutex
	items    map[string]*item
	indexEnd map[string]time.Time // for the flaws of an index that expires
	deleted  map[string]bool
	buffer   []byte
	closed   bool
	stop     chan struct{} // ends what is left on purpose
}

type item struct {
	value []byte
	end   time.Time
	owner string
}

func newFlawed(flaw string) *flawed {
	return &flawed{flaw: flaw, items: map[string]*item{}, indexEnd: map[string]time.Time{}, deleted: map[string]bool{}, stop: make(chan struct{})}
}

func (f *flawed) is(flaw string) bool { return f.flaw == flaw }

// gap lets others in between two steps that should be one.
func (f *flawed) gap(flaw string) {
	if f.is(flaw) {
		f.mu.Unlock()
		for range 20 {
			runtime.Gosched()
		}
		f.mu.Lock()
	}
}

// gapUntilAdded is a gap that ends when one of keys is there again, or when nobody
// seems to add it. It is called without the lock.
func (f *flawed) gapUntilAdded(keys []string) {
	for range 5000 {
		runtime.Gosched()
		f.mu.Lock()
		added := slices.ContainsFunc(keys, func(key string) bool { return f.items[key] != nil })
		f.mu.Unlock()
		if added {
			return
		}
	}
}

func (f *flawed) enter(ctx context.Context) error {
	if f.is("hangs") {
		<-f.stop
	}
	if f.closed {
		if f.is("is empty once closed") {
			return store.ErrNotFound
		}
		return errors.New("closed")
	}
	if f.is("ignores the context") {
		return nil
	}
	return ctx.Err()
}

func (f *flawed) end(ttl time.Duration) time.Time {
	switch {
	case f.is("counts in seconds") && ttl%time.Second != 0:
		ttl = ttl.Truncate(time.Second) + time.Second
	case f.is("never expires a tiny time to live") && ttl < time.Millisecond,
		f.is("never expires"):
		ttl = 1000 * time.Hour
	case f.is("ends everything at once"):
		ttl = 0
	case f.is("overflows after a month") && ttl > 31*24*time.Hour:
		ttl = -ttl
	}
	return time.Now().Add(ttl)
}

func (f *flawed) name(key string) string {
	if f.is("cuts keys") {
		return key[:min(len(key), 100)]
	}
	if f.is("trims keys") {
		return strings.TrimRight(key, "0")
	}
	return key
}

func (f *flawed) live(key string) *item {
	it := f.items[f.name(key)]
	if it == nil || !time.Now().Before(it.end) {
		return nil
	}
	if f.is("takes empty for absent") && len(it.value) == 0 {
		return nil
	}
	return it
}

func (f *flawed) keep(value []byte) []byte {
	if f.is("keeps the caller's slice") {
		return value
	}
	if f.is("cuts values at zero bytes") {
		value, _, _ = bytes.Cut(value, []byte{0})
	}
	return append([]byte{}, value...)
}

func (f *flawed) Get(ctx context.Context, key string) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.enter(ctx); err != nil {
		return nil, err
	}
	it := f.live(key)
	if it == nil {
		if f.is("has its own error for absence") {
			return nil, errors.New("no such key")
		}
		if f.is("reads what expired") && f.items[key] != nil {
			return f.items[key].value, nil
		}
		return nil, store.ErrNotFound
	}
	if f.is("gives its own slice away") {
		return it.value, nil
	}
	if f.is("reads through one buffer") {
		f.buffer = bytes.Clone(it.value)
		f.gap(f.flaw)
		return f.buffer, nil
	}
	return bytes.Clone(it.value), nil
}

func (f *flawed) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.enter(ctx); err != nil {
		return err
	}
	it := &item{value: f.keep(value), end: f.end(ttl)}
	if old := f.live(key); old != nil {
		it.owner = old.owner
		if f.is("set keeps the first value") {
			return nil
		}
		if f.is("set keeps the first time to live") {
			it.end = old.end
		}
		if f.is("leaves a gap while it replaces") {
			delete(f.items, f.name(key))
			f.gap("leaves a gap while it replaces")
		}
	}
	f.items[f.name(key)] = it
	return nil
}

func (f *flawed) Add(ctx context.Context, key string, value []byte, ttl time.Duration) (bool, error) {
	return f.AddFor(ctx, "", key, value, ttl)
}

func (f *flawed) AddFor(ctx context.Context, owner, key string, value []byte, ttl time.Duration) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.enter(ctx); err != nil {
		return false, err
	}
	old, raw := f.live(key), f.items[f.name(key)]
	f.gap("adds in two steps")
	if raw != nil && old == nil {
		f.gap("takes over what expired in two steps")
	}
	if owner != "" {
		f.gap("adds for an owner in two steps")
	}
	switch {
	case old != nil && f.is("add overwrites"):
	case old != nil && owner != "" && f.is("addFor takes the key over"):
		old.owner = owner
		return false, nil
	case old != nil:
		if f.is("a refused add moves the end") {
			old.end = f.end(ttl)
		}
		return false, nil
	case f.is("add does not see expiry") && raw != nil, f.is("add does not forget a delete") && f.deleted[key]:
		return false, nil
	}
	it := &item{value: f.keep(value), end: f.end(ttl), owner: owner}
	if raw != nil && (f.is("what expired keeps its owner") || owner == "" && f.is("a plain add keeps the former owner")) {
		it.owner = raw.owner
	}
	f.items[f.name(key)] = it
	if owner != "" {
		if f.is("keeps the index among the keys") {
			f.items[owner] = &item{end: it.end}
		}
		if end := f.indexEnd[owner]; it.end.After(end) || f.is("the index expires with its newest entry") {
			f.indexEnd[owner] = it.end
		}
	}
	return true, nil
}

func (f *flawed) Swap(ctx context.Context, key string, old, new []byte, ttl time.Duration) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.enter(ctx); err != nil {
		return false, err
	}
	it := f.live(key)
	if it == nil {
		raw := f.items[f.name(key)]
		switch {
		case f.is("swap of nothing is a lost race"):
			return false, nil
		case f.is("swap revives what was deleted") && f.deleted[key], f.is("swap makes what is absent") && len(old) == 0,
			f.is("swap does not see expiry") && raw != nil:
			f.items[f.name(key)] = &item{value: f.keep(new), end: f.end(ttl)}
			return true, nil
		}
		return false, store.ErrNotFound
	}
	same := bytes.Equal(it.value, old)
	switch {
	case f.is("swap never succeeds"):
		same = false
	case f.is("swap does not look at the old value"):
		same = true
	case f.is("swap folds case"):
		same = bytes.EqualFold(it.value, old)
	case f.is("swap trims"):
		same = strings.TrimRight(string(it.value), " \x00") == strings.TrimRight(string(old), " \x00")
	}
	if !same {
		if f.is("a refused swap moves the end") {
			it.end = f.end(ttl)
		}
		return false, nil
	}
	if f.is("counts changed rows") && bytes.Equal(old, new) {
		return false, nil
	}
	f.gap("swaps in two steps")
	f.gap("swaps in two steps, for all to win")
	f.put(it, key, new, ttl)
	return true, nil
}

// put replaces it by an entry with another value.
func (f *flawed) put(it *item, key string, value []byte, ttl time.Duration) {
	next := &item{value: f.keep(value), end: f.end(ttl), owner: it.owner}
	if f.is("swap keeps the time to live") {
		next.end = it.end
	}
	if f.is("swap loses the owner") {
		next.owner = ""
	}
	f.items[f.name(key)] = next
	if !f.is("the index expires with the first time to live") && next.end.After(f.indexEnd[next.owner]) {
		f.indexEnd[next.owner] = next.end
	}
}

func (f *flawed) Delete(ctx context.Context, key string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.enter(ctx); err != nil {
		return err
	}
	if f.live(key) == nil {
		if f.is("delete of nothing is an error") {
			return store.ErrNotFound
		}
		if f.is("delete after expiry is an error") && f.items[key] != nil {
			return errors.New("expired")
		}
	}
	if f.is("delete takes a prefix") {
		maps.DeleteFunc(f.items, func(k string, _ *item) bool { return strings.HasPrefix(k, key) })
	}
	if f.is("list shows what was deleted") && f.items[key] != nil && f.items[key].owner != "" {
		f.items["deleted"] = f.items[key]
	}
	delete(f.items, f.name(key))
	f.deleted[key] = true
	return nil
}

// owns reports whether an entry is in the index of owner.
func (f *flawed) owns(owner string, it *item) bool {
	if strings.HasPrefix(f.flaw, "the index expires") && !time.Now().Before(f.indexEnd[owner]) {
		return false
	}
	return it.owner == owner || f.is("owners share a prefix") && it.owner != "" && strings.HasPrefix(it.owner, owner)
}

func (f *flawed) ListFor(ctx context.Context, owner string) ([]store.Entry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.enter(ctx); err != nil {
		return nil, err
	}
	var list []store.Entry
	for key, it := range f.items {
		if !f.owns(owner, it) || f.live(key) == nil && !f.is("list shows what expired") {
			continue
		}
		value := it.value
		if !f.is("list gives its own slices away") {
			value = bytes.Clone(value)
		}
		list = append(list, store.Entry{Key: key, Value: value})
		if f.is("list stops at a hundred") && len(list) == 100 || f.is("list stops at ten") && len(list) == 10 {
			break
		}
	}
	if list == nil && f.is("an empty list is an error") {
		return nil, store.ErrNotFound
	}
	return list, nil
}

func (f *flawed) DeleteFor(ctx context.Context, owner string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.enter(ctx); err != nil {
		return err
	}
	var keys []string
	for key, it := range f.items {
		if f.owns(owner, it) || f.is("deleteFor takes everybody's") {
			keys = append(keys, key)
		}
	}
	if keys == nil && f.is("deleteFor of nothing is an error") {
		return store.ErrNotFound
	}
	if f.is("deleteFor leaves one") && len(keys) > 1 {
		keys = keys[1:]
	}
	for _, key := range keys {
		delete(f.items, key)
	}
	if f.is("deleteFor forgets what is added meanwhile") {
		f.mu.Unlock()
		f.gapUntilAdded(keys)
		f.mu.Lock()
		for _, key := range keys {
			if it := f.items[key]; it != nil {
				it.owner = ""
			}
		}
	}
	if f.is("deleteFor drops the index in a second step") {
		f.gap(f.flaw)
		for _, it := range f.items {
			if it.owner == owner {
				it.owner = ""
			}
		}
	}
	return nil
}

// flawedCloser is a flawed store that can be closed.
type flawedCloser struct{ *flawed }

func (f flawedCloser) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.is("leaves a goroutine"):
		go func() { <-f.stop }()
	case f.is("cannot be closed twice") && f.closed:
		return errors.New("closed")
	case f.is("panics when closed twice") && f.closed:
		panic("close of closed channel")
	}
	f.closed = true
	return nil
}
