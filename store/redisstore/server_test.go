package redisstore

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/redis/rueidis"
)

// script is a server that answers as a test wants, to reach what no real server
// does on demand. The real ones are in module integration.
type script struct {
	mu      sync.Mutex
	answer  func(command []string) string // a reply as it goes over the wire, "" for none
	seen    [][]string
	running sync.WaitGroup
}

// newScripted returns a store whose server answers every command but a
// connection's first ones by answer.
func newScripted(t *testing.T, answer func(command []string) string, opts ...Option) (*Store, *script) {
	t.Helper()
	client, server := connect(t, rueidis.ClientOption{DisableCache: true}, answer)
	return New(client, opts...), server
}

// connect returns a client of such a server.
func connect(t *testing.T, option rueidis.ClientOption, answer func(command []string) string) (rueidis.Client, *script) {
	t.Helper()
	s := &script{answer: answer}
	option.InitAddress, option.ForceSingleClient = []string{"server:6379"}, true
	option.DialCtxFn = func(context.Context, string, *net.Dialer, *tls.Config) (net.Conn, error) {
		here, there := net.Pipe()
		s.running.Go(func() { s.serve(there) })
		return here, nil
	}
	client, err := rueidis.NewClient(option)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.Close()
		s.running.Wait()
	})
	return client, s
}

func (s *script) serve(conn net.Conn) {
	defer conn.Close()
	from := bufio.NewReader(conn)
	for {
		command, err := readCommand(from)
		if err != nil {
			return
		}
		if _, err := io.WriteString(conn, s.reply(command)); err != nil {
			return
		}
	}
}

func (s *script) reply(command []string) string {
	switch command[0] {
	case "HELLO":
		return "%3\r\n+server\r\n+redis\r\n+version\r\n+7.0.0\r\n+proto\r\n:3\r\n"
	case "CLIENT":
		return "+OK\r\n"
	case "PING":
		return "+PONG\r\n"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, command)
	return s.answer(command)
}

// commands returns what the server was sent.
func (s *script) commands() [][]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

func readCommand(from *bufio.Reader) ([]string, error) {
	n, err := readNumber(from)
	if err != nil {
		return nil, err
	}
	command := make([]string, n)
	for i := range command {
		length, err := readNumber(from)
		if err != nil {
			return nil, err
		}
		text := make([]byte, length+2)
		if _, err := io.ReadFull(from, text); err != nil {
			return nil, err
		}
		command[i] = string(text[:length])
	}
	return command, nil
}

func readNumber(from *bufio.Reader) (int, error) {
	line, err := from.ReadString('\n')
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(line[1:]))
}

// always gives one reply to everything.
func always(reply string) func([]string) string {
	return func([]string) string { return reply }
}

func bulk(text string) string { return "$" + strconv.Itoa(len(text)) + "\r\n" + text + "\r\n" }
