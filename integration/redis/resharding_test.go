package redis

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/integration/engine"
	"github.com/ginwx/wxlogin/integration/testapp"
	"github.com/ginwx/wxlogin/store/redisstore"
)

// TestAClusterWithSlotsOnTheirWayKeepsTheContract has a third of all slots between
// two nodes, so that what the suite writes there is asked of one and then of the
// other.
func TestAClusterWithSlotsOnTheirWayKeepsTheContract(t *testing.T) {
	for name, staleness := range map[string]time.Duration{"with the defaults": 0, "with a local cache": time.Minute} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nodes := engine.StartCluster(t, 3, 0)
			engine.BeginMove(t, nodes[0], nodes[1])
			client, cached := connectCached(t, rueidis.ClientOption{InitAddress: []string{nodes[0].Addr()}}, staleness)
			sessionConformance(t, client, cached)
			if n := nodes[0].Must(t, "DBSIZE"); n != "0" {
				t.Errorf("%s keys are where they move from: the test proves nothing", n)
			}
			nodes[0].WaitFor(t, "errorstat_ASK:", "INFO", "errorstats") // it sent clients on
		})
	}
}

// TestNobodyNoticesThatSlotsMove moves slots from each primary of a cluster to the
// next while users log in, are served and log out by two instances.
func TestNobodyNoticesThatSlotsMove(t *testing.T) {
	nodes := engine.StartCluster(t, 3, 0)
	option := rueidis.ClientOption{InitAddress: []string{nodes[0].Addr()}}
	cachedClient, cached := connectCached(t, option, time.Minute)
	v := &visits{instances: [2]*wxlogin.Auth{
		testapp.New(t, redisstore.New(connect(t, option))),
		testapp.New(t, redisstore.New(cachedClient, cached)),
	}}
	resident := testapp.Login(t, v.instances[0], "resident") // all the time
	var (
		moved atomic.Bool
		load  sync.WaitGroup
	)
	for caller := range 4 {
		load.Go(func() {
			for n := 0; !moved.Load(); n++ {
				v.visit(t, fmt.Sprintf("user%d-%d", caller, n), n%2)
				v.serve(t, caching, resident, "resident")
			}
		})
	}
	const slots = 1500
	for i, from := range nodes {
		engine.Move(t, from, nodes[(i+1)%len(nodes)], slots)
	}
	moved.Store(true)
	load.Wait()
	t.Logf("%d users came and went, %d calls were answered with an error", v.users.Load(), v.unavailable.Load())
	if v.users.Load() < 100 {
		t.Error("too little happened: the test proves nothing")
	}
	if n := v.unavailable.Load(); n > 0 {
		t.Errorf("%d calls failed, want none", n)
	}
}

const caching = 1

// visits are what users do.
type visits struct {
	instances          [2]*wxlogin.Auth // the one at caching has a local cache
	users, unavailable atomic.Int64
}

// visit is all that one user does, with one instance at first.
func (v *visits) visit(t *testing.T, user string, first int) {
	ctx := context.Background()
	login, err := v.instances[first].Login(ctx, wxlogin.LoginRequest{Code: testapp.Code(user)})
	if v.failed(t, "login", err) {
		return
	}
	token := login.Token.Reveal()
	for n := range 10 {
		v.serve(t, n%2, token, user)
	}
	if v.failed(t, "logout", v.instances[first].Logout(ctx, token)) {
		return
	}
	for n := range v.instances {
		within := time.Duration(0) // at once
		if n == caching && n != first {
			within = 5 * time.Second // of a message that takes much less
		}
		v.refuse(t, n, token, within)
	}
	v.users.Add(1)
}

func (v *visits) serve(t *testing.T, instance int, token, user string) {
	id, err := v.instances[instance].Authenticate(context.Background(), token)
	if !v.failed(t, "a request", err) && id.OpenID != user {
		t.Errorf("%s is taken for %s", user, id.OpenID)
	}
}

// refuse has an instance refuse a token in time.
func (v *visits) refuse(t *testing.T, instance int, token string, within time.Duration) {
	err := engine.Poll(within, func(ctx context.Context) error {
		_, err := v.instances[instance].Authenticate(ctx, token)
		switch {
		case errors.Is(err, wxlogin.ErrInvalidToken):
			return nil
		case err == nil:
			return errors.New("a token works after its logout")
		}
		return err
	})
	v.failed(t, "after the logout", err)
}

// failed counts an outage. Any other error fails the test.
func (v *visits) failed(t *testing.T, what string, err error) bool {
	switch {
	case err == nil:
		return false
	case errors.Is(err, wxlogin.ErrStoreUnavailable):
		if v.unavailable.Add(1) <= 5 {
			t.Logf("%s: %v", what, err)
		}
	default:
		t.Errorf("%s: %v", what, err)
	}
	return true
}
