package wxlogin

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/ginwx/wxlogin/store/storetest"
)

// outage is a store that works until its nth call.
type outage struct {
	*storetest.FaultyAccounts
	calls, failAt int
}

var errOutage = errors.New("connection reset")

func (o *outage) hook(context.Context, storetest.Call) error {
	o.calls++
	if o.calls == o.failAt {
		return errOutage
	}
	return nil
}

// TestAStoreThatFailsAtAnyOneCall runs every operation against a store of which one
// call fails, before it did its work or after, whichever call that is.
func TestAStoreThatFailsAtAnyOneCall(t *testing.T) {
	alice := Identity{AppID: testApp, Subject: "o-alice", OpenID: "o-alice", UserID: "42"}
	for _, op := range []struct {
		name string
		run  func(t *testing.T, a *Auth, old LoginResult) (Secret, error)
		ends bool // the old session, if there is no error
	}{
		{"Login", func(t *testing.T, a *Auth, old LoginResult) (Secret, error) {
			result, err := a.Login(t.Context(), LoginRequest{Code: NewSecret("alice/new"), Token: old.Token})
			return result.Token, err
		}, false},
		{"Issue", func(t *testing.T, a *Auth, _ LoginResult) (Secret, error) {
			result, err := a.Issue(t.Context(), alice)
			return result.Token, err
		}, false},
		{"Authenticate", func(t *testing.T, a *Auth, old LoginResult) (Secret, error) {
			_, err := a.Authenticate(t.Context(), old.Token.Reveal())
			return Secret{}, err
		}, false},
		{"Admit", func(t *testing.T, a *Auth, _ LoginResult) (Secret, error) {
			_, err := a.Admit(t.Context(), Account{Subject: "o-alice"}, LoginRequest{AppID: testApp})
			return Secret{}, err
		}, false},
		{"Logout", func(t *testing.T, a *Auth, old LoginResult) (Secret, error) {
			return Secret{}, a.Logout(t.Context(), old.Token.Reveal())
		}, true},
		{"EndSession", func(t *testing.T, a *Auth, old LoginResult) (Secret, error) {
			return Secret{}, a.EndSession(t.Context(), old.Identity, old.Identity.SessionID)
		}, true},
		{"RevokeUser", func(t *testing.T, a *Auth, old LoginResult) (Secret, error) {
			return Secret{}, a.RevokeUser(t.Context(), old.Identity)
		}, true},
		{"Forget", func(t *testing.T, a *Auth, _ LoginResult) (Secret, error) {
			return Secret{}, a.Forget(t.Context(), testApp, "o-alice")
		}, true},
		{"SessionKeys", func(t *testing.T, a *Auth, _ LoginResult) (Secret, error) {
			_, err := a.SessionKeys(t.Context(), alice)
			return Secret{}, err
		}, false},
		{"Sessions", func(t *testing.T, a *Auth, _ LoginResult) (Secret, error) {
			_, err := a.Sessions(t.Context(), alice)
			return Secret{}, err
		}, false},
	} {
		for _, when := range []string{"before", "after"} {
			for n := 1; ; n++ {
				if n > 40 {
					t.Fatalf("%s never gets through", op.name)
				}
				o := &outage{FaultyAccounts: storetest.NewFaultyAccounts(newTestStore(t))}
				a, clock := newTestAuth(t, withStore(o), func(cfg *Config) {
					cfg.MaxSessions = 2
					cfg.OnLogin = func(_ context.Context, e *LoginEvent) error { e.UserID = "42"; return nil }
				})
				mustLogin(t, a, "alice/first")
				clock.advance(1)
				old := mustLogin(t, a, "alice/old")
				clock.advance(a.touch)
				o.failAt = n
				if when == "before" {
					o.Before(o.hook)
				} else {
					o.After(o.hook)
				}
				token, err := op.run(t, a, old)
				reached := o.calls >= n
				o.Before(nil)
				o.After(nil)
				what := fmt.Sprintf("%s, call %d fails %s its work", op.name, n, when)
				if err != nil {
					wantClass(t, what, err, ErrStoreUnavailable)
					if !token.IsZero() {
						t.Errorf("%s: a token came with the error", what)
					}
				} else if !token.IsZero() {
					wantLive(t, a, token, what+": the token that was handed out")
				}
				if err == nil && op.ends {
					wantDead(t, a, old.Token, what+": the session that was ended")
				}
				if err != nil && !op.ends && op.name != "Login" {
					wantLive(t, a, old.Token, what+": the session from before")
				}
				if err := a.RevokeUser(t.Context(), alice); err != nil {
					t.Errorf("%s: after the outage: %v", what, err)
				}
				wantDead(t, a, old.Token, what+": after the account was revoked")
				if !reached {
					break
				}
			}
		}
	}
}
