package wechat

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/wechat/wechattest"
)

func TestATokenServiceOfOnesOwnIsAskedInPlaceOfStableToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var staled []string
		e := wechattest.New(wechattest.WithApp(testAppID, testSecret))
		service := TokenSourceFunc(func(_ context.Context, stale wxlogin.Secret) (wxlogin.Secret, error) {
			staled = append(staled, stale.Reveal())
			if stale.IsZero() {
				return wxlogin.NewSecret("canary-service-token"), nil
			}
			return wxlogin.NewSecret(e.App(testAppID).AccessToken()), nil
		})
		p, _ := overPipes(t, e, WithTokenSource(service))
		defer p.Close()
		auth, err := wxlogin.New(wxlogin.Config{Providers: []wxlogin.Provider{p}}) // hands out a vault
		if err != nil {
			t.Fatal(err)
		}
		defer auth.Close()
		if _, err := p.PhoneNumber(t.Context(), e.OpenID("alice"), wxlogin.NewSecret(e.App(testAppID).PhoneCode("alice"))); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(staled, []string{"", "canary-service-token"}) {
			t.Errorf("%d questions, want one and then one with the refused token", len(staled))
		}
		wantFetches(t, e, 0)
		if got := mustToken(t, p, wxlogin.Secret{}); got.Reveal() != "canary-service-token" {
			t.Error("AccessToken is not the service's")
		}
	})
}

func TestErrorsOfATokenServiceGetAClassAndLoseTheirURL(t *testing.T) {
	leak := &url.Error{Op: "Get", URL: "https://tokens.internal/?key=" + testSecret, Err: errors.New("connection refused")}
	for name, tt := range map[string]struct {
		err     error
		class   error
		timeout bool
	}{
		"without a class":       {errors.New("no route to host"), wxlogin.ErrUpstreamUnavailable, false},
		"of the network":        {leak, wxlogin.ErrUpstreamUnavailable, false},
		"with a class":          {fmt.Errorf("%w: too often", wxlogin.ErrRateLimited), wxlogin.ErrRateLimited, false},
		"with a class and URL":  {fmt.Errorf("%w: %w", wxlogin.ErrMisconfigured, leak), wxlogin.ErrUpstreamUnavailable, false},
		"out of time":           {context.DeadlineExceeded, wxlogin.ErrUpstreamUnavailable, true},
		"no token and no error": {nil, wxlogin.ErrMisconfigured, false},
		"not comparable":        {uncomparable{nil}, wxlogin.ErrUpstreamUnavailable, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := provider(t, &script{t: t}, WithTokenSource(TokenSourceFunc(func(context.Context, wxlogin.Secret) (wxlogin.Secret, error) {
				return wxlogin.Secret{}, tt.err
			})))
			_, err := p.PhoneNumber(t.Context(), "o1", wxlogin.NewSecret(testCode))
			if !errors.Is(err, tt.class) || countClasses(err) != 1 || errors.Is(err, context.DeadlineExceeded) != tt.timeout {
				t.Errorf("got %v, want %v alone", err, tt.class)
			}
			mustNotShow(t, "the error", renderings(t, err))
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p := provider(t, &script{t: t}, WithTokenSource(TokenSourceFunc(func(ctx context.Context, _ wxlogin.Secret) (wxlogin.Secret, error) {
		return wxlogin.Secret{}, ctx.Err()
	})))
	if _, err := p.PhoneNumber(ctx, "o1", wxlogin.NewSecret(testCode)); !errors.Is(err, context.Canceled) || countClasses(err) != 0 {
		t.Errorf("who left: got %v, want context.Canceled without a class", err)
	}
}

type uncomparable struct{ list []error }

func (uncomparable) Error() string { return "uncomparable" }

func TestATokenServiceWithoutAnotherTokenLetsTheRefusalStand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := wechattest.New(wechattest.WithApp(testAppID, testSecret))
		p, _ := overPipes(t, e, WithTokenSource(TokenSourceFunc(func(context.Context, wxlogin.Secret) (wxlogin.Secret, error) {
			return wxlogin.NewSecret("canary-service-token"), nil
		})))
		defer p.Close()
		_, err := p.CheckSessionKey(t.Context(), "o1", wxlogin.NewSecret(testKey))
		if !hasCode(err, tokenRefused) || e.Count(wechattest.PathCheckSession) != 1 {
			t.Errorf("got %v after %d calls, want the refusal after 1", err, e.Count(wechattest.PathCheckSession))
		}
	})
}
