package wechat

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/wechat/wechattest"
)

const nextSecret = "synthetic-canary-next-secret-0123456789"

// rotating is a world whose providers try the old secret first, while WeChat knows
// the new one alone.
func rotating(t *testing.T) *world {
	return newWorld(t, func(s *worldSetup) {
		s.mini = append(s.mini, WithNextSecret(nextSecret))
		s.terminal = append(s.terminal, WithNextSecret(nextSecret))
		s.rotated = nextSecret
	})
}

func TestDuringARotationTheOtherSecretIsTriedAndRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := rotating(t)
		for n, want := range []int{2, 3} {
			code := w.Code("alice")
			if account, err := w.mini.Exchange(t.Context(), code); err != nil || account.OpenID != w.OpenID("alice") {
				t.Fatalf("login %d: %+v, %v", n, account, err)
			}
			if got := w.Count(wechattest.PathCode2Session); got != want {
				t.Errorf("after login %d: %d calls, want %d", n, got, want)
			}
		}
		mustToken(t, w.mini, wxlogin.Secret{})
		wantFetches(t, w.Emulator, 1) // by what the login learned
	})
	synctest.Test(t, func(t *testing.T) {
		w := rotating(t)
		mustToken(t, w.mini, wxlogin.Secret{})
		wantFetches(t, w.Emulator, 2)
		if _, err := w.mini.Exchange(t.Context(), w.Code("alice")); err != nil || w.Count(wechattest.PathCode2Session) != 1 {
			t.Errorf("got %v after %d calls, want success at the first", err, w.Count(wechattest.PathCode2Session))
		}
	})
	synctest.Test(t, func(t *testing.T) {
		w := rotating(t)
		m := w.MultiTerminal(terminalAppID)
		for _, want := range []int{2, 3} {
			if _, err := w.terminal.Exchange(t.Context(), m.Code("alice", wechattest.LoginApple)); err != nil {
				t.Fatal(err)
			}
			if got := w.Count(wechattest.PathCode2VerifyInfo); got != want {
				t.Errorf("%d calls, want %d", got, want)
			}
		}
	})
}

func TestWhatTheOtherSecretMeetsDecidesWhetherItIsRemembered(t *testing.T) {
	const refused = `{"errcode":40125,"errmsg":"invalid appsecret"}`
	for name, tt := range map[string]struct {
		bodies     []string
		class      error
		code       int
		remembered bool
	}{
		"the code is bad":        {[]string{refused, `{"errcode":40029}`}, wxlogin.ErrInvalidCode, 40029, true},
		"the user is blocked":    {[]string{refused, `{"errcode":40226}`}, wxlogin.ErrUserBlocked, 40226, true},
		"it is refused as well":  {[]string{refused, `{"errcode":40125,"errmsg":"second"}`}, wxlogin.ErrMisconfigured, 40125, false},
		"no readable answer":     {[]string{refused, `<html>`}, wxlogin.ErrUpstreamUnavailable, 0, false},
		"the quota is spent":     {[]string{refused, `{"errcode":45011}`}, wxlogin.ErrRateLimited, 45011, false},
		"the first is not wrong": {[]string{`{"errcode":40013}`}, wxlogin.ErrMisconfigured, 40013, false},
		"the code is bad first":  {[]string{`{"errcode":40029}`}, wxlogin.ErrInvalidCode, 40029, false},
	} {
		t.Run(name, func(t *testing.T) {
			rt := &script{t: t, bodies: tt.bodies}
			p := provider(t, rt, WithNextSecret(nextSecret))
			_, err := p.Exchange(t.Context(), testCode)
			if !errors.Is(err, tt.class) || tt.code != 0 && !hasCode(err, []int{tt.code}) || strings.Contains(err.Error(), "second") {
				t.Errorf("got %v, want %d of class %v", err, tt.code, tt.class)
			}
			if rt.requests() != len(tt.bodies) {
				t.Errorf("%d calls, want %d", rt.requests(), len(tt.bodies))
			}
			if got := p.secrets.first.Load() == 1; got != tt.remembered {
				t.Errorf("remembered: %v, want %v", got, tt.remembered)
			}
			for i, want := range []string{testSecret, nextSecret}[:len(tt.bodies)] {
				if rt.seen[i].URL.Query().Get("secret") != want {
					t.Errorf("call %d brought the wrong secret", i+1)
				}
			}
		})
	}
}

func TestNeitherSecretIsShown(t *testing.T) {
	for _, code := range []int{40125, 40013} {
		rt := tripper(func(r *http.Request) (*http.Response, error) {
			return answerWith(http.StatusOK, fmt.Sprintf(`{"errcode":%d,"errmsg":"%s %s"}`, code, testSecret, nextSecret)), nil
		})
		p := provider(t, rt, WithNextSecret(nextSecret))
		_, err := p.Exchange(t.Context(), testCode)
		text := renderings(t, err)
		if strings.Contains(text, testSecret) || strings.Contains(text, nextSecret) {
			t.Errorf("%d: %s", code, text)
		}
	}
}

func TestASecondSecretThatCannotBeOneIsReported(t *testing.T) {
	for _, secret := range []string{"", " ", "canary secret", "sécrèt"} {
		err := MiniProgram(testAppID, testSecret, WithNextSecret(secret)).Validate()
		if !errors.Is(err, wxlogin.ErrMisconfigured) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: got %v, want ErrMisconfigured", secret, err)
		}
	}
	rt := &script{t: t, bodies: []string{`{"errcode":40125}`}}
	if _, err := provider(t, rt, WithNextSecret(testSecret)).Exchange(t.Context(), testCode); !errors.Is(err, wxlogin.ErrMisconfigured) {
		t.Errorf("the same secret twice: got %v, want ErrMisconfigured after one call", err)
	}
}
