// Package storetest proves that a store keeps the contract of package store, and
// makes stores fail on purpose.
//
// A store of your own is tested in three lines:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) store.Store { return mystore.New(…) })
//	}
//
// [Run] reports which rule was broken, by what call, and what wxlogin needs the
// rule for. [RunInstances] does so for two stores on one engine, as two servers of
// an application have. [NewFaulty] wraps a store whose calls fail, hang, or lose their answer
// when the test says so, which is how an application's own tests see an outage.
package storetest

import (
	"context"
	"crypto/rand"
	"fmt"
	"runtime/debug"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ginwx/wxlogin/store"
)

// DefaultTimeout is how long a rule may take to test.
const DefaultTimeout = 30 * time.Second

type config struct {
	advance func(time.Duration)
	timeout time.Duration
	bubble  bool
}

// Option changes how [Run] and [RunInstances] work.
type Option func(*config)

// WithAdvance makes Run call advance where it would wait for an entry to expire,
// for a store that has a clock which the test can set. By default Run waits, all
// in all for about five seconds. Under [RunInstances] the call must let the time
// pass for both stores and for their engine.
func WithAdvance(advance func(d time.Duration)) Option {
	return func(c *config) { c.advance = advance }
}

// WithTimeout limits each rule to d instead of [DefaultTimeout]. The context that
// the store is given ends at that time as well.
func WithTimeout(d time.Duration) Option {
	return func(c *config) { c.timeout = d }
}

// InBubble runs each rule, and newStore with it, in a bubble of testing/synctest,
// where no time is lost by waiting. It is for a store that does no I/O and reads
// the time with time.Now. (Run cannot be called from inside a bubble, because a
// bubble has no subtests.)
func InBubble() Option {
	return func(c *config) { c.bubble = true }
}

// Run tests a store against the contract, one subtest for every rule, named after
// it. A store that is a [store.AccountStore] is tested as one as well.
//
// newStore is called once for every rule. It may return one store many times, or
// stores that share a server: keys and owners are random, everything that Run
// writes expires within a day or is small. Run closes the stores that have a
// Close method, with or without an error, and then also checks that Close leaves
// no goroutine behind; a store that must stay open for the next rule must not
// have that method, so hide it by embedding the store in a struct{ store.Store }
// or struct{ store.AccountStore }. Release everything else with t.Cleanup. A store
// with a limit on its entries must have room for 3,000.
func Run(t *testing.T, newStore func(t *testing.T) store.Store, opts ...Option) {
	t.Helper()
	cfg := config{advance: time.Sleep, timeout: DefaultTimeout}
	for _, opt := range opts {
		opt(&cfg)
	}
	for _, c := range checks() {
		c.subtest(t, cfg, func(t *testing.T) { c.run(t, newStore, cfg) })
	}
}

// subtest runs test under the name of the rule, in a bubble if that is wanted.
func (c check) subtest(t *testing.T, cfg config, test func(t *testing.T)) {
	t.Helper()
	t.Run(c.rule, func(t *testing.T) {
		if cfg.bubble && !c.realTime {
			synctest.Test(t, test)
			return
		}
		test(t)
	})
}

// check is one rule of the contract.
type check struct {
	rule     string // names the subtest
	why      string // what wxlogin needs it for
	account  bool   // only for an AccountStore
	realTime bool   // never in a bubble
	test     func(p *probe)
	pair     func(one, other *probe)                                         // instead of test, in a rule of RunInstances
	whole    func(t *testing.T, newStore func(*testing.T) store.Store) error // instead of test
}

func checks() []check {
	var all []check
	for _, part := range [][]check{valueChecks(), swapChecks(), expiryChecks(), limitChecks(), parallelChecks(), accountChecks(), accountParallelChecks(), closeChecks()} {
		all = append(all, part...)
	}
	return all
}

func (c check) run(t *testing.T, newStore func(*testing.T) store.Store, cfg config) {
	t.Helper()
	var err error
	if c.whole != nil {
		err = c.whole(t, newStore)
	} else {
		s := newStore(t)
		defer closeStore(s)
		if _, ok := s.(store.AccountStore); c.account && !ok {
			t.Skip("the store is no store.AccountStore, which is allowed; this rule is about accounts")
		}
		err = c.try(s, cfg)
	}
	c.report(t, err)
}

func (c check) report(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("broken rule: %s\n%v\nwhy it matters: %s", c.rule, err, c.why)
	}
}

// try tests the rule on s.
func (c check) try(s store.Store, cfg config) error {
	return within(cfg.timeout, func(ctx context.Context) {
		c.test(newProbe(ctx, s, cfg, randomPrefix()))
	})
}

// within runs test with a context that ends after the time limit. It gives up soon
// after, even if the store ignores its context; then the goroutine of the test
// stays behind.
func within(timeout time.Duration, test func(ctx context.Context)) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	result := make(chan error, 1)
	go func() { result <- guard(func() { test(ctx) }) }()
	limit := time.NewTimer(timeout + time.Second)
	defer limit.Stop()
	select {
	case err := <-result:
		return err
	case <-limit.C:
		return fmt.Errorf("no end after %v, and the store did not heed the end of its context", timeout)
	}
}

func randomPrefix() string { return "t:" + strings.ToLower(rand.Text()) + ":" }

// failure is what a probe panics with to leave a test.
type failure struct{ error }

func guard(test func()) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case failure:
			err = r.error
		default:
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	test()
	return nil
}

func closeStore(s store.Store) (bool, error) {
	switch c := s.(type) {
	case interface{ Close() error }:
		return true, c.Close()
	case interface{ Close() }:
		c.Close()
		return true, nil
	}
	return false, nil
}
