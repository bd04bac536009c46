// Package faultproxy puts a TCP proxy in front of a server, which makes the
// network between a client and the server fail in chosen ways.
package faultproxy

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Fault says what goes wrong. The zero Fault is a network that works.
type Fault struct {
	// Delay holds every answer back for so long.
	Delay time.Duration
	// Hang lets nothing through, in either direction, until the fault is over:
	// connections stay open and new ones are accepted, as behind a firewall that
	// drops packets.
	Hang bool
	// Strand makes the connections that are open now hang for ever, as when a
	// router forgets them; new ones work.
	Strand bool
	// Reset breaks every connection with a reset, new ones at once.
	Reset bool
	// Refuse breaks every connection and refuses new ones, as a host does whose
	// server is down.
	Refuse bool
	// Garbage is sent instead of every answer.
	Garbage string
	// Request is asked about every piece of a request, on one goroutine for each
	// connection, and decides what becomes of it.
	Request func(piece []byte) Verdict
}

// Verdict is what becomes of a request.
type Verdict int

// The verdicts.
const (
	Pass       Verdict = iota
	CutBefore          // break the connection instead of forwarding the request
	LoseAnswer         // forward the request, and break the connection when the server answers
)

// Proxy forwards connections to one server.
type Proxy struct {
	target string
	addr   string

	mu       sync.Mutex
	fault    Fault
	changed  chan struct{} // closed when fault is replaced
	closed   bool
	listener net.Listener // nil while connections are refused
	links    map[*link]struct{}
	running  sync.WaitGroup
}

// Start starts a proxy on a free port of 127.0.0.1, and stops it at the end of the
// test. addr should come from engine.FreePort, so that Refuse can give the port up
// and take it back.
func Start(t testing.TB, addr, target string) *Proxy {
	t.Helper()
	p := &Proxy{target: target, addr: addr, changed: make(chan struct{}), links: map[*link]struct{}{}}
	p.mu.Lock()
	err := p.listen()
	p.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	return p
}

// Addr is where clients connect.
func (p *Proxy) Addr() string { return p.addr }

// Set makes f the fault from now on. It panics if it cannot listen again after a
// Refuse.
func (p *Proxy) Set(f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = f
	close(p.changed)
	p.changed = make(chan struct{})
	for l := range p.links {
		if f.Strand {
			l.stranded.Store(true)
		}
		if f.Reset || f.Refuse {
			l.reset()
		}
	}
	switch {
	case f.Refuse && p.listener != nil:
		p.listener.Close()
		p.listener = nil
	case !f.Refuse && p.listener == nil:
		if err := p.listen(); err != nil {
			panic(err)
		}
	}
}

// Heal ends the fault.
func (p *Proxy) Heal() { p.Set(Fault{}) }

func (p *Proxy) state() (Fault, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fault, p.changed
}

// listen is called with the lock held.
func (p *Proxy) listen() error {
	l, err := net.Listen("tcp", p.addr)
	if err != nil {
		return err
	}
	p.listener = l
	p.running.Go(func() { p.accept(l) })
	return nil
}

func (p *Proxy) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		p.running.Go(func() { p.serve(conn.(*net.TCPConn)) })
	}
}

func (p *Proxy) close() {
	p.mu.Lock()
	p.closed = true
	if p.listener != nil {
		p.listener.Close()
	}
	for l := range p.links {
		l.reset()
	}
	p.mu.Unlock()
	p.running.Wait()
}

// link is one connection and its counterpart to the server.
type link struct {
	client, server *net.TCPConn
	over           chan struct{} // closed by reset
	once           sync.Once
	loseAnswer     atomic.Bool
	stranded       atomic.Bool
}

// reset breaks both sides without a farewell.
func (l *link) reset() {
	l.once.Do(func() {
		close(l.over)
		for _, c := range []*net.TCPConn{l.client, l.server} {
			if c != nil {
				_ = c.SetLinger(0)
				c.Close()
			}
		}
	})
}

func (p *Proxy) serve(client *net.TCPConn) {
	l := &link{client: client, over: make(chan struct{})}
	if f, _ := p.state(); f.Reset {
		l.reset()
		return
	}
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		l.reset()
		return
	}
	l.server = server.(*net.TCPConn)
	p.mu.Lock()
	if p.closed || p.fault.Reset || p.fault.Refuse {
		p.mu.Unlock()
		l.reset()
		return
	}
	p.links[l] = struct{}{}
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.links, l)
		p.mu.Unlock()
	}()
	var both sync.WaitGroup
	both.Go(func() { p.forward(l, l.client, l.server, p.request) })
	both.Go(func() { p.forward(l, l.server, l.client, p.answer) })
	both.Wait()
}

// forward passes on what treat returns of every piece. An end on one side ends
// both.
func (p *Proxy) forward(l *link, from, to *net.TCPConn, treat func(*link, []byte) ([]byte, error)) {
	defer l.reset()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		piece, err := treat(l, buf[:n])
		if err != nil {
			return
		}
		if _, err := to.Write(piece); err != nil {
			return
		}
	}
}

var errCut = errors.New("cut")

func (p *Proxy) request(l *link, piece []byte) ([]byte, error) {
	if err := p.pass(l); err != nil {
		return nil, err
	}
	f, _ := p.state()
	if f.Request == nil {
		return piece, nil
	}
	switch f.Request(piece) {
	case CutBefore:
		return nil, errCut
	case LoseAnswer:
		l.loseAnswer.Store(true)
	}
	return piece, nil
}

func (p *Proxy) answer(l *link, piece []byte) ([]byte, error) {
	if l.loseAnswer.Load() {
		return nil, errCut
	}
	if f, _ := p.state(); f.Delay > 0 {
		if err := l.wait(f.Delay); err != nil {
			return nil, err
		}
	}
	if err := p.pass(l); err != nil {
		return nil, err
	}
	if f, _ := p.state(); f.Garbage != "" {
		return []byte(f.Garbage), nil
	}
	return piece, nil
}

// pass waits while nothing may go through.
func (p *Proxy) pass(l *link) error {
	for {
		f, changed := p.state()
		if !f.Hang && !l.stranded.Load() {
			return nil
		}
		select {
		case <-changed:
		case <-l.over:
			return errCut
		}
	}
}

func (l *link) wait(d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-l.over:
		return errCut
	}
}
