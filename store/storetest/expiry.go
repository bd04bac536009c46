package storetest

import (
	"errors"
	"time"

	"github.com/ginwx/wxlogin/store"
)

func expiryChecks() []check {
	return []check{
		{
			rule: "get after expiry is ErrNotFound",
			why:  "a session ends by itself",
			test: func(p *probe) {
				p.set(p.key("set"), "v", soon)
				p.add(p.key("add"), "v", soon, true, "of a new key")
				p.set(p.key("stays"), "v", long)
				p.expire(soon)
				p.absent(p.key("set"), "after what Set wrote expired")
				p.absent(p.key("add"), "after what Add wrote expired")
				p.holds(p.key("stays"), "v", "while its neighbours expired")
			},
		},
		{
			rule: "a time to live below a second is kept",
			why:  "an engine that counts in seconds ends entries early, late or never",
			test: testSubSecond,
		},
		{
			rule: "a time to live below the store's precision is neither an error nor endless",
			why:  "the rest of a lifetime can be any positive duration; rounded to zero it means error or forever to many engines",
			test: func(p *probe) {
				for _, ttl := range []time.Duration{time.Nanosecond, time.Microsecond, time.Millisecond - 1, time.Millisecond + 1} {
					p.set(p.key("set"), "v", ttl)
					p.delete(p.key("add"), "before Add")
					p.add(p.key("add"), "v", ttl, true, "of a new key")
					p.set(p.key("swap"), "v", long)
					p.swap(p.key("swap"), "v", "w", ttl, true, "with a tiny time to live")
					p.expire(ttl)
					for _, name := range []string{"set", "add", "swap"} {
						p.absent(p.key(name), "after a time to live of "+ttl.String())
					}
				}
			},
		},
		{
			rule: "a time to live of a year is kept",
			why:  "lifetimes are the application's choice, and must not overflow",
			test: func(p *probe) {
				const year = 365*24*time.Hour + time.Millisecond
				p.set(p.key("set"), "v", year)
				p.add(p.key("add"), "v", year, true, "of a new key")
				p.swap(p.key("add"), "v", "w", year, true, "with the right old value")
				p.expire(soon)
				p.holds(p.key("set"), "v", "long before its end")
				p.holds(p.key("add"), "w", "long before its end")
				p.delete(p.key("set"), "of a live key")
				p.delete(p.key("add"), "of a live key")
			},
		},
		{
			rule: "set sets the time to live",
			why:  "the older entry's end must not be the newer one's",
			test: func(p *probe) {
				longer, shorter := p.key("longer"), p.key("shorter")
				p.set(longer, "one", 10*soon)
				p.set(shorter, "one", long)
				p.set(longer, "two", long)
				p.set(shorter, "two", soon)
				p.expire(10 * soon)
				p.holds(longer, "two", "past the time to live of the value that Set replaced")
				p.absent(shorter, "past the time to live that the second Set gave it")
			},
		},
		{
			rule: "add after expiry writes",
			why:  "an expired entry is like one that was never set, even if the engine still has it",
			test: func(p *probe) {
				k := p.key("k")
				p.add(k, "one", soon, true, "of a new key")
				p.expire(soon)
				p.add(k, "two", long, true, "after the entry expired")
				p.holds(k, "two", "after Add in place of an expired entry")
				p.expire(soon)
				p.holds(k, "two", "some time after Add in place of an expired entry")
			},
		},
		{
			rule: "delete after expiry is no error",
			why:  "a logout may come late",
			test: func(p *probe) {
				k := p.key("k")
				p.set(k, "one", soon)
				p.expire(soon)
				p.delete(k, "after the entry expired")
				p.absent(k, "after expiry and Delete")
			},
		},
	}
}

// testSubSecond looks at an entry within its life and soon after. Where the
// machine is so slow that the first look comes too late, it proves nothing and is
// repeated.
func testSubSecond(p *probe) {
	const (
		ttl   = 300 * time.Millisecond
		grace = 300 * time.Millisecond // still less than a full second
		tries = 5
	)
	for range tries {
		k := p.key("k")
		start := time.Now()
		p.set(k, "v", ttl)
		got, err := p.store.Get(p.ctx, k)
		if time.Since(start) >= ttl {
			continue
		}
		if err != nil || string(got) != "v" {
			p.failf("Get of an entry with a time to live of %v, after %v: got (%s, %v), want it alive", ttl, time.Since(start), brief(string(got)), err)
		}
		p.advance(ttl + 1)
		for waited := time.Duration(0); ; waited += 10 * time.Millisecond {
			_, err := p.store.Get(p.ctx, k)
			if errors.Is(err, store.ErrNotFound) {
				return
			}
			if err != nil || waited >= grace {
				p.failf("Get of an entry with a time to live of %v, %v after its end: error is %v, want store.ErrNotFound", ttl, waited, err)
			}
			p.advance(10 * time.Millisecond)
		}
	}
	p.failf("%d times in a row Set and Get took more than %v together: too slow to tell", tries, ttl)
}
