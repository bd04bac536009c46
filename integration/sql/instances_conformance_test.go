package sql

import (
	"testing"
	"time"

	"github.com/ginwx/wxlogin/store"
	"github.com/ginwx/wxlogin/store/sqlstore"
	"github.com/ginwx/wxlogin/store/storetest"
)

// Each instance has a pool and a sweeper of its own. That it is the engine's clock
// which decides is proved by TestTheEnginesClockDecides: here there is only one.
func TestInstancesThatShareADatabaseKeepTheContract(t *testing.T) {
	onEachEngine(t, func(t *testing.T, d database) {
		storetest.RunInstances(t, func(t *testing.T) (store.Store, store.Store) {
			sweep := sqlstore.WithSweepInterval(20 * time.Millisecond)
			return d.store(t, sweep), d.store(t, sweep)
		})
	})
}
