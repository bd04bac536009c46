package wechat

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// slowly makes the nth dial take n times step.
func slowly(dial dialFunc, step time.Duration) dialFunc {
	var mu sync.Mutex
	n := 0
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		mu.Lock()
		n++
		wait := time.Duration(n) * step
		mu.Unlock()
		<-time.After(wait)
		return dial(ctx, network, addr)
	}
}

type dialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

// burst makes 50 logins at a time, 500 in all, while connections are slow to
// open, and returns how many were opened.
func burst(t *testing.T, gated bool) (dials int64) {
	synctest.Test(t, func(t *testing.T) {
		p, network := overPipes(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			<-time.After(20 * time.Millisecond)
			fmt.Fprint(w, goodAnswer)
		}))
		p.client.gate.dial = slowly(network.dial, 5*time.Millisecond)
		if !gated {
			p.client.own.DialContext = p.client.gate.dial
		}
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				for range 10 {
					if _, err := p.Exchange(t.Context(), testCode); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		<-time.After(dialTimeout) // for dials that go on
		_ = p.Close()
		synctest.Wait()
		if g := p.client.gate; gated && (g.conns != 0 || g.requests != 0) {
			t.Errorf("%d connections and %d requests counted at the end, want none", g.conns, g.requests)
		}
		dials = network.dials.Load()
	})
	return dials
}

func TestBurstOpensNoMoreConnectionsThanItHasRequests(t *testing.T) {
	if got := burst(t, true); got > 50 {
		t.Errorf("%d connections for 50 logins at a time, want 50 at most", got)
	}
	if got := burst(t, false); got <= 50 {
		t.Errorf("%d connections without the gate: net/http needs it no more, or this test shows nothing", got)
	}
}

func TestRequestThatGotAConnectionDoesNotDialLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, network := overPipes(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("js_code") == "quick" {
				<-time.After(50 * time.Millisecond)
			} else {
				<-time.After(4 * gateWait)
			}
			fmt.Fprint(w, goodAnswer)
		}))
		defer p.Close()
		var dialled atomic.Bool
		p.client.gate.dial = func(ctx context.Context, n, addr string) (net.Conn, error) {
			if !dialled.Swap(true) {
				<-time.After(150 * time.Millisecond)
			}
			return network.dial(ctx, n, addr)
		}
		var wg sync.WaitGroup
		for _, login := range []struct {
			code  string
			pause time.Duration
		}{
			{"dials for 150 ms, is served by the next one's connection after 50", time.Millisecond},
			{"quick", 60 * time.Millisecond},
			{"waits for the connection of the first, and uses it for long", 0},
		} {
			wg.Go(func() {
				if _, err := p.Exchange(t.Context(), login.code); err != nil {
					t.Error(err)
				}
			})
			<-time.After(login.pause)
		}
		wg.Wait()
		synctest.Wait()
		if got := network.dials.Load(); got != 2 {
			t.Errorf("%d connections, want 2", got)
		}
	})
}

func TestDialThatHangsHoldsTheNextRequestUpForAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, network := overPipes(t, answering(goodAnswer))
		defer p.Close()
		var hung atomic.Bool
		p.client.gate.dial = func(ctx context.Context, n, addr string) (net.Conn, error) {
			if !hung.Swap(true) {
				<-time.After(dialTimeout)
				return nil, errors.New("no answer from the host")
			}
			return network.dial(ctx, n, addr)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := p.Exchange(ctx, testCode); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v, want DeadlineExceeded", err)
		}
		start := time.Now()
		if _, err := p.Exchange(t.Context(), testCode); err != nil {
			t.Fatal(err)
		}
		if got := time.Since(start); got != gateWait {
			t.Errorf("the next request took %v, want %v", got, gateWait)
		}
		<-time.After(dialTimeout)
		synctest.Wait()
		if g := p.client.gate; g.conns != 1 || g.requests != 0 {
			t.Errorf("%d connections and %d requests counted, want 1 and none", g.conns, g.requests)
		}
	})
}
