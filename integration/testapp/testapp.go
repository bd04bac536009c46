// Package testapp is the application that the integration tests run: an Auth over
// a given store, with a platform that trusts every code.
package testapp

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/store"
)

// AppID is the one app that there is.
const AppID = "wx0000integration"

// Platform stands for WeChat. A code is "user.nonce", for any user and any nonce.
type Platform struct{}

// AppID implements wxlogin.Provider.
func (Platform) AppID() string { return AppID }

// Exchange implements wxlogin.Provider.
func (Platform) Exchange(_ context.Context, code string) (wxlogin.Account, error) {
	user, _, ok := strings.Cut(code, ".")
	if !ok {
		return wxlogin.Account{}, fmt.Errorf("%w: no nonce", wxlogin.ErrInvalidCode)
	}
	return wxlogin.Account{
		Subject: user, OpenID: user,
		SessionKey: wxlogin.NewSecret("synthetic session key of " + user),
	}, nil
}

var nonce atomic.Int64

// Code returns a code of user that was never used.
func Code(user string) wxlogin.Secret {
	return wxlogin.NewSecret(fmt.Sprintf("%s.%d", user, nonce.Add(1)))
}

// Key returns a synthetic key; different numbers give different keys.
func Key(n byte) []byte {
	key := []byte("a synthetic key of the integration tests, number 0")
	key[len(key)-1] += n
	return key
}

// Config is the application's configuration on s.
func Config(s store.Store) wxlogin.Config {
	return wxlogin.Config{
		Providers: []wxlogin.Provider{Platform{}},
		Store:     s,
		Keys:      [][]byte{Key(0)},
	}
}

// New returns an application on s, closed at the end of the test. Each change is
// applied to its configuration.
func New(t testing.TB, s store.Store, changes ...func(*wxlogin.Config)) *wxlogin.Auth {
	t.Helper()
	cfg := Config(s)
	for _, change := range changes {
		change(&cfg)
	}
	auth, err := wxlogin.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { auth.Close() })
	return auth
}

// Login logs user in and returns the token.
func Login(t testing.TB, auth *wxlogin.Auth, user string) string {
	t.Helper()
	result, err := auth.Login(context.Background(), wxlogin.LoginRequest{Code: Code(user)})
	if err != nil {
		t.Fatalf("login: %v", err)
	}
	return result.Token.Reveal()
}
