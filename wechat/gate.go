package wechat

import (
	"context"
	"errors"
	"net"
	"net/http/httptrace"
	"sync"
	"time"
)

// gateWait is how long a dial waits for a connection that should become free.
const gateWait = 250 * time.Millisecond

// gate keeps a burst of requests from opening more connections than it has
// requests.
//
// http.Transport dials for each request that finds no idle connection, and gives
// the first connection that becomes free to whoever waits longest. So in a burst
// a request is served by a connection that another one dialled and has done
// with, while its own handshake goes on for nobody; the next request sees no
// idle connection and dials again. The gate holds such a dial back: where there
// are as many connections, finished or not, as requests, one of them is not in
// use or about to be free. If none is after gateWait, the dial goes ahead.
type gate struct {
	dial func(ctx context.Context, network, addr string) (net.Conn, error)

	mu       sync.Mutex
	requests int // in flight
	conns    int // open, or being opened
}

// place is the key of a request's channel in its context, which http.Transport
// hands on to the dial. The channel is closed once the request needs no dial.
type place struct{}

var errNotNeeded = errors.New("the request needs no connection any more")

// enter counts a request that is made with the returned context, until leave is
// called.
func (g *gate) enter(ctx context.Context) (_ context.Context, leave func()) {
	served := make(chan struct{})
	serve := sync.OnceFunc(func() { close(served) })
	g.mu.Lock()
	g.requests++
	g.mu.Unlock()
	ctx = httptrace.WithClientTrace(context.WithValue(ctx, place{}, served), &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { serve() },
	})
	return ctx, func() {
		serve()
		g.mu.Lock()
		g.requests--
		g.mu.Unlock()
	}
}

// dialContext is http.Transport.DialContext.
func (g *gate) dialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	if !g.open(false) {
		served, _ := ctx.Value(place{}).(chan struct{})
		timer := time.NewTimer(gateWait)
		defer timer.Stop()
		select {
		case <-served:
			// http.Transport drops this error: the request has a connection, or
			// has ended.
			return nil, errNotNeeded
		case <-timer.C:
			g.open(true)
		}
	}
	conn, err := g.dial(ctx, network, addr)
	if err != nil {
		g.closed()
		return nil, err
	}
	return &gatedConn{Conn: conn, gate: g}, nil
}

// open counts one more connection, if there are fewer than requests or it is
// forced.
func (g *gate) open(force bool) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.conns >= g.requests && !force {
		return false
	}
	g.conns++
	return true
}

func (g *gate) closed() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.conns--
}

type gatedConn struct {
	net.Conn
	gate *gate
	once sync.Once
}

func (c *gatedConn) Close() error {
	c.once.Do(c.gate.closed)
	return c.Conn.Close()
}
