package wechattest_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ginwx/wxlogin/wechat/wechattest"
)

// TestFaultsStrikeOnce plays each fault on one request and checks what the client sees and whether the code is
// still good afterwards, as the fault is and as its Consuming form.
func TestFaultsStrikeOnce(t *testing.T) {
	cut := func(t *testing.T, _ wire, err error) {
		if err == nil {
			t.Error("got an answer, want a cut connection")
		}
	}
	errcode := func(want int) func(*testing.T, wire, error) {
		return func(t *testing.T, r wire, err error) {
			wantStatus(t, r, err, 200)
			wantErrcode(t, r, want)
		}
	}
	rows := []struct {
		name     string
		fault    wechattest.Fault
		check    func(*testing.T, wire, error)
		consumes bool // also without Consuming
	}{
		{"busy", wechattest.ErrCode(-1), errcode(-1), false},
		{"quota", wechattest.ErrCode(45011), errcode(45011), false},
		{"blocked", wechattest.ErrCode(40226), errcode(40226), false},
		{"an errcode nobody knows", wechattest.ErrCode(123456), errcode(123456), false},
		{"an old suffix", wechattest.ErrMsg(40029, "invalid code, hints: [ req_id: N37KMa0605th21 ]"), func(t *testing.T, r wire, err error) {
			wantStatus(t, r, err, 200)
			if want := `{"errcode":40029,"errmsg":"invalid code, hints: [ req_id: N37KMa0605th21 ]"}`; r.body != want {
				t.Errorf("got %s, want %s", r.body, want)
			}
		}, false},
		{"cut", wechattest.Cut(), cut, false},
		{"cut in the body", wechattest.CutBody(), cut, true},
		{"redirect", wechattest.Redirect("/elsewhere"), func(t *testing.T, r wire, err error) {
			wantStatus(t, r, err, 302)
			if got := r.header.Get("Location"); got != "/elsewhere" {
				t.Errorf("got Location %q, want /elsewhere", got)
			}
		}, false},
		{"bad gateway", wechattest.BadGateway(), func(t *testing.T, r wire, err error) {
			wantStatus(t, r, err, 502)
			wantMatch(t, r.body, "<html>")
		}, false},
		{"html", wechattest.HTML(), func(t *testing.T, r wire, err error) {
			wantStatus(t, r, err, 200)
			wantMatch(t, r.body, "<html>")
		}, false},
		{"any reply", wechattest.Reply(418, "text/x", "body"), func(t *testing.T, r wire, err error) {
			wantStatus(t, r, err, 418)
			if r.body != "body" || r.header.Get("Content-Type") != "text/x" {
				t.Errorf("got %q as %q", r.body, r.header.Get("Content-Type"))
			}
		}, false},
		{"truncated", wechattest.Truncated(), func(t *testing.T, r wire, err error) {
			wantStatus(t, r, err, 200)
			wantMatch(t, r.body, `^\{"session_key":"`)
			if json.Valid([]byte(r.body)) {
				t.Errorf("got valid JSON %s", r.body)
			}
		}, true},
		{"explicit ok", wechattest.ExplicitOK(), func(t *testing.T, r wire, err error) {
			wantStatus(t, r, err, 200)
			wantMatch(t, r.body, `^\{"session_key":"[^"]+","openid":"[^"]+","errcode":0,"errmsg":"ok"\}$`)
		}, true},
		{"numbers as strings on a success", wechattest.NumbersAsStrings(), errcode(0), true},
		{"pass", wechattest.Pass(), errcode(0), true},
	}
	for _, row := range rows {
		for _, consuming := range []bool{false, true} {
			name, fault, used := row.name, row.fault, row.consumes
			if consuming {
				name, fault, used = row.name+", consuming", row.fault.Consuming(), true
			}
			t.Run(name, func(t *testing.T) {
				srv := newServer(t)
				noRedirect(srv)
				code := srv.Code("alice")
				srv.Next(fault)
				r, err := tryGet(srv, wechattest.PathCode2Session, exchangeQuery(code))
				row.check(t, r, err)
				want := 0
				if used {
					want = 40163
				}
				wantErrcode(t, exchange(t, srv, code), want)
				if got := srv.Arrivals(code); got != 2 {
					t.Errorf("the code arrived %d times, want 2", got)
				}
			})
		}
	}
}

func wantStatus(t *testing.T, r wire, err error, want int) {
	t.Helper()
	if err != nil || r.status != want {
		t.Fatalf("got status %d, error %v, want status %d", r.status, err, want)
	}
}

func noRedirect(srv *wechattest.Server) {
	srv.Client().CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
}

func TestNumbersAsStringsQuotesAnError(t *testing.T) {
	srv := newServer(t)
	srv.Next(wechattest.NumbersAsStrings())
	wantMatch(t, exchange(t, srv, "neverminted").body, `^\{"errcode":"40029","errmsg":"invalid code, rid: `)
}

func TestExplicitOKLeavesAnErrorAlone(t *testing.T) {
	srv := newServer(t)
	srv.Next(wechattest.ExplicitOK())
	wantErrcode(t, exchange(t, srv, "neverminted"), 40029)
}

// Go's transport sends a GET again when a reused connection breaks. The emulator must show what that costs, and
// that a request which cannot be replayed is spared it.
func TestCutOnReusedConnectionMeetsGosResend(t *testing.T) {
	rows := []struct {
		name     string
		fault    wechattest.Fault
		body     io.Reader
		arrivals int
		want     int // errcode, or -2 for a network error
	}{
		{"cut before the code is used: the resend succeeds", wechattest.Cut(), nil, 2, 0},
		{"cut after the code is used: the resend burns it", wechattest.Cut().Consuming(), nil, 2, 40163},
		{"a request that cannot be replayed arrives once", wechattest.Cut().Consuming(), io.MultiReader(), 1, -2},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			srv := newServer(t)
			exchange(t, srv, srv.Code("bob")) // leaves an idle connection
			code := srv.Code("alice")
			srv.Next(row.fault)
			req, err := http.NewRequest("GET", srv.URL+wechattest.PathCode2Session+"?"+exchangeQuery(code).Encode(), row.body)
			if err != nil {
				t.Fatal(err)
			}
			got := -2
			if resp, err := srv.Client().Do(req); err == nil {
				body, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				got = wire{body: string(body)}.errcode(t)
			}
			if got != row.want {
				t.Errorf("got errcode %d, want %d", got, row.want)
			}
			if n := srv.Arrivals(code); n != row.arrivals {
				t.Errorf("the code arrived %d times, want %d", n, row.arrivals)
			}
		})
	}
}

func TestScriptRunsInOrderThenStandingFaultsThenRates(t *testing.T) {
	srv := newServer(t, wechattest.WithFailureRate(1, wechattest.ErrCode(3)))
	srv.Next(wechattest.ErrCode(1).On("/cgi-bin/token"), wechattest.ErrCode(-1), wechattest.Pass())
	srv.Always(wechattest.ErrCode(9).On("/cgi-bin/token"), wechattest.ErrCode(2))

	for _, want := range []int{-1, 0, 2, 2} {
		wantErrcode(t, exchange(t, srv, srv.Code("alice")), want)
	}
	srv.Always()
	wantErrcode(t, exchange(t, srv, srv.Code("alice")), 3)
	srv.Next(wechattest.ErrCode(-1))
	srv.Always(wechattest.ErrCode(2))
	srv.ClearFaults()
	wantErrcode(t, exchange(t, srv, srv.Code("alice")), 3)
}

func TestFailureRatesHitTheirShareAndRepeatBySeed(t *testing.T) {
	run := func(seed uint64) (codes []int) {
		srv := newServer(t, wechattest.WithSeed(seed),
			wechattest.WithFailureRate(0.10, wechattest.ErrCode(45011)),
			wechattest.WithFailureRate(0.25, wechattest.ErrCode(-1)),
			wechattest.WithFailureRate(0.50, wechattest.ErrCode(1).On("/cgi-bin/token")))
		for range 1000 {
			codes = append(codes, exchange(t, srv, srv.Code("alice")).errcode(t))
		}
		return codes
	}
	first, again, other := run(1), run(1), run(2)
	count, differs := make(map[int]int), false
	for i := range first {
		count[first[i]]++
		if first[i] != again[i] {
			t.Fatalf("request %d: got %d and %d from the same seed", i, first[i], again[i])
		}
		differs = differs || first[i] != other[i]
	}
	if !differs {
		t.Error("another seed must hit other requests")
	}
	for code, want := range map[int]int{45011: 100, -1: 250, 0: 650} {
		if got := count[code]; got < want-50 || got > want+50 {
			t.Errorf("errcode %d: got %d of 1000, want about %d", code, got, want)
		}
	}
}

// serve answers one exchange without a network; cut reports an abandoned connection.
func serve(ctx context.Context, e *wechattest.Emulator, code string) (body string, cut bool) {
	defer func() {
		if p := recover(); p != nil {
			if err, ok := p.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
				panic(p)
			}
			cut = true
		}
	}()
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", wechattest.PathCode2Session+"?"+exchangeQuery(code).Encode(), nil)
	e.ServeHTTP(w, r.WithContext(ctx))
	return w.Body.String(), false
}

func TestDelaysEndWithTheRequest(t *testing.T) {
	rows := []struct {
		name      string
		opts      []wechattest.Option
		fault     wechattest.Fault
		patience  time.Duration
		wantCut   bool
		wantAfter time.Duration
		wantReuse int // errcode of the code's next use
	}{
		{"slow, client waits", nil, wechattest.Slow(time.Minute), time.Hour, false, time.Minute, 40163},
		{"slow, client waits longer than the code lives", nil, wechattest.Slow(time.Hour), 2 * time.Hour, false, time.Hour, 40029},
		{"slow, client leaves: the code is good", nil, wechattest.Slow(time.Hour), time.Minute, true, time.Minute, 0},
		{"slow and consuming, client leaves: the code is used", nil, wechattest.Slow(time.Hour).Consuming(), time.Minute, true, time.Minute, 40163},
		{"delayed cut", nil, wechattest.Cut().Delayed(time.Second), time.Hour, true, time.Second, 0},
		{"delayed and consuming cut", nil, wechattest.Cut().Consuming().Delayed(time.Second), time.Hour, true, time.Second, 40163},
		{"latency, client waits", []wechattest.Option{wechattest.WithLatency(50 * time.Millisecond)}, wechattest.Pass(), time.Hour, false, 50 * time.Millisecond, 40163},
		{"latency, client leaves: the code is used", []wechattest.Option{wechattest.WithLatency(time.Minute)}, wechattest.Pass(), time.Second, true, time.Second, 40163},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := wechattest.New(row.opts...)
				code := e.Code("alice")
				e.Next(row.fault)
				ctx, cancel := context.WithTimeout(t.Context(), row.patience)
				defer cancel()
				start := time.Now()
				_, cut := serve(ctx, e, code)
				if cut != row.wantCut {
					t.Errorf("got cut %v, want %v", cut, row.wantCut)
				}
				if got := time.Since(start); got != row.wantAfter {
					t.Errorf("answered after %v, want %v", got, row.wantAfter)
				}
				body, _ := serve(t.Context(), e, code)
				wantErrcode(t, wire{body: body}, row.wantReuse)
			})
		})
	}
}

func TestEndlessBodyRunsUntilTheClientHangsUp(t *testing.T) {
	srv := newServer(t)
	srv.Next(wechattest.Endless())
	resp, err := srv.Client().Get(srv.URL + wechattest.PathCode2Session + "?" + exchangeQuery(srv.Code("alice")).Encode())
	if err != nil {
		t.Fatal(err)
	}
	head, err := io.ReadAll(io.LimitReader(resp.Body, 8<<20))
	resp.Body.Close()
	if err != nil || len(head) != 8<<20 {
		t.Fatalf("got %d bytes, error %v, want 8 MiB and more to come", len(head), err)
	}
	wantMatch(t, string(head[:200]), `^\{"session_key":"[^"]+","openid":"[^"]+","padding":"A+$`)
}

func TestEndlessBodyEndsAtItsBound(t *testing.T) {
	srv := newServer(t)
	srv.Next(wechattest.Endless())
	resp, err := srv.Client().Get(srv.URL + wechattest.PathCode2Session + "?" + exchangeQuery(srv.Code("alice")).Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	if err != nil || n < 64<<20 || n > 65<<20 {
		t.Errorf("got %d bytes, error %v, want 64 MiB and an end", n, err)
	}
}

func TestFaultTextsOfKnownErrcodes(t *testing.T) {
	srv := newServer(t)
	for code, text := range map[int]string{
		-1: "system error", 40243: "AppSecret has been frozen", 45009: "reach max api daily quota limit",
		45011: "api minute-quota reach limit  mustslower  retry next minute", 50002: "user limited", 50007: "account is frozen",
	} {
		srv.Next(wechattest.ErrCode(code))
		if got := exchange(t, srv, "x").text(t, "errmsg"); !strings.HasPrefix(got, text+", rid: ") {
			t.Errorf("errcode %d: got errmsg %q, want %q", code, got, text)
		}
	}
}
