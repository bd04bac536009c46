package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/integration/engine"
	"github.com/ginwx/wxlogin/integration/testapp"
	"github.com/ginwx/wxlogin/store/redisstore"
)

func TestALogoutIsRefusedByOtherInstances(t *testing.T) {
	for name, maxStaleness := range map[string]time.Duration{"without a local cache": 0, "with a local cache": time.Hour} {
		t.Run(name, func(t *testing.T) {
			server := engine.StartRedis(t)
			one := testapp.New(t, cachedStore(t, server, maxStaleness))
			two := testapp.New(t, cachedStore(t, server, maxStaleness))
			ctx := context.Background()
			const rounds = 1000
			took := make([]time.Duration, 0, rounds)
			for i := range rounds {
				token := testapp.Login(t, one, fmt.Sprint("user", i))
				for range 2 {
					if _, err := two.Authenticate(ctx, token); err != nil {
						t.Fatal(err)
					}
				}
				if err := one.Logout(ctx, token); err != nil {
					t.Fatal(err)
				}
				begin := time.Now()
				for {
					_, err := two.Authenticate(ctx, token)
					if errors.Is(err, wxlogin.ErrInvalidToken) {
						break
					}
					if err != nil || time.Since(begin) > 5*time.Second {
						t.Fatalf("Authenticate %v after a logout elsewhere: %v", time.Since(begin), err)
					}
				}
				took = append(took, time.Since(begin))
			}
			slices.Sort(took)
			t.Logf("refused elsewhere after a logout was answered, %d times: p50 %v, p99 %v, max %v",
				rounds, took[rounds/2], took[rounds*99/100], took[rounds-1])
			if took[rounds*99/100] > time.Second {
				t.Errorf("p99 is %v, want less than a second", took[rounds*99/100])
			}
		})
	}
}

// TestKeysRotateInARollingDeploy replaces one instance after the other, and asks
// both about every token at each step.
func TestKeysRotateInARollingDeploy(t *testing.T) {
	server := engine.StartRedis(t)
	client := connectTo(t, server)
	var ahead time.Duration
	start := func(keys ...[]byte) *wxlogin.Auth {
		return testapp.New(t, redisstore.New(client), func(cfg *wxlogin.Config) {
			cfg.Keys = keys
			cfg.Now = func() time.Time { return time.Now().Add(ahead) }
		})
	}
	older, newer := testapp.Key(1), testapp.Key(2)
	ctx := context.Background()
	var tokens []string
	checks := 0
	check := func(step string, instances ...*wxlogin.Auth) {
		t.Helper()
		for i, auth := range instances {
			tokens = append(tokens, testapp.Login(t, auth, fmt.Sprint(step, i)))
		}
		for i, auth := range instances {
			for _, token := range tokens {
				id, err := auth.Authenticate(ctx, token)
				if err != nil {
					t.Errorf("%s: instance %d refuses a token: %v", step, i, err)
					continue
				}
				if _, err := auth.SessionKeys(ctx, id); err != nil {
					t.Errorf("%s: instance %d cannot open session_keys: %v", step, i, err)
				}
				checks++
			}
		}
	}
	one, two := start(older), start(older)
	check("before", one, two)
	one = start(older, newer)
	check("one knows the new key", one, two)
	two = start(older, newer)
	check("both know the new key", one, two)
	one = start(newer, older)
	check("one uses the new key", one, two)
	two = start(newer, older)
	check("both use the new key", one, two)

	// After MaxLifetime no token of the old key is alive, and no session_key
	// sealed by it is kept.
	ahead = wxlogin.DefaultMaxLifetime + time.Minute
	for _, token := range tokens {
		if _, err := one.Authenticate(ctx, token); !errors.Is(err, wxlogin.ErrSessionExpired) {
			t.Errorf("Authenticate after MaxLifetime: %v, want %v", err, wxlogin.ErrSessionExpired)
		}
	}
	tokens = nil
	check("after MaxLifetime", one, two)
	one = start(newer)
	check("one forgot the old key", one, two)
	two = start(newer)
	check("both forgot the old key", one, two)
	t.Logf("%d checks of a token at 8 steps, none refused", checks)
}

// TestInstancesWhoseClocksDifferShareSessions has one instance ten minutes ahead of
// the server and one ten minutes behind it, through the whole life of sessions.
func TestInstancesWhoseClocksDifferShareSessions(t *testing.T) {
	both(t, func(t *testing.T, opts ...redisstore.Option) {
		server := engine.StartRedis(t)
		client := connectTo(t, server)
		var passed time.Duration
		start := func(skew time.Duration) *wxlogin.Auth {
			return testapp.New(t, redisstore.New(client, opts...), func(cfg *wxlogin.Config) {
				cfg.IdleTimeout, cfg.MaxLifetime = 12*time.Hour, 24*time.Hour
				cfg.Now = func() time.Time { return time.Now().Add(passed + skew) }
			})
		}
		instances := []*wxlogin.Auth{start(10 * time.Minute), start(-10 * time.Minute)}
		ctx := context.Background()
		tokens := []string{testapp.Login(t, instances[0], "user"), testapp.Login(t, instances[1], "user")}
		// The last tenth of a lifetime is random.
		for ; passed < 21*time.Hour; passed += time.Hour {
			for i, auth := range instances {
				for _, token := range tokens {
					id, err := auth.Authenticate(ctx, token)
					if err != nil {
						t.Fatalf("after %v, instance %d: %v", passed, i, err)
					}
					if list, err := auth.Sessions(ctx, id); len(list) != 2 || err != nil {
						t.Fatalf("after %v, instance %d: %d sessions, %v; want 2", passed, i, len(list), err)
					}
				}
			}
			for _, index := range indexes(t, client) {
				for _, key := range allKeys(t, client) {
					if strings.HasPrefix(key, prefix+"session:") && pttl(t, client, key) > pttl(t, client, index) {
						t.Fatalf("after %v: a session outlives its index", passed)
					}
				}
			}
		}
		id, err := instances[1].Authenticate(ctx, tokens[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := instances[1].RevokeUser(ctx, id); err != nil {
			t.Fatal(err)
		}
		for _, token := range tokens {
			if _, err := instances[0].Authenticate(ctx, token); !errors.Is(err, wxlogin.ErrInvalidToken) {
				t.Errorf("Authenticate after RevokeUser: %v, want %v", err, wxlogin.ErrInvalidToken)
			}
		}
	})
}
