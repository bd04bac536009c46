package redis

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/ginwx/wxlogin/integration/engine"
	"github.com/ginwx/wxlogin/integration/faultproxy"
	"github.com/ginwx/wxlogin/integration/testapp"
	"github.com/ginwx/wxlogin/store/redisstore"
)

// proxied is a store behind a proxy of its own.
func proxied(t *testing.T, server *engine.Redis, opts ...redisstore.Option) (*redisstore.Store, *faultproxy.Proxy) {
	t.Helper()
	proxy := faultproxy.Start(t, engine.Addr(engine.FreePort(t)), server.Addr())
	return redisstore.New(connect(t, rueidis.ClientOption{InitAddress: []string{proxy.Addr()}}), opts...), proxy
}

// before runs call when the nth request with a command is about to pass.
func before(command string, n int64, call func()) faultproxy.Fault {
	var seen atomic.Int64
	return faultproxy.Fault{Request: func(piece []byte) faultproxy.Verdict {
		if strings.Contains(string(piece), command) && seen.Add(1) == n {
			call()
		}
		return faultproxy.Pass
	}}
}

// TestAKeyThatIsListedAnewStaysListed adds an entry again at the moment between
// somebody's look at the index and the removal of what was gone then.
func TestAKeyThatIsListedAnewStaysListed(t *testing.T) {
	ctx := context.Background()
	listFor := func(s *redisstore.Store) error { _, err := s.ListFor(ctx, "account:a"); return err }
	deleteFor := func(s *redisstore.Store) error { return s.DeleteFor(ctx, "account:a") }
	for name, test := range map[string]struct {
		look func(*redisstore.Store) error
		gone bool // before the look
	}{
		"ListFor":                    {listFor, true},
		"DeleteFor of what was gone": {deleteFor, true},
		"DeleteFor":                  {deleteFor, false},
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, opts ...redisstore.Option) {
				server := engine.StartRedis(t)
				client := connectTo(t, server)
				elsewhere := redisstore.New(client, opts...)
				s, proxy := proxied(t, server, opts...)
				if n := list(t, elsewhere, "account:a"); n != 0 { // loads the script
					t.Fatalf("%d entries are listed, want none", n)
				}
				add := func() {
					if added, err := elsewhere.AddFor(ctx, "account:a", "session:a", []byte("v"), time.Hour); !added || err != nil {
						t.Errorf("AddFor: %v, %v", added, err)
					}
				}
				add()
				if test.gone {
					if err := elsewhere.Delete(ctx, "session:a"); err != nil {
						t.Fatal(err)
					}
					age(t, client, indexes(t, client)[0])
				}
				// The first script looks at the index, the second at the entries.
				proxy.Set(before("\r\nEVAL", 3, add))
				if err := test.look(s); err != nil {
					t.Fatal(err)
				}
				if n := list(t, elsewhere, "account:a"); n != 1 {
					t.Errorf("%d entries are listed, want the one that was added again", n)
				}
			})
		})
	}
}

// TestAKeyThatIsAboutToBeWrittenStaysListed ends the sessions of an account between
// the two writes of an AddFor, of a key that has an entry until then.
func TestAKeyThatIsAboutToBeWrittenStaysListed(t *testing.T) {
	ctx := context.Background()
	server := engine.StartRedis(t)
	deleting, deletingProxy := proxied(t, server, redisstore.WithSingleKeyCommands())
	adding, addingProxy := proxied(t, server, redisstore.WithSingleKeyCommands())
	if added, err := adding.AddFor(ctx, "account:a", "session:a", []byte("old"), time.Hour); !added || err != nil {
		t.Fatalf("AddFor: %v, %v", added, err)
	}
	if n := list(t, adding, "account:a"); n != 1 { // loads the script
		t.Fatalf("%d entries are listed, want 1", n)
	}
	var (
		deleted   = make(chan struct{}) // the old entry
		added     = make(chan struct{}) // the new one
		deleteFor sync.WaitGroup
	)
	deletingProxy.Set(before("\r\nEVAL", 3, func() { close(deleted); <-added }))
	addingProxy.Set(before("\r\nSET\r\n", 1, func() {
		deleteFor.Go(func() {
			if err := deleting.DeleteFor(ctx, "account:a"); err != nil {
				t.Errorf("DeleteFor: %v", err)
			}
		})
		<-deleted
	}))
	ok, err := adding.AddFor(ctx, "account:a", "session:a", []byte("new"), time.Hour)
	close(added)
	deleteFor.Wait()
	if !ok || err != nil {
		t.Fatalf("AddFor of what was just deleted: %v, %v", ok, err)
	}
	if n := list(t, adding, "account:a"); n != 1 {
		t.Errorf("%d entries are listed, want the one that was added again", n)
	}
}

func TestALiveEntryIsListed(t *testing.T) {
	both(t, func(t *testing.T, opts ...redisstore.Option) {
		testapp.AddWhileDeleted(t, redisstore.New(connectTo(t, engine.StartRedis(t)), opts...))
	})
	t.Run("in a cluster", func(t *testing.T) {
		t.Parallel()
		testapp.AddWhileDeleted(t, redisstore.New(connectTo(t, engine.StartCluster(t, 3, 0)...)))
	})
}
