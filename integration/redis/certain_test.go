package redis

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/integration/engine"
	"github.com/ginwx/wxlogin/integration/testapp"
	"github.com/ginwx/wxlogin/store"
	"github.com/ginwx/wxlogin/store/redisstore"
)

// ignorant is what makes a server one that may lack what was written.
var ignorant = map[string][]string{
	"replica":               {"REPLICAOF", "127.0.0.1", "1"},
	"primary that is alone": {"CONFIG", "SET", "min-replicas-to-write", "1"},
}

// TestAServerThatMayNotKnowCannotSayThatASessionIsGone asks servers that lack what
// the primary has: a replica that never got it, and a primary cut off from its
// replicas.
func TestAServerThatMayNotKnowCannotSayThatASessionIsGone(t *testing.T) {
	for name, setting := range ignorant {
		for cached, maxStaleness := range map[string]time.Duration{"without a local cache": 0, "with a local cache": time.Minute} {
			t.Run(name+" "+cached, func(t *testing.T) {
				server := engine.StartRedis(t)
				s := cachedStore(t, server, maxStaleness)
				server.Must(t, setting...)
				ctx := context.Background()
				for verb, call := range map[string]func() error{
					"Get":                  func() error { _, err := s.Get(ctx, "session:a"); return err },
					"Get of session_keys":  func() error { _, err := s.Get(ctx, "subject:a"); return err },
					"Get of a revocation":  func() error { _, err := s.Get(ctx, "revoked:a"); return err },
					"Swap":                 func() error { _, err := s.Swap(ctx, "session:a", nil, nil, time.Minute); return err },
					"Swap of session_keys": func() error { _, err := s.Swap(ctx, "subject:a", nil, nil, time.Minute); return err },
					"Add":                  func() error { _, err := s.Add(ctx, "session:a", nil, time.Minute); return err },
					"Delete":               func() error { return s.Delete(ctx, "session:a") },
					"ListFor":              func() error { _, err := s.ListFor(ctx, "account:a"); return err },
					"DeleteFor":            func() error { return s.DeleteFor(ctx, "account:a") },
				} {
					for range 2 {
						if err := call(); err == nil || errors.Is(err, store.ErrNotFound) {
							t.Errorf("%s: %v, want an error that is no miss", verb, err)
						}
					}
				}
			})
		}
	}
}

// TestAnApplicationIsNotToldThatALiveSessionIsGone asks such a server on behalf of a
// user whose session is on another one.
func TestAnApplicationIsNotToldThatALiveSessionIsGone(t *testing.T) {
	for name, setting := range ignorant {
		both(t, func(t *testing.T, opts ...redisstore.Option) {
			ctx := context.Background()
			knows := testapp.New(t, redisstore.New(connectTo(t, engine.StartRedis(t)), opts...))
			token := testapp.Login(t, knows, "user")
			id, err := knows.Authenticate(ctx, token)
			if err != nil {
				t.Fatal(err)
			}
			server := engine.StartRedis(t)
			server.Must(t, setting...)
			auth := testapp.New(t, redisstore.New(connectTo(t, server), opts...))
			for verb, call := range map[string]func() error{
				"Authenticate": func() error { _, err := auth.Authenticate(ctx, token); return err },
				"Sessions":     func() error { _, err := auth.Sessions(ctx, id); return err },
				"SessionKeys":  func() error { _, err := auth.SessionKeys(ctx, id); return err },
				"EndSession":   func() error { return auth.EndSession(ctx, id, id.SessionID) },
				"Logout":       func() error { return auth.Logout(ctx, token) },
				"RevokeUser":   func() error { return auth.RevokeUser(ctx, id) },
			} {
				if err := call(); !errors.Is(err, wxlogin.ErrStoreUnavailable) {
					t.Errorf("%s asks a %s: %v, want %v", verb, name, err, wxlogin.ErrStoreUnavailable)
				}
			}
		})
	}
}

// TestAnIndexKeepsWhatANodeMayNotKnow has the index on a node of a cluster that is
// well, and the entries on one that lost them and takes no writes.
func TestAnIndexKeepsWhatANodeMayNotKnow(t *testing.T) {
	nodes := engine.StartCluster(t, 3, 0)
	client := connectTo(t, nodes...)
	s := redisstore.New(client)
	ctx := context.Background()
	for i := range 30 { // on all nodes, surely
		if _, err := s.AddFor(ctx, "account:a", fmt.Sprintf("session:%d", i), nil, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	var well rueidis.Client
	for _, node := range nodes {
		at := client.Nodes()[node.Addr()]
		if len(indexes(t, at)) == 1 {
			well = at
			continue
		}
		node.Must(t, "FLUSHALL")
		node.Must(t, "CONFIG", "SET", "min-replicas-to-write", "1")
	}
	if well == nil {
		t.Fatal("no node holds the index")
	}
	index := indexes(t, well)[0]
	age(t, well, index)
	for verb, call := range map[string]func() error{
		"ListFor":   func() error { _, err := s.ListFor(ctx, "account:a"); return err },
		"DeleteFor": func() error { return s.DeleteFor(ctx, "account:a") },
	} {
		if err := call(); err == nil || errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %v, want an error that is no miss", verb, err)
		}
	}
	if n := listed(t, well, index); n != 30 {
		t.Errorf("%d keys are listed, want all 30", n)
	}
}

// TestAServerWithoutRoomStillLists takes the memory away from a server, which then
// refuses what would need more of it.
func TestAServerWithoutRoomStillLists(t *testing.T) {
	both(t, func(t *testing.T, opts ...redisstore.Option) {
		server := engine.StartRedis(t)
		auth := testapp.New(t, redisstore.New(connectTo(t, server), opts...))
		token := testapp.Login(t, auth, "user")
		testapp.Login(t, auth, "user")
		server.Must(t, "CONFIG", "SET", "maxmemory", "1")
		ctx := context.Background()
		id, err := auth.Authenticate(ctx, token)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := auth.SessionKeys(ctx, id); err != nil {
			t.Errorf("SessionKeys: %v", err)
		}
		if err := auth.EndSession(ctx, id, id.SessionID); err != nil {
			t.Errorf("EndSession: %v", err)
		}
		if list, err := auth.Sessions(ctx, id); len(list) != 1 || err != nil {
			t.Errorf("Sessions: %d, %v; want the other one", len(list), err)
		}
	})
}
