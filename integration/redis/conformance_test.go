package redis

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/ginwx/wxlogin/integration/engine"
	"github.com/ginwx/wxlogin/store/redisstore"
)

func TestRedisKeepsTheContract(t *testing.T) {
	type run = func(*testing.T, rueidis.Client, ...redisstore.Option)
	for name, test := range map[string]struct {
		run    run
		client rueidis.ClientOption
		store  []redisstore.Option
		cache  time.Duration
	}{
		"with the defaults":         {run: conformance},
		"with the keys of sessions": {run: sessionConformance},
		"with single-key commands":  {run: sessionConformance, store: []redisstore.Option{redisstore.WithSingleKeyCommands()}},
		"with a local cache":        {run: sessionConformance, cache: time.Minute},
		"with a short local cache":  {run: sessionConformance, cache: 20 * time.Millisecond},

		"without client tracking or RESP3":                {run: conformance, client: rueidis.ClientOption{DisableCache: true, AlwaysRESP2: true}},
		"with a local cache that the client has disabled": {run: sessionConformance, client: rueidis.ClientOption{DisableCache: true}, cache: time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := engine.StartRedis(t)
			test.client.InitAddress = []string{server.Addr()}
			client, cached := connectCached(t, test.client, test.cache)
			test.run(t, client, append(test.store, cached)...)
		})
	}
}

func TestRedisClusterKeepsTheContract(t *testing.T) {
	t.Parallel()
	nodes := engine.StartCluster(t, 3, 0)
	client := connectTo(t, nodes...)
	if client.Mode() != rueidis.ClientModeCluster {
		t.Fatalf("the client is in mode %q, want cluster", client.Mode())
	}
	t.Run("with the defaults", func(t *testing.T) { conformance(t, client) })
	t.Run("with a local cache", func(t *testing.T) {
		client, cached := connectCached(t, rueidis.ClientOption{InitAddress: []string{nodes[0].Addr()}}, time.Minute)
		sessionConformance(t, client, cached)
	})
}

func TestRedisSentinelKeepsTheContract(t *testing.T) {
	t.Parallel()
	sentinel := engine.StartSentinel(t, engine.StartRedis(t), 1)
	conformance(t, connect(t, rueidis.ClientOption{
		InitAddress: []string{sentinel.Addr()},
		Sentinel:    rueidis.SentinelOption{MasterSet: "mymaster"},
	}))
}

// everyKeyExpires fails the test if a key of any node would stay for ever, or is
// not under the default prefix.
func everyKeyExpires(t *testing.T, client rueidis.Client) {
	t.Helper()
	total := 0
	for addr, node := range client.Nodes() {
		for _, key := range allKeys(t, node) {
			total++
			ttl, err := client.Do(context.Background(), client.B().Pttl().Key(key).Build()).AsInt64()
			if err != nil {
				t.Fatal(err)
			}
			if ttl == -1 {
				t.Errorf("key %q of node %s has no time to live", key, addr)
			}
			if !strings.HasPrefix(key, redisstore.DefaultPrefix) {
				t.Errorf("key %q of node %s is not under the prefix", key, addr)
			}
		}
	}
	if total == 0 {
		t.Error("there are no keys to look at")
	}
}

func allKeys(t *testing.T, node rueidis.Client) []string {
	t.Helper()
	var keys []string
	for cursor := uint64(0); ; {
		page, err := node.Do(context.Background(), node.B().Scan().Cursor(cursor).Count(1000).Build()).AsScanEntry()
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, page.Elements...)
		if cursor = page.Cursor; cursor == 0 {
			return keys
		}
	}
}
