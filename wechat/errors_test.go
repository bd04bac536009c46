package wechat

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"unicode/utf8"

	"github.com/ginwx/wxlogin"
)

// mustNotShow fails if shown holds a secret of this package's tests in any form,
// or a query.
func mustNotShow(t *testing.T, where, shown string) {
	t.Helper()
	for _, form := range []string{
		testSecret, url.QueryEscape(testCode), testCode, url.PathEscape(testCode), testCode[:12], testKey,
		strconv.Quote(testCode), "js_code=", "secret=", "grant_type=",
	} {
		if strings.Contains(strings.ToLower(shown), strings.ToLower(form)) {
			t.Errorf("%s shows %q:\n%s", where, form, shown)
		}
	}
}

// renderings returns err as every common way of logging shows it.
func renderings(t *testing.T, err error) string {
	t.Helper()
	var out bytes.Buffer
	fmt.Fprintf(&out, "%v\n%+v\n%#v\n%s\n%q\n", err, err, err, err, err)
	attrs := []any{"err", err}
	var refusal *Error
	if errors.As(err, &refusal) {
		fmt.Fprintf(&out, "%v\n%+v\n%#v\n", *refusal, *refusal, *refusal)
		attrs = append(attrs, "value", *refusal)
		if e := json.NewEncoder(&out).Encode(refusal); e != nil {
			t.Fatal(e)
		}
	}
	for e := err; e != nil; e = errors.Unwrap(e) {
		fmt.Fprintf(&out, "%T %+v %#v\n", e, e, e)
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("failed", attrs...)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("failed", attrs...)
	return out.String()
}

// TestNoFailureShowsASecret walks through every way in which an exchange fails,
// with an upstream that quotes back all it got.
func TestNoFailureShowsASecret(t *testing.T) {
	echo := func(r *http.Request) string {
		return fmt.Sprintf("%s %s %s %q", r.URL, testSecret, testCode, testCode)
	}
	fails := func(f func(r *http.Request) error) tripper {
		return func(r *http.Request) (*http.Response, error) { return nil, f(r) }
	}
	answers := func(status int, f func(r *http.Request) string) tripper {
		return func(r *http.Request) (*http.Response, error) { return answerWith(status, f(r)), nil }
	}
	withKey := func(r *http.Request) string { return echo(r) + testKey }
	paths := map[string]tripper{
		"network error":      fails(func(r *http.Request) error { return errors.New(echo(r)) }),
		"url.Error":          fails(func(r *http.Request) error { return &url.Error{Op: "Get", URL: r.URL.String(), Err: io.EOF} }),
		"url.Error in error": fails(func(r *http.Request) error { return fmt.Errorf("a: %w", &url.Error{Op: "Get", URL: r.URL.String()}) }),
		"url.Error in url.Error": fails(func(r *http.Request) error {
			return &url.Error{Op: "Get", URL: r.URL.String(), Err: &url.Error{Op: "Get", URL: r.URL.String(), Err: errors.New(echo(r))}}
		}),
		"time-out":  fails(func(r *http.Request) error { return fmt.Errorf("%s: %w", echo(r), errTimeout{}) }),
		"no answer": func(*http.Request) (*http.Response, error) { return nil, nil },
		"error while reading": func(r *http.Request) (*http.Response, error) {
			resp := answerWith(http.StatusOK, "")
			resp.Body = io.NopCloser(io.MultiReader(strings.NewReader("{"), failing{errors.New(echo(r))}))
			return resp, nil
		},
		"truncated":     answers(200, func(*http.Request) string { return goodAnswer[:len(goodAnswer)-2] }),
		"no openid":     answers(200, func(*http.Request) string { return `{"session_key":"` + testKey + `"}` }),
		"wrong type":    answers(200, func(*http.Request) string { return `{"openid":["` + testKey + `"]}` }),
		"wrong errcode": answers(200, func(*http.Request) string { return `{"errcode":"` + testKey + `"}` }),
		"HTML":          answers(200, withKey),
		"bad gateway":   answers(502, withKey),
		"redirect": func(r *http.Request) (*http.Response, error) {
			resp := answerWith(302, withKey(r))
			resp.Header.Set("Location", "https://elsewhere.test/?"+r.URL.RawQuery)
			return resp, nil
		},
		"redirect to nowhere": func(r *http.Request) (*http.Response, error) {
			resp := answerWith(302, "")
			resp.Header.Set("Location", "http://%zz/?"+r.URL.RawQuery)
			return resp, nil
		},
		"endless": answers(200, func(r *http.Request) string { return strings.Repeat(withKey(r), 2000) }),
	}
	for _, tt := range append(refusals, struct {
		code  int
		msg   string
		class error
	}{code: -1}) {
		paths["errcode "+strconv.Itoa(tt.code)] = answers(200, func(r *http.Request) string {
			msg, _ := json.Marshal(echo(r) + ", rid: 617833f5-4d39a245-36d3a896")
			return fmt.Sprintf(`{"errcode":%d,"errmsg":%s}`, tt.code, msg)
		})
	}
	for name, rt := range paths {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, err := provider(t, rt).Exchange(t.Context(), testCode)
				if err == nil {
					t.Fatal("no error")
				}
				mustNotShow(t, name, renderings(t, err))
				var refusal *Error
				if errors.As(err, &refusal) && refusal.RID != "617833f5-4d39a245-36d3a896" {
					t.Errorf("rid %q is lost", refusal.RID)
				}
			})
		})
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestRequestIDOfEveryGeneration(t *testing.T) {
	for msg, want := range map[string]string{
		"invalid code, rid: 617833f5-4d39a245-36d3a896":                            "617833f5-4d39a245-36d3a896",
		"invalid code hint: [WiEBWV0sf-Te2URA] rid: 66165fe0-612cb3df-20194ddf":    "66165fe0-612cb3df-20194ddf",
		"appsecret错误 rid: 6704f20a-0a55b460-3cf51f0c":                              "6704f20a-0a55b460-3cf51f0c",
		"invalid code, hints: [ req_id: N37KMa0605th21 ]":                          "N37KMa0605th21",
		"invalid credential hint: [M5_jKa0125vr22]":                                "M5_jKa0125vr22",
		"invalid ip 203.0.113.7, not in whitelist rid: 611740a4-27f9a8ba-065da01b": "611740a4-27f9a8ba-065da01b",
		"system error": "",
		"":             "",
		"hybrid: car":  "",
		"rid: ":        "",
		strings.Repeat("长", 300) + " rid: 6704f20a-0a55b460-3cf51f0c": "6704f20a-0a55b460-3cf51f0c",
	} {
		err := newError(call{api: code2SessionAPI()}, 40029, msg)
		if err.RID != want {
			t.Errorf("%q: rid %q, want %q", msg, err.RID, want)
		}
		if want != "" && !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not tell the rid %q", err, want)
		}
		if len(err.Msg) > maxMsg || !utf8.ValidString(err.Msg) {
			t.Errorf("Msg of %d bytes, want %d at most and whole characters", len(err.Msg), maxMsg)
		}
	}
}

func TestErrorTellsClassErrcodeMsgAndRID(t *testing.T) {
	for _, tt := range []struct {
		err  *Error
		want string
	}{
		{newError(call{api: code2SessionAPI()}, 40029, "invalid code, rid: 617833f5-4d39a245-36d3a896"),
			"wxlogin: code is invalid or used: code2Session: errcode 40029: invalid code, rid: 617833f5-4d39a245-36d3a896"},
		{newError(call{api: code2SessionAPI()}, 45009, "a\r\nlevel=ERROR\tforged\x1b[31m"),
			"wxlogin: platform is unavailable: code2Session: errcode 45009: a  level=ERROR forged [31m"},
		{&Error{Code: 1}, "wxlogin: platform is unavailable: errcode 1"},
		{&Error{API: "x", Code: 1, RID: "r1"}, "wxlogin: platform is unavailable: x: errcode 1 rid: r1"},
	} {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
	if !errors.Is(&Error{Code: 1}, wxlogin.ErrUpstreamUnavailable) {
		t.Error("an Error without a class is not ErrUpstreamUnavailable")
	}
}

func TestNetworkErrorKeepsWhatHelpsAnOperator(t *testing.T) {
	p := provider(t, tripper(func(r *http.Request) (*http.Response, error) {
		return nil, fmt.Errorf("dial tcp 192.0.2.1:443: connect: connection refused (%s)", r.URL)
	}))
	_, err := p.Exchange(t.Context(), testCode)
	for _, want := range []string{"code2Session", "dial tcp 192.0.2.1:443: connect: connection refused", "https://api.weixin.qq.com/sns/jscode2session?" + redacted} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not tell %q", err, want)
		}
	}
	if got := timedOut(code2SessionAPI(), context.DeadlineExceeded.Error()).Error(); strings.Count(got, "deadline") != 1 {
		t.Errorf("%q says it twice", got)
	}
}

func TestScrubHidesPiecesToo(t *testing.T) {
	hidden := []wxlogin.Secret{wxlogin.NewSecret(testSecret), wxlogin.NewSecret("ab&cd"), {}}
	for text, want := range map[string]string{
		"plain words":                         "plain words",
		"":                                    "",
		"x " + testSecret + " y":              "x " + redacted + " y",
		"x " + strings.ToUpper(testSecret):    "x " + redacted,
		"cut: " + testSecret[:9]:              "cut: " + redacted,
		"cut: " + testSecret[5:20] + "...":    "cut: " + redacted + "...",
		"too little: " + testSecret[:7]:       "too little: " + testSecret[:7],
		"short: ab&cd, ab%26cd, AB%26CD":      "short: " + redacted + ", " + redacted + ", " + redacted,
		"at https://a.test/p?x=1&y=2: EOF":    "at https://a.test/p?" + redacted + " EOF",
		"why? because a=b":                    "why? because a=b",
		"two\nlines\x00and\x7fcontrols\u202e": "two lines and controls ",
		"not \xff UTF-8":                      "not  UTF-8",
		"中文 rid":                              "中文 rid",
	} {
		if got := scrub(text, hidden); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func FuzzScrub(f *testing.F) {
	f.Add("invalid code "+testCode, testCode)
	f.Add("Get \"https://a.test/?secret="+testSecret+"\": EOF", testSecret)
	f.Add("aaaaaaaaaaaaaaaa", "aaaaaaaaa")
	f.Add("é\xc3\xa9", "\xa9")
	f.Fuzz(func(t *testing.T, text, secret string) {
		got := scrub(text, []wxlogin.Secret{wxlogin.NewSecret(secret)})
		if !utf8.ValidString(got) || strings.ContainsAny(got, "\r\n\x00") {
			t.Errorf("%q is not fit for a log", got)
		}
		for i := 0; i+longestShown < len(secret); i++ {
			piece := secret[i : i+longestShown+1]
			if strings.Contains(got, piece) && !strings.Contains(redacted+redacted, piece) && !crossesMask(got, piece) {
				t.Errorf("%q shows %q of %q", got, piece, secret)
			}
		}
	})
}

// crossesMask reports whether piece occurs only together with a part of a mask,
// which a secret that looks like the mask makes possible.
func crossesMask(shown, piece string) bool {
	return !strings.Contains(strings.ReplaceAll(shown, redacted, "\x00"), piece)
}
