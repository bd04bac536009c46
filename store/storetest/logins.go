package storetest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ginwx/wxlogin/store"
)

// writeFunc is the shape of Add.
type writeFunc func(ctx context.Context, key string, value []byte, ttl time.Duration) (bool, error)

func (p *probe) swapFromStart(ctx context.Context, key string, value []byte, ttl time.Duration) (bool, error) {
	return p.store.Swap(ctx, key, []byte("start"), value, ttl)
}

func accountParallelChecks() []check {
	return forAccounts([]check{
		{
			rule: "of parallel addFors of different owners exactly one is told true",
			why:  "a session belongs to one account",
			test: testParallelAddFor,
		},
		{
			rule: "listFor and deleteFor work while logins run",
			why:  "a revocation must catch every session that was there before it, and lose none that comes after",
			test: testLoginsMeanwhile,
		},
		{
			rule: "a key that is added again while deleteFor of its owner runs is either gone or listed",
			why:  "a session that is alive but in no index outlives every revocation",
			test: func(p *probe) { testAddedAgain(p, p) },
		},
		{
			rule: "two thousand entries of one owner are listed, deleted one by one and together",
			why:  "a shared or a robot's account must not slow the others down",
			test: testManyOfOneOwner,
		},
	})
}

func testParallelAddFor(p *probe) {
	owner := func(i int) string { return p.key("owner" + strconv.Itoa(i)) }
	for round := range rounds {
		k := p.key("k" + strconv.Itoa(round))
		p.oneWinner(k, "for different owners", func(ctx context.Context, key string, value []byte, ttl time.Duration) (bool, error) {
			return p.accounts.AddFor(ctx, p.key("owner"+string(value)), key, value, ttl)
		})
		for i := range callers {
			list := p.list(owner(i), "after parallel AddFors")
			for _, e := range list {
				p.holds(e.Key, strconv.Itoa(i), "that ListFor shows for owner "+strconv.Itoa(i))
			}
		}
	}
	total := 0
	for i := range callers {
		total += len(p.list(owner(i), "after parallel AddFors"))
	}
	if total != rounds {
		p.failf("after %d keys were added by parallel AddFors, all owners together list %d entries, want %d", rounds, total, rounds)
	}
}

// testLoginsMeanwhile has logins of one account on one side, and on the other
// revocations and listings.
func testLoginsMeanwhile(p *probe) {
	const (
		logins      = callers - 2
		revocations = rounds
		least, most = 20, 2000 // logins of each caller: as many as it takes for the revocations
	)
	owner := p.key("owner")
	var (
		mu      sync.Mutex
		added   []string // whose AddFor has returned
		running atomic.Int32
		over    atomic.Bool // no revocation comes any more
	)
	running.Store(logins)
	login := func(i int) error {
		defer running.Add(-1)
		for n := 0; n < least || n < most && !over.Load(); n++ {
			k := p.key(fmt.Sprintf("k:%d:%d", i, n))
			p.addFor(owner, k, k, long, true, "while others list and delete the owner's entries")
			mu.Lock()
			added = append(added, k)
			mu.Unlock()
			runtime.Gosched() // or one caller is done before the next one starts
		}
		return nil
	}
	revoke := func() error {
		defer over.Store(true)
		last := 0
		for range revocations {
			var before []string
			for len(before) == last && running.Load() > 0 {
				runtime.Gosched()
				mu.Lock()
				before = added[:len(added):len(added)]
				mu.Unlock()
			}
			last = len(before)
			p.deleteFor(owner, "while logins run")
			for _, k := range before[max(0, len(before)-2*logins):] {
				p.absent(k, "whose AddFor had returned before the DeleteFor began that has just returned")
			}
		}
		return nil
	}
	list := func() error {
		for running.Load() > 0 {
			seen := map[string]bool{}
			for _, e := range p.list(owner, "while logins run") {
				if seen[e.Key] || string(e.Value) != e.Key {
					return fmt.Errorf("ListFor while logins run: got entry %s with value %s, want each entry once and with the value it was added with", brief(e.Key), brief(string(e.Value)))
				}
				seen[e.Key] = true
			}
			runtime.Gosched()
		}
		return nil
	}
	p.parallel(callers, func(i int) error {
		switch i {
		case logins:
			return revoke()
		case logins + 1:
			return list()
		}
		return login(i)
	})

	listed := map[string]bool{}
	for _, e := range p.list(owner, "after logins and revocations") {
		listed[e.Key] = true
	}
	for _, k := range added {
		_, err := p.store.Get(p.ctx, k)
		if alive := err == nil; alive != listed[k] {
			p.failf("after logins and revocations in parallel, entry %s: alive is %v, listed is %v, want the same of both", brief(k), alive, listed[k])
		}
	}
	p.deleteFor(owner, "after the logins")
	p.lists(owner, "after DeleteFor")
	for _, k := range added {
		p.absent(k, "after DeleteFor")
	}
}

// testAddedAgain has one key deleted with its owner while it is added again. A
// store that deletes the values first and the index afterwards, in steps of their
// own, takes the new value out of the index.
func testAddedAgain(p, deleter *probe) {
	const (
		times  = 400
		enough = 2 * time.Second // a slow store has fewer rounds
	)
	for round, start := 0, time.Now(); round < times && time.Since(start) < enough; round++ {
		// Others each time, because where a store keeps them may matter.
		owner, k := p.key("owner"+strconv.Itoa(round)), p.key("k"+strconv.Itoa(round))
		p.addFor(owner, k, "old", long, true, "of a key that is not there")
		var over atomic.Bool
		p.parallel(2, func(i int) error {
			if i == 0 {
				defer over.Store(true)
				deleter.deleteFor(owner, "while its key is added again")
				return nil
			}
			// Every other round has one try, the others as many as it takes.
			for first := true; first || round%2 == 1 && !over.Load(); first = false {
				done, err := p.accounts.AddFor(p.ctx, owner, k, []byte("new"), long)
				if err != nil {
					return fmt.Errorf("AddFor(%s, %s) while DeleteFor of the owner runs: error %w, want none", brief(owner), brief(k), err)
				}
				if done {
					break
				}
			}
			return nil
		})
		_, err := p.store.Get(p.ctx, k)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			p.failf("Get(%s) after AddFor and DeleteFor in parallel: error %v, want none or store.ErrNotFound", brief(k), err)
		}
		alive, listed := err == nil, len(p.list(owner, "after AddFor and DeleteFor in parallel")) > 0
		if alive != listed {
			p.failf("after AddFor and DeleteFor in parallel, entry %s: alive is %v, listed is %v, want the same of both", brief(k), alive, listed)
		}
		deleter.deleteFor(owner, "whose key was added again")
		p.absent(k, "after DeleteFor of the owner that added it again")
	}
}

func testManyOfOneOwner(p *probe) {
	const many = 2000
	owner := p.key("owner")
	key := func(i int) string { return p.key("k" + strconv.Itoa(i)) }
	for i := range many {
		p.addFor(owner, key(i), "v", long, true, "of a new key")
	}
	if n := len(p.list(owner, "with many entries")); n != many {
		p.failf("ListFor after %d AddFors: %d entries, want all", many, n)
	}
	for i := range many / 2 {
		p.delete(key(2*i), "of one of many entries of an owner")
	}
	list := p.list(owner, "after half of many entries were deleted")
	if len(list) != many/2 {
		p.failf("ListFor after half of %d entries were deleted: %d entries, want %d", many, len(list), many/2)
	}
	p.deleteFor(owner, "with many entries")
	p.lists(owner, "after DeleteFor")
	for _, e := range list {
		p.absent(e.Key, "after DeleteFor")
	}
}
