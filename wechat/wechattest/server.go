package wechattest

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"
)

// Server is an [Emulator] that listens on a free port of 127.0.0.1. Make it with [NewServer] or [NewTLSServer]
// and close it when done.
type Server struct {
	*Emulator
	URL string // "http://127.0.0.1:port" without a slash at the end, what wechat.WithBaseURL takes

	listening *httptest.Server
	cancel    context.CancelFunc
	opened    *atomic.Int64
}

// NewServer starts an emulator over plain HTTP. It panics if it cannot listen, and where [New] does.
func NewServer(opts ...Option) *Server {
	s := newServer(opts)
	s.listening.Start()
	s.URL = s.listening.URL
	return s
}

// NewTLSServer starts an emulator over TLS with a certificate that [Server.Client] trusts.
func NewTLSServer(opts ...Option) *Server {
	s := newServer(opts)
	s.listening.StartTLS()
	s.URL = s.listening.URL
	return s
}

func newServer(opts []Option) *Server {
	e, opened := New(opts...), new(atomic.Int64)
	ctx, cancel := context.WithCancel(context.Background())
	ts := httptest.NewUnstartedServer(e)
	ts.Config.ReadHeaderTimeout = 10 * time.Second
	ts.Config.BaseContext = func(net.Listener) context.Context { return ctx }
	ts.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	return &Server{Emulator: e, listening: ts, cancel: cancel, opened: opened}
}

// Client is an HTTP client that trusts the server's certificate. It is the same on each call; Close closes its
// idle connections.
func (s *Server) Client() *http.Client { return s.listening.Client() }

// Connections is how many connections were opened to the server since its start.
func (s *Server) Connections() int { return int(s.opened.Load()) }

// Close ends delayed and endless answers, stops listening and waits until every request has ended. It may be
// called more than once.
func (s *Server) Close() {
	s.cancel()
	s.listening.Close()
}
