package wxlogin

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/ginwx/wxlogin/store"
)

type (
	hook     = func(context.Context, *LoginEvent) error
	resolver = func(context.Context, string) (Provider, error)
)

// Defaults of [Config].
const (
	DefaultIdleTimeout  = 7 * 24 * time.Hour
	DefaultMaxLifetime  = 30 * 24 * time.Hour
	DefaultMaxSessions  = 10
	DefaultLoginTimeout = 10 * time.Second
)

// MinKeyLen is the least length of a key in [Config.Keys], in bytes.
const MinKeyLen = 32

// Config says what an [Auth] serves and how. The zero value of a field means its
// default. New copies what it needs; changing a Config afterwards has no effect.
type Config struct {
	// Providers exchange codes, one per app. Without any, the Auth only
	// validates tokens, for the apps named in Apps.
	Providers []Provider

	// Apps are further app ids whose tokens are honoured, without the means to
	// log in: a service beside the login service names its apps here and needs
	// no AppSecret. The ids of Providers need not be repeated.
	Apps []string

	// Resolve returns the provider of an app that is not among Providers: apps
	// that come and go at run time. It is asked at each login, and at each
	// request with a token of such an app, so let it answer from memory; it must
	// be safe for concurrent use. A nil Provider and a nil error mean that there
	// is no such app; its tokens are refused then. An error without a class of
	// this package counts as ErrStoreUnavailable. Default: there are no others.
	Resolve func(ctx context.Context, appID string) (Provider, error)

	// Store keeps sessions and session_keys. Default: a new store.Memory, which
	// serves one process, is lost with it, and is closed by Close. A store given
	// here stays yours to close, and needs Keys unless it is a store.Memory.
	Store store.Store

	// Keys sign tokens and seal session_keys: Keys[0] signs and seals, all of
	// them verify and open. Each holds at least MinKeyLen random bytes. Default:
	// one random key, for a store.Memory only, so that tokens end with the process
	// as its sessions do. To rotate in a rolling deploy: {old, new},
	// then {new, old}, and {new} after MaxLifetime.
	Keys [][]byte

	// IdleTimeout ends a session that nobody used for so long. Default 7 days.
	IdleTimeout time.Duration

	// MaxLifetime ends a session however much it is used. Up to a tenth of it,
	// at random, is taken off each session, so that the logins of a busy hour do
	// not end in one. Default 30 days.
	MaxLifetime time.Duration

	// MaxSessions is how many sessions an account may have; a login beyond it
	// ends the one that began first. Negative: no limit. It needs a
	// store.AccountStore, which the memory store is. Default 10.
	MaxSessions int

	// LoginTimeout bounds a whole login: exchange, OnLogin and store. Default 10
	// seconds.
	LoginTimeout time.Duration

	// OnLogin is called once in every login, between the exchange and the
	// session. It finds or makes the application's user and sets what the
	// session carries, or refuses with an error made by Refuse. Any other error
	// ends the login as an internal error, or as the class of this package that
	// it wraps. Default: nobody is refused and UserID is empty.
	OnLogin func(ctx context.Context, event *LoginEvent) error

	// Logger gets what an operator must know: misconfiguration, store failures,
	// panics of hooks, and each login and revocation at level Info. No secret is
	// ever logged. Default: silent.
	Logger *slog.Logger

	// Now is the clock that limits are checked against. Default time.Now.
	Now func() time.Time
}

// New returns an Auth that serves what cfg says, or an error that says what to
// change in it. Close it when it is no longer used.
func New(cfg Config) (*Auth, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	cfg.setDefaults()
	ownStore := cfg.Store == nil
	if ownStore {
		cfg.Store = store.NewMemory()
	}
	if len(cfg.Keys) == 0 {
		key := make([]byte, MinKeyLen)
		_, _ = rand.Read(key) // never fails
		cfg.Keys = [][]byte{key}
	}
	ring, err := newKeyring(cfg.Keys)
	if err != nil {
		return nil, err
	}
	return newAuth(cfg, ring, ownStore), nil
}

func (cfg *Config) setDefaults() {
	setDefault(&cfg.IdleTimeout, DefaultIdleTimeout)
	setDefault(&cfg.MaxLifetime, DefaultMaxLifetime)
	setDefault(&cfg.MaxSessions, DefaultMaxSessions)
	setDefault(&cfg.LoginTimeout, DefaultLoginTimeout)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// validate reports everything that is wrong at once.
func (cfg *Config) validate() error {
	var errs []error
	wrong := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%w: "+format, append([]any{ErrMisconfigured}, args...)...))
	}
	if len(cfg.Providers) == 0 && len(cfg.Apps) == 0 && cfg.Resolve == nil {
		wrong("set Config.Providers to log users in, or Config.Apps to validate tokens only")
	}
	seen := make(map[string]bool)
	for i, provider := range cfg.Providers {
		if provider == nil {
			wrong("Config.Providers[%d] is nil", i)
			continue
		}
		if err := checkProvider(provider); err != nil {
			wrong("Config.Providers[%d]: %w", i, err)
			continue
		}
		id := provider.AppID()
		if seen[id] {
			wrong("Config.Providers: two providers of app %q; keep one", id)
		}
		seen[id] = true
	}
	for i, id := range cfg.Apps {
		if id == "" || len(id) > maxIDLen {
			wrong("Config.Apps[%d] must be an app id of 1 to %d bytes", i, maxIDLen)
		}
	}
	if _, inMemory := cfg.Store.(*store.Memory); cfg.Store != nil && !inMemory && len(cfg.Keys) == 0 {
		wrong("Config.Store needs Config.Keys: without them no token would survive a restart")
	}
	for i, key := range cfg.Keys {
		if len(key) < MinKeyLen {
			wrong("Config.Keys[%d] has %d bytes; use at least %d random ones", i, len(key), MinKeyLen)
		}
	}
	for _, limit := range []struct {
		name  string
		value time.Duration
	}{
		{"IdleTimeout", cfg.IdleTimeout}, {"MaxLifetime", cfg.MaxLifetime}, {"LoginTimeout", cfg.LoginTimeout},
	} {
		if limit.value < 0 || limit.value > 0 && limit.value < time.Millisecond {
			wrong("Config.%s is %v; use at least a millisecond, or 0 for the default", limit.name, limit.value)
		}
	}
	return errors.Join(errs...)
}

// checkProvider asks a provider whether it is well configured, if it can tell.
func checkProvider(provider Provider) error {
	if v, ok := provider.(interface{ Validate() error }); ok {
		if err := v.Validate(); err != nil {
			return err
		}
	}
	if id := provider.AppID(); id == "" || len(id) > maxIDLen {
		return fmt.Errorf("the app id must have 1 to %d bytes", maxIDLen)
	}
	return nil
}

// Format writes the name of the type alone, because Keys are secret.
func (cfg Config) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "wxlogin.Config{…}") }

// LogValue returns the name of the type alone.
func (cfg Config) LogValue() slog.Value { return slog.StringValue("wxlogin.Config{…}") }

// MarshalText returns the name of the type alone.
func (cfg Config) MarshalText() ([]byte, error) { return []byte("wxlogin.Config{…}"), nil }
