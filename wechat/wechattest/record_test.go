package wechattest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/ginwx/wxlogin/wechat/wechattest"
)

func TestRecordHoldsWhatArrived(t *testing.T) {
	c := newClock()
	srv := newServer(t, wechattest.WithClock(c.Now))
	code := srv.Code("alice")
	exchange(t, srv, code)
	srv.Next(wechattest.BadGateway())
	exchangeAny(t, srv, code)
	srv.Next(wechattest.Cut())
	exchangeAny(t, srv, "other")

	got := srv.Requests()
	if len(got) != 4 { // Go's transport sends the third again
		t.Fatalf("got %d requests, want 4", len(got))
	}
	first := got[0]
	if first.Method != "GET" || first.Path != wechattest.PathCode2Session || first.Query.Get("js_code") != code ||
		first.Query.Encode() != exchangeQuery(code).Encode() || !first.Time.Equal(c.Now()) ||
		first.Header.Get("User-Agent") == "" || first.RemoteAddr == "" || first.Status != 200 || first.ErrCode != 0 || first.Fault != "" {
		t.Errorf("first request: got %v", first)
	}
	if got[1].Status != 502 || got[1].Fault != "reply 502" {
		t.Errorf("second request: got status %d, fault %q", got[1].Status, got[1].Fault)
	}
	if got[2].Status != 0 || got[2].Fault != "cut" {
		t.Errorf("cut request: got status %d, fault %q", got[2].Status, got[2].Fault)
	}
	if n := srv.Arrivals(code); n != 2 {
		t.Errorf("the code arrived %d times, want 2", n)
	}
}

func exchangeAny(t *testing.T, srv *wechattest.Server, code string) {
	t.Helper()
	_, _ = tryGet(srv, wechattest.PathCode2Session, exchangeQuery(code))
}

func TestInjectedParametersShowInTheRecord(t *testing.T) {
	srv := newServer(t)
	raw := srv.URL + wechattest.PathCode2Session + "?appid=" + wechattest.DefaultAppID + "&secret=" + wechattest.DefaultSecret +
		"&js_code=x&appid=evil&grant_type=authorization_code" // js_code was "x&appid=evil", not escaped
	resp, err := srv.Client().Get(raw)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got := srv.Requests()[0].Query["appid"]; len(got) != 2 || got[1] != "evil" {
		t.Errorf("got appid %v, want the injected one to show", got)
	}
	exchange(t, srv, "x&appid=evil")
	if got := srv.Requests()[1].Query; len(got["appid"]) != 1 || srv.Arrivals("x&appid=evil") != 1 {
		t.Errorf("an escaped code must arrive whole, got %v", got["appid"])
	}
}

func TestRecordIsBoundedByNumber(t *testing.T) {
	srv := newServer(t, wechattest.WithRecord(3))
	for i := range 10 {
		exchange(t, srv, fmt.Sprint("code", i))
	}
	got := srv.Requests()
	if len(got) != 3 || got[0].Query.Get("js_code") != "code7" {
		t.Errorf("got %d requests, want the last 3", len(got))
	}
	if n := srv.Count(wechattest.PathCode2Session); n != 10 {
		t.Errorf("got count %d, want 10", n)
	}
	srv.ClearRequests()
	if len(srv.Requests()) != 0 || srv.Count(wechattest.PathCode2Session) != 0 {
		t.Error("cleared: want no requests and no counts")
	}
	none := newServer(t, wechattest.WithRecord(0))
	exchange(t, none, "x")
	if len(none.Requests()) != 0 || none.Count(wechattest.PathCode2Session) != 1 {
		t.Error("without a record: want a count and no requests")
	}
}

func TestRecordIsBoundedBySize(t *testing.T) {
	srv := newServer(t)
	long := strings.Repeat("x", 900<<10)
	for range 20 {
		exchange(t, srv, long)
	}
	if got := len(srv.Requests()); got == 0 || got > 16<<20/len(long) {
		t.Errorf("got %d requests of 900 KiB, want at most 16 MiB", got)
	}
}

func TestUnknownPathsAreRecordedNotCounted(t *testing.T) {
	srv := newServer(t)
	get(t, srv, "/elsewhere", nil)
	if len(srv.Requests()) != 1 || srv.Requests()[0].Status != http.StatusNotFound || srv.Count("/elsewhere") != 0 {
		t.Errorf("got %v, count %d", srv.Requests(), srv.Count("/elsewhere"))
	}
}

func TestNothingPrintsASecret(t *testing.T) {
	const canary = "canary-0123456789"
	srv := newServer(t, wechattest.WithApp("wxa", canary+"-secret", wechattest.OpenPlatform("acme")),
		wechattest.WithMultiTerminal("wxdonut", canary+"-donut"))
	q := with(with(exchangeQuery(canary+"-code&"+canary), "appid", "wxa"), "secret", canary+"-secret")
	get(t, srv, wechattest.PathCode2Session, with(q, canary+"-key", "x"))
	post(t, srv, wechattest.PathCode2Session, q, "application/json", `{"code":"`+canary+`"}`)
	key := srv.App("wxa").RotateKey("alice")

	var out bytes.Buffer
	values := []any{srv.Requests()[0], &srv.Requests()[1], srv.Requests(), srv, *srv, srv.Emulator, srv.App("wxa"), srv.MultiTerminal("wxdonut")}
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		slog.New(slog.NewTextHandler(&out, nil)).Info("text", "v", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("json", "v", v)
		if b, err := json.Marshal(v); err == nil {
			out.Write(b)
		}
	}
	for _, secret := range []string{canary, fmt.Sprintf("%x", canary), key} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("printed: %s", out.String())
		}
	}
	wantMatch(t, srv.Requests()[0].String(), `^GET "/sns/jscode2session" .*appid="wxa".* js_code=\*\*\*.* secret=\*\*\* -> 200 errcode 40029$`)
}

func TestParallelUseIsSafe(t *testing.T) {
	srv := newServer(t, wechattest.WithRecord(50), wechattest.WithRotation(wechattest.RotateNever))
	var wg sync.WaitGroup
	for _, user := range users(20) {
		wg.Go(func() {
			for range 20 {
				code := srv.Code(user)
				r, err := tryGet(srv, wechattest.PathCode2Session, exchangeQuery(code))
				if err != nil || r.text(t, "openid") != srv.OpenID(user) {
					t.Errorf("%s: got %s, error %v", user, r.body, err)
				}
				srv.App(wechattest.DefaultAppID).RotateKey(user)
				_ = fmt.Sprint(srv.Requests(), srv.Arrivals(code))
			}
		})
	}
	wg.Wait()
	if got := srv.Count(wechattest.PathCode2Session); got != 400 {
		t.Errorf("got count %d, want 400", got)
	}
}
