package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ginwx/wxlogin/store"
)

const (
	long = time.Hour              // outlives every test
	soon = 60 * time.Millisecond  // for entries that are to expire
	late = 100 * time.Millisecond // how far past its end an entry is looked at
)

// probe asks a store questions, and leaves the test at the first wrong answer.
type probe struct {
	ctx      context.Context
	store    store.Store
	accounts store.AccountStore // nil if store is none
	advance  func(time.Duration)
	prefix   string // of this test's keys and owners
	name     string // of the instance, where there are two
}

func newProbe(ctx context.Context, s store.Store, cfg config, prefix string) *probe {
	p := &probe{ctx: ctx, store: s, advance: cfg.advance, prefix: prefix}
	p.accounts, _ = s.(store.AccountStore)
	return p
}

func (p *probe) key(name string) string { return p.prefix + name }

// failf leaves the test. The random part of keys says nothing, so it goes.
func (p *probe) failf(format string, args ...any) {
	text := strings.ReplaceAll(fmt.Sprintf(format, args...), p.prefix, "")
	if p.name != "" {
		text = p.name + ": " + text
	}
	panic(failure{errors.New(text)})
}

// expire waits until what was written with ttl, at the latest just now, is gone.
func (p *probe) expire(ttl time.Duration) { p.advance(ttl + late) }

func (p *probe) set(key, value string, ttl time.Duration) {
	if err := p.store.Set(p.ctx, key, []byte(value), ttl); err != nil {
		p.failf("Set(%s, %s, %v): error %v, want none", brief(key), brief(value), ttl, err)
	}
}

func (p *probe) add(key, value string, ttl time.Duration, want bool, when string) {
	done, err := p.store.Add(p.ctx, key, []byte(value), ttl)
	if err != nil || done != want {
		p.failf("Add(%s, %s, %v) %s: got (%v, %v), want (%v, <nil>)", brief(key), brief(value), ttl, when, done, err, want)
	}
}

func (p *probe) addFor(owner, key, value string, ttl time.Duration, want bool, when string) {
	done, err := p.accounts.AddFor(p.ctx, owner, key, []byte(value), ttl)
	if err != nil || done != want {
		p.failf("AddFor(%s, %s, %s, %v) %s: got (%v, %v), want (%v, <nil>)", brief(owner), brief(key), brief(value), ttl, when, done, err, want)
	}
}

func (p *probe) swap(key, old, new string, ttl time.Duration, want bool, when string) {
	done, err := p.store.Swap(p.ctx, key, []byte(old), []byte(new), ttl)
	if err != nil || done != want {
		p.failf("Swap(%s, old %s, new %s, %v) %s: got (%v, %v), want (%v, <nil>)", brief(key), brief(old), brief(new), ttl, when, done, err, want)
	}
}

func (p *probe) swapAbsent(key, old, new string, when string) {
	done, err := p.store.Swap(p.ctx, key, []byte(old), []byte(new), long)
	if done || !errors.Is(err, store.ErrNotFound) {
		p.failf("Swap(%s, old %s, new %s) %s: got (%v, %v), want (false, store.ErrNotFound)", brief(key), brief(old), brief(new), when, done, err)
	}
}

func (p *probe) delete(key, when string) {
	if err := p.store.Delete(p.ctx, key); err != nil {
		p.failf("Delete(%s) %s: error %v, want none", brief(key), when, err)
	}
}

func (p *probe) deleteFor(owner, when string) {
	if err := p.accounts.DeleteFor(p.ctx, owner); err != nil {
		p.failf("DeleteFor(%s) %s: error %v, want none", brief(owner), when, err)
	}
}

func (p *probe) holds(key, want, when string) {
	got, err := p.store.Get(p.ctx, key)
	if err != nil || string(got) != want {
		p.failf("Get(%s) %s: got (%s, %v), want (%s, <nil>)", brief(key), when, brief(string(got)), err, brief(want))
	}
}

func (p *probe) absent(key, when string) {
	got, err := p.store.Get(p.ctx, key)
	if !errors.Is(err, store.ErrNotFound) || got != nil {
		shown := "nil"
		if got != nil {
			shown = brief(string(got))
		}
		p.failf("Get(%s) %s: got (%s, %v), want (nil, store.ErrNotFound)", brief(key), when, shown, err)
	}
}

// lists checks that owner has exactly the entries want, given as key, value, ….
func (p *probe) lists(owner, when string, want ...string) {
	list := p.list(owner, when)
	var got, wanted []string
	for _, e := range list {
		got = append(got, brief(e.Key)+"="+brief(string(e.Value)))
	}
	for i := 0; i < len(want); i += 2 {
		wanted = append(wanted, brief(want[i])+"="+brief(want[i+1]))
	}
	slices.Sort(got)
	slices.Sort(wanted)
	if !slices.Equal(got, wanted) {
		p.failf("ListFor(%s) %s: got [%s], want [%s]", brief(owner), when, strings.Join(got, ", "), strings.Join(wanted, ", "))
	}
}

func (p *probe) list(owner, when string) []store.Entry {
	list, err := p.accounts.ListFor(p.ctx, owner)
	if err != nil {
		p.failf("ListFor(%s) %s: error %v, want none", brief(owner), when, err)
	}
	return list
}

// parallel runs n calls of f at the same time, and leaves the test with the first
// error that one of them returned or left by.
func (p *probe) parallel(n int, f func(i int) error) {
	errs := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			var err error
			if broken := guard(func() { err = f(i) }); broken != nil {
				err = broken
			}
			errs[i] = err
		})
	}
	close(start)
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			p.failf("%v", err)
		}
	}
}

// brief quotes text for a message, and cuts it if it is long.
func brief(text string) string {
	const most = 48
	if len(text) <= most {
		return fmt.Sprintf("%q", text)
	}
	return fmt.Sprintf("%q… (%d bytes)", text[:most/2], len(text))
}

// scribble changes every byte.
func scribble(b []byte) {
	for i := range b {
		b[i] ^= 0xff
	}
}

// every returns n bytes that hold every value there is.
func every(n int) string {
	var b bytes.Buffer
	for i := range n {
		b.WriteByte(byte(i * 7))
	}
	return b.String()
}
