package wechat

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ginwx/wxlogin"
)

func TestWrongConfigurationIsReportedBeforeAnythingIsSent(t *testing.T) {
	for _, tt := range []struct {
		name, appID, secret string
		opts                []Option
		want                string
	}{
		{"empty app id", "", testSecret, nil, "the app id is empty"},
		{"blank app id", " ", testSecret, nil, "the app id holds a blank"},
		{"app id with a newline", testAppID + "\n", testSecret, nil, "the app id holds a blank"},
		{"empty secret", testAppID, "", nil, "the AppSecret is empty"},
		{"blank secret", testAppID, "\t", nil, "the AppSecret holds a blank"},
		{"secret with a trailing blank", testAppID, testSecret + " ", nil, "the AppSecret holds a blank"},
		{"secret that is not ASCII", testAppID, "sécrèt-canary", nil, "the AppSecret holds a blank or"},
		{"both empty", "", "", nil, "the app id is empty; the AppSecret is empty"},
		{"no base URL", testAppID, testSecret, []Option{WithBaseURL("")}, "does not begin with http"},
		{"base URL without a scheme", testAppID, testSecret, []Option{WithBaseURL("api.weixin.qq.com")}, "does not begin with http"},
		{"base URL of another scheme", testAppID, testSecret, []Option{WithBaseURL("ftp://wechat.test")}, "does not begin with http"},
		{"base URL without a host", testAppID, testSecret, []Option{WithBaseURL("https://:443/x")}, "names no host"},
		{"base URL with a password", testAppID, testSecret, []Option{WithBaseURL("https://u:canary-pass@wechat.test")}, "user information"},
		{"base URL with a query", testAppID, testSecret, []Option{WithBaseURL("https://wechat.test?a=canary-pass")}, "a query or a fragment"},
		{"base URL with a bare question mark", testAppID, testSecret, []Option{WithBaseURL("https://wechat.test?")}, "a query or a fragment"},
		{"base URL with a fragment", testAppID, testSecret, []Option{WithBaseURL("https://wechat.test#x")}, "a query or a fragment"},
		{"base URL that does not parse", testAppID, testSecret, []Option{WithBaseURL("https://canary-pass:%zz")}, "not a URL"},
		{"nil client", testAppID, testSecret, []Option{WithHTTPClient(nil)}, "the client is nil"},
		{"no time", testAppID, testSecret, []Option{WithTimeout(0)}, "0s is not positive"},
		{"negative time", testAppID, testSecret, []Option{WithTimeout(-time.Second)}, "-1s is not positive"},
		{"nil option", testAppID, testSecret, []Option{nil}, "option 1 is nil"},
		{"two at once", testAppID, testSecret, []Option{WithTimeout(0), nil}, "is not positive; option 2 is nil"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := MiniProgram(tt.appID, tt.secret, tt.opts...)
			err := p.Validate()
			if !errors.Is(err, wxlogin.ErrMisconfigured) {
				t.Fatalf("Validate: got %v, want ErrMisconfigured", err)
			}
			if !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %q, want one line with %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "canary") {
				t.Errorf("%q shows what was given", err)
			}
			if account, got := p.Exchange(t.Context(), testCode); got != err || account != (wxlogin.Account{}) {
				t.Errorf("Exchange: got %v, %v, want the error of Validate alone", account, got)
			}
			if got := p.AppID(); got != tt.appID {
				t.Errorf("AppID: got %q, want %q", got, tt.appID)
			}
			if err := p.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
}

func TestBaseURLKeepsItsPathAndLosesItsSlash(t *testing.T) {
	for given, want := range map[string]string{
		"http://127.0.0.1:8080":           "http://127.0.0.1:8080/sns/jscode2session",
		"https://gateway.test/":           "https://gateway.test/sns/jscode2session",
		"https://gateway.test/wechat/":    "https://gateway.test/wechat/sns/jscode2session",
		"https://[::1]:8443/a%20b//":      "https://[::1]:8443/a%20b/sns/jscode2session",
		"HTTPS://gateway.test:443/wechat": "https://gateway.test:443/wechat/sns/jscode2session",
	} {
		rt := &script{t: t, bodies: []string{goodAnswer}}
		if _, err := provider(t, rt, WithBaseURL(given)).Exchange(t.Context(), testCode); err != nil {
			t.Fatal(err)
		}
		u := *rt.seen[0].URL
		u.RawQuery = ""
		if u.String() != want {
			t.Errorf("%s: request to %s, want %s", given, &u, want)
		}
	}
	rt := &script{t: t, bodies: []string{goodAnswer}}
	if _, err := provider(t, rt).Exchange(t.Context(), testCode); err != nil {
		t.Fatal(err)
	}
	if got := rt.seen[0].URL; got.Scheme+"://"+got.Host != "https://api.weixin.qq.com" {
		t.Errorf("default: request to %s://%s", got.Scheme, got.Host)
	}
}

func TestExchangeSendsEveryParameterEscapedAndOnce(t *testing.T) {
	rt := &script{t: t, bodies: []string{goodAnswer}}
	if _, err := provider(t, rt).Exchange(t.Context(), testCode); err != nil {
		t.Fatal(err)
	}
	r := rt.seen[0]
	if r.Method != http.MethodGet {
		t.Errorf("method %s, want GET", r.Method)
	}
	query := r.URL.Query()
	for name, want := range map[string]string{
		"appid": testAppID, "secret": testSecret, "js_code": testCode, "grant_type": "authorization_code",
	} {
		if got := query[name]; len(got) != 1 || got[0] != want {
			t.Errorf("%s: got %q, want %q once", name, got, want)
		}
	}
	if len(query) != 4 {
		t.Errorf("%d parameters, want 4", len(query))
	}
}

func TestCodeThatWeChatCannotHaveMadeIsNotSent(t *testing.T) {
	p := provider(t, tripper(func(*http.Request) (*http.Response, error) {
		t.Error("a request was sent")
		return answerWith(http.StatusOK, goodAnswer), nil
	}))
	for name, code := range map[string]string{
		"empty": "", "257 bytes": strings.Repeat("a", 257), "newline": "abc\n", "nul": "a\x00", "not ASCII": "códe", "DEL": "a\x7f",
	} {
		if _, err := p.Exchange(t.Context(), code); !errors.Is(err, wxlogin.ErrBadRequest) {
			t.Errorf("%s: got %v, want ErrBadRequest", name, err)
		}
	}
	for name, code := range map[string]string{
		"256 bytes": strings.Repeat("a", 256), "of the developer tools": "the code is a mock one",
	} {
		rt := &script{t: t, bodies: []string{goodAnswer}}
		if _, err := provider(t, rt).Exchange(t.Context(), code); err != nil || rt.requests() != 1 {
			t.Errorf("%s: got %v after %d requests, want it sent", name, err, rt.requests())
		}
	}
}

func TestCallersClientIsLeftAsItIs(t *testing.T) {
	followed := errors.New("the caller's own rule")
	rt := &script{t: t, bodies: []string{goodAnswer}}
	mine := &http.Client{
		Transport:     rt,
		Timeout:       time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return followed },
	}
	p := MiniProgram(testAppID, testSecret, WithHTTPClient(mine))
	if _, err := p.Exchange(t.Context(), testCode); err != nil {
		t.Fatal(err)
	}
	if rt.requests() != 1 {
		t.Errorf("%d requests through the caller's transport, want 1", rt.requests())
	}
	if mine.Transport != http.RoundTripper(rt) || mine.Timeout != time.Minute || mine.CheckRedirect(nil, nil) != followed {
		t.Error("the caller's client was changed")
	}
	mine.Transport = nil
	if p.client.http.Transport != http.RoundTripper(rt) {
		t.Error("a later change of the caller's client reached the provider")
	}
}

func TestProviderShowsNoSecret(t *testing.T) {
	p := MiniProgram(testAppID, testSecret, WithBaseURL("http://wechat.test"), WithHTTPClient(&http.Client{}))
	var out bytes.Buffer
	fmt.Fprintf(&out, "%v %+v %#v", p, p, p)
	fmt.Fprintf(&out, "%v %+v %#v", *p, *p, *p)
	fmt.Fprintf(&out, "%+v %#v", p.client, *p.client)
	fmt.Fprintf(&out, "%+v", wxlogin.Provider(p))
	slog.New(slog.NewTextHandler(&out, nil)).Info("provider", "pointer", p, "value", *p)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("provider", "pointer", p, "value", *p)
	if err := json.NewEncoder(&out).Encode([]any{p, *p}); err != nil {
		t.Fatal(err)
	}
	mustNotShow(t, "provider", out.String())
	if !strings.Contains(out.String(), testAppID) {
		t.Error("the app id is missing, so this test may look at nothing")
	}
}

func TestProviderFitsTheCore(t *testing.T) {
	var p wxlogin.Provider = MiniProgram(testAppID, testSecret)
	if _, ok := p.(interface{ Validate() error }); !ok {
		t.Error("wxlogin.New finds no Validate")
	}
	if _, ok := p.(interface{ Close() error }); !ok {
		t.Error("Auth.Close finds no Close")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := p.Exchange(ctx, testCode)
	if !errors.Is(err, context.Canceled) || errors.Is(err, wxlogin.ErrUpstreamUnavailable) {
		t.Errorf("cancelled before: got %v, want context.Canceled without a class", err)
	}
}
