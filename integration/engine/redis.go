package engine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const commandLimit = 10 * time.Second

// Redis is one redis-server.
type Redis struct {
	*Process
	Port int
	Dir  string
}

// Addr is where the server listens.
func (r *Redis) Addr() string { return Addr(r.Port) }

// StartRedis starts a redis-server with nothing on disk. Further arguments are
// settings, such as "--appendonly", "yes", and win over the defaults.
func StartRedis(t testing.TB, args ...string) *Redis {
	t.Helper()
	path := Find(t, "redis-server", "valkey-server")
	r := &Redis{Port: FreePort(t), Dir: TempDir(t, "")}
	settings := append([]string{
		"--port", strconv.Itoa(r.Port), "--bind", "127.0.0.1", "--dir", r.Dir,
		"--save", "", "--appendonly", "no", "--daemonize", "no",
	}, args...)
	r.Process = Start(t, Spec{Path: path, Args: settings, Dir: r.Dir, Ready: r.ping})
	return r
}

// RestartAsReplica starts the server again as a replica of primary from its first
// moment on, and waits until it is in step.
func (r *Redis) RestartAsReplica(t testing.TB, primary *Redis) {
	t.Helper()
	const setting = "--replicaof"
	args := r.spec.Args
	if i := slices.Index(args, setting); i >= 0 {
		args = args[:i]
	}
	r.spec.Args = append(slices.Clip(args), setting, "127.0.0.1", strconv.Itoa(primary.Port))
	r.Restart()
	r.WaitInStep(t)
}

// StartSentinel starts a sentinel that watches master under the name "mymaster"
// and declares it down after a second.
func StartSentinel(t testing.TB, master *Redis, quorum int) *Redis {
	t.Helper()
	path := Find(t, "redis-server", "valkey-server")
	r := &Redis{Port: FreePort(t), Dir: TempDir(t, "")}
	conf := filepath.Join(r.Dir, "sentinel.conf")
	writeFile(t, conf, fmt.Sprintf(`port %d
bind 127.0.0.1
dir %s
sentinel monitor mymaster 127.0.0.1 %d %d
sentinel down-after-milliseconds mymaster 1000
sentinel failover-timeout mymaster 3000
sentinel parallel-syncs mymaster 1
`, r.Port, r.Dir, master.Port, quorum))
	r.Process = Start(t, Spec{Path: path, Args: []string{conf, "--sentinel"}, Dir: r.Dir, Ready: r.ping})
	return r
}

func (r *Redis) ping(ctx context.Context) error {
	_, err := r.Command(ctx, "PING")
	return err
}

// Command sends a command over a connection of its own and returns the reply: a
// status, a number or a text. It sets up servers without any client library.
func (r *Redis) Command(ctx context.Context, args ...string) (string, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", r.Addr())
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, arg := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(arg), arg)
	}
	if _, err := conn.Write([]byte(b.String())); err != nil {
		return "", err
	}
	return readReply(bufio.NewReader(conn))
}

func readReply(from *bufio.Reader) (string, error) {
	line, err := from.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimRight(line, "\r\n")
	switch {
	case strings.HasPrefix(line, "+"), strings.HasPrefix(line, ":"):
		return line[1:], nil
	case strings.HasPrefix(line, "$"):
		n, err := strconv.Atoi(line[1:])
		if err != nil || n < 0 {
			return "", err
		}
		text := make([]byte, n)
		_, err = io.ReadFull(from, text)
		return string(text), err
	}
	return "", errors.New(line)
}

// Must is Command for one that has to succeed.
func (r *Redis) Must(t testing.TB, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), commandLimit)
	defer cancel()
	reply, err := r.Command(ctx, args...)
	if err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	return reply
}

// WaitFor polls a command until its reply contains text.
func (r *Redis) WaitFor(t testing.TB, text string, args ...string) {
	t.Helper()
	err := Poll(commandLimit+20*time.Second, func(ctx context.Context) error {
		reply, err := r.Command(ctx, args...)
		if err == nil && !strings.Contains(reply, text) {
			err = fmt.Errorf("no %q in %q", text, reply)
		}
		return err
	})
	if err != nil {
		t.Fatalf("%v: %v", args, err)
	}
}

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	// A sentinel, under another account, writes to its own configuration.
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
}
