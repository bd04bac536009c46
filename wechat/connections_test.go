package wechat

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestNothingIsLeftRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, network := overPipes(t, answering(goodAnswer))
		login(t, p, 20)
		synctest.Wait()
		if network.open.Load() == 0 {
			t.Fatal("no connection is kept, so there is nothing to close")
		}
		for range 2 {
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if got := network.open.Load(); got != 0 {
			t.Errorf("%d connections open after Close, want none", got)
		}
		login(t, p, 1) // Close does not end the provider
		before := time.Now()
		<-time.After(idleTimeout)
		synctest.Wait()
		if got := network.open.Load(); got != 0 {
			t.Errorf("%d connections open after %v idle, want none", got, time.Since(before))
		}
	})
}

func TestConnectionInUseAtCloseIsClosedAfterItsCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		p, network := overPipes(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			<-release
			fmt.Fprint(w, goodAnswer)
		}))
		done := make(chan error, 1)
		go func() {
			_, err := p.Exchange(t.Context(), testCode)
			done <- err
		}()
		synctest.Wait()
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		close(release)
		if err := <-done; err != nil {
			t.Errorf("the exchange in flight: %v", err)
		}
		synctest.Wait()
		if got := network.open.Load(); got != 0 {
			t.Errorf("%d connections open, want none", got)
		}
	})
}

func TestConnectionThatTheServerClosedIsNotUsedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, network := overPipes(t, answering(goodAnswer))
		defer p.Close()
		login(t, p, 1)
		network.closeLast()
		synctest.Wait()
		login(t, p, 1)
		if got := network.dials.Load(); got != 2 {
			t.Errorf("%d connections, want 2", got)
		}
	})
}

func TestParallelLoginsKeepTheirConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, network := overPipes(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			<-time.After(50 * time.Millisecond)
			fmt.Fprint(w, goodAnswer)
		}))
		defer p.Close()
		const parallel = 100
		for range 5 {
			login(t, p, parallel)
		}
		if got := network.dials.Load(); got > parallel+parallel/10 {
			t.Errorf("%d connections for 5 times %d logins, want %d at most", got, parallel, parallel+parallel/10)
		}
	})
}

func TestConnectionsAreCapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, network := overPipes(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			<-time.After(50 * time.Millisecond)
			fmt.Fprint(w, goodAnswer)
		}))
		defer p.Close()
		login(t, p, maxConns+50)
		if got := network.dials.Load(); got != maxConns {
			t.Errorf("%d connections for %d logins, want %d", got, maxConns+50, maxConns)
		}
	})
}

// login makes n parallel exchanges, which must work.
func login(t *testing.T, p *MiniProgramProvider, n int) {
	t.Helper()
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			if _, err := p.Exchange(t.Context(), testCode); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}
