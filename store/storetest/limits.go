package storetest

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/ginwx/wxlogin/store"
)

func limitChecks() []check {
	return []check{
		{
			rule: "keys of 128 bytes and values of 16 KiB are kept whole",
			why:  "an engine that cuts keys mixes up sessions, one that cuts values breaks them",
			test: testLimits,
		},
		{
			rule: "a key may have one byte, and every byte of its alphabet",
			why:  "wxlogin builds keys of 0-9, a-z and colons",
			test: func(p *probe) {
				for _, key := range []string{p.key("0123456789abcdefghijklmnopqrstuvwxyz:"), p.key("::"), p.key("0"), p.key("00")} {
					p.add(key, key, long, true, "of a new key")
					defer p.delete(key, "at the end")
				}
				p.holds(p.key("0"), p.key("0"), "after Add of keys like it")
				p.holds(p.key("00"), p.key("00"), "after Add of keys like it")
				p.set("z", "v", long) // not random, so only Set is certain to succeed
				p.holds("z", "v", "after Set")
				p.delete("z", "of a live key")
			},
		},
		{
			rule: "a context that is done is an error and changes nothing",
			why:  "nobody waits for the answer any more, so nobody would know what happened",
			test: testDoneContext,
		},
	}
}

func testLimits(p *probe) {
	key := p.prefix + strings.Repeat("k", store.MaxKeyLen-len(p.prefix))
	twin := key[:len(key)-1] + "j"
	value := every(store.MaxValueLen)
	almost := value[:len(value)-1] + "\x00"

	p.set(key, value, long)
	p.holds(key, value, "after Set at both limits")
	p.absent(twin, "that differs from a key of 128 bytes in its last byte")
	p.add(twin, almost, long, true, "of a key that differs from another one in its last byte")
	p.holds(key, value, "after Add of a key that differs in its last byte")
	p.swap(twin, value, "new", long, false, "with an old value that differs in its last byte")
	p.swap(twin, almost, value, long, true, "at the limits")
	p.holds(twin, value, "after Swap at the limits")
	p.delete(twin, "of a live key")
	p.holds(key, value, "after Delete of a key that differs in its last byte")
	if p.accounts == nil {
		return
	}
	owner := p.prefix + strings.Repeat("o", store.MaxKeyLen-len(p.prefix))
	p.addFor(owner, twin, value, long, true, "at all limits")
	p.lists(owner, "of 128 bytes", twin, value)
	p.lists(owner[:len(owner)-1]+"p", "that differs from another owner in its last byte")
	p.deleteFor(owner, "of 128 bytes")
	p.absent(twin, "after DeleteFor")
}

func testDoneContext(p *probe) {
	cancelled, cancel := context.WithCancel(p.ctx)
	cancel()
	overdue, cancel := context.WithDeadline(p.ctx, time.Now().Add(-time.Hour))
	defer cancel()

	live, fresh, owner := p.key("live"), p.key("fresh"), p.key("owner")
	p.set(live, "v", long)
	verbs := map[string]func(ctx context.Context) error{
		"Get": func(ctx context.Context) error { _, err := p.store.Get(ctx, live); return err },
		"Set": func(ctx context.Context) error { return p.store.Set(ctx, live, []byte("w"), long) },
		"Add": func(ctx context.Context) error { _, err := p.store.Add(ctx, fresh, []byte("w"), long); return err },
		"Swap": func(ctx context.Context) error {
			_, err := p.store.Swap(ctx, live, []byte("v"), []byte("w"), long)
			return err
		},
		"Delete": func(ctx context.Context) error { return p.store.Delete(ctx, live) },
	}
	if p.accounts != nil {
		p.addFor(owner, p.key("owned"), "v", long, true, "of a new key")
		verbs["AddFor"] = func(ctx context.Context) error {
			_, err := p.accounts.AddFor(ctx, owner, fresh, []byte("w"), long)
			return err
		}
		verbs["ListFor"] = func(ctx context.Context) error { _, err := p.accounts.ListFor(ctx, owner); return err }
		verbs["DeleteFor"] = func(ctx context.Context) error { return p.accounts.DeleteFor(ctx, owner) }
	}
	for kind, ctx := range map[string]context.Context{"cancelled": cancelled, "overdue": overdue} {
		for verb, call := range verbs {
			err := call(ctx)
			if err == nil || errors.Is(err, store.ErrNotFound) {
				p.failf("%s with a context that is %s: error %v, want one that is neither nil nor store.ErrNotFound", verb, kind, err)
			}
			p.holds(live, "v", "after "+verb+" with a context that is "+kind)
			p.absent(fresh, "after "+verb+" with a context that is "+kind)
			if p.accounts != nil {
				p.lists(owner, "after "+verb+" with a context that is "+kind, p.key("owned"), "v")
			}
		}
	}
}
