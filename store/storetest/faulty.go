package storetest

import (
	"context"
	"sync"
	"time"

	"github.com/ginwx/wxlogin/store"
)

// Op names a method of a store.
type Op string

// The methods of [store.Store] and [store.AccountStore].
const (
	Get       Op = "Get"
	Set       Op = "Set"
	Add       Op = "Add"
	Swap      Op = "Swap"
	Delete    Op = "Delete"
	AddFor    Op = "AddFor"
	ListFor   Op = "ListFor"
	DeleteFor Op = "DeleteFor"
)

// Call is one call of a store.
type Call struct {
	Op    Op
	Owner string // empty for the methods of store.Store
	Key   string // empty for ListFor and DeleteFor
	N     int    // 1 for the first call of this Op, 2 for the second one, …
}

// Hook decides what becomes of a call: nil lets it pass, an error is what the
// caller gets. It may wait, and is called by many goroutines at a time. ctx is the
// caller's.
type Hook func(ctx context.Context, call Call) error

// Fail returns a hook by which every call fails with err.
func Fail(err error) Hook {
	return func(context.Context, Call) error { return err }
}

// Hang is a hook by which a call lasts until its context is done, and fails with
// the context's error.
func Hang(ctx context.Context, _ Call) error {
	<-ctx.Done()
	return ctx.Err()
}

// On returns a hook that is h for calls of op, and lets all others pass.
func On(op Op, h Hook) Hook {
	return func(ctx context.Context, call Call) error {
		if call.Op != op {
			return nil
		}
		return h(ctx, call)
	}
}

// OnNth returns a hook that is h for the nth call of op since the [Faulty] was
// made, and lets all others pass.
func OnNth(op Op, n int, h Hook) Hook {
	return On(op, func(ctx context.Context, call Call) error {
		if call.N != n {
			return nil
		}
		return h(ctx, call)
	})
}

// Faulty is a [store.Store] that passes calls on to another one, unless a hook
// makes them fail. It is no store.AccountStore, whatever the other one is; see
// [FaultyAccounts]. It is safe for concurrent use, and has nothing to close.
type Faulty struct {
	inner store.Store

	mu            sync.Mutex
	before, after Hook
	calls         map[Op]int
}

// FaultyAccounts is a [Faulty] that is a [store.AccountStore].
type FaultyAccounts struct {
	*Faulty
	inner store.AccountStore
}

var (
	_ store.Store        = (*Faulty)(nil)
	_ store.AccountStore = (*FaultyAccounts)(nil)
)

// NewFaulty returns a store that works like inner until it is told to fail. It
// panics if inner is nil.
func NewFaulty(inner store.Store) *Faulty {
	if inner == nil {
		panic("wxlogin/storetest: NewFaulty: inner store is nil")
	}
	return &Faulty{inner: inner, calls: map[Op]int{}}
}

// NewFaultyAccounts is NewFaulty for a store with an account index.
func NewFaultyAccounts(inner store.AccountStore) *FaultyAccounts {
	if inner == nil {
		panic("wxlogin/storetest: NewFaultyAccounts: inner store is nil")
	}
	return &FaultyAccounts{Faulty: NewFaulty(inner), inner: inner}
}

// Before makes h decide over each call before the inner store sees it: an error
// means that nothing happened. It replaces an earlier h; nil ends it.
func (f *Faulty) Before(h Hook) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before = h
}

// After makes h decide over each call that the inner store has answered: an error
// takes the place of the answer, as when the connection breaks after a write has
// happened. It replaces an earlier h; nil ends it.
func (f *Faulty) After(h Hook) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.after = h
}

// Calls returns how many calls of op were made, failed ones among them.
func (f *Faulty) Calls(op Op) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[op]
}

// Total returns how many calls were made, failed ones among them.
func (f *Faulty) Total() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	total := 0
	for _, n := range f.calls {
		total += n
	}
	return total
}

// through takes one call past both hooks.
func through[T any](ctx context.Context, f *Faulty, call Call, do func() (T, error)) (T, error) {
	var none T
	f.mu.Lock()
	f.calls[call.Op]++
	call.N = f.calls[call.Op]
	before := f.before
	f.mu.Unlock()
	if before != nil {
		if err := before(ctx, call); err != nil {
			return none, err
		}
	}
	answer, err := do()
	f.mu.Lock()
	after := f.after
	f.mu.Unlock()
	if after != nil {
		if err := after(ctx, call); err != nil {
			return none, err
		}
	}
	return answer, err
}

// Get implements [store.Store].
func (f *Faulty) Get(ctx context.Context, key string) ([]byte, error) {
	return through(ctx, f, Call{Op: Get, Key: key}, func() ([]byte, error) { return f.inner.Get(ctx, key) })
}

// Set implements [store.Store].
func (f *Faulty) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	_, err := through(ctx, f, Call{Op: Set, Key: key}, func() (struct{}, error) {
		return struct{}{}, f.inner.Set(ctx, key, value, ttl)
	})
	return err
}

// Add implements [store.Store].
func (f *Faulty) Add(ctx context.Context, key string, value []byte, ttl time.Duration) (bool, error) {
	return through(ctx, f, Call{Op: Add, Key: key}, func() (bool, error) { return f.inner.Add(ctx, key, value, ttl) })
}

// Swap implements [store.Store].
func (f *Faulty) Swap(ctx context.Context, key string, old, new []byte, ttl time.Duration) (bool, error) {
	return through(ctx, f, Call{Op: Swap, Key: key}, func() (bool, error) { return f.inner.Swap(ctx, key, old, new, ttl) })
}

// Delete implements [store.Store].
func (f *Faulty) Delete(ctx context.Context, key string) error {
	_, err := through(ctx, f, Call{Op: Delete, Key: key}, func() (struct{}, error) {
		return struct{}{}, f.inner.Delete(ctx, key)
	})
	return err
}

// AddFor implements [store.AccountStore].
func (f *FaultyAccounts) AddFor(ctx context.Context, owner, key string, value []byte, ttl time.Duration) (bool, error) {
	return through(ctx, f.Faulty, Call{Op: AddFor, Owner: owner, Key: key}, func() (bool, error) {
		return f.inner.AddFor(ctx, owner, key, value, ttl)
	})
}

// ListFor implements [store.AccountStore].
func (f *FaultyAccounts) ListFor(ctx context.Context, owner string) ([]store.Entry, error) {
	return through(ctx, f.Faulty, Call{Op: ListFor, Owner: owner}, func() ([]store.Entry, error) {
		return f.inner.ListFor(ctx, owner)
	})
}

// DeleteFor implements [store.AccountStore].
func (f *FaultyAccounts) DeleteFor(ctx context.Context, owner string) error {
	_, err := through(ctx, f.Faulty, Call{Op: DeleteFor, Owner: owner}, func() (struct{}, error) {
		return struct{}{}, f.inner.DeleteFor(ctx, owner)
	})
	return err
}
