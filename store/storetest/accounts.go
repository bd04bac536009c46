package storetest

import "fmt"

func accountChecks() []check {
	list := []check{
		{
			rule: "addFor writes only where there is no live value",
			why:  "one account must not take over the session of another one",
			test: func(p *probe) {
				a, b, k := p.key("a"), p.key("b"), p.key("k")
				p.addFor(a, k, "one", long, true, "of a new key")
				p.holds(k, "one", "after AddFor")
				p.addFor(a, k, "two", long, false, "of a key that is there")
				p.addFor(b, k, "two", long, false, "of a key that is there, for another owner")
				p.add(k, "two", long, false, "of a key that is there")
				p.holds(k, "one", "after refused AddFors")
				p.lists(a, "after refused AddFors", k, "one")
				p.lists(b, "whose AddFor was refused")
				p.set(p.key("plain"), "one", long)
				p.addFor(b, p.key("plain"), "two", long, false, "of a key without an owner")
				p.lists(b, "whose AddFor was refused")
			},
		},
		{
			rule: "listFor returns every live entry of the owner",
			why:  "a user sees where the account is logged in",
			test: func(p *probe) {
				a := p.key("a")
				p.lists(a, "that never had an entry")
				want := []string{}
				for i := range 12 {
					k, v := p.key(fmt.Sprintf("k%d", i)), fmt.Sprintf("v%d", i)
					p.addFor(a, k, v, long, true, "of a new key")
					want = append(want, k, v)
					p.lists(a, "after AddFor", want...)
				}
				p.addFor(a, p.key("empty"), "", long, true, "of an empty value")
				p.lists(a, "with an empty value", append(want, p.key("empty"), "")...)
			},
		},
		{
			rule: "listFor leaves out what expired or was deleted",
			why:  "a session that is over must not count",
			test: func(p *probe) {
				a := p.key("a")
				p.addFor(a, p.key("first"), "v", soon, true, "of a new key")
				p.addFor(a, p.key("stays"), "v", long, true, "of a new key")
				p.addFor(a, p.key("deleted"), "v", long, true, "of a new key")
				p.addFor(a, p.key("last"), "v", soon, true, "of a new key")
				p.delete(p.key("deleted"), "of a live key")
				p.expire(soon)
				p.lists(a, "after one Delete and two expiries", p.key("stays"), "v")
				p.delete(p.key("stays"), "of a live key")
				p.delete(p.key("first"), "after the entry expired")
				p.lists(a, "all of whose entries are gone")
				p.addFor(a, p.key("again"), "v", long, true, "of a new key")
				p.lists(a, "that has an entry again", p.key("again"), "v")
			},
		},
		{
			rule: "an entry with a long life stays listed beside ones with a short life",
			why:  "an index that expires with its newest entry hides the older ones from a revocation",
			test: func(p *probe) {
				a := p.key("a")
				p.addFor(a, p.key("long"), "v", long, true, "of a new key")
				p.addFor(a, p.key("short"), "v", soon, true, "of a new key")
				p.swap(p.key("short"), "v", "w", soon, true, "with the right old value")
				p.expire(soon)
				p.lists(a, "after the newer entry expired", p.key("long"), "v")
				p.deleteFor(a, "after the newer entry expired")
				p.absent(p.key("long"), "after DeleteFor")
			},
		},
		{
			rule: "owners do not see each other",
			why:  "nobody lists or ends the sessions of someone else",
			test: func(p *probe) {
				owners := []string{p.key("a"), p.key("a:"), p.key("aa"), p.key("b"), p.key("k:" + p.key("a")), p.prefix}
				for i, o := range owners {
					p.addFor(o, p.key(fmt.Sprintf("k%d", i)), o, long, true, "of a new key")
				}
				for i, o := range owners {
					p.lists(o, "beside owners with similar names", p.key(fmt.Sprintf("k%d", i)), o)
				}
				p.lists(p.key("k0"), "that is only a key")
			},
		},
		{
			rule: "an owner and a key of the same text are two things",
			why:  "an index that is kept under the owner's name overwrites entries",
			test: func(p *probe) {
				same := p.key("same")
				p.addFor(same, p.key("k"), "v", long, true, "of a new key")
				p.absent(same, "that is only an owner")
				p.add(same, "w", long, true, "of a key that is an owner's name")
				p.lists(same, "whose name is also a key", p.key("k"), "v")
				p.deleteFor(same, "whose name is also a key")
				p.holds(same, "w", "after DeleteFor of the owner of that name")
			},
		},
		{
			rule: "listFor shares no bytes with the caller or the store",
			why:  "one request must not be able to change what another one reads",
			test: func(p *probe) {
				a, k := p.key("a"), p.key("k")
				value := []byte("value")
				done, err := p.accounts.AddFor(p.ctx, a, k, value, long)
				if !done || err != nil {
					p.failf("AddFor of a new key: got (%v, %v), want (true, <nil>)", done, err)
				}
				scribble(value)
				p.lists(a, "after the slice given to AddFor was written to", k, "value")
				for _, e := range p.list(a, "for its slices") {
					scribble(e.Value)
				}
				p.lists(a, "after the slices of an earlier ListFor were written to", k, "value")
				p.holds(k, "value", "after the slices of ListFor were written to")
			},
		},
	}
	return forAccounts(append(list, ownershipChecks()...))
}

func forAccounts(list []check) []check {
	for i := range list {
		list[i].account = true
	}
	return list
}

func ownershipChecks() []check {
	return []check{
		{
			rule: "deleteFor removes every entry of the owner, and no other",
			why:  "ending all sessions of a stolen account must end all of them, and nobody else's",
			test: func(p *probe) {
				a, b := p.key("a"), p.key("b")
				for i := range 12 {
					p.addFor(a, p.key(fmt.Sprintf("a%d", i)), "v", long, true, "of a new key")
				}
				p.addFor(b, p.key("b0"), "v", long, true, "of a new key")
				p.set(p.key("plain"), "v", long)
				p.deleteFor(a, "with twelve entries")
				for i := range 12 {
					p.absent(p.key(fmt.Sprintf("a%d", i)), "after DeleteFor of its owner")
				}
				p.lists(a, "after DeleteFor")
				p.lists(b, "after DeleteFor of another owner", p.key("b0"), "v")
				p.holds(p.key("b0"), "v", "after DeleteFor of another owner")
				p.holds(p.key("plain"), "v", "after DeleteFor")
				p.swapAbsent(p.key("a0"), "v", "w", "after DeleteFor of its owner")
				p.lists(a, "after DeleteFor and a refused Swap")
			},
		},
		{
			rule: "deleteFor of an owner without entries is no error",
			why:  "revoking an account that is not logged in is no failure",
			test: func(p *probe) {
				p.deleteFor(p.key("a"), "that never had an entry")
				p.addFor(p.key("a"), p.key("k"), "v", long, true, "of a new key")
				p.deleteFor(p.key("a"), "with one entry")
				p.deleteFor(p.key("a"), "for the second time")
				p.addFor(p.key("a"), p.key("k"), "w", long, true, "after DeleteFor")
				p.lists(p.key("a"), "that has an entry again", p.key("k"), "w")
			},
		},
		{
			rule: "swap keeps the owner",
			why:  "a session that has slid must still be found by a revocation",
			test: func(p *probe) {
				a := p.key("a")
				for i := range 3 {
					p.addFor(a, p.key(fmt.Sprintf("k%d", i)), "one", long, true, "of a new key")
				}
				for i := range 3 {
					p.swap(p.key(fmt.Sprintf("k%d", i)), "one", "two", long, true, "with the right old value")
				}
				p.swap(p.key("k1"), "two", "three", long, true, "for the second time")
				p.lists(a, "after Swaps", p.key("k0"), "two", p.key("k1"), "three", p.key("k2"), "two")
				p.delete(p.key("k1"), "of a live key")
				p.lists(a, "after Swaps and a Delete", p.key("k0"), "two", p.key("k2"), "two")
				p.deleteFor(a, "after Swaps")
				p.absent(p.key("k0"), "after Swap and DeleteFor")
				p.absent(p.key("k2"), "after Swap and DeleteFor")
			},
		},
		{
			rule: "an entry that a swap makes live longer stays listed",
			why:  "an index with the first time to live forgets the sessions that slide",
			test: func(p *probe) {
				a, k := p.key("a"), p.key("k")
				p.addFor(a, k, "one", 10*soon, true, "of a new key")
				p.swap(k, "one", "two", long, true, "to a longer life")
				p.expire(10 * soon)
				p.lists(a, "past the time to live that Swap replaced", k, "two")
				p.deleteFor(a, "past the time to live that Swap replaced")
				p.absent(k, "after DeleteFor")
			},
		},
		{
			rule: "addFor of an expired key by another owner moves it",
			why:  "what expired belongs to nobody",
			test: func(p *probe) {
				a, b, k := p.key("a"), p.key("b"), p.key("k")
				p.addFor(a, k, "one", soon, true, "of a new key")
				p.expire(soon)
				p.addFor(b, k, "two", long, true, "of an expired key, for another owner")
				p.lists(a, "whose entry expired and came to another owner")
				p.lists(b, "that took the key over", k, "two")
				p.deleteFor(a, "whose entry expired and came to another owner")
				p.holds(k, "two", "after DeleteFor of its former owner")
				p.deleteFor(b, "that took the key over")
				p.absent(k, "after DeleteFor of its owner")
			},
		},
		{
			rule: "an entry that is added again belongs to whoever adds it",
			why:  "what was deleted or expired belongs to nobody",
			test: func(p *probe) {
				a, b, gone, over := p.key("a"), p.key("b"), p.key("gone"), p.key("over")
				moved := p.key("moved")
				p.addFor(a, gone, "one", long, true, "of a new key")
				p.addFor(a, moved, "one", long, true, "of a new key")
				p.addFor(a, over, "one", soon, true, "of a new key")
				p.delete(gone, "of a live key")
				p.delete(moved, "of a live key")
				p.expire(soon)
				p.add(gone, "two", long, true, "after Delete")
				p.add(over, "two", long, true, "after the entry expired")
				p.addFor(b, moved, "two", long, true, "after Delete, for another owner")
				p.lists(a, "whose entries are gone and were added again by others")
				p.lists(b, "that added one of them", moved, "two")
				p.deleteFor(a, "whose entries are gone and were added again by others")
				p.holds(gone, "two", "after DeleteFor of its former owner")
				p.holds(over, "two", "after DeleteFor of its former owner")
				p.holds(moved, "two", "after DeleteFor of its former owner")
			},
		},
	}
}
