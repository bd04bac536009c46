package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/ginwx/wxlogin/integration/engine"
	"github.com/ginwx/wxlogin/integration/faultproxy"
	"github.com/ginwx/wxlogin/integration/testapp"
	"github.com/ginwx/wxlogin/store"
	"github.com/ginwx/wxlogin/store/redisstore"
)

// counted is a store whose requests to the server are counted.
type counted struct {
	*redisstore.Store
	server   *engine.Redis
	proxy    *faultproxy.Proxy
	requests atomic.Int64
}

func newCounted(t *testing.T, opts ...redisstore.Option) *counted {
	t.Helper()
	return newCountedCached(t, 0, opts...)
}

// newCountedCached is newCounted with a local cache.
func newCountedCached(t *testing.T, maxStaleness time.Duration, opts ...redisstore.Option) *counted {
	t.Helper()
	c := &counted{server: engine.StartRedis(t)}
	c.proxy = faultproxy.Start(t, engine.Addr(engine.FreePort(t)), c.server.Addr())
	option := rueidis.ClientOption{InitAddress: []string{c.proxy.Addr()}, PipelineMultiplex: -1}
	option.Dialer.KeepAlive = time.Hour // no PING in between
	client, cached := connectCached(t, option, maxStaleness)
	c.Store = redisstore.New(client, append(opts, cached)...)
	c.proxy.Set(faultproxy.Fault{Request: func([]byte) faultproxy.Verdict {
		c.requests.Add(1)
		return faultproxy.Pass
	}})
	return c
}

// trips returns how many requests call makes, each of which waits for its answer.
func (c *counted) trips(t *testing.T, call func() error) int64 {
	t.Helper()
	before := c.requests.Load()
	if err := call(); err != nil {
		t.Fatal(err)
	}
	return c.requests.Load() - before
}

// missing is the error of a Get that was to be a miss.
func missing(_ []byte, err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return fmt.Errorf("error %w, want a miss", err)
}

func TestRoundTrips(t *testing.T) {
	for name, test := range map[string]struct {
		opts   []redisstore.Option
		addFor int64
	}{
		"on one server": {addFor: 1},
		"in a cluster":  {opts: []redisstore.Option{redisstore.WithSingleKeyCommands()}, addFor: 2},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCounted(t, test.opts...)
			ctx := context.Background()
			value := []byte("v")
			account := "" // another one in each round, so that there is no index yet
			addFor := func() error {
				_, err := c.AddFor(ctx, account, "session:a", value, time.Hour)
				return err
			}
			verbs := []struct {
				name string
				want int64
				call func() error
			}{
				{"Set", 1, func() error { return c.Set(ctx, "k", value, time.Hour) }},
				{"Get", 1, func() error { _, err := c.Get(ctx, "k"); return err }},
				{"Get of what is not there", 1, func() error { return missing(c.Get(ctx, "none")) }},
				{"Get of a session that is not there", 2, func() error { return missing(c.Get(ctx, "session:none")) }},
				{"Swap", 1, func() error { _, err := c.Swap(ctx, "k", value, value, time.Hour); return err }},
				{"Add", 1, func() error { _, err := c.Add(ctx, "k", value, time.Hour); return err }},
				{"Delete", 1, func() error { return c.Delete(ctx, "k") }},
				{"AddFor", test.addFor, addFor},
				{"Swap of an owned entry", 1, func() error { _, err := c.Swap(ctx, "session:a", value, value, time.Hour+14*time.Minute); return err }},
				{"Swap to a much longer life", 3, func() error { _, err := c.Swap(ctx, "session:a", value, value, 2*time.Hour); return err }},
				{"Swap to that life again", 1, func() error { _, err := c.Swap(ctx, "session:a", value, value, 2*time.Hour); return err }},
				{"ListFor", 2, func() error { _, err := c.ListFor(ctx, account); return err }},
				{"DeleteFor", 3, func() error { return c.DeleteFor(ctx, account) }},
				{"ListFor of an account without sessions", 1, func() error { _, err := c.ListFor(ctx, "account:none"); return err }},
				{"DeleteFor of an account without sessions", 1, func() error { return c.DeleteFor(ctx, "account:none") }},
			}
			for round := range 2 {
				account = fmt.Sprint("account:", round)
				for _, verb := range verbs {
					got := c.trips(t, verb.call)
					if loaded := round > 0; loaded && got != verb.want {
						t.Errorf("%s takes %d round trips, want %d", verb.name, got, verb.want)
					}
				}
			}
		})
	}
}

// TestNothingIsEverScanned looks at which commands the server was sent.
func TestNothingIsEverScanned(t *testing.T) {
	server := engine.StartRedis(t)
	auth := testapp.New(t, redisstore.New(connectTo(t, server)))
	ctx := context.Background()
	for range 12 {
		token := testapp.Login(t, auth, "user")
		id, err := auth.Authenticate(ctx, token)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := auth.Sessions(ctx, id); err != nil {
			t.Fatal(err)
		}
		if err := auth.RevokeUser(ctx, id); err != nil {
			t.Fatal(err)
		}
	}
	stats := server.Must(t, "INFO", "commandstats")
	if !strings.Contains(stats, "cmdstat_evalsha:") {
		t.Fatalf("no statistics: %s", stats)
	}
	for _, command := range []string{"scan", "keys", "randomkey", "flushall", "sort"} {
		if strings.Contains(stats, "cmdstat_"+command+":") {
			t.Errorf("the server was sent %s", strings.ToUpper(command))
		}
	}
}

// TestADumpHoldsNothingThatWorks looks at all that the server holds.
func TestADumpHoldsNothingThatWorks(t *testing.T) {
	server := engine.StartRedis(t)
	client := connectTo(t, server)
	auth := testapp.New(t, redisstore.New(client))
	token := testapp.Login(t, auth, "someuser")
	var dump strings.Builder
	for _, key := range allKeys(t, client) {
		value, err := client.Do(context.Background(), client.B().Dump().Key(key).Build()).ToString()
		if err != nil {
			t.Fatal(err)
		}
		dump.WriteString(key + " " + value + "\n")
	}
	for _, secret := range []string{token, token[:20], "synthetic session key", "synthetic key"} {
		if strings.Contains(dump.String(), secret) {
			t.Errorf("the server holds a secret in clear")
		}
	}
	// The documentation says that this is readable.
	if !strings.Contains(dump.String(), "someuser") {
		t.Error("the server does not hold the openid in clear: correct the documentation")
	}
}
