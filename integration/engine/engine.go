// Package engine starts real servers for tests: on free ports of 127.0.0.1, in
// temporary directories, under another account where the test runs as root. What
// it starts is stopped, and what it creates is removed, by t.Cleanup.
//
// A test whose server is not installed is skipped with the reason, or fails where
// the environment variable WXLOGIN_REQUIRE_ENGINES is 1, as in CI.
package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// RequireEnv makes a missing engine a failure instead of a skip.
const RequireEnv = "WXLOGIN_REQUIRE_ENGINES"

// binDirs are searched after PATH: Debian keeps servers out of a user's PATH.
var binDirs = []string{"/usr/lib/postgresql/*/bin", "/usr/sbin", "/usr/local/sbin", "/usr/libexec"}

// Find returns the path of the first program of these names that is installed. If
// none is, it skips or fails the test; see [RequireEnv].
func Find(t testing.TB, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
		for _, dir := range binDirs {
			found, _ := filepath.Glob(filepath.Join(dir, name))
			// The last one is the newest version.
			if len(found) > 0 {
				return found[len(found)-1]
			}
		}
	}
	if os.Getenv(RequireEnv) == "1" {
		t.Fatalf("none of %q is installed, and %s is 1", names, RequireEnv)
	}
	t.Skipf("none of %q is installed (Debian has redis-server, postgresql and mariadb-server)", names)
	return ""
}

// given are the ports that this process has handed out. A server binds its port
// some time later, when another test may be looking for one.
var given sync.Map

// FreePort returns a port of 127.0.0.1 that nobody listens on, each one once.
//
// It lies below the range from which the system takes ports for outgoing
// connections: otherwise a client that dials a stopped server's port again and
// again ends up connected to itself, and the server cannot start any more.
func FreePort(t testing.TB) int {
	t.Helper()
	const low, high = 15000, 32000
	for range 200 {
		port := low + rand.IntN(high-low)
		// Not even to look: a server may be about to bind what was given to it.
		if _, again := given.LoadOrStore(port, true); again {
			continue
		}
		if l, err := net.Listen("tcp", Addr(port)); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no free port found")
	return 0
}

// Addr is port on 127.0.0.1.
func Addr(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// TempDir returns a new directory with a short path, so that it can hold a Unix
// socket. It belongs to the account that servers run under.
func TempDir(t testing.TB, account string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "wx")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove the directory of a server: %v", err)
		}
	})
	if cred := credential(t, account); cred != nil {
		if err := os.Chown(dir, int(cred.Uid), int(cred.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// credential returns whom to run as, or nil to stay who we are: only root needs
// to, and may, be someone else.
func credential(t testing.TB, account string) *syscall.Credential {
	t.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	for _, name := range []string{account, "nobody"} {
		if name == "" {
			continue
		}
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	t.Fatalf("running as root, and there is neither an account %q nor nobody", account)
	return nil
}

// Run runs a program to its end as account, such as initdb, and fails the test if
// it fails. It returns what the program wrote.
func Run(t testing.TB, account, path string, args ...string) string {
	t.Helper()
	out, err := TryRun(t, account, path, args...)
	if err != nil {
		t.Fatalf("%s: %v\n%s", filepath.Base(path), err, out)
	}
	return out
}

// TryRun is Run for a program that may fail.
func TryRun(t testing.TB, account, path string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = "/"
	cmd.Env = cleanEnv()
	cmd.SysProcAttr = attributes(credential(t, account))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// cleanEnv keeps what servers need and drops what configures clients.
func cleanEnv() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=/", "LC_ALL=C", "TZ=UTC"}
}

// Spec says what to start.
type Spec struct {
	Path    string
	Args    []string
	Dir     string   // working directory, "" for /
	Env     []string // added to a clean environment
	Account string   // to run as if the test is root; "" for nobody
	AsSelf  bool     // run as whoever runs the test, whatever Account says

	// Ready reports whether the server serves; it is called until it returns
	// nil, each time with a context of a second.
	Ready func(ctx context.Context) error
	// ReadyWithin limits that. Default 30 seconds.
	ReadyWithin time.Duration
	// StopSignal is how Stop asks the server to end. Default SIGTERM.
	StopSignal os.Signal
}

// Process is a server that can be stopped, killed and started again. Its methods
// are for one goroutine at a time, except for Log.
type Process struct {
	t    testing.TB
	spec Spec
	log  tail

	cmd    *exec.Cmd
	exited chan struct{} // closed when cmd has ended
}

// Start starts a server and waits until it is ready. It is killed at the end of
// the test, and what it wrote is shown if the test failed.
func Start(t testing.TB, spec Spec) *Process {
	t.Helper()
	if spec.ReadyWithin == 0 {
		spec.ReadyWithin = 30 * time.Second
	}
	if spec.StopSignal == nil {
		spec.StopSignal = syscall.SIGTERM
	}
	p := &Process{t: t, spec: spec}
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("%s wrote last:\n%s", filepath.Base(spec.Path), p.Log())
		}
	})
	p.Restart()
	return p
}

// Restart starts the server again after Stop or Kill, with the same arguments and
// directory, and waits until it is ready.
func (p *Process) Restart() {
	p.t.Helper()
	p.Launch()
	p.WaitReady()
}

// Launch is Restart without waiting.
func (p *Process) Launch() {
	p.t.Helper()
	if p.Running() {
		p.t.Fatalf("%s is running already", filepath.Base(p.spec.Path))
	}
	cmd := exec.Command(p.spec.Path, p.spec.Args...)
	if cmd.Dir = p.spec.Dir; cmd.Dir == "" {
		cmd.Dir = "/"
	}
	cmd.Env = append(cleanEnv(), p.spec.Env...)
	cmd.Stdout, cmd.Stderr = &p.log, &p.log
	var cred *syscall.Credential
	if !p.spec.AsSelf {
		cred = credential(p.t, p.spec.Account)
	}
	cmd.SysProcAttr = attributes(cred)
	cmd.SysProcAttr.Setpgid = true // so that workers of the server die with it
	if err := cmd.Start(); err != nil {
		p.t.Fatalf("start %s: %v", filepath.Base(p.spec.Path), err)
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = cmd.Wait() // how it ended is in its log, and mostly our doing
	}()
	p.cmd, p.exited = cmd, exited
}

// WaitReady waits until the server serves, and fails the test if it does not in
// time or ends.
func (p *Process) WaitReady() {
	p.t.Helper()
	err := Poll(p.spec.ReadyWithin, func(ctx context.Context) error {
		if !p.Running() {
			return errEnded
		}
		return p.spec.Ready(ctx)
	})
	if err != nil {
		p.t.Fatalf("%s is not ready: %v\n%s", filepath.Base(p.spec.Path), err, p.Log())
	}
}

var errEnded = errors.New("the process has ended")

// Poll calls ready, each time with a context of a second, until it returns nil or
// the time is over; then it returns the last error.
func Poll(within time.Duration, ready func(ctx context.Context) error) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for start := time.Now(); ; <-tick.C {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		err := ready(ctx)
		cancel()
		if err == nil {
			return nil
		}
		if errors.Is(err, errEnded) || time.Since(start) > within {
			return fmt.Errorf("after %v: %w", time.Since(start).Round(time.Millisecond), err)
		}
	}
}

// Running reports whether the server's process lives.
func (p *Process) Running() bool {
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// PID returns the process id of the server started last.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Stop asks the server to end and waits; after 20 seconds it is killed.
func (p *Process) Stop() {
	if !p.Running() {
		return
	}
	_ = p.cmd.Process.Signal(p.spec.StopSignal)
	limit := time.NewTimer(20 * time.Second)
	defer limit.Stop()
	select {
	case <-p.exited:
	case <-limit.C:
		p.Kill()
	}
}

// Kill ends the server and its children with SIGKILL, and waits until it is gone.
func (p *Process) Kill() {
	if p.cmd == nil {
		return
	}
	// Children may live on after the server's own end, so do not ask Running.
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.exited
}

// Freeze stops the server where it is, as a machine does that hangs: connections
// stay open and nobody answers. Thaw lets it go on.
func (p *Process) Freeze() { p.signal(syscall.SIGSTOP) }

// Thaw undoes Freeze.
func (p *Process) Thaw() { p.signal(syscall.SIGCONT) }

func (p *Process) signal(sig syscall.Signal) {
	p.t.Helper()
	if err := syscall.Kill(-p.cmd.Process.Pid, sig); err != nil {
		p.t.Fatalf("signal %s: %v", filepath.Base(p.spec.Path), err)
	}
}

// Log returns the last of what the server wrote.
func (p *Process) Log() string { return p.log.String() }

// tail keeps the end of what is written to it.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

const tailLen = 16 << 10

func (l *tail) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf.Write(p)
	if over := l.buf.Len() - tailLen; over > 0 {
		l.buf.Next(over)
	}
	return len(p), nil
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
