package storetest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/ginwx/wxlogin/store"
)

const (
	rounds  = 40
	callers = 8
)

func parallelChecks() []check {
	return []check{
		{
			rule: "of parallel adds exactly one is told true",
			why:  "a code or a ticket that works once must not work twice",
			test: func(p *probe) {
				for round := range rounds {
					p.oneWinner(p.key("k"+strconv.Itoa(round)), "of a new key", p.store.Add)
				}
			},
		},
		{
			rule: "of parallel adds in place of an expired entry exactly one is told true",
			why:  "what expired must not open a second way in",
			test: func(p *probe) {
				for round := range rounds {
					p.set(p.key("k"+strconv.Itoa(round)), "old", soon)
				}
				p.expire(soon)
				for round := range rounds {
					p.oneWinner(p.key("k"+strconv.Itoa(round)), "of an expired key", p.store.Add)
				}
			},
		},
		{
			rule: "of parallel swaps from one value exactly one is told true",
			why:  "two servers that both replace the session_keys must not both believe that they did",
			test: func(p *probe) {
				for round := range rounds {
					k := p.key("k" + strconv.Itoa(round))
					p.set(k, "start", long)
					p.oneWinner(k, "of one value", p.swapFromStart)
				}
			},
		},
		{
			rule: "parallel swaps and a delete end deleted",
			why:  "requests that are under way must not bring back a session that logs out",
			test: func(p *probe) { testSwapAndDelete(p, p) },
		},
		{
			rule: "a reader sees a whole value, and never a gap while it is replaced",
			why:  "a request during a slide would be answered 401",
			test: testReadWhileReplaced,
		},
		{
			rule: "parallel calls for different keys do not disturb each other",
			why:  "a server serves many users at a time",
			test: func(p *probe) {
				p.parallel(callers, func(i int) error {
					k := p.key("caller" + strconv.Itoa(i))
					for n := range rounds {
						value, next := fmt.Sprint(i, "/", n), fmt.Sprint(i, "/", n, "/next")
						p.add(k, value, long, true, "while others use other keys")
						p.holds(k, value, "while others use other keys")
						p.swap(k, value, next, long, true, "while others use other keys")
						p.holds(k, next, "while others use other keys")
						p.delete(k, "while others use other keys")
						p.absent(k, "while others use other keys")
					}
					return nil
				})
			},
		},
	}
}

// oneWinner makes parallel calls of write for one key, and checks that one of them
// is told true and that its value is there, which it returns.
func (p *probe) oneWinner(key, when string, write writeFunc) string {
	done := make([]bool, callers)
	p.parallel(callers, func(i int) (err error) {
		done[i], err = write(p.ctx, key, []byte(strconv.Itoa(i)), long)
		return err
	})
	var winners []string
	for i, won := range done {
		if won {
			winners = append(winners, strconv.Itoa(i))
		}
	}
	if len(winners) != 1 {
		p.failf("%d parallel calls %s: %d were told true, want 1", callers, when, len(winners))
	}
	p.holds(key, winners[0], "after parallel calls of which number "+winners[0]+" was told true")
	return winners[0]
}

func testSwapAndDelete(p, deleter *probe) {
	for round := range rounds {
		k := p.key("k" + strconv.Itoa(round))
		p.set(k, "0", long)
		p.parallel(callers, func(i int) error {
			if i == 0 {
				// Let the others get going: the delete is to fall between their steps.
				for range round % 4 {
					deleter.store.Get(deleter.ctx, k)
				}
				return deleter.store.Delete(deleter.ctx, k)
			}
			for n := range 10 {
				now, err := p.store.Get(p.ctx, k)
				if err == nil {
					_, err = p.store.Swap(p.ctx, k, now, []byte(fmt.Sprint(i, "/", n)), long)
				}
				if err != nil && !errors.Is(err, store.ErrNotFound) {
					return fmt.Errorf("Get and Swap while another call deletes: error %w, want none or store.ErrNotFound", err)
				}
			}
			return nil
		})
		p.absent(k, "after a Delete in parallel with Swaps")
		deleter.absent(k, "after a Delete in parallel with Swaps")
	}
}

func testReadWhileReplaced(p *probe) {
	k := p.key("k")
	value := func(n int) string { return strings.Repeat(string(rune('a'+n%26)), 100+n%3*2000) }
	p.set(k, value(0), long)
	var over atomic.Bool
	p.parallel(callers, func(i int) error {
		if i == 0 {
			defer over.Store(true)
			for n := range 5 * rounds {
				if n%2 == 0 {
					p.swap(k, value(n), value(n+1), long, true, "while others read")
				} else {
					p.set(k, value(n+1), long)
				}
			}
			return nil
		}
		for !over.Load() {
			got, err := p.store.Get(p.ctx, k)
			if err != nil {
				return fmt.Errorf("Get while the value is replaced: error %w, want none", err)
			}
			if len(got) == 0 || strings.Trim(string(got), string(got[:1])) != "" || (len(got)-100)%2000 != 0 {
				return fmt.Errorf("Get while the value is replaced: got %s, which nobody wrote", brief(string(got)))
			}
		}
		return nil
	})
}
