package goredis

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/integration/engine"
	"github.com/ginwx/wxlogin/integration/testapp"
	"github.com/ginwx/wxlogin/store"
	"github.com/ginwx/wxlogin/store/storetest"
)

var _ store.AccountStore = Store{}

func newStore(t *testing.T, servers ...*engine.Redis) Store {
	t.Helper()
	options := &redis.UniversalOptions{ContextTimeoutEnabled: true, MaxRetries: -1, IsClusterMode: len(servers) > 1}
	for _, s := range servers {
		options.Addrs = append(options.Addrs, s.Addr())
	}
	client := redis.NewUniversalClient(options)
	t.Cleanup(func() { client.Close() })
	return Store{client}
}

func TestTheStoreKeepsTheContract(t *testing.T) {
	for name, start := range map[string]func(*testing.T) []*engine.Redis{
		"on one server": func(t *testing.T) []*engine.Redis { return []*engine.Redis{engine.StartRedis(t)} },
		"on a cluster":  func(t *testing.T) []*engine.Redis { return engine.StartCluster(t, 3, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t, start(t)...)
			storetest.Run(t, func(*testing.T) store.Store { return s })
		})
	}
}

func TestAnApplicationRunsOnTheStore(t *testing.T) {
	server := engine.StartRedis(t)
	auth := testapp.New(t, newStore(t, server))
	ctx := context.Background()
	var tokens []string
	for range 3 {
		tokens = append(tokens, testapp.Login(t, auth, "user"))
	}
	id, err := auth.Authenticate(ctx, tokens[0])
	if err != nil || id.OpenID != "user" {
		t.Fatalf("Authenticate: %q, %v", id.OpenID, err)
	}
	if list, err := auth.Sessions(ctx, id); len(list) != 3 || err != nil {
		t.Errorf("Sessions: %d, %v; want 3", len(list), err)
	}
	if err := auth.RevokeUser(ctx, id); err != nil {
		t.Fatal(err)
	}
	for _, token := range tokens {
		if _, err := auth.Authenticate(ctx, token); !errors.Is(err, wxlogin.ErrInvalidToken) {
			t.Errorf("Authenticate after RevokeUser: %v", err)
		}
	}
	live := testapp.Login(t, auth, "user")
	server.Kill()
	if _, err := auth.Authenticate(ctx, live); !errors.Is(err, wxlogin.ErrStoreUnavailable) {
		t.Errorf("Authenticate without a server: %v, want %v", err, wxlogin.ErrStoreUnavailable)
	}
}

func Example() {
	client := redis.NewUniversalClient(&redis.UniversalOptions{
		Addrs: []string{"10.0.0.1:6379"}, ContextTimeoutEnabled: true, MaxRetries: -1,
	})
	defer client.Close()
	_, err := wxlogin.New(wxlogin.Config{
		Apps:  []string{"wx0123456789abcdef"},
		Store: Store{client},
		Keys:  [][]byte{[]byte("32 random bytes, from a safe place")},
	})
	fmt.Println(err)
	// Output: <nil>
}
