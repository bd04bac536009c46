package wxlogin

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/ginwx/wxlogin/store"
)

// Auth logs users in, turns tokens back into identities and ends sessions. It
// knows nothing of HTTP; packages handler and middleware put it behind Gin.
//
// Make one with New, share it, and Close it at the end. All methods are safe for
// concurrent use by multiple goroutines.
type Auth struct {
	store     store.Store
	accounts  store.AccountStore // nil where the store cannot list
	memory    *store.Memory      // the store if it is one, which reads without a copy
	ownStore  bool
	providers map[string]Provider
	apps      []string // all that the Config names, login first
	resolve   resolver // of the others; may be nil
	keys      *keyring
	tokens    *tokenCodec
	flights   *flights // behind a pointer, as all that moves: fmt may walk the struct
	mark      *authMark

	idle         time.Duration
	lifetime     time.Duration
	touch        time.Duration
	loginTimeout time.Duration
	maxSessions  int
	onLogin      hook
	log          *slog.Logger
	now          func() time.Time

	closing  sync.Once
	closeErr error
}

// maxTouchInterval and touchShare bound how often a slide is written: no more
// than once in five minutes or a quarter of the idle limit, whichever is shorter.
const (
	maxTouchInterval = 5 * time.Minute
	touchShare       = 4
)

func newAuth(cfg Config, ring *keyring, ownStore bool) *Auth {
	a := &Auth{
		store:        cfg.Store,
		ownStore:     ownStore,
		providers:    make(map[string]Provider, len(cfg.Providers)),
		keys:         ring,
		tokens:       newTokenCodec(ring),
		flights:      new(flights),
		mark:         new(authMark),
		idle:         cfg.IdleTimeout,
		lifetime:     cfg.MaxLifetime,
		touch:        min(maxTouchInterval, cfg.IdleTimeout/touchShare),
		loginTimeout: cfg.LoginTimeout,
		maxSessions:  cfg.MaxSessions,
		resolve:      cfg.Resolve,
		onLogin:      cfg.OnLogin,
		log:          cfg.Logger,
		now:          cfg.Now,
	}
	a.accounts, _ = cfg.Store.(store.AccountStore)
	a.memory, _ = cfg.Store.(*store.Memory)
	for _, provider := range cfg.Providers {
		a.providers[provider.AppID()] = provider
		a.apps = append(a.apps, provider.AppID())
		a.equip(provider)
	}
	for _, id := range cfg.Apps {
		if !slices.Contains(a.apps, id) {
			a.apps = append(a.apps, id)
		}
	}
	return a
}

// Now returns the time by Config.Now.
func (a *Auth) Now() time.Time { return a.now() }

// ExpiresIn returns how long the session of id lives on if it is not used again,
// by the clock of a; never negative.
func (a *Auth) ExpiresIn(id Identity) time.Duration {
	return max(0, id.ExpiresAt.Sub(a.now()))
}

// Close refuses further logins, waits for those in flight, which their own time
// limit ends, and closes the memory store that New made and every provider with a
// Close method. A store from Config.Store stays open. Calling it again is
// harmless.
func (a *Auth) Close() error {
	a.closing.Do(func() {
		a.flights.close()
		for _, provider := range a.providers {
			if c, ok := provider.(io.Closer); ok {
				a.closeErr = firstError(a.closeErr, c.Close())
			}
		}
		if c, ok := a.store.(io.Closer); ok && a.ownStore {
			a.closeErr = firstError(a.closeErr, c.Close())
		}
	})
	return a.closeErr
}

func firstError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// Format writes the name of the type alone, because an Auth holds keys.
func (a *Auth) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "*wxlogin.Auth") }

// LogValue returns the name of the type alone.
func (a *Auth) LogValue() slog.Value { return slog.StringValue("*wxlogin.Auth") }
