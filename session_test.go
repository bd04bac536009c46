package wxlogin

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ginwx/wxlogin/store"
)

func shortLimits(cfg *Config) { cfg.IdleTimeout, cfg.MaxLifetime = time.Hour, 10*time.Hour }

func TestAnUnusedSessionExpiresAtItsIdleLimit(t *testing.T) {
	a, clock := newTestAuth(t, shortLimits)
	token := mustLogin(t, a, "alice").Token
	clock.advance(time.Hour - time.Millisecond)
	if _, err := testPeek(a, token); err != nil {
		t.Errorf("just before the limit: %v", err)
	}
	clock.advance(time.Millisecond)
	_, err := a.Authenticate(t.Context(), token.Reveal())
	wantClass(t, "at the limit", err, ErrSessionExpired)
	if errors.Is(err, ErrInvalidToken) {
		t.Error("an expired session must be told from an invalid token")
	}
}

// testPeek authenticates with the touch interval out of the way.
func testPeek(a *Auth, token Secret) (Identity, error) {
	touch := a.touch
	a.touch = 1 << 62
	defer func() { a.touch = touch }()
	return a.Authenticate(testContext, token.Reveal())
}

func TestUseSlidesTheIdleLimitButNeverTheAbsoluteOne(t *testing.T) {
	a, clock := newTestAuth(t, shortLimits)
	result := mustLogin(t, a, "alice")
	var ended time.Duration
	for range 100 {
		clock.advance(30 * time.Minute)
		id, err := a.Authenticate(t.Context(), result.Token.Reveal())
		if err != nil {
			wantClass(t, "past the absolute limit", err, ErrSessionExpired)
			ended = time.Duration(clock.offset.Load())
			break
		}
		if left := a.ExpiresIn(id); left > time.Hour {
			t.Fatalf("got %v left, want at most the idle limit", left)
		}
	}
	if ended < 9*time.Hour || ended > 10*time.Hour+30*time.Minute {
		t.Errorf("a session in use ended after %v, want within the last tenth of 10h", ended)
	}
}

func TestSessionsOfOneMinuteDoNotEndInOne(t *testing.T) {
	a, _ := newTestAuth(t, shortLimits, func(cfg *Config) { cfg.MaxSessions = -1 })
	first, last := time.Duration(1<<62), time.Duration(0)
	for range 200 {
		s := a.newSession(Identity{AppID: testApp, Subject: "o"})
		lifetime := time.Duration(s.end-s.created) * time.Millisecond
		first, last = min(first, lifetime), max(last, lifetime)
	}
	if first < 9*time.Hour || last > 10*time.Hour || last-first < 30*time.Minute {
		t.Errorf("lifetimes from %v to %v, want spread over 9h to 10h", first, last)
	}
}

func TestASlideIsWrittenAtMostOnceInATouchInterval(t *testing.T) {
	counted := newCountingStore(t)
	a, clock := newTestAuth(t, withStore(counted), shortLimits)
	token := mustLogin(t, a, "alice").Token
	for range 60 {
		clock.advance(time.Second)
		wantLive(t, a, token, "in use")
	}
	if got := counted.count("Swap"); got != 0 {
		t.Errorf("got %d writes in a minute, want none within the touch interval of %v", got, a.touch)
	}
	clock.advance(a.touch)
	wantLive(t, a, token, "after the interval")
	wantLive(t, a, token, "again")
	if got := counted.count("Swap"); got != 1 {
		t.Errorf("got %d writes after the interval, want 1", got)
	}
}

func TestTheTouchIntervalIsAQuarterOfIdleUpToFiveMinutes(t *testing.T) {
	for idle, want := range map[time.Duration]time.Duration{
		8 * time.Second: 2 * time.Second, 20 * time.Minute: 5 * time.Minute, 0: 5 * time.Minute,
	} {
		a, _ := newTestAuth(t, func(cfg *Config) { cfg.IdleTimeout = idle })
		if a.touch != want {
			t.Errorf("idle %v: got %v, want %v", idle, a.touch, want)
		}
	}
}

func TestASlideThatCannotBeWrittenDoesNotLogOut(t *testing.T) {
	faulty := newCountingStore(t)
	var log logBuffer
	a, clock := newTestAuth(t, withStore(faulty), shortLimits, log.attach)
	token := mustLogin(t, a, "alice").Token
	clock.advance(30 * time.Minute)
	faulty.fail("Swap", errors.New("read-only replica"))
	wantLive(t, a, token, "with a store that cannot write")
	if !log.contains("session not extended") {
		t.Error("the failure was not logged")
	}
	faulty.fail("Swap", nil)
	clock.advance(29 * time.Minute)
	wantLive(t, a, token, "within the limit that was last written")
	clock.advance(59 * time.Minute)
	wantLive(t, a, token, "once the store writes again")
}

func TestASlideOfASessionThatEndedMeanwhileIsRefused(t *testing.T) {
	racing := newCountingStore(t)
	a, clock := newTestAuth(t, withStore(racing), shortLimits)
	token := mustLogin(t, a, "alice").Token
	clock.advance(30 * time.Minute)
	racing.before("Swap", func() {
		if err := a.Logout(t.Context(), token.Reveal()); err != nil {
			t.Errorf("Logout: %v", err)
		}
	})
	wantDead(t, a, token, "logged out between read and slide")
	racing.before("Swap", nil)
	wantDead(t, a, token, "after that")
}

func TestASlideThatLostToAnotherOneIsServed(t *testing.T) {
	racing := newCountingStore(t)
	a, clock := newTestAuth(t, withStore(racing), shortLimits)
	token := mustLogin(t, a, "alice").Token
	clock.advance(30 * time.Minute)
	once := true
	racing.before("Swap", func() {
		if once {
			once = false
			wantLive(t, a, token, "the request that wins")
		}
	})
	wantLive(t, a, token, "the request that loses")
}

func TestAStoreFailureIsNeverALogout(t *testing.T) {
	down := newCountingStore(t)
	a, _ := newTestAuth(t, withStore(down))
	token := mustLogin(t, a, "alice").Token
	down.fail("Get", errors.New("connection refused"))
	_, err := a.Authenticate(t.Context(), token.Reveal())
	wantClass(t, "store down", err, ErrStoreUnavailable)
	if errors.Is(err, ErrInvalidToken) || errors.Is(err, ErrSessionExpired) {
		t.Errorf("got %v: an outage must say nothing about the token", err)
	}
	down.fail("Get", nil)
	wantLive(t, a, token, "after the outage")
}

func TestGarbageInTheStoreIsAnOutage(t *testing.T) {
	m := newTestStore(t)
	a, _ := newTestAuth(t, withStore(m))
	token := mustLogin(t, a, "alice").Token
	key, _ := a.tokens.open(token.Reveal())
	other := mustLogin(t, a, "bob").Token
	otherKey, _ := a.tokens.open(other.Reveal())
	bobs, _ := m.Get(t.Context(), otherKey)
	for rule, value := range map[string][]byte{
		"empty": {}, "rubbish": []byte("<html>"), "the record of somebody else": bobs,
	} {
		if err := m.Set(t.Context(), key, value, time.Hour); err != nil {
			t.Fatal(err)
		}
		id, err := a.Authenticate(t.Context(), token.Reveal())
		wantClass(t, rule, err, ErrStoreUnavailable)
		if id.OpenID != "" {
			t.Errorf("%s: authenticated as %q", rule, id.OpenID)
		}
	}
}

func TestAWellFormedTokenFromOutsideCreatesNothing(t *testing.T) {
	counted := newCountingStore(t)
	a, _ := newTestAuth(t, withStore(counted))
	stranger, _ := newTestAuth(t, func(cfg *Config) { cfg.Keys = [][]byte{testKey("stranger")} })
	forged := mustLogin(t, stranger, "mallory").Token
	wantDead(t, a, forged, "signed by another key")
	if got := counted.total(); got != 0 {
		t.Errorf("a forged token made %d calls of the store, want none", got)
	}
	never, _, err := a.tokens.issue()
	if err != nil {
		t.Fatal(err)
	}
	wantDead(t, a, never, "genuine, but never saved")
	if got := counted.total() - counted.count("Get"); got != 0 {
		t.Errorf("an unknown token made %d writes, want none", got)
	}
}

func TestAnExpiredSessionIsToldFromAnUnknownOneForAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, err := New(Config{Providers: []Provider{&fakeProvider{app: testApp}}, IdleTimeout: time.Hour, MaxLifetime: 2 * time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		token := mustLogin(t, a, "alice").Token
		for _, step := range []struct {
			after time.Duration
			want  error
		}{
			{time.Hour, ErrSessionExpired},
			{time.Hour, ErrSessionExpired},
			{45 * time.Minute, ErrSessionExpired},
			{16 * time.Minute, ErrInvalidToken},
		} {
			sleep(step.after)
			_, err := a.Authenticate(t.Context(), token.Reveal())
			wantClass(t, "after a further "+step.after.String(), err, step.want)
		}
	})
}

func TestASessionLeavesNothingButHashesInTheStore(t *testing.T) {
	spy := newCountingStore(t)
	a, _ := newTestAuth(t, withStore(spy))
	result := mustLogin(t, a, "alice/1")
	id, _ := a.tokens.verify(result.Token.Reveal())
	for _, written := range spy.written() {
		for name, secret := range map[string]string{
			"token": result.Token.Reveal(), "id": string(id), "session_key": "key-of-alice/1",
		} {
			if contains(written, secret) {
				t.Errorf("the store was given the %s in clear", name)
			}
		}
	}
	if len(spy.written()) < 2 {
		t.Errorf("got %d writes, want the session and the session_key", len(spy.written()))
	}
}

var _ store.AccountStore = (*countingStore)(nil)
