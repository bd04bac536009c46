package redis

import (
	"testing"

	"github.com/ginwx/wxlogin/integration/engine"
	"github.com/ginwx/wxlogin/store"
	"github.com/ginwx/wxlogin/store/redisstore"
	"github.com/ginwx/wxlogin/store/storetest"
)

// A local cache is left out: it may be one message of the server behind. The store
// has no clock that a test could set.
func TestInstancesThatShareRedisKeepTheContract(t *testing.T) {
	both(t, func(t *testing.T, opts ...redisstore.Option) {
		server := engine.StartRedis(t)
		one, other := connectTo(t, server), connectTo(t, server)
		storetest.RunInstances(t, func(*testing.T) (store.Store, store.Store) {
			return redisstore.New(one, opts...), redisstore.New(other, opts...)
		})
	})
}
