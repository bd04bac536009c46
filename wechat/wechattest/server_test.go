package wechattest_test

import (
	"io"
	"net"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ginwx/wxlogin/wechat/wechattest"
)

func TestConnectionsAreCounted(t *testing.T) {
	srv := newServer(t)
	for range 5 {
		exchange(t, srv, "x")
	}
	if got := srv.Connections(); got != 1 {
		t.Errorf("kept alive: got %d connections, want 1", got)
	}
	srv.Client().CloseIdleConnections()
	exchange(t, srv, "x")
	if got := srv.Connections(); got != 2 {
		t.Errorf("after closing: got %d connections, want 2", got)
	}
}

func TestTLSServerIsTrustedByItsClientAlone(t *testing.T) {
	srv := wechattest.NewTLSServer()
	defer srv.Close()
	wantErrcode(t, exchange(t, srv, srv.Code("alice")), 0)
	srv.Next(wechattest.Cut().Consuming())
	code := srv.Code("alice")
	exchangeAny(t, srv, code)
	wantErrcode(t, exchange(t, srv, code), 40163)

	plain := newServer(t)
	if _, err := plain.Client().Get(srv.URL); err == nil {
		t.Error("a client that does not know the certificate must refuse it")
	}
}

func TestCutWorksOverHTTP2(t *testing.T) {
	e := wechattest.New()
	ts := httptest.NewUnstartedServer(e)
	ts.EnableHTTP2 = true
	ts.StartTLS()
	defer ts.Close()
	code := e.Code("alice")
	e.Next(wechattest.Cut().Consuming())
	if resp, err := ts.Client().Get(ts.URL + wechattest.PathCode2Session + "?" + exchangeQuery(code).Encode()); err == nil {
		resp.Body.Close()
		t.Errorf("got status %d, want a cut stream", resp.StatusCode)
	}
	resp, err := ts.Client().Get(ts.URL + wechattest.PathCode2Session + "?" + exchangeQuery(code).Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	wantErrcode(t, wire{body: string(body)}, 40163)
}

func TestCloseEndsWhatHangsAndLeavesNothingRunning(t *testing.T) {
	before := runtime.NumGoroutine()
	srv := wechattest.NewServer()
	srv.Next(wechattest.Slow(time.Hour), wechattest.Slow(time.Hour).Consuming())
	var clients sync.WaitGroup
	for range 2 {
		clients.Go(func() {
			if r, err := tryGet(srv, wechattest.PathCode2Session, exchangeQuery("x")); err == nil {
				t.Errorf("got %s, want a cut connection", r.body)
			}
		})
	}
	until(t, "the slow requests arrived", func() bool { return srv.Count(wechattest.PathCode2Session) == 2 })

	srv.Next(wechattest.Endless())
	deaf := dial(t, srv, "GET "+wechattest.PathCode2Session+" HTTP/1.1\r\nHost: x\r\n\r\n") // never reads the endless body
	defer deaf.Close()
	half := dial(t, srv, "POST "+wechattest.PathCode2Session+" HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{") // never ends its body
	defer half.Close()
	until(t, "the endless request arrived", func() bool { return srv.Count(wechattest.PathCode2Session) == 3 })

	srv.Close()
	srv.Close()
	clients.Wait()
	until(t, "all goroutines ended", func() bool { return runtime.NumGoroutine() <= before })
}

func dial(t *testing.T, srv *wechattest.Server, request string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(srv.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	return conn
}

// until yields until the condition holds, and fails the test with all stacks if it does not within a generous
// time.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); runtime.Gosched() {
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<20)
			t.Fatal("not in time: " + what + "\n" + string(buf[:runtime.Stack(buf, true)]))
		}
	}
}
