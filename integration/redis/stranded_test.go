package redis

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/integration/faultproxy"
	"github.com/ginwx/wxlogin/integration/testapp"
	"github.com/ginwx/wxlogin/store/redisstore"
)

// TestConnectionsThatAreForgottenAreReplaced has many callers on connections that
// a router forgets without a word, so that no call by itself can tell a slow
// server from a dead connection.
func TestConnectionsThatAreForgottenAreReplaced(t *testing.T) {
	for name, test := range map[string]struct {
		option rueidis.ClientOption
		within time.Duration
	}{
		"with the client's defaults":   {within: 14 * time.Second},
		"with the recommended options": {option: rueidis.ClientOption{ConnWriteTimeout: 2 * time.Second}, within: 6 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, func(addr string) rueidis.ClientOption {
				test.option.InitAddress = []string{addr}
				if test.option.ConnWriteTimeout > 0 {
					test.option.Dialer.Timeout = time.Second
				}
				return test.option
			}, nil, redisstore.WithCallTimeout(redisstore.DefaultCallTimeout))
			token := testapp.Login(t, s.Auth, "user")
			h := hammer(t, s.Auth, token, 16)
			begin := time.Now()
			s.proxy.Set(faultproxy.Fault{Strand: true})
			h.stopAfter(test.within + 2*time.Second)

			outage := time.Unix(0, h.lastFailure.Load()).Sub(begin)
			t.Logf("16 callers: %d calls failed, the last one after %v; the longest call took %v", h.failed.Load(),
				outage.Round(time.Millisecond), h.longestCall().Round(time.Millisecond))
			if h.failed.Load() == 0 {
				t.Error("nobody noticed anything: the test proves nothing")
			}
			if most := 2*redisstore.DefaultCallTimeout + time.Second; h.longestCall() > most {
				t.Errorf("a call took %v, want at most %v", h.longestCall(), most)
			}
			if outage > test.within {
				t.Errorf("calls failed for %v, want at most %v", outage, test.within)
			}
			if _, err := s.Auth.Authenticate(context.Background(), token); err != nil {
				t.Errorf("Authenticate after the outage: %v", err)
			}
		})
	}
}

// hammering is many callers that authenticate one live token all the time.
type hammering struct {
	failed, longest, lastFailure atomic.Int64

	stop    atomic.Bool
	callers sync.WaitGroup
}

// hammer starts the callers, and returns when each of them has been answered.
func hammer(t *testing.T, auth *wxlogin.Auth, token string, callers int) *hammering {
	h := new(hammering)
	var ready sync.WaitGroup
	ready.Add(callers)
	for range callers {
		h.callers.Go(func() {
			for n := 0; !h.stop.Load(); n++ {
				h.once(t, auth, token)
				if n == 20 {
					ready.Done()
				}
			}
		})
	}
	ready.Wait()
	return h
}

func (h *hammering) once(t *testing.T, auth *wxlogin.Auth, token string) {
	begin := time.Now()
	_, err := auth.Authenticate(context.Background(), token)
	end := time.Now()
	switch {
	case errors.Is(err, wxlogin.ErrStoreUnavailable):
		h.failed.Add(1)
		h.lastFailure.Store(end.UnixNano())
	case err != nil:
		t.Errorf("Authenticate with a live token: %v", err)
		h.stop.Store(true)
	}
	took := int64(end.Sub(begin))
	for longest := h.longest.Load(); took > longest && !h.longest.CompareAndSwap(longest, took); {
		longest = h.longest.Load()
	}
}

func (h *hammering) longestCall() time.Duration { return time.Duration(h.longest.Load()) }

func (h *hammering) stopAfter(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	<-timer.C
	h.stop.Store(true)
	h.callers.Wait()
}
