package storetest

import "strconv"

func instanceAccountChecks() []check {
	return []check{
		{
			rule: "listFor shows what the other instance added",
			why:  "a user sees every login, whichever server took it",
			pair: func(p, q *probe) {
				a := p.key("a")
				q.lists(a, "that never had an entry")
				p.addFor(a, p.key("p"), "one", long, true, "of a new key")
				q.lists(a, "after an AddFor of the other instance", p.key("p"), "one")
				q.addFor(a, p.key("q"), "one", long, true, "of a new key")
				q.addFor(a, p.key("p"), "two", long, false, "of a key that the other instance added")
				q.swap(p.key("p"), "one", "two", long, true, "with the right old value")
				for _, r := range []*probe{p, q} {
					r.lists(a, "after AddFors of both instances and a Swap", p.key("p"), "two", p.key("q"), "one")
				}
				q.delete(p.key("p"), "that the other instance added")
				p.lists(a, "after a Delete of the other instance", p.key("q"), "one")
			},
		},
		{
			rule: "deleteFor ends what the other instance added, at once",
			why:  "a revocation must end the sessions that other servers opened",
			pair: func(p, q *probe) {
				a, b := p.key("a"), p.key("b")
				for i := range 4 {
					writer := []*probe{p, q}[i%2]
					writer.addFor(a, p.key("k"+strconv.Itoa(i)), "v", long, true, "of a new key")
				}
				p.addFor(b, p.key("b0"), "v", long, true, "of a new key")
				for i := range 4 {
					p.holds(p.key("k"+strconv.Itoa(i)), "v", "after AddFors of both instances")
				}
				q.deleteFor(a, "with entries of both instances")
				for i := range 4 {
					k := p.key("k" + strconv.Itoa(i))
					p.absent(k, "after a DeleteFor of the other instance")
					p.swapAbsent(k, "v", "w", "after a DeleteFor of the other instance")
				}
				p.lists(a, "after a DeleteFor of the other instance")
				p.lists(b, "after a DeleteFor of another owner", p.key("b0"), "v")
			},
		},
		{
			rule: "an index lives as long as the entries of both instances",
			why:  "a session that another server opened must still be found by a revocation, whatever that server's clock says",
			pair: func(p, q *probe) {
				a := p.key("a")
				p.addFor(a, p.key("long"), "v", long, true, "of a new key")
				q.addFor(a, p.key("short"), "v", soon, true, "of a new key")
				p.addFor(a, p.key("slides"), "v", 10*soon, true, "of a new key")
				q.swap(p.key("slides"), "v", "w", long, true, "to a longer life")
				p.expire(10 * soon)
				for _, r := range []*probe{p, q} {
					r.lists(a, "after one of its entries expired", p.key("long"), "v", p.key("slides"), "w")
				}
				q.deleteFor(a, "after one of its entries expired")
				p.absent(p.key("long"), "after a DeleteFor of the other instance")
				p.absent(p.key("slides"), "after a DeleteFor of the other instance")
			},
		},
		{
			rule: "a key that one instance adds again while the other deletes for its owner is either gone or listed",
			why:  "a session that is alive but in no index outlives every revocation",
			pair: testAddedAgain,
		},
		{
			rule: "of parallel addFors of both instances exactly one is told true",
			why:  "a session belongs to one account",
			pair: func(p, q *probe) {
				p.oneWinnerOf(q, "AddFor", func(r *probe, key string, value []byte) (bool, error) {
					return r.accounts.AddFor(r.ctx, p.key("owner"), key, value, long)
				})
			},
		},
	}
}
