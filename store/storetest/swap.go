package storetest

func swapChecks() []check {
	return []check{
		{
			rule: "swap replaces the value if it is the old one",
			why:  "a session slides by a swap",
			test: func(p *probe) {
				k := p.key("k")
				p.set(k, "one", long)
				p.swap(k, "one", "two", long, true, "with the right old value")
				p.holds(k, "two", "after Swap")
				p.swap(k, "two", "one", long, true, "back again")
				p.holds(k, "one", "after two Swaps")
				p.add(p.key("add"), "one", long, true, "of a new key")
				p.swap(p.key("add"), "one", "two", long, true, "after Add")
				p.holds(p.key("add"), "two", "after Add and Swap")
			},
		},
		{
			rule: "swap of a value by the same value is told true",
			why:  "it moves the time to live; engines that count changed rows say none changed",
			test: func(p *probe) {
				k := p.key("k")
				p.set(k, "one", long)
				p.swap(k, "one", "one", long, true, "by the same value")
				p.swap(k, "one", "one", long, true, "by the same value and time to live, again")
				p.holds(k, "one", "after Swaps by the same value")
			},
		},
		{
			rule: "swap with a wrong old value changes nothing",
			why:  "of two requests that slide a session, the slower must not undo the faster",
			test: func(p *probe) {
				k := p.key("k")
				p.set(k, "Value", long)
				for _, old := range []string{"", "other", "Valu", "Value2", "value", "VALUE", "Value ", "Value\x00", " Value", "Valué"} {
					p.swap(k, old, "new", long, false, "with a wrong old value")
					p.holds(k, "Value", "after a refused Swap")
				}
				p.set(k, "", long)
				p.swap(k, "\x00", "new", long, false, "where the value is empty")
			},
		},
		{
			rule: "swap of a key that was never set is ErrNotFound",
			why:  "gone means 401, which must be told from a lost race",
			test: func(p *probe) {
				k := p.key("k")
				p.swapAbsent(k, "old", "new", "that was never set")
				p.swapAbsent(k, "", "new", "that was never set, with an empty old value")
				p.absent(k, "after a refused Swap")
			},
		},
		{
			rule: "swap after delete does not revive the entry",
			why:  "a request that was under way during logout must not bring the session back",
			test: func(p *probe) {
				k := p.key("k")
				p.set(k, "one", long)
				p.delete(k, "of a live key")
				p.swapAbsent(k, "one", "two", "after Delete")
				p.swapAbsent(k, "", "two", "after Delete, with an empty old value")
				p.absent(k, "after Delete and a refused Swap")
			},
		},
		{
			rule: "swap after expiry does not revive the entry",
			why:  "a session that reached its limit is over",
			test: func(p *probe) {
				k := p.key("k")
				p.set(k, "one", soon)
				p.expire(soon)
				p.swapAbsent(k, "one", "two", "after the entry expired")
				p.absent(k, "after a refused Swap")
			},
		},
		{
			rule: "swap sets the time to live",
			why:  "a slide makes the session live longer, a new limit shorter",
			test: func(p *probe) {
				longer, shorter := p.key("longer"), p.key("shorter")
				p.set(longer, "one", 10*soon)
				p.set(shorter, "one", long)
				p.swap(longer, "one", "two", long, true, "to a longer life")
				p.swap(shorter, "one", "two", soon, true, "to a shorter life")
				p.expire(10 * soon)
				p.holds(longer, "two", "past the time to live that Swap replaced by a longer one")
				p.absent(shorter, "past the time to live that Swap gave it")
			},
		},
		{
			rule: "a refused swap or add leaves the time to live as it was",
			why:  "otherwise a lost race, or somebody trying, keeps a session alive",
			test: func(p *probe) {
				k, kept := p.key("k"), p.key("kept")
				p.set(k, "one", 10*soon)
				p.swap(k, "wrong", "two", long, false, "with a wrong old value")
				p.add(k, "two", long, false, "of a key that is there")
				p.set(kept, "one", long)
				p.swap(kept, "wrong", "two", soon, false, "with a wrong old value")
				p.add(kept, "two", soon, false, "of a key that is there")
				p.expire(10 * soon)
				p.absent(k, "past its time to live, after a refused Swap and Add with longer ones")
				p.holds(kept, "one", "after a refused Swap and Add with short times to live")
			},
		},
	}
}
