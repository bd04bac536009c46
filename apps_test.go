package wxlogin

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

// registry is a set of apps that changes at run time.
type registry struct {
	mu   sync.Mutex
	apps map[string]Provider
	err  error
}

func (r *registry) resolve(_ context.Context, appID string) (Provider, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.apps[appID], r.err
}

func TestAppsComeAndGoAtRunTime(t *testing.T) {
	r := &registry{apps: map[string]Provider{"new": &fakeProvider{app: "new"}}}
	a, _ := newTestAuth(t, func(cfg *Config) { cfg.Resolve = r.resolve })
	login := func(app string) (LoginResult, error) {
		return a.Login(t.Context(), LoginRequest{AppID: app, Code: NewSecret("alice")})
	}
	fresh, err := login("new")
	if err != nil || fresh.Identity.AppID != "new" {
		t.Fatalf("got %q, %v", fresh.Identity.AppID, err)
	}
	static, err := login(testApp)
	if err != nil {
		t.Fatal(err)
	}
	for _, app := range []string{"", "unknown"} {
		_, err = login(app)
		wantClass(t, "app "+app, err, ErrBadRequest)
	}
	wantLive(t, a, fresh.Token, "a token of the new app")
	delete(r.apps, "new")
	wantDead(t, a, fresh.Token, "a token of an app that was removed")
	wantLive(t, a, static.Token, "a token of the static app")
	r.err = errors.New("database is down")
	_, err = a.Authenticate(t.Context(), fresh.Token.Reveal())
	wantClass(t, "apps cannot be looked up", err, ErrStoreUnavailable)
	_, err = login("new")
	wantClass(t, "login while apps cannot be looked up", err, ErrStoreUnavailable)
	wantLive(t, a, static.Token, "a token of the static app meanwhile")
	r.err, r.apps["new"] = nil, &fakeProvider{app: "other"}
	_, err = login("new")
	wantClass(t, "a provider of another app", err, ErrMisconfigured)
	r.apps["new"] = invalidProvider{}
	_, err = login("new")
	wantClass(t, "an invalid provider", err, ErrMisconfigured)
}

// vaultProvider keeps the vault that it is given.
type vaultProvider struct {
	fakeProvider
	vault *Vault
}

func (p *vaultProvider) UseVault(v *Vault) { p.vault = v }

func TestAVaultIsSealedSharedAndScopedToItsApp(t *testing.T) {
	spy := newCountingStore(t)
	one, other := &vaultProvider{fakeProvider: fakeProvider{app: "one"}}, &vaultProvider{fakeProvider: fakeProvider{app: "two"}}
	newTestAuth(t, withStore(spy), func(cfg *Config) { cfg.Providers = []Provider{one, other} })
	twin := &vaultProvider{fakeProvider: fakeProvider{app: "one"}}
	newTestAuth(t, withStore(spy), func(cfg *Config) { cfg.Providers = []Provider{twin} })
	stranger := &vaultProvider{fakeProvider: fakeProvider{app: "one"}}
	newTestAuth(t, withStore(spy), func(cfg *Config) {
		cfg.Providers, cfg.Keys = []Provider{stranger}, [][]byte{testKey("another")}
	})
	ctx := t.Context()
	if _, ok, err := one.vault.Get(ctx, "access_token"); ok || err != nil {
		t.Fatalf("an empty vault: got %v, %v", ok, err)
	}
	if added, err := one.vault.Add(ctx, "access_token", NewSecret(canaryToken), time.Hour); !added || err != nil {
		t.Fatalf("Add: got %v, %v", added, err)
	}
	if added, err := twin.vault.Add(ctx, "access_token", NewSecret("x"), time.Hour); added || err != nil {
		t.Errorf("the second Add: got %v, %v", added, err)
	}
	if got, ok, err := twin.vault.Get(ctx, "access_token"); !ok || err != nil || got.Reveal() != canaryToken {
		t.Errorf("another instance: got %v, %v", ok, err)
	}
	for rule, v := range map[string]*Vault{"another app": other.vault, "another key": stranger.vault} {
		if got, ok, err := v.Get(ctx, "access_token"); ok || err != nil || !got.IsZero() {
			t.Errorf("%s: got %v, %v; want nothing", rule, ok, err)
		}
	}
	if err := one.vault.Set(ctx, "access_token", NewSecret("newer"), time.Hour); err != nil {
		t.Fatal(err)
	}
	if got, _, _ := twin.vault.Get(ctx, "access_token"); got.Reveal() != "newer" {
		t.Error("Set did not replace")
	}
	for _, written := range spy.written() {
		if contains(written, canaryToken) || contains(written, "access_token") {
			t.Error("the vault wrote in clear")
		}
	}
	spy.fail("Get", errors.New("down"))
	spy.fail("Set", errors.New("down"))
	spy.fail("Add", errors.New("down"))
	_, _, err := one.vault.Get(ctx, "x")
	wantClass(t, "Get", err, ErrStoreUnavailable)
	wantClass(t, "Set", one.vault.Set(ctx, "x", NewSecret("x"), time.Hour), ErrStoreUnavailable)
	_, err = one.vault.Add(ctx, "x", NewSecret("x"), time.Hour)
	wantClass(t, "Add", err, ErrStoreUnavailable)
	wantNoCanary(t, "*Vault", renderings(t, one.vault))
}
