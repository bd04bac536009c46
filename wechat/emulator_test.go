package wechat_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/wechat"
	"github.com/ginwx/wxlogin/wechat/wechattest"
)

// emulated returns the emulator and a provider that talks to it.
func emulated(t *testing.T, opts ...wechattest.Option) (*wechattest.Server, *wechat.MiniProgramProvider) {
	t.Helper()
	server := wechattest.NewServer(opts...)
	t.Cleanup(server.Close)
	p := wechat.MiniProgram(wechattest.DefaultAppID, wechattest.DefaultSecret,
		wechat.WithBaseURL(server.URL), wechat.WithTimeout(10*time.Second))
	t.Cleanup(func() { _ = p.Close() })
	return server, p
}

// mustHide fails if err shows what was sent in confidence.
func mustHide(t *testing.T, err error, code string) {
	t.Helper()
	shown := fmt.Sprintf("%v %+v %#v", err, err, err)
	var refusal *wechat.Error
	if errors.As(err, &refusal) {
		shown += fmt.Sprintf("%+v %#v", *refusal, *refusal)
	}
	for _, hidden := range []string{wechattest.DefaultSecret, code, "js_code=", "secret="} {
		if hidden != "" && strings.Contains(shown, hidden) {
			t.Errorf("the error shows %q: %s", hidden, shown)
		}
	}
}

func TestEmulatedLogin(t *testing.T) {
	server, p := emulated(t, wechattest.WithApp(wechattest.DefaultAppID, wechattest.DefaultSecret, wechattest.OpenPlatform("group")))
	app := server.App(wechattest.DefaultAppID)
	account, err := p.Exchange(t.Context(), server.Code("alice"))
	if err != nil {
		t.Fatal(err)
	}
	if account.OpenID != server.OpenID("alice") || account.Subject != account.OpenID {
		t.Errorf("openid %q, subject %q, want %q", account.OpenID, account.Subject, server.OpenID("alice"))
	}
	if account.UnionID == "" || account.UnionID != app.UnionID("alice") {
		t.Errorf("unionid %q, want %q", account.UnionID, app.UnionID("alice"))
	}
	if account.SessionKey.Reveal() != app.SessionKey("alice") {
		t.Error("session_key is not the user's")
	}
	app.HideUnionID("alice")
	account, err = p.Exchange(t.Context(), server.Code("alice"))
	if err != nil || account.UnionID != "" || account.OpenID != server.OpenID("alice") {
		t.Errorf("without unionid: got %+v, %v", account, err)
	}
}

func TestEmulatedRefusals(t *testing.T) {
	for _, tt := range []struct {
		class error
		codes []int
	}{
		{wxlogin.ErrInvalidCode, []int{40029, 40163, 41008}},
		{wxlogin.ErrUserBlocked, []int{40226}},
		{wxlogin.ErrRateLimited, []int{45011}},
		{wxlogin.ErrMisconfigured, []int{40002, 40013, 40125, 40164, 40243, 41002, 41004, 43001, 50002, 50007, 61003}},
		{wxlogin.ErrUpstreamUnavailable, []int{45009, 12345}},
	} {
		for _, errcode := range tt.codes {
			for name, opts := range map[string][]wechattest.Option{"with rid": nil, "without rid": {wechattest.WithoutRID()}} {
				t.Run(fmt.Sprintf("%d %s", errcode, name), func(t *testing.T) {
					server, p := emulated(t, opts...)
					server.Next(wechattest.ErrCode(errcode))
					code := server.Code("alice")
					_, err := p.Exchange(t.Context(), code)
					var refusal *wechat.Error
					if !errors.Is(err, tt.class) || !errors.As(err, &refusal) || refusal.Code != errcode {
						t.Fatalf("got %v, want errcode %d of class %v", err, errcode, tt.class)
					}
					if (refusal.RID != "") != (opts == nil) || refusal.Msg == "" {
						t.Errorf("errmsg %q, rid %q", refusal.Msg, refusal.RID)
					}
					if got := server.Arrivals(code); got != 1 {
						t.Errorf("the code arrived %d times, want once", got)
					}
					mustHide(t, err, code)
				})
			}
		}
	}
}

func TestEmulatedCodesWorkOnceInTheirOwnAppWithTheRightSecret(t *testing.T) {
	server, p := emulated(t,
		wechattest.WithApp(wechattest.DefaultAppID, wechattest.DefaultSecret),
		wechattest.WithApp("wx00000000000000bb", "wechattest-another-secret"))
	code := server.Code("alice")
	if _, err := p.Exchange(t.Context(), code); err != nil {
		t.Fatal(err)
	}
	use := func(appID, secret string) *wechat.MiniProgramProvider {
		other := wechat.MiniProgram(appID, secret, wechat.WithBaseURL(server.URL))
		t.Cleanup(func() { _ = other.Close() })
		return other
	}
	server.App(wechattest.DefaultAppID).Block("mallory")
	for _, tt := range []struct {
		name    string
		p       *wechat.MiniProgramProvider
		code    string
		errcode int
		class   error
	}{
		{"used", p, code, 40163, wxlogin.ErrInvalidCode},
		{"unknown", p, "0712cDoV0cfty22AeloV0daMoV02cDog", 40029, wxlogin.ErrInvalidCode},
		{"with more parameters in it", p, "a&appid=wx00000000000000bb&secret=wechattest-another-secret", 40029, wxlogin.ErrInvalidCode},
		{"of another app", p, server.App("wx00000000000000bb").Code("alice"), 40029, wxlogin.ErrInvalidCode},
		{"of a blocked user", p, server.Code("mallory"), 40226, wxlogin.ErrUserBlocked},
		{"wrong secret", use(wechattest.DefaultAppID, "wechattest-wrong-secret"), server.Code("alice"), 40125, wxlogin.ErrMisconfigured},
		{"unknown app", use("wx00000000000000cc", wechattest.DefaultSecret), server.Code("alice"), 40013, wxlogin.ErrMisconfigured},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tt.p.Exchange(t.Context(), tt.code)
			var refusal *wechat.Error
			if !errors.As(err, &refusal) || refusal.Code != tt.errcode || !errors.Is(err, tt.class) {
				t.Errorf("got %v, want errcode %d of class %v", err, tt.errcode, tt.class)
			}
			mustHide(t, err, tt.code)
		})
	}
	for _, r := range server.Requests() {
		if len(r.Query) != 4 {
			t.Errorf("a request with %d parameters, want 4", len(r.Query))
		}
	}
}

func TestEmulatedFaults(t *testing.T) {
	for _, tt := range []struct {
		name     string
		fault    wechattest.Fault
		class    error // nil: the login works
		consumed bool
	}{
		{"connection cut before the code is used", wechattest.Cut(), wxlogin.ErrUpstreamUnavailable, false},
		{"connection cut after the code is used", wechattest.Cut().Consuming(), wxlogin.ErrUpstreamUnavailable, true},
		{"connection cut within the answer", wechattest.CutBody(), wxlogin.ErrUpstreamUnavailable, true},
		{"JSON cut in half", wechattest.Truncated(), wxlogin.ErrUpstreamUnavailable, true},
		{"answer without an end", wechattest.Endless(), wxlogin.ErrUpstreamUnavailable, true},
		{"HTML", wechattest.HTML(), wxlogin.ErrUpstreamUnavailable, false},
		{"502", wechattest.BadGateway(), wxlogin.ErrUpstreamUnavailable, false},
		{"empty answer", wechattest.Reply(200, "application/json", ""), wxlogin.ErrUpstreamUnavailable, false},
		{"redirect", wechattest.Redirect("/sns/elsewhere"), wxlogin.ErrUpstreamUnavailable, false},
		{"errcode 0 in a success", wechattest.ExplicitOK(), nil, true},
		{"numbers as strings in a success", wechattest.NumbersAsStrings(), nil, true},
		{"busy once", wechattest.ErrCode(-1), nil, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server, p := emulated(t)
			if _, err := p.Exchange(t.Context(), server.Code("warm")); err != nil {
				t.Fatal(err)
			}
			server.Next(tt.fault)
			code := server.Code("alice")
			_, err := p.Exchange(t.Context(), code)
			if (tt.class == nil) != (err == nil) || !errors.Is(err, tt.class) {
				t.Fatalf("got %v, want %v", err, tt.class)
			}
			if err != nil {
				mustHide(t, err, code)
				if got := server.Arrivals(code); got != 1 {
					t.Errorf("the code arrived %d times, want once", got)
				}
			}
			_, err = p.Exchange(t.Context(), code)
			if tt.consumed != errors.Is(err, wxlogin.ErrInvalidCode) || !tt.consumed && err != nil {
				t.Errorf("the same code again: got %v, want it used up: %v", err, tt.consumed)
			}
			if _, err := p.Exchange(t.Context(), server.Code("bob")); err != nil {
				t.Errorf("the next user: %v", err)
			}
		})
	}
}

func TestEmulatedRefusalWithNumbersAsStrings(t *testing.T) {
	server, p := emulated(t)
	server.Next(wechattest.NumbersAsStrings())
	_, err := p.Exchange(t.Context(), "0712cDoV0cfty22AeloV0daMoV02cDog")
	var refusal *wechat.Error
	if !errors.As(err, &refusal) || refusal.Code != 40029 {
		t.Errorf("got %v, want errcode 40029", err)
	}
}

func TestEmulatedBusyAnswerThatUsedTheCodeMeansLoginAgain(t *testing.T) {
	server, p := emulated(t)
	server.Next(wechattest.ErrCode(-1).Consuming())
	code := server.Code("alice")
	_, err := p.Exchange(t.Context(), code)
	if !errors.Is(err, wxlogin.ErrInvalidCode) || server.Arrivals(code) != 2 {
		t.Errorf("got %v after %d arrivals, want ErrInvalidCode after 2", err, server.Arrivals(code))
	}
	server.Next(wechattest.ErrCode(-1), wechattest.ErrCode(-1))
	code = server.Code("alice")
	_, err = p.Exchange(t.Context(), code)
	if !errors.Is(err, wxlogin.ErrUpstreamUnavailable) || server.Arrivals(code) != 2 {
		t.Errorf("busy twice: got %v after %d arrivals, want ErrUpstreamUnavailable after 2", err, server.Arrivals(code))
	}
}

func TestEmulatedOldSuffixes(t *testing.T) {
	server, p := emulated(t)
	for msg, rid := range map[string]string{
		"invalid code, hints: [ req_id: N37KMa0605th21 ]":                       "N37KMa0605th21",
		"invalid code hint: [WiEBWV0sf-Te2URA] rid: 66165fe0-612cb3df-20194ddf": "66165fe0-612cb3df-20194ddf",
	} {
		server.Next(wechattest.ErrMsg(40029, msg))
		_, err := p.Exchange(t.Context(), server.Code("alice"))
		var refusal *wechat.Error
		if !errors.As(err, &refusal) || refusal.RID != rid || refusal.Msg != msg {
			t.Errorf("got %v, want rid %s", err, rid)
		}
	}
}

func TestEmulatedSlowAnswerEndsWithTheContext(t *testing.T) {
	server, p := emulated(t)
	server.Always(wechattest.Slow(time.Minute))
	for name, tt := range map[string]struct {
		p    *wechat.MiniProgramProvider
		ctx  func() (context.Context, context.CancelFunc)
		want error
	}{
		"deadline": {p, func() (context.Context, context.CancelFunc) {
			return context.WithTimeout(t.Context(), 50*time.Millisecond)
		}, wxlogin.ErrUpstreamUnavailable},
		"own time-out": {
			wechat.MiniProgram(wechattest.DefaultAppID, wechattest.DefaultSecret,
				wechat.WithBaseURL(server.URL), wechat.WithTimeout(50*time.Millisecond), wechat.WithHTTPClient(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}})),
			func() (context.Context, context.CancelFunc) { return context.WithCancel(t.Context()) }, wxlogin.ErrUpstreamUnavailable},
	} {
		ctx, cancel := tt.ctx()
		code := server.Code("alice")
		_, err := tt.p.Exchange(ctx, code)
		cancel()
		if !errors.Is(err, tt.want) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: got %v, want %v and DeadlineExceeded", name, err, tt.want)
		}
		mustHide(t, err, code)
	}
}
