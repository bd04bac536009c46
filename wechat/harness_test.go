package wechat

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// Synthetic values. The code holds what must be escaped, and characters that
// only the query can carry.
const (
	testAppID  = "wx00000000000000aa"
	testSecret = "synthetic-canary-secret-0123456789"
	testCode   = `canary-code-0123&appid=x&secret=y z+%41"'`
	testKey    = "c2Vzc2lvbi1rZXktY2FuYXJ5PQ=="
)

const goodAnswer = `{"session_key":"` + testKey + `","openid":"oAAAAAAAAAAAAAAAAAAAAAAAAAAA"}`

// tripper is a RoundTripper without a network.
type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answerWith(status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, ProtoMajor: 1, ProtoMinor: 1, ContentLength: -1,
		Header: http.Header{"Content-Type": {"text/plain"}},
		Body:   io.NopCloser(strings.NewReader(body)),
	}
}

// script answers request after request with the given bodies, and fails the test
// at one too many.
type script struct {
	t      testing.TB
	bodies []string
	mu     sync.Mutex
	seen   []*http.Request
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, r)
	if len(s.seen) > len(s.bodies) {
		s.t.Errorf("request %d, want %d at most", len(s.seen), len(s.bodies))
		return answerWith(http.StatusInternalServerError, ""), nil
	}
	return answerWith(http.StatusOK, s.bodies[len(s.seen)-1]), nil
}

func (s *script) requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.seen)
}

// provider returns a provider whose requests go to rt.
func provider(t testing.TB, rt http.RoundTripper, opts ...Option) *MiniProgramProvider {
	t.Helper()
	opts = append([]Option{WithHTTPClient(&http.Client{Transport: rt})}, opts...)
	p := MiniProgram(testAppID, testSecret, opts...)
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	return p
}

// pipes is a network inside the process, so that a synctest bubble can hold
// client and server.
type pipes struct {
	accept chan net.Conn
	done   chan struct{}
	once   sync.Once
	dials  atomic.Int64
	open   atomic.Int64 // on the client's side

	mu   sync.Mutex
	last net.Conn // server's side
}

func newPipes() *pipes { return &pipes{accept: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.accept <- far:
	case <-p.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	p.mu.Lock()
	p.last = far
	p.mu.Unlock()
	p.dials.Add(1)
	p.open.Add(1)
	return &countedConn{Conn: near, open: &p.open}, nil
}

// closeLast closes the newest connection from the server's side.
func (p *pipes) closeLast() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.last.Close()
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.accept:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes", Net: "unix"} }

type countedConn struct {
	net.Conn
	open *atomic.Int64
	once sync.Once
}

func (c *countedConn) Close() error {
	c.once.Do(func() { c.open.Add(-1) })
	return c.Conn.Close()
}

// overPipes returns a provider with its own transport whose dials end at h.
// Inside a bubble the test fails if it leaves a goroutine behind.
func overPipes(t *testing.T, h http.Handler, opts ...Option) (*MiniProgramProvider, *pipes) {
	t.Helper()
	network := newPipes()
	server := &http.Server{Handler: h}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(network)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-served
	})
	p := MiniProgram(testAppID, testSecret, append([]Option{WithBaseURL("http://wechat.test")}, opts...)...)
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	p.client.gate.dial = network.dial
	p.client.own.Proxy = nil
	return p, network
}

func answering(body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprint(w, body)
	})
}

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }
