package storetest

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/ginwx/wxlogin/store"
)

// RunInstances tests two stores that share one engine, as two servers of an
// application do, against the contract: what holds for one store alone holds for
// both together. One subtest is run for every rule, named after it. Where both
// stores are a [store.AccountStore] they are tested as such as well.
//
// newInstances is called once for every rule, and may return the same two stores
// many times; keys and owners are random, and everything that RunInstances writes
// lives for an hour at most. What the two stores share is to be the engine alone:
// each has its own client, pool or connection, and its own cache if it has one, as
// if it were in a process of its own. A local cache that may serve for a while what
// another instance has replaced or deleted breaks these rules, so leave it out.
//
// One clock, the engine's, must decide for every instance when an entry ends. So
// where the author of a test can set the clock of an instance, other's should be
// ahead of one's, or behind it, by a day or more: no time to live of the suite is
// that long, so that a store which reckons with its own clock is certain to be
// found. With clocks that agree this cannot be found.
//
// The options are those of [Run]. [InBubble] gives both stores the same clock.
// RunInstances closes the stores that have a Close method, each of them at the end
// of every rule; see Run for how to prevent that. Nothing is to be read from the
// order in which the two are used: every rule is tested both ways round.
func RunInstances(t *testing.T, newInstances func(t *testing.T) (one, other store.Store), opts ...Option) {
	t.Helper()
	cfg := config{advance: time.Sleep, timeout: DefaultTimeout}
	for _, opt := range opts {
		opt(&cfg)
	}
	for _, c := range instanceChecks() {
		c.subtest(t, cfg, func(t *testing.T) {
			one, other := newInstances(t)
			defer closeStore(one)
			defer closeStore(other)
			_, owns := one.(store.AccountStore)
			_, ownsToo := other.(store.AccountStore)
			if c.account && !(owns && ownsToo) {
				t.Skip("the stores are no store.AccountStore, which is allowed; this rule is about accounts")
			}
			c.report(t, c.tryPair(one, other, cfg))
		})
	}
}

// tryPair tests the rule on two instances, and then on the same two the other way
// round.
func (c check) tryPair(one, other store.Store, cfg config) error {
	prefix := randomPrefix()
	for i, pair := range [][2]store.Store{{one, other}, {other, one}} {
		err := within(cfg.timeout, func(ctx context.Context) {
			prefix := prefix + strconv.Itoa(i) + ":"
			first, second := newProbe(ctx, pair[0], cfg, prefix), newProbe(ctx, pair[1], cfg, prefix)
			first.name, second.name = "at one instance", "at the other instance"
			if i == 1 {
				first.name, second.name = second.name, first.name
			}
			c.pair(first, second)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// instanceChecks are the rules of RunInstances: p writes, q is the other instance.
func instanceChecks() []check {
	list := []check{
		{
			rule: "what one instance writes the other reads at once",
			why:  "a client that has logged in at one server asks another one next",
			pair: testReadElsewhere,
		},
		{
			rule: "add is refused where the other instance has added",
			why:  "a code or a ticket that was used at one server must not work at another one",
			pair: func(p, q *probe) {
				k := p.key("k")
				q.absent(k, "that nobody wrote")
				p.add(k, "one", long, true, "of a new key")
				q.add(k, "two", long, false, "of a key that the other instance added")
				p.set(p.key("set"), "one", long)
				q.add(p.key("set"), "two", long, false, "of a key that the other instance set")
				q.holds(k, "one", "after a refused Add")
				p.holds(k, "one", "after a refused Add of the other instance")
				p.delete(k, "of a live key")
				q.add(k, "two", long, true, "after a Delete of the other instance")
				p.holds(k, "two", "after Delete and an Add of the other instance")
			},
		},
		{
			rule: "what one instance deletes is gone for the other at once",
			why:  "a session that was logged out at one server must be refused by all",
			pair: func(p, q *probe) {
				for i := range 3 {
					k := p.key("k" + strconv.Itoa(i))
					p.add(k, "one", long, true, "of a new key")
					q.holds(k, "one", "after an Add of the other instance")
					q.swap(k, "one", "two", long, true, "with the right old value")
					p.delete(k, "that the other instance has replaced")
					q.absent(k, "after a Delete of the other instance")
					q.swapAbsent(k, "two", "three", "after a Delete of the other instance")
					p.absent(k, "after Delete and a refused Swap of the other instance")
				}
			},
		},
		{
			rule: "swap of a value that the other instance has replaced is refused",
			why:  "of two requests that slide a session at two servers, the slower must not undo the faster",
			pair: func(p, q *probe) {
				k := p.key("k")
				p.set(k, "one", long)
				q.holds(k, "one", "after a Set of the other instance")
				p.swap(k, "one", "two", long, true, "with the right old value")
				q.swap(k, "one", "three", long, false, "with an old value that the other instance has replaced")
				p.holds(k, "two", "after a refused Swap of the other instance")
				q.swap(k, "two", "three", long, true, "with the value that the other instance wrote")
				p.swap(k, "two", "four", long, false, "with an old value that the other instance has replaced")
				p.holds(k, "three", "after a refused Swap")
			},
		},
		{
			rule: "a time to live ends at the same moment for both instances",
			why:  "servers whose clocks differ must agree on which session is over",
			pair: testOneClock,
		},
	}
	list = append(list, forAccounts(instanceAccountChecks())...)
	return append(list, instanceParallelChecks()...)
}

func testReadElsewhere(p, q *probe) {
	k, set := p.key("add"), p.key("set")
	q.absent(k, "that nobody wrote")
	q.absent(set, "that nobody wrote")
	p.add(k, "one", long, true, "of a new key")
	q.holds(k, "one", "after an Add of the other instance")
	p.set(set, "one", long)
	q.holds(set, "one", "after a Set of the other instance")
	for i := range 5 {
		was, is := "one", "two"
		if i%2 == 1 {
			was, is = is, was
		}
		p.swap(k, was, is, long, true, "with the right old value")
		q.holds(k, is, "after a Swap of the other instance")
		p.set(set, is, long)
		q.holds(set, is, "after a Set of the other instance")
	}
}

// testOneClock has p write what q looks at. It cannot tell which of the two keeps
// to a clock of its own.
func testOneClock(p, q *probe) {
	added, swapped, set := p.key("added"), p.key("swapped"), p.key("set")
	longer, shorter := p.key("longer"), p.key("shorter")
	p.add(added, "v", long, true, "of a new key")
	p.set(set, "v", long)
	p.set(swapped, "v", 10*soon)
	p.swap(swapped, "v", "w", long, true, "to a longer life")
	p.set(longer, "v", 10*soon)
	p.set(shorter, "v", long)
	q.holds(added, "v", "that the other instance added for an hour")
	q.holds(set, "v", "that the other instance set for an hour")
	q.holds(swapped, "w", "that the other instance swapped to live for an hour")
	q.swap(longer, "v", "w", long, true, "to a longer life than the other instance gave it")
	q.swap(shorter, "v", "w", soon, true, "to a shorter life than the other instance gave it")

	testEndsElsewhere(p, q)
	p.expire(10 * soon)
	for _, r := range []*probe{p, q} {
		r.holds(added, "v", "long before its end")
		r.holds(set, "v", "long before its end")
		r.holds(swapped, "w", "past the time to live that Swap replaced by a longer one")
		r.holds(longer, "w", "past the time to live that a Swap of one instance replaced by a longer one")
		r.absent(shorter, "past the time to live that a Swap of one instance gave it")
	}
	q.swapAbsent(shorter, "w", "x", "after the entry expired")
	p.add(shorter, "new", long, true, "after the entry expired")
	q.holds(shorter, "new", "after an Add of the other instance in place of an expired entry")
}

// testEndsElsewhere looks at an entry of p from both sides within its life and soon
// after. Where the machine is so slow that the first look comes too late, it proves
// nothing and is repeated.
func testEndsElsewhere(p, q *probe) {
	const (
		ttl   = 300 * time.Millisecond
		grace = 300 * time.Millisecond
		tries = 5
	)
	for range tries {
		k := p.key("ends")
		start := time.Now()
		p.set(k, "v", ttl)
		var errs [2]error
		both := [2]*probe{p, q}
		for i, r := range both {
			_, errs[i] = r.store.Get(r.ctx, k)
		}
		if took := time.Since(start); took >= ttl {
			continue
		}
		for i, r := range both {
			if errs[i] != nil {
				r.failf("Get of an entry with a time to live of %v that one instance has just set: error %v, want none", ttl, errs[i])
			}
		}
		p.advance(ttl + 1)
		for _, r := range both {
			r.endsWithin(grace, k, ttl)
		}
		return
	}
	p.failf("%d times in a row Set and two Gets took more than %v together: too slow to tell", tries, ttl)
}

func (p *probe) endsWithin(grace time.Duration, key string, ttl time.Duration) {
	const step = 10 * time.Millisecond
	for waited := time.Duration(0); ; waited += step {
		_, err := p.store.Get(p.ctx, key)
		if errors.Is(err, store.ErrNotFound) {
			return
		}
		if err != nil || waited >= grace {
			p.failf("Get of an entry with a time to live of %v, %v after its end: error is %v, want store.ErrNotFound", ttl, waited, err)
		}
		p.advance(step)
	}
}
