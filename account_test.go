package wxlogin

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestLogoutEndsTheSession(t *testing.T) {
	a, _ := newTestAuth(t)
	token, other := mustLogin(t, a, "alice/1").Token, mustLogin(t, a, "alice/2").Token
	if err := a.Logout(t.Context(), token.Reveal()); err != nil {
		t.Fatal(err)
	}
	wantDead(t, a, token, "after logout")
	wantLive(t, a, other, "the account's other session")
	if err := a.Logout(t.Context(), token.Reveal()); err != nil {
		t.Errorf("a second logout: %v", err)
	}
	wantClass(t, "logout of nothing", a.Logout(t.Context(), ""), ErrMissingToken)
	wantClass(t, "logout of rubbish", a.Logout(t.Context(), "rubbish"), ErrInvalidToken)
}

func TestALogoutThatCouldNotDeleteSaysSo(t *testing.T) {
	down := newCountingStore(t)
	a, _ := newTestAuth(t, withStore(down))
	token := mustLogin(t, a, "alice").Token
	down.fail("Delete", errors.New("connection reset"))
	wantClass(t, "Logout", a.Logout(t.Context(), token.Reveal()), ErrStoreUnavailable)
	wantLive(t, a, token, "after a logout that failed")
}

func TestALogoutOfAnExpiredSessionSucceeds(t *testing.T) {
	a, clock := newTestAuth(t, shortLimits)
	token := mustLogin(t, a, "alice").Token
	clock.advance(2 * time.Hour)
	if err := a.Logout(t.Context(), token.Reveal()); err != nil {
		t.Error(err)
	}
	wantDead(t, a, token, "after that")
}

func TestRevokeUserEndsEverySessionOfTheAccountAcrossApps(t *testing.T) {
	a, _ := newTestAuth(t, func(cfg *Config) {
		cfg.Providers = []Provider{&fakeProvider{app: "one"}, &fakeProvider{app: "two"}}
		cfg.OnLogin = func(_ context.Context, e *LoginEvent) error { e.UserID = e.Subject + "'s account"; return nil }
	})
	login := func(app, code string) LoginResult {
		t.Helper()
		result, err := a.Login(t.Context(), LoginRequest{AppID: app, Code: NewSecret(code)})
		if err != nil {
			t.Fatal(err)
		}
		return result
	}
	first, second, other := login("one", "alice/1"), login("two", "alice/2"), login("one", "bob")
	if err := a.RevokeUser(t.Context(), Identity{UserID: "o-alice's account"}); err != nil {
		t.Fatal(err)
	}
	wantDead(t, a, first.Token, "in the first app")
	wantDead(t, a, second.Token, "in the second app")
	wantLive(t, a, other.Token, "another user's")
	wantLive(t, a, login("one", "alice/3").Token, "a login after the revocation")
}

func TestWithoutAUserIDAnAccountIsAppAndSubject(t *testing.T) {
	a, _ := newTestAuth(t)
	token, other := mustLogin(t, a, "alice").Token, mustLogin(t, a, "bob").Token
	if err := a.RevokeUser(t.Context(), Identity{AppID: testApp, Subject: "o-alice"}); err != nil {
		t.Fatal(err)
	}
	wantDead(t, a, token, "after revocation")
	wantLive(t, a, other, "another user's")
	if accountOf(Identity{UserID: "x"}) == accountOf(Identity{AppID: "x"}) ||
		accountOf(Identity{AppID: "a", Subject: "bc"}) == accountOf(Identity{AppID: "ab", Subject: "c"}) {
		t.Error("two accounts share an id")
	}
}

func TestARevocationCatchesTheLoginInFlight(t *testing.T) {
	for _, known := range []bool{false, true} {
		t.Run(fmt.Sprintf("the user logged in before: %v", known), func(t *testing.T) {
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
			if known {
				mustLogin(t, a, "alice/before")
			}
			during = func() {
				if err := a.RevokeUser(t.Context(), Identity{UserID: "42"}); err != nil {
					t.Error(err)
				}
			}
			result, err := a.Login(t.Context(), LoginRequest{Code: NewSecret("alice/1")})
			wantClass(t, "Login", err, ErrInvalidCode)
			if !result.Token.IsZero() {
				t.Error("a token came with the error")
			}
			if list, err := a.Sessions(t.Context(), Identity{UserID: "42"}); err != nil || len(list) != 0 {
				t.Errorf("got %d sessions, %v; want none", len(list), err)
			}
			during = nil
			wantLive(t, a, mustLogin(t, a, "alice/2").Token, "the login after it")
		})
	}
}

func TestARevocationMarkDoesNotHinderAUserForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, err := New(Config{
			Providers: []Provider{&fakeProvider{app: testApp}},
			OnLogin:   func(_ context.Context, e *LoginEvent) error { e.UserID = "42"; return nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		if err := a.RevokeUser(t.Context(), Identity{UserID: "42"}); err != nil {
			t.Fatal(err)
		}
		_, err = a.Login(t.Context(), LoginRequest{Code: NewSecret("alice/1")})
		wantClass(t, "the first login of a user, right after the account was revoked", err, ErrInvalidCode)
		if _, err = a.Login(t.Context(), LoginRequest{Code: NewSecret("alice/2")}); err != nil {
			t.Errorf("the second login, whose account is known by now: %v", err)
		}
		sleep(a.markTTL())
		if _, err = a.Login(t.Context(), LoginRequest{Code: NewSecret("bob/1")}); err != nil {
			t.Errorf("a first login after the mark's life: %v", err)
		}
	})
}

func TestARevocationThatCouldNotDeleteSaysSo(t *testing.T) {
	for _, verb := range []string{"Set", "DeleteFor"} {
		down := newCountingStore(t)
		a, _ := newTestAuth(t, withStore(down))
		id := mustLogin(t, a, "alice").Identity
		down.fail(verb, errors.New("connection reset"))
		wantClass(t, verb+" fails", a.RevokeUser(t.Context(), id), ErrStoreUnavailable)
	}
}

func TestAStoreWithoutAccountIndexLogsInButCannotListOrRevoke(t *testing.T) {
	a, _ := newTestAuth(t, withStore(plainStore{newTestStore(t)}))
	result := mustLogin(t, a, "alice")
	wantLive(t, a, result.Token, "on a plain store")
	_, err := a.Sessions(t.Context(), result.Identity)
	wantClass(t, "Sessions", err, ErrNoAccountIndex)
	wantClass(t, "RevokeUser", a.RevokeUser(t.Context(), result.Identity), ErrNoAccountIndex)
	wantClass(t, "EndSession", a.EndSession(t.Context(), result.Identity, "x"), ErrNoAccountIndex)
	if err := a.Logout(t.Context(), result.Token.Reveal()); err != nil {
		t.Error(err)
	}
	wantDead(t, a, result.Token, "after logout")
}

func TestSessionsListsTheAccountsOwn(t *testing.T) {
	a, clock := newTestAuth(t, shortLimits)
	login := func(code, device string) LoginResult {
		result, err := a.Login(t.Context(), LoginRequest{Code: NewSecret(code), Device: device})
		if err != nil {
			t.Fatal(err)
		}
		return result
	}
	old := login("alice/1", "old phone")
	clock.advance(50 * time.Minute)
	phone := login("alice/2", "phone")
	clock.advance(time.Minute)
	tablet := login("alice/3", "tablet")
	bob := login("bob", "bob's")
	clock.advance(20 * time.Minute) // the old one is idle for 71 minutes
	list, err := a.Sessions(t.Context(), phone.Identity)
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 2 || list[0].Device != "tablet" || list[1].Device != "phone" {
		t.Fatalf("got %+v, want tablet and phone", list)
	}
	if list[0].Current || !list[1].Current {
		t.Errorf("got %+v, want the phone to be current", list)
	}
	if err := a.EndSession(t.Context(), phone.Identity, bob.Identity.SessionID); err != nil {
		t.Error(err)
	}
	wantLive(t, a, bob.Token, "another account's session, ended by its id")
	if err := a.EndSession(t.Context(), phone.Identity, tablet.Identity.SessionID); err != nil {
		t.Error(err)
	}
	wantDead(t, a, tablet.Token, "the account's own, ended by its id")
	wantLive(t, a, phone.Token, "the one that asked")
	_, err = a.Authenticate(t.Context(), old.Token.Reveal())
	wantClass(t, "the idle one", err, ErrSessionExpired)
	if _, err := a.Authenticate(t.Context(), phone.Identity.SessionID); !errors.Is(err, ErrInvalidToken) {
		t.Errorf("a session's id as token: got %v, want %v", err, ErrInvalidToken)
	}
}

func TestALoginBeyondTheCapEndsTheSessionThatBeganFirst(t *testing.T) {
	for _, c := range []struct{ max, logins, live int }{{0, 13, 10}, {1, 3, 1}, {3, 3, 3}, {-1, 30, 30}} {
		a, clock := newTestAuth(t, func(cfg *Config) { cfg.MaxSessions = c.max })
		var tokens []Secret
		for i := range c.logins {
			tokens = append(tokens, mustLogin(t, a, fmt.Sprintf("alice/%d", i)).Token)
			clock.advance(time.Second)
		}
		for i, token := range tokens {
			if i < c.logins-c.live {
				wantDead(t, a, token, fmt.Sprintf("max %d, login %d", c.max, i))
			} else {
				wantLive(t, a, token, fmt.Sprintf("max %d, login %d", c.max, i))
			}
		}
	}
}

func TestACapThatCannotBeKeptDoesNotFailTheLogin(t *testing.T) {
	down := newCountingStore(t)
	var log logBuffer
	a, _ := newTestAuth(t, withStore(down), log.attach)
	down.fail("ListFor", errors.New("timeout"))
	wantLive(t, a, mustLogin(t, a, "alice").Token, "the new session")
	if !log.contains("sessions not capped") {
		t.Error("the failure was not logged")
	}
}

func TestALoginReplacesTheSessionWhoseTokenItCarries(t *testing.T) {
	a, _ := newTestAuth(t)
	relogin := func(code string, token Secret) LoginResult {
		result, err := a.Login(t.Context(), LoginRequest{Code: NewSecret(code), Token: token})
		if err != nil {
			t.Fatal(err)
		}
		return result
	}
	first, untouched := mustLogin(t, a, "alice/1"), mustLogin(t, a, "alice/2")
	second := relogin("alice/3", first.Token)
	wantDead(t, a, first.Token, "the session that was replaced")
	wantLive(t, a, second.Token, "the new one")
	wantLive(t, a, untouched.Token, "a session on another device")
	bob := relogin("bob", second.Token)
	wantLive(t, a, second.Token, "a session of another account")
	wantLive(t, a, relogin("bob/2", NewSecret("rubbish")).Token, "a login with a rubbish token")
	wantLive(t, a, bob.Token, "bob's")
}

func TestAUserWhoChangesAccountLeavesNoSessionBehind(t *testing.T) {
	userID := "guest"
	a, _ := newTestAuth(t, func(cfg *Config) {
		cfg.OnLogin = func(_ context.Context, e *LoginEvent) error { e.UserID = userID; return nil }
	})
	guest, otherGuest := mustLogin(t, a, "alice/1"), mustLogin(t, a, "bob/1")
	userID = "member"
	member := mustLogin(t, a, "alice/2")
	wantDead(t, a, guest.Token, "the session under the former account")
	wantLive(t, a, otherGuest.Token, "another user's session under that account")
	wantLive(t, a, member.Token, "the new one")
}

func TestParallelLoginsAndRevocationsLeaveNoSessionUnlisted(t *testing.T) {
	a, _ := newTestAuth(t, func(cfg *Config) { cfg.MaxSessions, cfg.Now = -1, nil })
	var wg sync.WaitGroup
	tokens := make(chan Secret, 400)
	for worker := range 4 {
		wg.Go(func() {
			for i := range 100 {
				result, err := a.Login(t.Context(), LoginRequest{Code: NewSecret(fmt.Sprintf("alice/%d-%d", worker, i))})
				if err == nil {
					tokens <- result.Token
				} else if !errors.Is(err, ErrInvalidCode) {
					t.Errorf("Login: %v", err)
				}
			}
		})
	}
	alice := Identity{AppID: testApp, Subject: "o-alice"}
	for range 20 {
		if err := a.RevokeUser(t.Context(), alice); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
	close(tokens)
	live := 0
	for token := range tokens {
		if _, err := a.Authenticate(t.Context(), token.Reveal()); err == nil {
			live++
		}
	}
	if list, err := a.Sessions(t.Context(), alice); err != nil || len(list) != live {
		t.Errorf("got %d listed, %v; %d tokens are live", len(list), err, live)
	}
	if err := a.RevokeUser(t.Context(), alice); err != nil {
		t.Error(err)
	}
	if list, err := a.Sessions(t.Context(), alice); err != nil || len(list) != 0 {
		t.Errorf("got %d sessions after the last revocation, %v; want none", len(list), err)
	}
}
