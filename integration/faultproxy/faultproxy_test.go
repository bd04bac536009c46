package faultproxy

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// echo answers every piece with the same piece.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return l.Addr().String()
}

func start(t *testing.T) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	return Start(t, addr, echo(t))
}

// ask sends text over conn and returns the answer that came within a time.
func ask(conn net.Conn, text string, within time.Duration) (string, error) {
	_ = conn.SetDeadline(time.Now().Add(within))
	if _, err := io.WriteString(conn, text); err != nil {
		return "", err
	}
	buf := make([]byte, 100)
	n, err := conn.Read(buf)
	return string(buf[:n]), err
}

func dial(t *testing.T, p *Proxy) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestNothingIsChangedWithoutAFault(t *testing.T) {
	conn := dial(t, start(t))
	for range 3 {
		if got, err := ask(conn, "hello", 5*time.Second); got != "hello" || err != nil {
			t.Fatalf("answer %q, %v; want hello", got, err)
		}
	}
}

func TestEachFaultIsFeltOnAnOpenConnection(t *testing.T) {
	const soon = 100 * time.Millisecond
	for name, test := range map[string]struct {
		fault  Fault
		answer string
		hangs  bool
	}{
		"delay":      {fault: Fault{Delay: time.Hour}, hangs: true},
		"hang":       {fault: Fault{Hang: true}, hangs: true},
		"strand":     {fault: Fault{Strand: true}, hangs: true},
		"reset":      {fault: Fault{Reset: true}},
		"refuse":     {fault: Fault{Refuse: true}},
		"garbage":    {fault: Fault{Garbage: "rubbish"}, answer: "rubbish"},
		"cut before": {fault: Fault{Request: func([]byte) Verdict { return CutBefore }}},
		"lost":       {fault: Fault{Request: func([]byte) Verdict { return LoseAnswer }}},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t)
			conn := dial(t, p)
			if _, err := ask(conn, "hello", 5*time.Second); err != nil {
				t.Fatal(err)
			}
			p.Set(test.fault)
			got, err := ask(conn, "hello", soon)
			if got != test.answer || (err == nil) != (test.answer != "") {
				t.Errorf("answer %q, %v; want %q", got, err, test.answer)
			}
			if hangs := errors.Is(err, os.ErrDeadlineExceeded); hangs != test.hangs {
				t.Errorf("error %v; want one by time-out: %v", err, test.hangs)
			}
			p.Heal()
			if got, err := ask(dial(t, p), "hello", 5*time.Second); got != "hello" || err != nil {
				t.Errorf("answer %q, %v after the fault; want hello", got, err)
			}
		})
	}
}

func TestWhatHungArrivesWhenTheFaultIsOver(t *testing.T) {
	p := start(t)
	conn := dial(t, p)
	p.Set(Fault{Hang: true})
	if _, err := ask(conn, "hel", 50*time.Millisecond); err == nil {
		t.Fatal("an answer came through a network that hangs")
	}
	p.Heal()
	var all bytes.Buffer
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.CopyN(&all, conn, 3); err != nil || all.String() != "hel" {
		t.Fatalf("got %q, %v after the fault; want hel", all.String(), err)
	}
}

func TestARefusedConnectionIsRefused(t *testing.T) {
	p := start(t)
	p.Set(Fault{Refuse: true})
	if conn, err := net.Dial("tcp", p.Addr()); err == nil {
		conn.Close()
		t.Fatal("a connection was accepted")
	}
}
