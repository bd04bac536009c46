package wechat

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ginwx/wxlogin"
)

// refusals is the table of documented errcodes, with the errmsg seen on the wire
// where one is known.
var refusals = []struct {
	code  int
	msg   string
	class error
}{
	{40029, "invalid code, rid: 617833f5-4d39a245-36d3a896", wxlogin.ErrInvalidCode},
	{40163, "code been used, rid: 617833f5-4d39a245-36d3a896", wxlogin.ErrInvalidCode},
	{41008, "missing code, rid: 617833f5-4d39a245-36d3a896", wxlogin.ErrInvalidCode},
	{40226, "code blocked, rid: 617833f5-4d39a245-36d3a896", wxlogin.ErrUserBlocked},
	{45011, "api minute-quota reach limit  mustslower  retry next minute, rid: 617833f5-4d39a245-36d3a896", wxlogin.ErrRateLimited},
	{40002, "invalid grant_type", wxlogin.ErrMisconfigured},
	{40013, "invalid appid, rid: 617833f5-4d39a245-36d3a896", wxlogin.ErrMisconfigured},
	{40125, "invalid appsecret, rid: 617833f5-4d39a245-36d3a896", wxlogin.ErrMisconfigured},
	{40164, "invalid ip 203.0.113.7, not in whitelist rid: 611740a4-27f9a8ba-065da01b", wxlogin.ErrMisconfigured},
	{40243, "AppSecret has been frozen", wxlogin.ErrMisconfigured},
	{41002, "appid missing", wxlogin.ErrMisconfigured},
	{41004, "appsecret missing", wxlogin.ErrMisconfigured},
	{43001, "", wxlogin.ErrMisconfigured},
	{50002, "", wxlogin.ErrMisconfigured},
	{50007, "", wxlogin.ErrMisconfigured},
	{61003, "component is not authorized by this account", wxlogin.ErrMisconfigured},
	{45009, "reach max api daily quota limit", wxlogin.ErrUpstreamUnavailable},
	{987654, "something new", wxlogin.ErrUpstreamUnavailable},
	{-2, "", wxlogin.ErrUpstreamUnavailable},
}

var classes = []error{
	wxlogin.ErrBadRequest, wxlogin.ErrInvalidCode, wxlogin.ErrUserBlocked, wxlogin.ErrLoginRefused,
	wxlogin.ErrRateLimited, wxlogin.ErrUpstreamUnavailable, wxlogin.ErrMisconfigured, wxlogin.ErrInternal,
}

func TestEveryErrcodeHasOneClassAndKeepsItsParts(t *testing.T) {
	for _, tt := range refusals {
		for form, errcode := range map[string]string{"number": strconv.Itoa(tt.code), "string": strconv.Quote(strconv.Itoa(tt.code))} {
			t.Run(fmt.Sprintf("%d as a %s", tt.code, form), func(t *testing.T) {
				rt := &script{t: t, bodies: []string{fmt.Sprintf(`{"errcode":%s,"errmsg":%q}`, errcode, tt.msg)}}
				account, err := provider(t, rt).Exchange(t.Context(), testCode)
				for _, class := range classes {
					if got, want := errors.Is(err, class), class == tt.class; got != want {
						t.Errorf("errors.Is(%v, %v) = %v, want %v", err, class, got, want)
					}
				}
				var refusal *Error
				if !errors.As(err, &refusal) {
					t.Fatalf("got %T, want *Error", err)
				}
				if refusal.API != "code2Session" || refusal.Code != tt.code || refusal.Msg != tt.msg {
					t.Errorf("got %+v, want code2Session, %d, %q", refusal, tt.code, tt.msg)
				}
				if account != (wxlogin.Account{}) {
					t.Errorf("an account came with the error: %+v", account)
				}
			})
		}
	}
}

func TestSuccessIsNoErrcodeOrZeroAndAnOpenID(t *testing.T) {
	const open, union = "oGZUI0egBJY1zhBYw2KhdUfwVJJE", "ocMvos6NjeKLIBqg5Mr9QjxrP1FA"
	for _, tt := range []struct{ name, body, open, union, key string }{
		{"as seen on the wire", `{"session_key":"a2V5","openid":"` + open + `"}`, open, "", "a2V5"},
		{"with unionid", `{"session_key":"a2V5","openid":"` + open + `","unionid":"` + union + `"}`, open, union, "a2V5"},
		{"with errcode 0, as the documents show", `{"openid":"` + open + `","session_key":"a2V5","unionid":"","errcode":0,"errmsg":"ok"}`, open, "", "a2V5"},
		{"with errcode 0 as a string", `{"openid":"` + open + `","session_key":"a2V5","errcode":"0"}`, open, "", "a2V5"},
		{"with nulls", `{"openid":"` + open + `","session_key":"a2V5","errcode":null,"errmsg":null,"unionid":null}`, open, "", "a2V5"},
		{"with keys nobody knows", `{"openid":"` + open + `","session_key":"a2V5","expires_in":7200,"new":{"a":[1]}}`, open, "", "a2V5"},
		{"with escaped slashes", `{"openid":"` + open + `","session_key":"a\/b\/\u002b=="}`, open, "", "a/b/+=="},
		{"with blanks around", "\r\n {\"openid\":\"" + open + "\",\"session_key\":\"a2V5\"}\n", open, "", "a2V5"},
		{"with errmsg of another type", `{"openid":"` + open + `","session_key":"a2V5","errmsg":{"a":1}}`, open, "", "a2V5"},
		{"with ids at the limit", `{"openid":"` + strings.Repeat("o", 128) + `","session_key":"a2V5"}`, strings.Repeat("o", 128), "", "a2V5"},
		{"without session_key", `{"openid":"` + open + `"}`, open, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			account, err := provider(t, &script{t: t, bodies: []string{tt.body}}).Exchange(t.Context(), testCode)
			if err != nil {
				t.Fatal(err)
			}
			if account.Subject != tt.open || account.OpenID != tt.open || account.UnionID != tt.union ||
				account.SessionKey.Reveal() != tt.key || account.Details != nil {
				t.Errorf("got %+v, want openid %s, unionid %q", account, tt.open, tt.union)
			}
		})
	}
}

func TestAnswerThatIsNotCode2SessionsIsUnavailable(t *testing.T) {
	long := strings.Repeat("o", 129)
	for name, body := range map[string]string{
		"nothing":                   ``,
		"blanks":                    " \n",
		"null":                      `null`,
		"an array":                  `[]`,
		"a string":                  `"ok"`,
		"a number":                  `0`,
		"an empty object":           `{}`,
		"HTML":                      `<html><body>` + testKey + `</body></html>`,
		"truncated":                 goodAnswer[:len(goodAnswer)-9],
		"two objects":               goodAnswer + goodAnswer,
		"text after the object":     goodAnswer + "x",
		"no openid":                 `{"session_key":"` + testKey + `"}`,
		"empty openid":              `{"openid":"","session_key":"` + testKey + `"}`,
		"null openid":               `{"openid":null,"session_key":"` + testKey + `"}`,
		"errcode 0 and nothing":     `{"errcode":0,"errmsg":"ok"}`,
		"openid that is a number":   `{"openid":12345,"session_key":"` + testKey + `"}`,
		"openid of 129 bytes":       `{"openid":"` + long + `","session_key":"` + testKey + `"}`,
		"unionid of 129 bytes":      `{"openid":"o1","unionid":"` + long + `"}`,
		"session_key of 129 bytes":  `{"openid":"o1","session_key":"` + long + `"}`,
		"openid with a newline":     `{"openid":"o\n1","session_key":"` + testKey + `"}`,
		"openid with a blank":       `{"openid":"o 1","session_key":"` + testKey + `"}`,
		"openid that is not UTF-8":  "{\"openid\":\"o\xff1\"}",
		"errcode of words":          `{"errcode":"none","openid":"o1"}`,
		"errcode of an empty text":  `{"errcode":"","openid":"o1"}`,
		"errcode with a fraction":   `{"errcode":40029.5,"openid":"o1"}`,
		"errcode that is an object": `{"errcode":{},"openid":"o1"}`,
		"errcode true":              `{"errcode":true,"openid":"o1"}`,
		"errcode too long":          `{"errcode":99999999999999999999,"openid":"o1"}`,
	} {
		t.Run(name, func(t *testing.T) {
			account, err := provider(t, &script{t: t, bodies: []string{body}}).Exchange(t.Context(), testCode)
			if !errors.Is(err, wxlogin.ErrUpstreamUnavailable) || account != (wxlogin.Account{}) {
				t.Fatalf("got %+v, %v, want ErrUpstreamUnavailable alone", account, err)
			}
			var refusal *Error
			if errors.As(err, &refusal) {
				t.Errorf("got errcode %d out of an unreadable answer", refusal.Code)
			}
			if strings.Contains(err.Error(), testKey) || strings.Contains(err.Error(), "<html>") {
				t.Errorf("%q quotes the answer", err)
			}
		})
	}
}

func TestBusyGetsOneSecondAttemptWithTheSameCode(t *testing.T) {
	const busy, used = `{"errcode":-1,"errmsg":"system error"}`, `{"errcode":40163,"errmsg":"code been used"}`
	for _, tt := range []struct {
		name     string
		bodies   []string
		requests int
		want     error
	}{
		{"then it works", []string{busy, goodAnswer}, 2, nil},
		{"then the code is used", []string{busy, used}, 2, wxlogin.ErrInvalidCode},
		{"then the code is unknown", []string{`{"errcode":"-1"}`, `{"errcode":40029,"errmsg":"invalid code"}`}, 2, wxlogin.ErrInvalidCode},
		{"then busy still", []string{busy, busy, goodAnswer}, 2, wxlogin.ErrUpstreamUnavailable},
		{"then unreadable", []string{busy, "<html>", goodAnswer}, 2, wxlogin.ErrUpstreamUnavailable},
		{"used is final", []string{used, goodAnswer}, 1, wxlogin.ErrInvalidCode},
		{"the quota is final", []string{`{"errcode":45011}`, goodAnswer}, 1, wxlogin.ErrRateLimited},
		{"the unknown is final", []string{`{"errcode":-1000}`, goodAnswer}, 1, wxlogin.ErrUpstreamUnavailable},
		{"the unreadable is final", []string{"", goodAnswer}, 1, wxlogin.ErrUpstreamUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rt := &script{t: t, bodies: tt.bodies}
				start := time.Now()
				_, err := provider(t, rt).Exchange(t.Context(), testCode)
				if !errors.Is(err, tt.want) || rt.requests() != tt.requests {
					t.Fatalf("got %v after %d requests, want %v after %d", err, rt.requests(), tt.want, tt.requests)
				}
				waited := time.Since(start)
				if tt.requests == 1 {
					if waited != 0 {
						t.Errorf("waited %v for nothing", waited)
					}
					return
				}
				if waited < minBackoff || waited >= maxBackoff {
					t.Errorf("waited %v, want between %v and %v", waited, minBackoff, maxBackoff)
				}
				if a, b := rt.seen[0].URL.RawQuery, rt.seen[1].URL.RawQuery; a != b {
					t.Error("the second attempt sent something else")
				}
			})
		})
	}
}

func TestBackoffEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rt := &script{t: t, bodies: []string{`{"errcode":-1,"errmsg":"system error, rid: 617833f5-4d39a245-36d3a896"}`}}
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), minBackoff/2)
		defer cancel()
		_, err := provider(t, rt).Exchange(ctx, testCode)
		if time.Since(start) != minBackoff/2 {
			t.Errorf("returned after %v, want %v", time.Since(start), minBackoff/2)
		}
		var refusal *Error
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, wxlogin.ErrUpstreamUnavailable) || !errors.As(err, &refusal) {
			t.Errorf("got %v, want the errcode, ErrUpstreamUnavailable and DeadlineExceeded", err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		p := provider(t, tripper(func(*http.Request) (*http.Response, error) {
			time.AfterFunc(minBackoff/2, cancel)
			return answerWith(http.StatusOK, `{"errcode":-1}`), nil
		}))
		_, err := p.Exchange(ctx, testCode)
		if !errors.Is(err, context.Canceled) || errors.Is(err, wxlogin.ErrUpstreamUnavailable) {
			t.Errorf("got %v, want context.Canceled without a class", err)
		}
	})
}
