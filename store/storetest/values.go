package storetest

func valueChecks() []check {
	return []check{
		{
			rule: "get of a key that was never set is ErrNotFound",
			why:  "every other error is an outage: an unknown token would be answered 503 instead of 401",
			test: func(p *probe) { p.absent(p.key("k"), "that was never set") },
		},
		{
			rule: "set writes the value, whether or not there was one",
			why:  "a newer session_key must take the place of the older one",
			test: func(p *probe) {
				k := p.key("k")
				p.set(k, "one", long)
				p.holds(k, "one", "after Set")
				p.set(k, "two", long)
				p.holds(k, "two", "after a second Set")
				p.set(k, "two", long)
				p.holds(k, "two", "after a Set of the same value")
			},
		},
		{
			rule: "add writes only where there is no live value",
			why:  "what is remembered once, such as a used code, must not be written over",
			test: func(p *probe) {
				k := p.key("k")
				p.add(k, "one", long, true, "of a new key")
				p.holds(k, "one", "after Add")
				p.add(k, "two", long, false, "of a key that is there")
				p.add(k, "one", long, false, "of the very value that is there")
				p.holds(k, "one", "after the refused Adds")
				p.set(p.key("set"), "one", long)
				p.add(p.key("set"), "two", long, false, "after Set")
			},
		},
		{
			rule: "add writes after a delete",
			why:  "an entry that was deleted must not block its key",
			test: func(p *probe) {
				k := p.key("k")
				p.add(k, "one", long, true, "of a new key")
				p.delete(k, "of a live key")
				p.add(k, "two", long, true, "after Delete")
				p.holds(k, "two", "after Delete and Add")
			},
		},
		{
			rule: "delete removes the key, and only that key",
			why:  "logout ends one session",
			test: func(p *probe) {
				k := p.key("k")
				others := []string{p.key("k:"), p.key("k2"), p.key("j"), p.key("kk"), p.prefix[:len(p.prefix)-1]}
				p.set(k, "v", long)
				for _, other := range others {
					p.set(other, "other", long)
				}
				p.delete(k, "of a live key")
				p.absent(k, "after Delete")
				for _, other := range others {
					p.holds(other, "other", "after another key was deleted")
				}
			},
		},
		{
			rule: "delete of a key that is not there is no error",
			why:  "logging out twice is no failure",
			test: func(p *probe) {
				k := p.key("k")
				p.delete(k, "of a key that was never set")
				p.set(k, "v", long)
				p.delete(k, "of a live key")
				p.delete(k, "for the second time")
				p.absent(k, "after two Deletes")
			},
		},
		{
			rule: "a value may be empty and hold any byte",
			why:  "sealed values are random bytes",
			test: func(p *probe) {
				values := []string{"", "\x00", "\x00\x00", " ", "\xff\xfe", "ends in zero\x00", "ends in newline\n", every(256), "%s?$1:'\";--\\"}
				for _, value := range values {
					p.set(p.key("set"), value, long)
					p.holds(p.key("set"), value, "after Set")
					p.delete(p.key("add"), "before Add")
					p.add(p.key("add"), value, long, true, "of a new key")
					p.holds(p.key("add"), value, "after Add")
					p.swap(p.key("add"), value, "between", long, true, "away from that value")
					p.swap(p.key("add"), "between", value, long, true, "to that value")
					p.holds(p.key("add"), value, "after Swap")
				}
				if err := p.store.Set(p.ctx, p.key("nil"), nil, long); err != nil {
					p.failf("Set of a nil value: error %v, want none: it is an empty value", err)
				}
				p.holds(p.key("nil"), "", "after Set of a nil value")
				p.add(p.key("nil"), "x", long, false, "where there is an empty value")
				if done, err := p.store.Swap(p.ctx, p.key("nil"), nil, []byte("x"), long); !done || err != nil {
					p.failf("Swap of an empty value with old nil: got (%v, %v), want (true, <nil>)", done, err)
				}
			},
		},
		{
			rule: "the store copies what it is given",
			why:  "the caller may use the slice again, for another session",
			test: func(p *probe) {
				value := []byte("value")
				err := p.store.Set(p.ctx, p.key("set"), value, long)
				scribble(value)
				p.holdsAfterScribble(p.key("set"), "value", "Set", err)

				value = []byte("value")
				_, err = p.store.Add(p.ctx, p.key("add"), value, long)
				scribble(value)
				p.holdsAfterScribble(p.key("add"), "value", "Add", err)

				old, new := []byte("value"), []byte("other")
				done, err := p.store.Swap(p.ctx, p.key("add"), old, new, long)
				if string(old) != "value" || string(new) != "other" || !done {
					p.failf("Swap: got (%v, %v) and its arguments are now %q and %q, want true and no change", done, err, old, new)
				}
				scribble(old)
				scribble(new)
				p.holdsAfterScribble(p.key("add"), "other", "Swap", err)
			},
		},
		{
			rule: "the caller may change what it was given",
			why:  "one request must not be able to change what another one reads",
			test: func(p *probe) {
				k := p.key("k")
				p.set(k, "value", long)
				for range 2 {
					got, err := p.store.Get(p.ctx, k)
					if err != nil || string(got) != "value" {
						p.failf("Get: got (%q, %v), want (\"value\", <nil>); the slice of an earlier Get was written to", got, err)
					}
					other, _ := p.store.Get(p.ctx, k)
					scribble(got)
					if string(other) != "value" {
						p.failf("two calls of Get returned the same memory: after one was written to, the other is %q", other)
					}
					_ = append(got, "more"...)
				}
				p.holds(k, "value", "after the slices of earlier Gets were written to")
				p.swap(k, "value", "next", long, true, "after the slices of earlier Gets were written to")
			},
		},
	}
}

func (p *probe) holdsAfterScribble(key, want, verb string, err error) {
	if err != nil {
		p.failf("%s: error %v, want none", verb, err)
	}
	p.holds(key, want, "after the slice given to "+verb+" was written to")
}
