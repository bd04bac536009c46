package wechat

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/wechat/wechattest"
)

// stubborn is a WeChat that refuses some tokens and yet hands them out in normal
// mode, as after a leak.
type stubborn struct {
	mu   sync.Mutex
	dead map[string]bool
}

func (s *stubborn) wrap(setup *worldSetup) {
	s.dead = make(map[string]bool)
	setup.wrap = func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.mu.Lock()
			dead := s.dead[r.URL.Query().Get("access_token")]
			s.mu.Unlock()
			if dead {
				fmt.Fprint(w, `{"errcode":40001,"errmsg":"invalid credential, access_token is invalid or not latest"}`)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

func (s *stubborn) kill(token wxlogin.Secret) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dead[token.Reveal()] = true
}

// forces is how often WeChat was asked to force.
func (w *world) forces() int {
	n := 0
	for _, r := range w.Requests() {
		if r.Path == wechattest.PathStableToken && strings.Contains(string(r.Body), `"force_refresh":true`) {
			n++
		}
	}
	return n
}

func TestTwentyInstancesWithADeadTokenForceOneRefreshAndAllAreServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var wechat stubborn
		w := newWorld(t, wechat.wrap)
		all := w.instances(t, 20, newWatched(t))
		dead := mustToken(t, all[0], wxlogin.Secret{})
		for _, p := range all {
			mustToken(t, p, wxlogin.Secret{})
		}
		wechat.kill(dead)
		w.Next(wechattest.Slow(time.Second).On(wechattest.PathStableToken))
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
		if got := w.forces(); got != 1 {
			t.Errorf("%d forced refreshes, want 1", got)
		}
		fresh := mustToken(t, all[0], wxlogin.Secret{})
		if fresh.Equal(dead) {
			t.Error("the dead token is still the current one")
		}
		for _, p := range all {
			if !mustToken(t, p, dead).Equal(fresh) {
				t.Error("the instances do not agree")
			}
		}
	})
}

func TestWhileOneInstanceRenewsTheOthersLeaveTheStoreAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, shared := newWorld(t), newWatched(t)
		all := w.instances(t, 2, shared)
		for _, p := range all {
			mustToken(t, p, wxlogin.Secret{})
		}
		<-time.After(2*time.Hour - minLead) // past the renewal of both
		w.Next(wechattest.Slow(4 * time.Second).On(wechattest.PathStableToken))
		mustToken(t, all[0], wxlogin.Secret{})
		synctest.Wait()
		before := shared.notes()
		for range 30 {
			mustToken(t, all[1], wxlogin.Secret{})
			<-time.After(100 * time.Millisecond)
		}
		if got := shared.notes() - before; got > 1 {
			t.Errorf("%d writes while another instance renews, want 1", got)
		}
		wantFetches(t, w.Emulator, 2)
	})
}

func TestForcedRefreshesAreRationedAcrossInstancesAsWeChatRationsThem(t *testing.T) {
	for name, shared := range map[string]bool{"two instances": true, "one without a vault": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var wechat stubborn
				w := newWorld(t, wechat.wrap)
				all := []*MiniProgramProvider{w.mini, w.mini}
				if shared {
					all = w.instances(t, 2, newWatched(t))
				}
				// replace lets WeChat refuse the current token, and asks for another.
				replace := func(n int) error {
					dead := mustToken(t, all[n%2], wxlogin.Secret{})
					wechat.kill(dead)
					fresh, err := all[n%2].AccessToken(t.Context(), dead)
					if err == nil && !mustToken(t, all[(n+1)%2], dead).Equal(fresh) {
						t.Error("the other instance does not follow")
					}
					return err
				}
				start := time.Now()
				if err := replace(0); err != nil {
					t.Fatal(err)
				}
				current := mustToken(t, all[0], wxlogin.Secret{})
				if err := replace(1); !errors.Is(err, wxlogin.ErrRateLimited) {
					t.Errorf("a second one at once: got %v, want ErrRateLimited", err)
				}
				if got := time.Since(start); got > 0 {
					t.Errorf("the second one waited for %v, though nobody was replacing its token", got)
				}
				if !mustToken(t, all[1], wxlogin.Secret{}).Equal(current) {
					t.Error("the refused token is thrown away, though there is no other")
				}
				if got := w.forces(); got != 1 {
					t.Errorf("WeChat was asked to force %d times, want once", got)
				}
				for n := 2; n <= 20; n++ {
					<-time.After(time.Minute)
					if err := replace(n); err != nil {
						t.Fatalf("forced refresh %d: %v", n, err)
					}
				}
				if err := replace(0); !errors.Is(err, wxlogin.ErrRateLimited) {
					t.Fatalf("number 21: got %v, want ErrRateLimited", err)
				}
				for time.Since(start) < 24*time.Hour-time.Minute {
					<-time.After(17 * time.Minute) // normal mode has another token every two hours
					if err := replace(0); err != nil && !errors.Is(err, wxlogin.ErrRateLimited) {
						t.Fatal(err)
					}
				}
				if got := w.forces(); got != 20 {
					t.Fatalf("WeChat was asked to force %d times in a day, want 20", got)
				}
				<-time.After(20 * time.Minute)
				if err := replace(0); err != nil || w.forces() != 21 {
					t.Errorf("a day later: got %v, %d forced refreshes, want 21", err, w.forces())
				}
			})
		})
	}
}

func TestWhileTheStoreIsDownNobodyForcesAndNoQuotaIsBurnt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var wechat stubborn
		w, shared := newWorld(t, wechat.wrap), newWatched(t)
		shared.down.Store(true)
		all := w.instances(t, 3, shared)
		var token wxlogin.Secret
		for range 50 {
			for _, p := range all {
				token = mustToken(t, p, wxlogin.Secret{})
			}
		}
		wantFetches(t, w.Emulator, 3) // one for each process
		wechat.kill(token)
		for range 50 {
			for _, p := range all {
				if _, err := p.AccessToken(t.Context(), token); !errors.Is(err, wxlogin.ErrStoreUnavailable) || countClasses(err) != 1 {
					t.Fatalf("got %v, want ErrStoreUnavailable alone", err)
				}
			}
		}
		if got := w.forces(); got != 0 {
			t.Errorf("%d forced refreshes that nobody counted", got)
		}
		wantFetches(t, w.Emulator, 6)
		shared.down.Store(false)
		<-time.After(time.Minute)
		if mustToken(t, all[0], token).Equal(token) {
			t.Error("the dead token again")
		}
	})
}

// WeChat's answer to the slow one is of the time before the refresh.
func TestAnInstanceThatWasOvertakenDoesNotForceAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var wechat stubborn
		w, shared := newWorld(t, wechat.wrap), newWatched(t)
		slow, fast := w.instance(t, shared, WithTimeout(time.Minute)), w.instance(t, shared)
		dead := mustToken(t, slow, wxlogin.Secret{})
		mustToken(t, fast, wxlogin.Secret{})
		wechat.kill(dead)
		w.Next(wechattest.Slow(forceInterval + 5*time.Second).Consuming().On(wechattest.PathStableToken))
		got := make(chan wxlogin.Secret, 1)
		go func() {
			token, _ := slow.AccessToken(t.Context(), dead)
			got <- token
		}()
		synctest.Wait()
		fresh := mustToken(t, fast, dead)
		if !(<-got).Equal(fresh) || w.forces() != 1 {
			t.Errorf("the overtaken instance has another token, or none; %d forced refreshes, want 1", w.forces())
		}
	})
}

// The instance that claimed the refresh died before it had the token.
func TestAnInstanceThatWaitsInVainSaysSoAndForcesLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var wechat stubborn
		w, shared := newWorld(t, wechat.wrap), newWatched(t)
		all := w.instances(t, 2, shared)
		dead := mustToken(t, all[0], wxlogin.Secret{})
		mustToken(t, all[1], wxlogin.Secret{})
		wechat.kill(dead)
		w.Next(wechattest.Pass(), wechattest.Cut().On(wechattest.PathStableToken))
		if _, err := all[0].AccessToken(t.Context(), dead); !errors.Is(err, wxlogin.ErrUpstreamUnavailable) {
			t.Fatalf("who forced: got %v, want ErrUpstreamUnavailable", err)
		}
		<-time.After(2 * time.Second)
		start := time.Now()
		if _, err := all[0].AccessToken(t.Context(), dead); !errors.Is(err, wxlogin.ErrRateLimited) || time.Since(start) > 0 {
			t.Errorf("who forced, again: got %v after %v, want ErrRateLimited at once: it knows that nobody is at it", err, time.Since(start))
		}
		if _, err := all[1].AccessToken(t.Context(), dead); !errors.Is(err, wxlogin.ErrRateLimited) {
			t.Errorf("who waited: got %v, want ErrRateLimited", err)
		}
		if got := time.Since(start); got > fetchAttempts*defaultTimeout {
			t.Errorf("waited for %v", got)
		}
		<-time.After(forceInterval)
		if mustToken(t, all[1], dead).Equal(dead) {
			t.Error("the dead token again")
		}
	})
}
