package wechat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/wechat/wechattest"
)

// emulated returns the emulator behind a network inside the process, and a
// provider that talks to it.
func emulated(t *testing.T, opts ...Option) (*wechattest.Emulator, *MiniProgramProvider) {
	t.Helper()
	e := wechattest.New(wechattest.WithApp(testAppID, testSecret))
	p, _ := overPipes(t, e, opts...)
	t.Cleanup(func() { _ = p.Close() })
	return e, p
}

func mustToken(t testing.TB, source TokenSource, stale wxlogin.Secret) wxlogin.Secret {
	t.Helper()
	token, err := source.AccessToken(t.Context(), stale)
	if err != nil || token.IsZero() {
		t.Fatalf("AccessToken: got %v, %v", token, err)
	}
	return token
}

func wantFetches(t testing.TB, e *wechattest.Emulator, want int) {
	t.Helper()
	if got := e.Count(wechattest.PathStableToken); got != want {
		t.Errorf("stable_token was asked %d times, want %d", got, want)
	}
}

func TestTwentyCallersThatNeedATokenAtOnceShareOneFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, p := emulated(t)
		e.Next(wechattest.Slow(time.Second))
		want := e.App(testAppID).AccessToken()
		var callers sync.WaitGroup
		for range 20 {
			callers.Go(func() {
				if got := mustToken(t, p, wxlogin.Secret{}); got.Reveal() != want {
					t.Error("not the app's token")
				}
			})
		}
		callers.Wait()
		wantFetches(t, e, 1)
		mustToken(t, p, wxlogin.Secret{})
		wantFetches(t, e, 1)
	})
}

func TestACallerWhoLeavesDoesNotEndTheFetchOfTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, p := emulated(t)
		e.Next(wechattest.Slow(2 * time.Second))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		left := make(chan error)
		go func() {
			_, err := p.AccessToken(ctx, wxlogin.Secret{})
			left <- err
		}()
		synctest.Wait()
		start := time.Now()
		stayed := make(chan error)
		go func() {
			_, err := p.AccessToken(t.Context(), wxlogin.Secret{})
			stayed <- err
		}()
		err := <-left
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, wxlogin.ErrUpstreamUnavailable) || time.Since(start) != time.Second {
			t.Errorf("who left: got %v after %v", err, time.Since(start))
		}
		if err := <-stayed; err != nil || time.Since(start) != 2*time.Second {
			t.Errorf("who stayed: got %v after %v, want the token after 2s", err, time.Since(start))
		}
		wantFetches(t, e, 1)

		canceled, cancelNow := context.WithCancel(t.Context())
		cancelNow()
		if token := mustToken(t, TokenSourceFunc(func(_ context.Context, stale wxlogin.Secret) (wxlogin.Secret, error) {
			return p.AccessToken(canceled, stale)
		}), wxlogin.Secret{}); token.IsZero() {
			t.Error("a token at hand needs no time")
		}
	})
}

func TestPlainLoginNeverTouchesAccessTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, p := emulated(t)
		auth, err := wxlogin.New(wxlogin.Config{Providers: []wxlogin.Provider{p}})
		if err != nil {
			t.Fatal(err)
		}
		defer auth.Close()
		for range 10 {
			if _, err := auth.Login(t.Context(), wxlogin.LoginRequest{Code: wxlogin.NewSecret(e.Code("alice"))}); err != nil {
				t.Fatal(err)
			}
		}
		wantFetches(t, e, 0)
		if got := e.Count(wechattest.PathToken); got != 0 {
			t.Errorf("/cgi-bin/token was asked %d times, want 0", got)
		}
	})
}

func TestATokenIsRenewedBeforeItsEndWhileItServes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, p := emulated(t)
		first := mustToken(t, p, wxlogin.Secret{})
		<-time.After(2*time.Hour - 5*time.Minute)
		if !mustToken(t, p, wxlogin.Secret{}).Equal(first) {
			t.Error("another token five minutes before the end, when WeChat may have none yet")
		}
		wantFetches(t, e, 1)
		<-time.After(3 * time.Minute)
		if !mustToken(t, p, wxlogin.Secret{}).Equal(first) {
			t.Error("the caller at renewal waits for the new token; the old one serves")
		}
		synctest.Wait()
		wantFetches(t, e, 2)
		if mustToken(t, p, wxlogin.Secret{}).Equal(first) {
			t.Error("the token was not renewed")
		}
		wantFetches(t, e, 2)
	})
}

func TestAShortLivedTokenIsNotRenewedAtEveryCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		p := provider(t, tripper(func(*http.Request) (*http.Response, error) {
			asked++
			return answerWith(http.StatusOK, fmt.Sprintf(`{"access_token":"canary-token-%d","expires_in":100}`, asked)), nil
		}))
		defer p.Close()
		for range 600 {
			mustToken(t, p, wxlogin.Secret{})
			<-time.After(time.Second)
		}
		if asked < 11 || asked > 13 {
			t.Errorf("WeChat was asked %d times in ten minutes, want once for each 50 seconds", asked)
		}
	})
}

// A renewal that was on its way brings the token that WeChat has just refused.
func TestARefusedTokenIsNotTheAnswerOfARenewalOnItsWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		p := provider(t, tripper(func(*http.Request) (*http.Response, error) {
			if asked++; asked == 2 {
				<-time.After(time.Second)
			}
			return answerWith(http.StatusOK, fmt.Sprintf(`{"access_token":"canary-token-%d","expires_in":100}`, max(1, asked-1))), nil
		}))
		defer p.Close()
		first := mustToken(t, p, wxlogin.Secret{})
		<-time.After(time.Minute)
		mustToken(t, p, wxlogin.Secret{}) // begins the renewal
		synctest.Wait()
		if mustToken(t, p, first).Equal(first) || asked != 3 {
			t.Errorf("the refused token again, or asked %d times, want 3", asked)
		}
	})
}

func TestTheOldTokenServesToItsEndWhileTheTokenEndpointIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, p := emulated(t)
		start := time.Now()
		first := mustToken(t, p, wxlogin.Secret{})
		e.Always(wechattest.BadGateway().On(wechattest.PathStableToken))
		for time.Since(start) < 2*time.Hour-time.Second {
			if !mustToken(t, p, wxlogin.Secret{}).Equal(first) {
				t.Fatal("another token, with the endpoint down")
			}
			<-time.After(time.Second / 2)
		}
		<-time.After(2 * time.Second)
		_, err := p.AccessToken(t.Context(), wxlogin.Secret{})
		if !errors.Is(err, wxlogin.ErrUpstreamUnavailable) {
			t.Errorf("after the end: got %v, want ErrUpstreamUnavailable", err)
		}
		// Five minutes of asking twice a second, with pauses of half a minute.
		if got := e.Count(wechattest.PathStableToken); got < 5 || got > 30 {
			t.Errorf("stable_token was asked %d times, want 5 to 30", got)
		}
		e.ClearFaults()
		<-time.After(time.Minute)
		if mustToken(t, p, wxlogin.Secret{}).Equal(first) {
			t.Error("the dead token is back")
		}
	})
}

func TestARefusedTokenIsReplacedOnlyIfItIsStillTheCurrentOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, p := emulated(t)
		first := mustToken(t, p, wxlogin.Secret{})
		e.RevokeToken(first.Reveal())
		second := mustToken(t, p, first)
		if second.Equal(first) {
			t.Fatal("the refused token again")
		}
		wantFetches(t, e, 2)
		for range 20 { // who comes late with the same token gets what is there
			if !mustToken(t, p, first).Equal(second) {
				t.Error("a newer token was thrown away")
			}
		}
		wantFetches(t, e, 2)
	})
}

func TestQuotaErrorsAreNotAnsweredByHammering(t *testing.T) {
	for _, tt := range []struct {
		code     int
		min, max time.Duration // of silence
	}{{45011, time.Minute, 90 * time.Second}, {45009, 10 * time.Minute, 15 * time.Minute}} {
		synctest.Test(t, func(t *testing.T) {
			e, p := emulated(t)
			e.Always(wechattest.ErrCode(tt.code).On(wechattest.PathStableToken))
			start := time.Now()
			for e.Count(wechattest.PathStableToken) < 2 {
				_, err := p.AccessToken(t.Context(), wxlogin.Secret{})
				var refusal *Error
				if !errors.Is(err, wxlogin.ErrRateLimited) || !errors.As(err, &refusal) || refusal.Code != tt.code {
					t.Fatalf("got %v, want errcode %d of class ErrRateLimited", err, tt.code)
				}
				<-time.After(time.Second)
			}
			if got := time.Since(start); got < tt.min || got > tt.max+2*time.Second {
				t.Errorf("%d: asked again after %v, want %v to %v", tt.code, got, tt.min, tt.max)
			}
		})
	}
}

func TestCloseEndsTheFetchAndWaitsForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, p := emulated(t)
		e.Next(wechattest.Slow(time.Hour))
		waiting := make(chan error)
		go func() {
			_, err := p.AccessToken(t.Context(), wxlogin.Secret{})
			waiting <- err
		}()
		synctest.Wait()
		start := time.Now()
		for range 2 {
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if got := time.Since(start); got != 0 {
			t.Errorf("Close took %v", got)
		}
		if p.tokens.own.flight != nil {
			t.Error("the fetch runs on after Close")
		}
		if err := <-waiting; !errors.Is(err, wxlogin.ErrClosed) {
			t.Errorf("who waited: got %v, want ErrClosed", err)
		}
		if _, err := p.AccessToken(t.Context(), wxlogin.Secret{}); !errors.Is(err, wxlogin.ErrClosed) {
			t.Errorf("after Close: got %v, want ErrClosed", err)
		}
		if _, err := p.Exchange(t.Context(), e.Code("alice")); err != nil {
			t.Errorf("a login after Close: %v", err)
		}
		wantFetches(t, e, 1)
	})
}

func TestATransportThatPanicsEndsNoProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := provider(t, tripper(func(*http.Request) (*http.Response, error) { panic(testSecret) }))
		_, err := p.AccessToken(t.Context(), wxlogin.Secret{})
		if !errors.Is(err, wxlogin.ErrInternal) {
			t.Errorf("got %v, want ErrInternal", err)
		}
		mustNotShow(t, "the error", renderings(t, err))
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
}

// The lifetime that WeChat says is what counts, also if it is odd.
func TestTokensLiveAsLongAsWeChatSays(t *testing.T) {
	for name, tt := range map[string]struct {
		expires string
		lives   time.Duration
	}{
		"the rest of a token's life": {`345`, 345 * time.Second},
		"as text":                    {`"7200"`, 2 * time.Hour},
		"a second":                   {`1`, time.Second},
		"more than a day":            {`9223372036854775807`, 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked := 0
				p := provider(t, tripper(func(*http.Request) (*http.Response, error) {
					if asked++; asked > 1 {
						return answerWith(http.StatusBadGateway, ""), nil
					}
					return answerWith(http.StatusOK, `{"access_token":"canary-token-1","expires_in":`+tt.expires+`}`), nil
				}))
				defer p.Close()
				mustToken(t, p, wxlogin.Secret{})
				<-time.After(tt.lives - time.Nanosecond)
				mustToken(t, p, wxlogin.Secret{})
				synctest.Wait()
				<-time.After(time.Nanosecond)
				if _, err := p.AccessToken(t.Context(), wxlogin.Secret{}); !errors.Is(err, wxlogin.ErrUpstreamUnavailable) {
					t.Errorf("after its end: got %v, want ErrUpstreamUnavailable", err)
				}
			})
		})
	}
}

func TestAnAnswerThatIsNoTokenIsUnavailable(t *testing.T) {
	for name, body := range map[string]string{
		"no token":         `{"expires_in":7200}`,
		"empty":            `{"access_token":"","expires_in":7200}`,
		"null":             `{"access_token":null,"expires_in":7200}`,
		"no life":          `{"access_token":"canary-token-1"}`,
		"dead":             `{"access_token":"canary-token-1","expires_in":0}`,
		"of the past":      `{"access_token":"canary-token-1","expires_in":-1}`,
		"not a number":     `{"access_token":"canary-token-1","expires_in":"soon"}`,
		"a blank in it":    `{"access_token":"canary token","expires_in":7200}`,
		"a control in it":  `{"access_token":"canary\ntoken","expires_in":7200}`,
		"far too long":     `{"access_token":"` + strings.Repeat("a", maxToken+1) + `","expires_in":7200}`,
		"an array of them": `[{"access_token":"canary-token-1","expires_in":7200}]`,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := provider(t, &script{t: t, bodies: []string{body}})
				defer p.Close()
				_, err := p.AccessToken(t.Context(), wxlogin.Secret{})
				if !errors.Is(err, wxlogin.ErrUpstreamUnavailable) || strings.Contains(err.Error(), "canary") {
					t.Errorf("got %v, want ErrUpstreamUnavailable", err)
				}
			})
		})
	}
}

func TestStableTokenIsAPOSTOfJSONWithoutAQuery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, p := emulated(t)
		mustToken(t, p, wxlogin.Secret{})
		r := e.Requests()[0]
		var body map[string]any
		if err := json.Unmarshal(r.Body, &body); err != nil {
			t.Fatal(err)
		}
		want := map[string]any{"grant_type": "client_credential", "appid": testAppID, "secret": testSecret, "force_refresh": false}
		if r.Method != http.MethodPost || r.RawQuery != "" || !maps.Equal(body, want) || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("got %s with %d fields and query of %d bytes", r.Method, len(body), len(r.RawQuery))
		}
	})
}
