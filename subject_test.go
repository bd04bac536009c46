package wxlogin

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestTheNewestAndThePreviousSessionKeyAreKept(t *testing.T) {
	at := func(minute int, key string) exchangedKey {
		return exchangedKey{key, int64(minute)}
	}
	for _, c := range []struct {
		rule              string
		exchanges         []exchangedKey
		current, previous string
	}{
		{"one", []exchangedKey{at(1, "a")}, "a", ""},
		{"two in order", []exchangedKey{at(1, "a"), at(2, "b")}, "b", "a"},
		{"two written in the wrong order", []exchangedKey{at(2, "b"), at(1, "a")}, "b", "a"},
		{"three", []exchangedKey{at(1, "a"), at(2, "b"), at(3, "c")}, "c", "b"},
		{"the middle one is late", []exchangedKey{at(1, "a"), at(3, "c"), at(2, "b")}, "c", "b"},
		{"the oldest is late", []exchangedKey{at(2, "b"), at(3, "c"), at(1, "a")}, "c", "b"},
		{"the same key again loses nothing", []exchangedKey{at(1, "a"), at(2, "b"), at(3, "b")}, "b", "a"},
		{"a late repeat of the same key", []exchangedKey{at(1, "a"), at(3, "b"), at(2, "b")}, "b", "a"},
		{"back to the former key", []exchangedKey{at(1, "a"), at(2, "b"), at(3, "a")}, "a", "b"},
		{"a late repeat of the previous key", []exchangedKey{at(1, "a"), at(3, "b"), at(2, "a")}, "b", "a"},
		{"none", []exchangedKey{{}, at(1, "a"), {}}, "a", ""},
	} {
		var s subject
		for _, k := range c.exchanges {
			s.add(k)
		}
		if s.current.key != c.current || s.previous.key != c.previous {
			t.Errorf("%s: got %q and %q, want %q and %q", c.rule, s.current.key, s.previous.key, c.current, c.previous)
		}
	}
}

func TestSessionKeysComeBackToTheServerAlone(t *testing.T) {
	a, _ := newTestAuth(t)
	id := mustLogin(t, a, "alice/1").Identity
	keys, err := a.SessionKeys(t.Context(), id)
	if err != nil || keys.Current.Reveal() != "key-of-alice/1" || !keys.Previous.IsZero() {
		t.Fatalf("got %q and %q, %v", keys.Current.Reveal(), keys.Previous.Reveal(), err)
	}
	mustLogin(t, a, "alice/2")
	keys, err = a.SessionKeys(t.Context(), id)
	if err != nil || keys.Current.Reveal() != "key-of-alice/2" || keys.Previous.Reveal() != "key-of-alice/1" {
		t.Errorf("got %q and %q, %v", keys.Current.Reveal(), keys.Previous.Reveal(), err)
	}
	_, err = a.SessionKeys(t.Context(), Identity{AppID: testApp, Subject: "o-nobody"})
	wantClass(t, "a user without keys", err, ErrSessionKeyStale)
	_, err = a.SessionKeys(t.Context(), Identity{AppID: "other", Subject: "o-alice"})
	wantClass(t, "the same openid in another app", err, ErrSessionKeyStale)
}

func TestAResetSessionKeyIsTheCurrentOne(t *testing.T) {
	a, clock := newTestAuth(t)
	id := mustLogin(t, a, "alice").Identity
	clock.advance(time.Second)
	if err := a.KeepSessionKey(t.Context(), id, NewSecret("reset")); err != nil {
		t.Fatal(err)
	}
	keys, err := a.SessionKeys(t.Context(), id)
	if err != nil || keys.Current.Reveal() != "reset" || keys.Previous.Reveal() != "key-of-alice" {
		t.Errorf("got %q and %q, %v", keys.Current.Reveal(), keys.Previous.Reveal(), err)
	}
	if err := a.KeepSessionKey(t.Context(), Identity{AppID: testApp, Subject: "o-new"}, NewSecret("first")); err != nil {
		t.Errorf("a user without any: %v", err)
	}
	for rule, err := range map[string]error{
		"no key": a.KeepSessionKey(t.Context(), id, Secret{}), "nobody": a.KeepSessionKey(t.Context(), Identity{AppID: testApp}, NewSecret("k")),
		"too long": a.KeepSessionKey(t.Context(), id, NewSecret(strings.Repeat("k", maxIDLen+1))),
	} {
		wantClass(t, rule, err, ErrBadRequest)
	}
}

func TestALogoutKeepsTheSessionKeysOfTheUser(t *testing.T) {
	a, _ := newTestAuth(t)
	result := mustLogin(t, a, "alice")
	if err := a.Logout(t.Context(), result.Token.Reveal()); err != nil {
		t.Fatal(err)
	}
	if keys, err := a.SessionKeys(t.Context(), result.Identity); err != nil || keys.Current.IsZero() {
		t.Errorf("got %v: the key belongs to the user, not to the session", err)
	}
}

func TestAnIssuedSessionKeepsTheSessionKeys(t *testing.T) {
	a, _ := newTestAuth(t)
	id := mustLogin(t, a, "alice").Identity
	if _, err := a.Issue(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if keys, err := a.SessionKeys(t.Context(), id); err != nil || keys.Current.Reveal() != "key-of-alice" {
		t.Errorf("got %q, %v", keys.Current.Reveal(), err)
	}
}

func TestParallelLoginsOfOneUserLoseNoSessionKey(t *testing.T) {
	shared := newTestStore(t)
	var mu sync.Mutex
	clock := testStart
	tick := func(cfg *Config) { // every call of the clock is a different time
		cfg.Now = func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			clock = clock.Add(time.Millisecond)
			return clock
		}
	}
	one, _ := newTestAuth(t, withStore(shared), tick)
	two, _ := newTestAuth(t, withStore(shared), tick)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			a := []*Auth{one, two}[i%2]
			if _, err := a.Login(context.Background(), LoginRequest{Code: NewSecret(fmt.Sprintf("alice/%d", i))}); err != nil {
				t.Errorf("Login: %v", err)
			}
		})
	}
	wg.Wait()
	keys, err := one.SessionKeys(t.Context(), Identity{AppID: testApp, Subject: "o-alice"})
	if err != nil || keys.Current.IsZero() || keys.Previous.IsZero() || keys.Current.Equal(keys.Previous) {
		t.Errorf("got %q and %q, %v; want two keys", keys.Current.Reveal(), keys.Previous.Reveal(), err)
	}
}

func TestSessionKeysSurviveAKeyRotationAndAreGoneWithTheirKey(t *testing.T) {
	shared := newTestStore(t)
	keys := func(names ...string) func(*Config) {
		return func(cfg *Config) {
			withStore(shared)(cfg)
			cfg.Keys = nil
			for _, name := range names {
				cfg.Keys = append(cfg.Keys, testKey(name))
			}
		}
	}
	old, _ := newTestAuth(t, keys("old"))
	both, _ := newTestAuth(t, keys("new", "old"))
	fresh, _ := newTestAuth(t, keys("new"))
	id := mustLogin(t, old, "alice/1").Identity
	if got, err := both.SessionKeys(t.Context(), id); err != nil || got.Current.Reveal() != "key-of-alice/1" {
		t.Errorf("{new,old}: got %q, %v", got.Current.Reveal(), err)
	}
	_, err := fresh.SessionKeys(t.Context(), id)
	wantClass(t, "{new}: a value that no key opens counts as absent", err, ErrSessionKeyStale)
	mustLogin(t, fresh, "alice/2")
	if got, err := fresh.SessionKeys(t.Context(), id); err != nil || got.Current.Reveal() != "key-of-alice/2" || !got.Previous.IsZero() {
		t.Errorf("{new} after a login: got %q and %q, %v", got.Current.Reveal(), got.Previous.Reveal(), err)
	}
}

func TestASealedValueOpensOnlyWhereItWasPut(t *testing.T) {
	ring, err := newKeyring([][]byte{testKey("current")})
	if err != nil {
		t.Fatal(err)
	}
	sealed := ring.seal("subject:a", []byte("plain"))
	if plain, ok := ring.open("subject:a", sealed); !ok || string(plain) != "plain" {
		t.Fatalf("got %q, %v", plain, ok)
	}
	if _, ok := ring.open("subject:b", sealed); ok {
		t.Error("a value that was moved to another user's key was opened")
	}
	for i := range sealed {
		flipped := append([]byte(nil), sealed...)
		flipped[i] ^= 1
		if _, ok := ring.open("subject:a", flipped); ok {
			t.Fatalf("byte %d flipped: opened", i)
		}
	}
	for n := range sealed {
		if _, ok := ring.open("subject:a", sealed[:n]); ok {
			t.Fatalf("cut to %d bytes: opened", n)
		}
	}
	if string(ring.seal("subject:a", []byte("plain"))) == string(sealed) {
		t.Error("two seals are alike")
	}
}

func TestSessionKeysDieAMaxLifetimeAfterTheLastExchange(t *testing.T) {
	counted := newCountingStore(t)
	a, _ := newTestAuth(t, withStore(counted), shortLimits)
	mustLogin(t, a, "alice")
	if got := counted.ttlOf("subject:"); got != 10*time.Hour {
		t.Errorf("got a time to live of %v, want MaxLifetime", got)
	}
}
