package wxlogin

import (
	"context"
	"errors"
	"time"

	"github.com/ginwx/wxlogin/store"
)

// Vault keeps what instances of one service share for an app, such as an
// access_token, in the store of their Auth. Names are scoped to the app and
// hashed, values sealed with Config.Keys; one that no key opens counts as absent.
// It is safe for concurrent use. Errors are of class ErrStoreUnavailable.
type Vault struct {
	store store.Store
	keys  *keyring
	appID string
}

// VaultUser is a Provider that keeps something in a Vault. New, and Login for a
// provider that Config.Resolve returned, hand it one before they call Exchange.
// UseVault must be safe for concurrent use and may be called again with a vault
// of the same contents.
type VaultUser interface {
	UseVault(vault *Vault)
}

func (a *Auth) equip(provider Provider) {
	if user, ok := provider.(VaultUser); ok {
		user.UseVault(&Vault{store: a.store, keys: a.keys, appID: provider.AppID()})
	}
}

func (v *Vault) key(name string) string {
	d := digest("vault", v.appID, name)
	return "vault:" + keyText.EncodeToString(d[:])
}

// Get returns the value of name, and whether there is one.
func (v *Vault) Get(ctx context.Context, name string) (Secret, bool, error) {
	key := v.key(name)
	sealed, err := v.store.Get(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		return Secret{}, false, nil
	}
	if err != nil {
		return Secret{}, false, storeError("read vault", err)
	}
	plain, ok := v.keys.open(key, sealed)
	return NewSecret(string(plain)), ok, nil
}

// Set writes the value of name for ttl, which must be positive.
func (v *Vault) Set(ctx context.Context, name string, value Secret, ttl time.Duration) error {
	key := v.key(name)
	if err := v.store.Set(ctx, key, v.keys.seal(key, []byte(value.Reveal())), ttl); err != nil {
		return storeError("write vault", err)
	}
	return nil
}

// Add writes the value of name for ttl only where there is none, and reports
// whether it did: of any number of instances one succeeds.
func (v *Vault) Add(ctx context.Context, name string, value Secret, ttl time.Duration) (bool, error) {
	key := v.key(name)
	added, err := v.store.Add(ctx, key, v.keys.seal(key, []byte(value.Reveal())), ttl)
	if err != nil {
		return false, storeError("write vault", err)
	}
	return added, nil
}
