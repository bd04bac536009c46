package wechat

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/store"
	"github.com/ginwx/wxlogin/wechat/wechattest"
)

var testKeys = [][]byte{bytes.Repeat([]byte("canary-key-"), 4)}

// instance is a provider in an Auth of its own, on a store that others share.
func (w *world) instance(t *testing.T, shared store.Store, opts ...Option) *MiniProgramProvider {
	t.Helper()
	p := MiniProgram(testAppID, testSecret, append(opts, WithBaseURL("http://wechat.test"))...)
	p.client.gate.dial, p.client.own.Proxy = w.network.dial, nil
	auth, err := wxlogin.New(wxlogin.Config{Providers: []wxlogin.Provider{p}, Store: shared, Keys: testKeys})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = auth.Close() })
	return p
}

func (w *world) instances(t *testing.T, n int, shared store.Store) []*MiniProgramProvider {
	all := make([]*MiniProgramProvider, n)
	for i := range all {
		all[i] = w.instance(t, shared)
	}
	return all
}

// watched is a memory store that remembers what was written, and can go down.
type watched struct {
	*store.Memory
	down atomic.Bool

	mu      sync.Mutex
	written bytes.Buffer
}

func newWatched(t *testing.T) *watched {
	s := &watched{Memory: store.NewMemory()}
	t.Cleanup(func() { _ = s.Memory.Close() })
	return s
}

var errDown = errors.New("connection refused")

func (s *watched) note(key string, value []byte) error {
	if s.down.Load() {
		return errDown
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(&s.written, "%s %s\n", key, value)
	return nil
}

func (s *watched) notes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Count(s.written.Bytes(), []byte("vault:"))
}

func (s *watched) Get(ctx context.Context, key string) ([]byte, error) {
	if s.down.Load() {
		return nil, errDown
	}
	return s.Memory.Get(ctx, key)
}

func (s *watched) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	if err := s.note(key, value); err != nil {
		return err
	}
	return s.Memory.Set(ctx, key, value, ttl)
}

func (s *watched) Add(ctx context.Context, key string, value []byte, ttl time.Duration) (bool, error) {
	if err := s.note(key, value); err != nil {
		return false, err
	}
	return s.Memory.Add(ctx, key, value, ttl)
}

func TestTwentyInstancesShareOneFetchAndNothingLiesInClear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, shared := newWorld(t), newWatched(t)
		all := w.instances(t, 20, shared)
		first := mustToken(t, all[0], wxlogin.Secret{})
		for _, p := range all {
			if !mustToken(t, p, wxlogin.Secret{}).Equal(first) {
				t.Error("another token")
			}
		}
		wantFetches(t, w.Emulator, 1)
		if shared.written.Len() == 0 {
			t.Fatal("nothing was written, so nothing is shown")
		}
		for _, secret := range []string{first.Reveal(), "access_token", testSecret, testAppID} {
			if strings.Contains(shared.written.String(), secret) {
				t.Errorf("the store holds %q in clear", secret)
			}
		}
		// A day of calls: one fetch for each life of a token, whoever makes it.
		for range 24 * 60 {
			<-time.After(time.Minute)
			for _, p := range all {
				mustToken(t, p, wxlogin.Secret{})
			}
			synctest.Wait()
		}
		if got := w.Count(wechattest.PathStableToken); got < 12 || got > 26 {
			t.Errorf("stable_token was asked %d times in a day, want 12 to 26", got)
		}
	})
}

func TestATokenIsRenewedWhileTheStoreIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, shared := newWorld(t), newWatched(t)
		p := w.instance(t, shared)
		first := mustToken(t, p, wxlogin.Secret{})
		shared.down.Store(true)
		<-time.After(2*time.Hour - minLead)
		mustToken(t, p, wxlogin.Secret{})
		synctest.Wait()
		if mustToken(t, p, wxlogin.Secret{}).Equal(first) {
			t.Error("the token was not renewed")
		}
	})
}

func TestWhatIsNoTokenInTheVaultCountsAsAbsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := w.instance(t, newWatched(t))
		for n, rubbish := range []string{"rubbish", "{}", `{"access_token":"canary-old-token","ends":1}`, `{"access_token":"","ends":99999999999999}`} {
			p.tokens.own.current = token{}
			if err := p.tokens.own.shared.set(t.Context(), tokenName, wxlogin.NewSecret(rubbish), time.Hour); err != nil {
				t.Fatal(err)
			}
			if got := mustToken(t, p, wxlogin.Secret{}); got.Reveal() != w.App(testAppID).AccessToken() {
				t.Errorf("%s: not the app's token", rubbish)
			}
			wantFetches(t, w.Emulator, n+1)
		}
	})
}

// The usual case: somebody else's refresh, whose token normal mode gives at once.
func TestTwentyInstancesWithAReplacedTokenForceNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		all := w.instances(t, 20, newWatched(t))
		for _, p := range all {
			mustToken(t, p, wxlogin.Secret{})
		}
		w.RevokeToken(mustToken(t, all[0], wxlogin.Secret{}).Reveal())
		key := w.keyOf("alice")
		var calls sync.WaitGroup
		for _, p := range all {
			calls.Go(func() {
				if ok, err := p.CheckSessionKey(t.Context(), w.OpenID("alice"), key); err != nil || !ok {
					t.Errorf("an instance is not served: %v, %v", ok, err)
				}
			})
		}
		calls.Wait()
		if got := w.forces(); got != 0 {
			t.Errorf("%d forced refreshes, want none", got)
		}
	})
}
