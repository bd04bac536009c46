package wechat

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ginwx/wxlogin"
)

// cutter answers every request except those whose code begins with "cut": it
// takes that code and closes the connection.
type cutter struct {
	net.Listener
	abort bool // RST instead of FIN
	wg    sync.WaitGroup

	mu     sync.Mutex
	codes  map[string]int
	header map[string]http.Header
	te     map[string][]string
}

func newCutter(t *testing.T, abort bool) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &cutter{Listener: l, abort: abort, codes: map[string]int{}, header: map[string]http.Header{}, te: map[string][]string{}}
	s.wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.wg.Go(func() { s.serve(conn.(*net.TCPConn)) })
		}
	})
	t.Cleanup(s.wg.Wait)
	t.Cleanup(func() { _ = l.Close() })
	return s
}

func (s *cutter) serve(conn *net.TCPConn) {
	defer conn.Close()
	for in := bufio.NewReader(conn); ; {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		code := r.URL.Query().Get("js_code")
		s.mu.Lock()
		s.codes[code]++
		s.header[code], s.te[code] = r.Header, r.TransferEncoding
		s.mu.Unlock()
		if strings.HasPrefix(code, "cut") {
			if s.abort {
				_ = conn.SetLinger(0)
			}
			return
		}
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", len(goodAnswer), goodAnswer)
	}
}

func (s *cutter) arrivals(code string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.codes[code]
}

func TestCodeIsSentOnceEvenWhenAReusedConnectionIsCut(t *testing.T) {
	for _, abort := range []bool{false, true} {
		for _, own := range []bool{true, false} {
			t.Run(fmt.Sprintf("reset %v, own client %v", abort, own), func(t *testing.T) {
				server := newCutter(t, abort)
				transport := NewTransport()
				defer transport.CloseIdleConnections()
				opts := []Option{WithBaseURL("http://" + server.Addr().String())}
				if !own {
					opts = append(opts, WithHTTPClient(&http.Client{Transport: transport}))
				}
				p := MiniProgram(testAppID, testSecret, opts...)
				defer p.Close()
				if _, err := p.Exchange(t.Context(), "first"); err != nil {
					t.Fatal(err)
				}
				var reused bool
				ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
					GotConn: func(c httptrace.GotConnInfo) { reused = c.Reused },
				})
				_, err := p.Exchange(ctx, "cut-ours")
				if !errors.Is(err, wxlogin.ErrUpstreamUnavailable) {
					t.Errorf("got %v, want ErrUpstreamUnavailable", err)
				}
				if !reused {
					t.Error("the connection was not used before, so nothing is shown")
				}
				if got := server.arrivals("cut-ours"); got != 1 {
					t.Errorf("the code arrived %d times, want once", got)
				}
				if _, err := p.Exchange(t.Context(), "after"); err != nil {
					t.Errorf("the next login: %v", err)
				}
			})
		}
	}
}

// The trap is real: through the same transport and server a plain GET arrives
// twice. When this fails, net/http has changed and newRequest can be simpler.
func TestPlainGETIsSentTwiceByNetHTTP(t *testing.T) {
	server := newCutter(t, false)
	client := &http.Client{Transport: NewTransport()}
	defer client.CloseIdleConnections()
	for _, code := range []string{"first", "cut-plain"} {
		resp, err := client.Get("http://" + server.Addr().String() + "/?js_code=" + code)
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
	}
	if got := server.arrivals("cut-plain"); got != 2 {
		t.Errorf("a plain GET arrived %d times, want 2", got)
	}
}

func TestRequestLooksLikeAGETWithoutABody(t *testing.T) {
	server := newCutter(t, false)
	p := MiniProgram(testAppID, testSecret, WithBaseURL("http://"+server.Addr().String()))
	defer p.Close()
	if _, err := p.Exchange(t.Context(), "plain"); err != nil {
		t.Fatal(err)
	}
	server.mu.Lock()
	defer server.mu.Unlock()
	for _, name := range []string{"Content-Length", "Transfer-Encoding", "Content-Type", "Referer", "Cookie"} {
		if v, ok := server.header["plain"][name]; ok {
			t.Errorf("header %s: %q, want none", name, v)
		}
	}
	if te := server.te["plain"]; te != nil {
		t.Errorf("transfer encoding %q, want none", te)
	}
}

// What keeps net/http from sending a GET again, and from probing its body for up
// to 200 ms and then sending it chunked.
func TestRequestHasABodyThatNetHTTPNeitherReplaysNorProbes(t *testing.T) {
	rt := &script{t: t, bodies: []string{goodAnswer}}
	if _, err := provider(t, rt).Exchange(t.Context(), "plain"); err != nil {
		t.Fatal(err)
	}
	r := rt.seen[0]
	if r.Body == nil || r.Body == http.NoBody || r.GetBody != nil {
		t.Error("net/http takes this request for one it may replay")
	}
	if len(r.TransferEncoding) != 1 || r.TransferEncoding[0] != "identity" {
		t.Errorf("transfer encoding %q: net/http probes the body", r.TransferEncoding)
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	var followed int
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/sns/jscode2session" {
			followed++
		}
		http.Redirect(w, r, server.URL+"/elsewhere", http.StatusFound)
	}))
	defer server.Close()
	for name, opt := range map[string]Option{
		"own client":      WithTimeout(time.Second),
		"caller's client": WithHTTPClient(server.Client()),
	} {
		p := MiniProgram(testAppID, testSecret, WithBaseURL(server.URL), opt)
		_, err := p.Exchange(t.Context(), testCode)
		if !errors.Is(err, wxlogin.ErrUpstreamUnavailable) || !strings.Contains(err.Error(), "HTTP status 302") {
			t.Errorf("%s: got %v, want ErrUpstreamUnavailable for status 302", name, err)
		}
		_ = p.Close()
	}
	if followed != 0 {
		t.Errorf("%d redirects followed", followed)
	}
}

func TestStatusOtherThan200IsUnavailableWhateverTheBody(t *testing.T) {
	for _, status := range []int{201, 204, 301, 400, 401, 403, 404, 429, 500, 502, 503, 504} {
		p := provider(t, tripper(func(*http.Request) (*http.Response, error) { return answerWith(status, goodAnswer), nil }))
		if _, err := p.Exchange(t.Context(), testCode); !errors.Is(err, wxlogin.ErrUpstreamUnavailable) {
			t.Errorf("status %d: got %v, want ErrUpstreamUnavailable", status, err)
		}
	}
}

func TestErrorPageLeavesItsConnectionInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, network := overPipes(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "<html>bad gateway</html>", http.StatusBadGateway)
		}))
		defer p.Close()
		for range 3 {
			if _, err := p.Exchange(t.Context(), testCode); !errors.Is(err, wxlogin.ErrUpstreamUnavailable) {
				t.Fatalf("got %v", err)
			}
		}
		if got := network.dials.Load(); got != 1 {
			t.Errorf("%d connections for 3 calls in a row, want 1", got)
		}
	})
}

func TestLongAnswerIsNotReadToItsEnd(t *testing.T) {
	pad := func(n int) string {
		return goodAnswer[:len(goodAnswer)-1] + strings.Repeat(" ", n-len(goodAnswer)) + "}"
	}
	if _, err := provider(t, &script{t: t, bodies: []string{pad(maxAnswer)}}).Exchange(t.Context(), testCode); err != nil {
		t.Errorf("%d bytes: %v", maxAnswer, err)
	}
	read := 0
	p := provider(t, tripper(func(*http.Request) (*http.Response, error) {
		resp := answerWith(http.StatusOK, "")
		resp.Body = io.NopCloser(endless{&read})
		return resp, nil
	}))
	if _, err := p.Exchange(t.Context(), testCode); !errors.Is(err, wxlogin.ErrUpstreamUnavailable) {
		t.Errorf("endless: got %v, want ErrUpstreamUnavailable", err)
	}
	if read > maxAnswer+1 {
		t.Errorf("read %d bytes of an endless answer, want %d at most", read, maxAnswer+1)
	}
}

type endless struct{ read *int }

func (e endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	*e.read += len(p)
	return len(p), nil
}

func TestSilentServerIsLeftAfterTheTimeout(t *testing.T) {
	for _, tt := range []struct {
		name string
		opts []Option
		want time.Duration
	}{
		{"by default", nil, defaultTimeout},
		{"by option", []Option{WithTimeout(700 * time.Millisecond)}, 700 * time.Millisecond},
		{"by option, longer", []Option{WithTimeout(time.Minute)}, time.Minute},
	} {
		for _, stage := range []string{"before the header", "within the body"} {
			t.Run(tt.name+", "+stage, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p, network := overPipes(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						if stage == "within the body" {
							fmt.Fprint(w, `{"openid":`)
							_ = http.NewResponseController(w).Flush()
						}
						<-r.Context().Done()
					}), tt.opts...)
					defer p.Close()
					start := time.Now()
					_, err := p.Exchange(t.Context(), testCode)
					if got := time.Since(start); got != tt.want {
						t.Errorf("returned after %v, want %v", got, tt.want)
					}
					if !errors.Is(err, wxlogin.ErrUpstreamUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("got %v, want ErrUpstreamUnavailable and DeadlineExceeded", err)
					}
					synctest.Wait()
					if got := network.open.Load(); got != 0 {
						t.Errorf("%d connections left open", got)
					}
				})
			})
		}
	}
}

func TestEveryKindOfTimeoutMatchesDeadlineExceeded(t *testing.T) {
	timeout := &net.OpError{Op: "read", Net: "tcp", Err: errTimeout{}}
	for name, rt := range map[string]tripper{
		"of the network":    func(*http.Request) (*http.Response, error) { return nil, timeout },
		"inside a wrapping": func(*http.Request) (*http.Response, error) { return nil, fmt.Errorf("proxy: %w", timeout) },
	} {
		_, err := provider(t, rt).Exchange(t.Context(), testCode)
		if !errors.Is(err, wxlogin.ErrUpstreamUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: got %v, want ErrUpstreamUnavailable and DeadlineExceeded", name, err)
		}
	}
	blocking := tripper(func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() })
	synctest.Test(t, func(t *testing.T) {
		p := MiniProgram(testAppID, testSecret, WithHTTPClient(&http.Client{Transport: blocking, Timeout: time.Second}))
		start := time.Now()
		_, err := p.Exchange(t.Context(), testCode)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("the caller's Client.Timeout: got %v after %v", err, time.Since(start))
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := provider(t, blocking).Exchange(ctx, testCode)
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, wxlogin.ErrUpstreamUnavailable) {
			t.Errorf("the caller's deadline: got %v", err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(errors.New("because of " + testSecret)) })
		_, err := provider(t, blocking).Exchange(ctx, testCode)
		if !errors.Is(err, context.Canceled) || errors.Is(err, wxlogin.ErrUpstreamUnavailable) {
			t.Errorf("the caller left: got %v, want context.Canceled without a class", err)
		}
		mustNotShow(t, "the caller left", err.Error())
	})
}

type errTimeout struct{}

func (errTimeout) Error() string   { return "i/o timeout" }
func (errTimeout) Timeout() bool   { return true }
func (errTimeout) Temporary() bool { return true }
