package wechat

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ginwx/wxlogin"
)

// ledger is what the instances of a service share about access_tokens: the Vault
// of their Auth, or memory of its own while there is none. It is safe for
// concurrent use.
type ledger struct {
	vault atomic.Pointer[wxlogin.Vault]

	mu     sync.Mutex
	memory map[string]entry // as many names as this package knows
}

type entry struct {
	value wxlogin.Secret
	ends  time.Time
}

func (l *ledger) get(ctx context.Context, name string) (wxlogin.Secret, bool, error) {
	if v := l.vault.Load(); v != nil {
		return v.Get(ctx, name)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.live(name)
	return e.value, ok, nil
}

func (l *ledger) set(ctx context.Context, name string, value wxlogin.Secret, ttl time.Duration) error {
	if v := l.vault.Load(); v != nil {
		return v.Set(ctx, name, value, ttl)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.put(name, value, ttl)
	return nil
}

func (l *ledger) add(ctx context.Context, name string, value wxlogin.Secret, ttl time.Duration) (bool, error) {
	if v := l.vault.Load(); v != nil {
		return v.Add(ctx, name, value, ttl)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, taken := l.live(name); taken {
		return false, nil
	}
	l.put(name, value, ttl)
	return true, nil
}

func (l *ledger) live(name string) (entry, bool) {
	e, ok := l.memory[name]
	return e, ok && time.Now().Before(e.ends)
}

func (l *ledger) put(name string, value wxlogin.Secret, ttl time.Duration) {
	if l.memory == nil {
		l.memory = make(map[string]entry)
	}
	l.memory[name] = entry{value, time.Now().Add(ttl)}
}
