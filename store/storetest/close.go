package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ginwx/wxlogin/store"
)

// leakGrace is how long goroutines may take to end after Close has returned.
const leakGrace = 2 * time.Second

func closeChecks() []check {
	return []check{{
		rule:     "close may be called twice, leaves nothing running, and is not an absence",
		why:      "a process that stops must be able to end; a request that comes late must be answered 503, not 401",
		realTime: true,
		whole:    testClose,
	}}
}

// testClose counts goroutines after the cleanups of the test in which the store
// was made, so that a connection which newStore opened may be closed there.
func testClose(t *testing.T, newStore func(*testing.T) store.Store) error {
	before := goroutines()
	closes := false
	var err error
	t.Run("use", func(t *testing.T) {
		s := newStore(t)
		p := &probe{ctx: context.Background(), store: s, prefix: randomPrefix()}
		err = guard(func() { closes = p.useAndClose() })
	})
	if !closes && err == nil {
		t.Skip("the store has no Close, which is allowed")
	}
	if err != nil {
		return err
	}
	deadline := time.Now().Add(leakGrace)
	for {
		left := goroutines()
		maps.DeleteFunc(left, func(id, _ string) bool { _, old := before[id]; return old })
		if len(left) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			stacks := slices.Sorted(maps.Values(left))
			return fmt.Errorf("%d goroutines are left %v after Close:\n\n%s", len(left), leakGrace, strings.Join(stacks, "\n\n"))
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// useAndClose closes the store while it is used, and reports whether it could.
func (p *probe) useAndClose() bool {
	k := p.key("k")
	p.set(k, "v", long)
	// A first write and a first read may start what Close has to stop.
	p.holds(k, "v", "after Set")
	var closes bool
	p.parallel(callers, func(i int) error {
		if i == 0 {
			var err error
			if closes, err = closeStore(p.store); err != nil {
				return fmt.Errorf("closing: error %w, want none", err)
			}
			return nil
		}
		for range rounds {
			if _, err := p.store.Get(p.ctx, k); errors.Is(err, store.ErrNotFound) {
				return errors.New("get of a live key while another goroutine calls Close: got store.ErrNotFound, want the value or another error")
			}
			// Whether it still succeeds is up to the store.
			_ = p.store.Set(p.ctx, k, []byte("v"), long)
		}
		return nil
	})
	if !closes {
		p.delete(k, "at the end")
		return false
	}
	if _, err := closeStore(p.store); err != nil {
		p.failf("Close for the second time: error %v, want none", err)
	}
	if _, err := p.store.Get(p.ctx, k); errors.Is(err, store.ErrNotFound) {
		p.failf("Get of a live key after Close: got store.ErrNotFound, want another error")
	}
	if _, err := p.store.Swap(p.ctx, k, []byte("v"), []byte("v"), long); errors.Is(err, store.ErrNotFound) {
		p.failf("Swap of a live key after Close: got store.ErrNotFound, want another error")
	}
	return true
}

// goroutines returns the stacks of all goroutines by their number.
func goroutines() map[string]string {
	buf := make([]byte, 1<<16)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	all := map[string]string{}
	for stack := range strings.SplitSeq(string(buf), "\n\n") {
		id, _, _ := strings.Cut(strings.TrimPrefix(stack, "goroutine "), " ")
		all[id] = stack
	}
	return all
}
