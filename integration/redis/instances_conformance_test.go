package redis

import (
	"testing"

	"github.com/redis/rueidis"

	"github.com/ginwx/wxlogin/integration/engine"
	"github.com/ginwx/wxlogin/store"
	"github.com/ginwx/wxlogin/store/redisstore"
	"github.com/ginwx/wxlogin/store/storetest"
)

// A local cache is left out: it may be one message of the server behind. The store
// has no clock that a test could set.
func TestInstancesThatShareRedisKeepTheContract(t *testing.T) {
	run := func(t *testing.T, one, other rueidis.Client, opts ...redisstore.Option) {
		storetest.RunInstances(t, func(*testing.T) (store.Store, store.Store) {
			return redisstore.New(one, opts...), redisstore.New(other, opts...)
		})
	}
	both(t, func(t *testing.T, opts ...redisstore.Option) {
		server := engine.StartRedis(t)
		run(t, connectTo(t, server), connectTo(t, server), opts...)
	})
	t.Run("in a cluster", func(t *testing.T) {
		t.Parallel()
		nodes := engine.StartCluster(t, 3, 0)
		run(t, connectTo(t, nodes...), connectTo(t, nodes...))
	})
}
