package wxlogin

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ginwx/wxlogin/store"
)

func TestForgetLeavesNothingOfTheUser(t *testing.T) {
	for _, userID := range []string{"", "42"} {
		synctest.Test(t, func(t *testing.T) {
			m := store.NewMemory()
			defer m.Close()
			a, err := New(Config{
				Providers: []Provider{&fakeProvider{app: testApp}}, Store: m, Keys: [][]byte{testKey("k")},
				OnLogin: func(_ context.Context, e *LoginEvent) error { e.UserID = userID; return nil },
			})
			if err != nil {
				t.Fatal(err)
			}
			defer a.Close()
			first, second := mustLogin(t, a, "alice/1"), mustLogin(t, a, "alice/2")
			if _, err := a.Admit(t.Context(), Account{Subject: "o-alice"}, LoginRequest{AppID: testApp}); err != nil {
				t.Fatal(err)
			}
			if err := a.Forget(t.Context(), testApp, "o-alice"); err != nil {
				t.Fatal(err)
			}
			wantDead(t, a, first.Token, "first session")
			wantDead(t, a, second.Token, "second session")
			_, err = a.SessionKeys(t.Context(), first.Identity)
			wantClass(t, "session_keys", err, ErrSessionKeyStale)
			sleep(a.markTTL() + store.DefaultSweepInterval)
			if n := m.Len(); n != 0 {
				t.Errorf("UserID %q: the store still holds %d entries, want none", userID, n)
			}
		})
	}
}

func TestForgetLeavesOtherUsersOfTheAccount(t *testing.T) {
	a, _ := newTestAuth(t, func(cfg *Config) {
		cfg.OnLogin = func(_ context.Context, e *LoginEvent) error { e.UserID = "family"; return nil }
	})
	alice, bob := mustLogin(t, a, "alice"), mustLogin(t, a, "bob")
	if err := a.Forget(t.Context(), testApp, "o-alice"); err != nil {
		t.Fatal(err)
	}
	wantDead(t, a, alice.Token, "the user who was forgotten")
	wantLive(t, a, bob.Token, "another user of the account")
	if _, err := a.SessionKeys(t.Context(), bob.Identity); err != nil {
		t.Error(err)
	}
}

func TestForgetCatchesTheLoginInFlight(t *testing.T) {
	var during func()
	a, _ := newTestAuth(t, func(cfg *Config) {
		cfg.OnLogin = func(_ context.Context, e *LoginEvent) error {
			e.UserID = "42"
			if during != nil {
				during()
			}
			return nil
		}
	})
	during = func() {
		if err := a.Forget(t.Context(), testApp, "o-alice"); err != nil {
			t.Error(err)
		}
	}
	_, err := a.Login(t.Context(), LoginRequest{Code: NewSecret("alice/1")})
	wantClass(t, "Login", err, ErrInvalidCode)
	_, err = a.SessionKeys(t.Context(), Identity{AppID: testApp, Subject: "o-alice"})
	wantClass(t, "session_keys of the login that was undone", err, ErrSessionKeyStale)
}

func TestAForgetThatCouldNotDeleteSaysSo(t *testing.T) {
	for _, verb := range []string{"Get", "Set", "DeleteFor", "Delete", "ListFor"} {
		down := newCountingStore(t)
		a, _ := newTestAuth(t, withStore(down), func(cfg *Config) {
			cfg.OnLogin = func(_ context.Context, e *LoginEvent) error { e.UserID = "42"; return nil }
		})
		mustLogin(t, a, "alice")
		down.fail(verb, errors.New("connection reset"))
		wantClass(t, verb+" fails", a.Forget(t.Context(), testApp, "o-alice"), ErrStoreUnavailable)
		down.fail(verb, nil)
		if err := a.Forget(t.Context(), testApp, "o-alice"); err != nil {
			t.Errorf("once more after %s failed: %v", verb, err)
		}
	}
	a, _ := newTestAuth(t, withStore(plainStore{newTestStore(t)}))
	id := mustLogin(t, a, "alice").Identity
	wantClass(t, "without an index", a.Forget(t.Context(), testApp, "o-alice"), ErrNoAccountIndex)
	_, err := a.SessionKeys(t.Context(), id)
	wantClass(t, "session_keys without an index", err, ErrSessionKeyStale)
}

func TestAdmitDecidesOnceAndFindsTheUserAgain(t *testing.T) {
	decisions := 0
	refuse := false
	a, clock := newTestAuth(t, shortLimits, func(cfg *Config) {
		cfg.OnLogin = func(_ context.Context, e *LoginEvent) error {
			decisions++
			e.UserID = "user of " + e.OpenID
			if refuse {
				return Refuse("banned", "")
			}
			return nil
		}
	})
	admit := func(openID, unionID string) (Identity, error) {
		return a.Admit(t.Context(), Account{Subject: openID, OpenID: openID, UnionID: unionID}, LoginRequest{AppID: testApp, ClientIP: "192.0.2.1"})
	}
	want := func(what string, wantDecisions int) Identity {
		t.Helper()
		id, err := admit("o-alice", "")
		if err != nil || id.OpenID != "o-alice" || id.UserID != "user of o-alice" || !id.VerifiedBy(a) {
			t.Fatalf("%s: got %q, %v", what, id.UserID, err)
		}
		if decisions != wantDecisions {
			t.Errorf("%s: got %d decisions, want %d", what, decisions, wantDecisions)
		}
		return id
	}
	want("the first request", 1)
	id := want("the second", 1)
	if withUnion, err := admit("o-alice", "u-alice"); err != nil || withUnion.UnionID != "u-alice" {
		t.Errorf("got unionid %q, %v; want the one that appeared", withUnion.UnionID, err)
	}
	if bob, err := admit("o-bob", ""); err != nil || bob.OpenID != "o-bob" {
		t.Errorf("got %q, %v", bob.OpenID, err)
	}
	if err := a.RevokeUser(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	want("after a revocation", 3)
	clock.advance(time.Hour)
	want("after the idle limit", 4)
	if list, err := a.Sessions(t.Context(), id); err != nil || len(list) != 1 || !list[0].Current {
		t.Errorf("got %+v, %v; want one session, the current", list, err)
	}
	refuse = true
	want("while OnLogin would refuse", 4)
	if err := a.RevokeUser(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, err := admit("o-alice", "")
		wantClass(t, "refused", err, ErrLoginRefused)
	}
	_, err := a.Authenticate(t.Context(), id.SessionID)
	wantClass(t, "its session's id as a token", err, ErrInvalidToken)
}

func TestAdmitFailsClosed(t *testing.T) {
	down := newCountingStore(t)
	a, _ := newTestAuth(t, withStore(down))
	for rule, c := range map[string]struct {
		account Account
		app     string
	}{
		"no app": {Account{Subject: "o"}, ""}, "another app": {Account{Subject: "o"}, "other"}, "nobody": {Account{}, testApp},
	} {
		_, err := a.Admit(t.Context(), c.account, LoginRequest{AppID: c.app})
		wantClass(t, rule, err, ErrBadRequest)
	}
	for _, verb := range []string{"Get", "Delete", "Add", "AddFor"} {
		down.fail(verb, errors.New("down"))
		id, err := a.Admit(t.Context(), Account{Subject: "o-" + verb}, LoginRequest{AppID: testApp})
		wantClass(t, verb, err, ErrStoreUnavailable)
		if id.Subject != "" {
			t.Errorf("%s: an identity came with the error", verb)
		}
		down.fail(verb, nil)
	}
}

func TestTwoInstancesThatAdmitOneUserAtOnceBothServe(t *testing.T) {
	racing := newCountingStore(t)
	one, _ := newTestAuth(t, withStore(racing))
	two, _ := newTestAuth(t, withStore(racing))
	once := true
	racing.before("AddFor", func() {
		if once {
			once = false
			if _, err := two.Admit(t.Context(), Account{Subject: "o-alice"}, LoginRequest{AppID: testApp}); err != nil {
				t.Errorf("the faster one: %v", err)
			}
		}
	})
	id, err := one.Admit(t.Context(), Account{Subject: "o-alice"}, LoginRequest{AppID: testApp})
	if err != nil || id.Subject != "o-alice" {
		t.Errorf("the slower one: got %q, %v", id.Subject, err)
	}
}
