package storetest

import (
	"context"
	"strconv"
	"time"
)

func instanceParallelChecks() []check {
	return []check{
		{
			rule: "of parallel adds of both instances exactly one is told true",
			why:  "a code or a ticket that is sent to two servers at once must not work twice",
			pair: func(p, q *probe) {
				p.oneWinnerOf(q, "Add", func(r *probe, key string, value []byte) (bool, error) {
					return r.store.Add(r.ctx, key, value, long)
				})
			},
		},
		{
			rule: "of parallel swaps of both instances exactly one is told true",
			why:  "two servers that both replace the session_keys must not both believe that they did",
			pair: func(p, q *probe) {
				for round := range rounds {
					p.set(p.key("k"+strconv.Itoa(round)), "start", long)
				}
				p.oneWinnerOf(q, "Swap", func(r *probe, key string, value []byte) (bool, error) {
					return r.swapFromStart(r.ctx, key, value, long)
				})
			},
		},
		{
			rule: "swaps of one instance in parallel with a delete of the other end deleted",
			why:  "a request that is under way at one server must not bring back a session that logs out at another one",
			pair: testSwapAndDelete,
		},
	}
}

// oneWinnerOf makes parallel calls of write for a number of keys, at p and at q in
// turn, and checks that one call for each key is told true and that both read what
// it wrote.
func (p *probe) oneWinnerOf(q *probe, verb string, write func(r *probe, key string, value []byte) (bool, error)) {
	for round := range rounds {
		k := p.key("k" + strconv.Itoa(round))
		winner := p.oneWinner(k, "of "+verb+" at both instances", func(_ context.Context, key string, value []byte, _ time.Duration) (bool, error) {
			caller, err := strconv.Atoi(string(value))
			if err != nil {
				return false, err
			}
			return write([]*probe{p, q}[caller%2], key, value)
		})
		q.holds(k, winner, "after parallel calls of which number "+winner+" was told true")
	}
}
