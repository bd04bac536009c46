package goredis

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

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

func TestALiveEntryIsListed(t *testing.T) {
	testapp.AddWhileDeleted(t, newStore(t, engine.StartRedis(t)))
}

// TestAnIndexIsTidiedByTheServersClock lists keys without an entry that were listed
// just now, and long ago.
func TestAnIndexIsTidiedByTheServersClock(t *testing.T) {
	s, ctx := newStore(t, engine.StartRedis(t)), context.Background()
	for _, key := range []string{"session:new", "session:old"} {
		if _, err := s.AddFor(ctx, "account:a", key, nil, time.Hour); err != nil {
			t.Fatal(err)
		}
		if err := s.Delete(ctx, key); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Client.ZIncrBy(ctx, "wxowner:account:a", -120, "session:old").Err(); err != nil {
		t.Fatal(err)
	}
	if list, err := s.ListFor(ctx, "account:a"); len(list) != 0 || err != nil {
		t.Fatalf("ListFor: %d, %v; want none", len(list), err)
	}
	listed, err := s.Client.ZRangeWithScores(ctx, "wxowner:account:a", 0, -1).Result()
	if err != nil || len(listed) != 1 || listed[0].Member != "session:new" {
		t.Fatalf("listed: %v, %v; want session:new, whose entry may be about to be written", listed, err)
	}
	now, err := s.Client.Time(ctx).Result()
	if age := now.Unix() - int64(listed[0].Score); err != nil || age < 0 || age > 30 {
		t.Errorf("listed %d seconds ago by the server's clock, %v", age, err)
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
