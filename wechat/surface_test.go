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
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/wechat/wechattest"
)

// surface is every call beyond the login of a mini program. Each returns what it
// sent and got in confidence.
var surface = []struct {
	name, path string
	class      func(int) error
	run        func(t *testing.T, w *world) (result any, secrets []string, err error)
}{
	{"stable_token", wechattest.PathStableToken, stableTokenClass, func(t *testing.T, w *world) (any, []string, error) {
		token, err := w.mini.AccessToken(t.Context(), wxlogin.Secret{})
		return token, []string{token.Reveal()}, err
	}},
	{"checkSessionKey", wechattest.PathCheckSession, sessionKeyClass, func(t *testing.T, w *world) (any, []string, error) {
		key := w.keyOf("alice")
		ok, err := w.mini.CheckSessionKey(t.Context(), w.OpenID("alice"), key)
		return ok, []string{key.Reveal(), loginSignature(key, nil).Reveal()}, err
	}},
	{"ResetUserSessionKey", wechattest.PathResetSessionKey, sessionKeyClass, func(t *testing.T, w *world) (any, []string, error) {
		key := w.keyOf("alice")
		fresh, err := w.mini.ResetUserSessionKey(t.Context(), w.OpenID("alice"), key)
		return fresh, []string{key.Reveal(), loginSignature(key, nil).Reveal(), fresh.Reveal()}, err
	}},
	{"getPhoneNumber", wechattest.PathPhoneNumber, phoneNumberClass, func(t *testing.T, w *world) (any, []string, error) {
		code := w.App(testAppID).PhoneCode("alice")
		_, number := w.App(testAppID).Phone("alice")
		phone, err := w.mini.PhoneNumber(t.Context(), w.OpenID("alice"), wxlogin.NewSecret(code))
		return phone, []string{code, number}, err
	}},
	{"code2Verifyinfo", wechattest.PathCode2VerifyInfo, code2VerifyInfoClass, func(t *testing.T, w *world) (any, []string, error) {
		m := w.MultiTerminal(terminalAppID)
		m.Bind("alice", wechattest.LoginApple, wechattest.LoginWeixinApp, wechattest.LoginHuawei)
		code := m.Code("alice", wechattest.LoginPhoneSMS)
		_, number := w.App(testAppID).Phone("alice")
		account, err := w.terminal.Exchange(t.Context(), code)
		return account, []string{code, number, "@example.com"}, err
	}},
}

// shown is v as every common way of logging shows it.
func shown(t *testing.T, v any) string {
	t.Helper()
	var out bytes.Buffer
	fmt.Fprintf(&out, "%v\n%+v\n%#v\n%s\n%q\n%d\n%x\n", v, v, v, v, v, v, v)
	if _, isError := v.(error); !isError {
		if err := json.NewEncoder(&out).Encode(v); err != nil {
			t.Fatal(err)
		}
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v)
	return out.String()
}

func mustHideAll(t *testing.T, where, text string, secrets []string) {
	t.Helper()
	for _, secret := range append(secrets, testSecret, terminalSecret, "signature=", "access_token=", "appsecret=") {
		if secret != "" && strings.Contains(text, secret) {
			t.Errorf("%s shows %q:\n%s", where, secret, text)
		}
	}
}

func TestResultsOfEveryCallHideWhatIsPersonalOrSecret(t *testing.T) {
	for _, call := range surface {
		t.Run(call.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				result, secrets, err := call.run(t, newWorld(t))
				if err != nil {
					t.Fatal(err)
				}
				mustHideAll(t, "the result", shown(t, result), secrets)
				if account, ok := result.(wxlogin.Account); ok {
					mustHideAll(t, "the details", shown(t, account.Details), secrets)
				}
			})
		})
	}
}

// faults are the ways in which a gateway fails without an errcode. The number is
// how long a call takes.
func faults() map[string]struct {
	fault wechattest.Fault
	takes time.Duration
} {
	type f = struct {
		fault wechattest.Fault
		takes time.Duration
	}
	return map[string]f{
		"cut before":     {wechattest.Cut(), 0},
		"cut after":      {wechattest.Cut().Consuming(), 0},
		"cut body":       {wechattest.CutBody(), 0},
		"truncated":      {wechattest.Truncated(), 0},
		"endless":        {wechattest.Endless(), 0},
		"HTML":           {wechattest.HTML(), 0},
		"bad gateway":    {wechattest.BadGateway(), 0},
		"redirect":       {wechattest.Redirect("http://elsewhere.test/"), 0},
		"nothing":        {wechattest.Reply(200, "text/plain", ""), 0},
		"empty object":   {wechattest.Reply(200, "text/plain", "{}"), 0},
		"another answer": {wechattest.Reply(200, "text/plain", `{"errcode":"x"}`), 0},
		"null":           {wechattest.Reply(200, "text/plain", "null"), 0},
		"too slow":       {wechattest.Slow(time.Minute), defaultTimeout},
	}
}

func TestEveryFaultOfEveryCallIsUnavailableAndSentOnce(t *testing.T) {
	for _, call := range surface {
		for name, f := range faults() {
			t.Run(call.name+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					mustToken(t, w.mini, wxlogin.Secret{}) // a connection that was used before
					if call.path == wechattest.PathStableToken {
						w.mini.tokens.own.current = token{}
						w.mini.tokens.own.shared.memory = nil
					}
					before := w.Count(call.path)
					w.Next(f.fault.On(call.path))
					start := time.Now()
					_, secrets, err := call.run(t, w)
					if !errors.Is(err, wxlogin.ErrUpstreamUnavailable) || countClasses(err) != 1 {
						t.Fatalf("got %v, want ErrUpstreamUnavailable alone", err)
					}
					if got := time.Since(start); got != f.takes {
						t.Errorf("took %v, want %v", got, f.takes)
					}
					if errors.Is(err, context.DeadlineExceeded) != (f.takes > 0) {
						t.Errorf("%v: DeadlineExceeded is wrong", err)
					}
					if got := w.Count(call.path) - before; got != 1 {
						t.Errorf("sent %d times, want once", got)
					}
					mustHideAll(t, "the error", shown(t, err), w.withTokens(secrets))
				})
			})
		}
	}
}

// echo answers a path with an errcode and with all that it was sent.
type echo struct {
	path, code string
	count      int
}

func (e *echo) wrap(s *worldSetup) {
	s.wrap = func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != e.path {
				next.ServeHTTP(w, r)
				return
			}
			e.count++
			body, _ := io.ReadAll(r.Body)
			msg, _ := json.Marshal(fmt.Sprintf("%s %s %s rid: 6704f20a-0a55b460-3cf51f0c", r.URL, r.URL.Query(), body))
			fmt.Fprintf(w, `{"errcode":%s,"errmsg":%s}`, e.code, msg)
		})
	}
}

func countClasses(err error) int {
	n := 0
	for _, class := range append(classes, wxlogin.ErrSessionKeyStale, wxlogin.ErrInvalidUserData, wxlogin.ErrStoreUnavailable, wxlogin.ErrClosed) {
		if errors.Is(err, class) {
			n++
		}
	}
	return n
}

// The documented errcodes of each call, and the general ones that it may meet.
func TestEveryErrcodeOfEveryCallHasItsClass(t *testing.T) {
	type table map[error][]int
	common := table{
		wxlogin.ErrRateLimited:   {45009, 45011},
		wxlogin.ErrMisconfigured: {40164, 41001, 43001, 43002, 47001, 48001, 50002, 50007, 61004},
	}
	own := map[string]table{
		"stable_token": {
			wxlogin.ErrRateLimited: {45009, 45011},
			wxlogin.ErrMisconfigured: {
				40001, 40002, 40013, 40125, 40164, 40243, 41002, 41004, 43002, 47001, 50004, 50007, 61004, 61024, 89503, 89506, 89507,
			},
			wxlogin.ErrUpstreamUnavailable: {-1, 40029, 12345},
		},
		"checkSessionKey": {
			wxlogin.ErrBadRequest:          {40003, 41009},
			wxlogin.ErrMisconfigured:       {87008, 40013},
			wxlogin.ErrUpstreamUnavailable: {-1, 12345},
		},
		"ResetUserSessionKey": {
			wxlogin.ErrSessionKeyStale:     {87007, 87009},
			wxlogin.ErrBadRequest:          {40003, 41009},
			wxlogin.ErrMisconfigured:       {87008, 40013},
			wxlogin.ErrUpstreamUnavailable: {-1, 12345},
		},
		"getPhoneNumber": {
			wxlogin.ErrInvalidCode:         {40029, 40003, 40013, 41008},
			wxlogin.ErrUpstreamUnavailable: {-1, 12345},
		},
		"code2Verifyinfo": {
			wxlogin.ErrInvalidCode:         {10001000, 10001001},
			wxlogin.ErrMisconfigured:       {10001002, 10001003, 10001004, 10001005},
			wxlogin.ErrUpstreamUnavailable: {-1, 40001, 40014, 42001, 12345}, // sent without a token
		},
	}
	for _, call := range surface {
		tables := []table{own[call.name], common}
		if call.name == "stable_token" {
			tables = tables[:1]
		}
		for _, table := range tables {
			for class, codes := range table {
				for _, code := range codes {
					for _, form := range []string{strconv.Itoa(code), strconv.Quote(strconv.Itoa(code))} {
						synctest.Test(t, func(t *testing.T) {
							echo := &echo{path: call.path, code: form}
							w := newWorld(t, echo.wrap)
							_, secrets, err := call.run(t, w)
							var refusal *Error
							if !errors.Is(err, class) || countClasses(err) != 1 || !errors.As(err, &refusal) {
								t.Fatalf("%s %d: got %v, want %v alone", call.name, code, err, class)
							}
							if refusal.Code != code || refusal.API != call.name || refusal.RID != "6704f20a-0a55b460-3cf51f0c" {
								t.Errorf("%s %d: got %+v", call.name, code, refusal)
							}
							want := 1
							if code == codeBusy {
								want = 2
							}
							if echo.count != want {
								t.Errorf("%s %d: sent %d times, want %d", call.name, code, echo.count, want)
							}
							mustHideAll(t, "the error", shown(t, err), w.withTokens(secrets))
						})
					}
				}
			}
		}
	}
}

func TestBusyAndNumbersInQuotesAreNoObstacle(t *testing.T) {
	for _, call := range surface {
		for name, fault := range map[string]wechattest.Fault{
			"busy once":         wechattest.ErrCode(-1),
			"numbers in quotes": wechattest.NumbersAsStrings(),
			"errcode 0":         wechattest.ExplicitOK(),
		} {
			t.Run(call.name+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					w.Next(fault.On(call.path))
					if _, _, err := call.run(t, w); err != nil {
						t.Error(err)
					}
				})
			})
		}
	}
}

func TestARefusedTokenIsReplacedAndTheCallMadeOnceMore(t *testing.T) {
	for _, call := range surface[1:] {
		for _, code := range tokenRefused {
			t.Run(fmt.Sprint(call.name, " ", code), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, withTerminalToken)
					source := w.source(call.name)
					first := mustToken(t, source, wxlogin.Secret{})
					switch code {
					case 40001:
						w.RevokeToken(first.Reveal())
					case 42001:
						w.ExpireToken(first.Reveal())
					case 40014: // one that WeChat forgot
						w.RevokeToken(first.Reveal())
						w.Next(wechattest.ErrCode(code).On(call.path))
					}
					if _, _, err := call.run(t, w); err != nil {
						t.Fatal(err)
					}
					if got := w.Count(call.path); got != 2 {
						t.Errorf("sent %d times, want 2", got)
					}
					if mustToken(t, source, wxlogin.Secret{}).Equal(first) {
						t.Error("the refused token is still the current one")
					}
				})
			})
		}
	}
}

func TestASecondTokenThatIsRefusedEndsTheCall(t *testing.T) {
	for _, call := range surface[1:] {
		t.Run(call.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, withTerminalToken)
				w.Always(wechattest.ErrCode(40001).On(call.path))
				_, secrets, err := call.run(t, w)
				if !hasCode(err, tokenRefused) || !errors.Is(err, wxlogin.ErrUpstreamUnavailable) {
					t.Fatalf("got %v, want the refusal as ErrUpstreamUnavailable", err)
				}
				if got := w.Count(call.path); got != 2 {
					t.Errorf("sent %d times, want 2", got)
				}
				mustHideAll(t, "the error", shown(t, err), w.withTokens(secrets))
			})
		})
	}
}

// A code that was judged must not be sent again, whatever became of it.
func TestNoOtherRefusalHasTheCallMadeAgain(t *testing.T) {
	for _, call := range surface[1:] {
		for _, code := range []int{40029, 40163, 40003, 40013, 41001, 45009, 45011, 48001, 87009, 10001000, 10001001} {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, withTerminalToken)
				w.Always(wechattest.ErrCode(code).On(call.path))
				_, _, _ = call.run(t, w)
				if got := w.Count(call.path); got != 1 {
					t.Errorf("%s %d: sent %d times, want once", call.name, code, got)
				}
				wantFetches(t, w.Emulator, 1)
			})
		}
	}
}
