package storetest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ginwx/wxlogin/store"
)

var errDown = errors.New("down")

func memory(t *testing.T) *store.Memory {
	t.Helper()
	m := store.NewMemory()
	t.Cleanup(func() { m.Close() })
	return m
}

func TestFaultyWithoutHooksKeepsTheContract(t *testing.T) {
	t.Run("plain", func(t *testing.T) {
		Run(t, func(t *testing.T) store.Store { return NewFaulty(memory(t)) }, InBubble())
	})
	t.Run("with accounts", func(t *testing.T) {
		Run(t, func(t *testing.T) store.Store { return NewFaultyAccounts(memory(t)) }, InBubble())
	})
}

func TestFaultyIsNoAccountStoreEvenIfTheInnerOneIs(t *testing.T) {
	var s store.Store = NewFaulty(memory(t))
	if _, ok := s.(store.AccountStore); ok {
		t.Error("NewFaulty made a store.AccountStore, want only a store.Store")
	}
	s = NewFaultyAccounts(memory(t))
	if _, ok := s.(store.AccountStore); !ok {
		t.Error("NewFaultyAccounts made no store.AccountStore")
	}
}

// everyCall calls every method once, and returns the errors.
func everyCall(ctx context.Context, f *FaultyAccounts) map[Op]error {
	errs := map[Op]error{}
	_, errs[Get] = f.Get(ctx, "get")
	errs[Set] = f.Set(ctx, "set", nil, time.Hour)
	_, errs[Add] = f.Add(ctx, "add", nil, time.Hour)
	_, errs[Swap] = f.Swap(ctx, "swap", []byte("old"), []byte("new"), time.Hour)
	errs[Delete] = f.Delete(ctx, "delete")
	_, errs[AddFor] = f.AddFor(ctx, "owner", "addfor", nil, time.Hour)
	_, errs[ListFor] = f.ListFor(ctx, "owner")
	errs[DeleteFor] = f.DeleteFor(ctx, "gone")
	return errs
}

// prepared is a store in which the effect of each write of everyCall can be seen.
func prepared(t *testing.T) (inner *store.Memory, written func() map[Op]bool) {
	t.Helper()
	inner = memory(t)
	ctx := t.Context()
	for key, value := range map[string]string{"get": "v", "swap": "old", "delete": "v"} {
		if err := inner.Set(ctx, key, []byte(value), time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := inner.AddFor(ctx, "gone", "owned", nil, time.Hour); err != nil {
		t.Fatal(err)
	}
	return inner, func() map[Op]bool {
		there := func(key string) bool { _, err := inner.Get(ctx, key); return err == nil }
		swapped, _ := inner.Get(ctx, "swap")
		return map[Op]bool{Set: there("set"), Add: there("add"), Swap: string(swapped) == "new", Delete: !there("delete"), AddFor: there("addfor"), DeleteFor: !there("owned")}
	}
}

func TestAHookBeforeAndAHookAfterFailEveryCall(t *testing.T) {
	for name, c := range map[string]struct {
		hook    func(*FaultyAccounts)
		written bool
	}{
		"before, and nothing is written": {func(f *FaultyAccounts) { f.Before(Fail(errDown)) }, false},
		"after, and all is written":      {func(f *FaultyAccounts) { f.After(Fail(errDown)) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			inner, written := prepared(t)
			f := NewFaultyAccounts(inner)
			c.hook(f)
			for op, err := range everyCall(t.Context(), f) {
				if !errors.Is(err, errDown) {
					t.Errorf("%s: got error %v, want the hook's", op, err)
				}
				if f.Calls(op) != 1 {
					t.Errorf("%s: got %d calls counted, want 1", op, f.Calls(op))
				}
			}
			for op, did := range written() {
				if did != c.written {
					t.Errorf("%s: written is %v, want %v", op, did, c.written)
				}
			}
			if f.Total() != 8 {
				t.Errorf("Total: got %d, want 8", f.Total())
			}
		})
	}
}

func TestAHookSeesTheCall(t *testing.T) {
	inner, _ := prepared(t)
	f := NewFaultyAccounts(inner)
	var mu sync.Mutex
	seen := map[Op]Call{}
	f.Before(func(_ context.Context, call Call) error {
		mu.Lock()
		defer mu.Unlock()
		seen[call.Op] = call
		return nil
	})
	everyCall(t.Context(), f)
	everyCall(t.Context(), f)
	for op, want := range map[Op]Call{
		Get: {Key: "get"}, Set: {Key: "set"}, Add: {Key: "add"}, Swap: {Key: "swap"}, Delete: {Key: "delete"},
		AddFor: {Owner: "owner", Key: "addfor"}, ListFor: {Owner: "owner"}, DeleteFor: {Owner: "gone"},
	} {
		want.Op, want.N = op, 2
		if seen[op] != want {
			t.Errorf("%s: got call %+v, want %+v", op, seen[op], want)
		}
	}
}

func TestOnAndOnNthPickTheirCalls(t *testing.T) {
	f := NewFaulty(memory(t))
	ctx := t.Context()
	f.Before(OnNth(Set, 2, Fail(errDown)))
	for i, want := range []error{nil, errDown, nil} {
		if err := f.Set(ctx, "k", nil, time.Hour); err != want {
			t.Errorf("Set number %d: got error %v, want %v", i+1, err, want)
		}
	}
	f.Before(On(Get, Fail(errDown)))
	if err := f.Delete(ctx, "k"); err != nil {
		t.Errorf("Delete while Get fails: error %v, want none", err)
	}
	if _, err := f.Get(ctx, "k"); err != errDown {
		t.Errorf("Get: got error %v, want the hook's", err)
	}
	f.Before(nil)
	if _, err := f.Get(ctx, "k"); err != store.ErrNotFound {
		t.Errorf("Get after the hook was taken away: got error %v, want store.ErrNotFound", err)
	}
}

func TestHangLastsUntilTheContextIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFaulty(memory(t))
		f.Before(Hang)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		start := time.Now()
		_, err := f.Get(ctx, "k")
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 2*time.Second {
			t.Errorf("got error %v after %v, want context.DeadlineExceeded after 2s", err, time.Since(start))
		}
	})
}

func TestAFaultyStoreNeedsAnInnerOne(t *testing.T) {
	for name, make := range map[string]func(){
		"NewFaulty":         func() { NewFaulty(nil) },
		"NewFaultyAccounts": func() { NewFaultyAccounts(nil) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("got no panic, want one that names the function")
				}
			}()
			make()
		})
	}
}
