// Package redis tests the Redis store against real servers.
package redis

import (
	"testing"

	"github.com/redis/rueidis"

	"github.com/ginwx/wxlogin/integration/engine"
	"github.com/ginwx/wxlogin/store"
	"github.com/ginwx/wxlogin/store/redisstore"
	"github.com/ginwx/wxlogin/store/storetest"
)

// connect returns a client that is closed at the end of the test.
func connect(t testing.TB, option rueidis.ClientOption) rueidis.Client {
	t.Helper()
	client, err := rueidis.NewClient(option)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func connectTo(t testing.TB, servers ...*engine.Redis) rueidis.Client {
	t.Helper()
	var option rueidis.ClientOption
	for _, s := range servers {
		option.InitAddress = append(option.InitAddress, s.Addr())
	}
	return connect(t, option)
}

// conformance runs the suite with one client, and then looks at what is left.
func conformance(t *testing.T, client rueidis.Client, opts ...redisstore.Option) {
	t.Helper()
	t.Run("suite", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) store.Store { return redisstore.New(client, opts...) })
	})
	everyKeyExpires(t, client)
}
