//go:build unix

package wechat_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ginwx/wxlogin/wechat"
	"github.com/ginwx/wxlogin/wechat/wechattest"
)

// upstreamProcess tells the test binary to be the emulator, so that what it
// costs does not count as the client's.
const upstreamProcess = "WXLOGIN_BENCH_UPSTREAM"

const benchLatency = 50 * time.Millisecond

func TestMain(m *testing.M) {
	if os.Getenv(upstreamProcess) != "" {
		server := wechattest.NewTLSServer(wechattest.WithDevCodes(), wechattest.WithLatency(benchLatency), wechattest.WithRecord(1))
		fmt.Println(server.URL)
		_, _ = io.Copy(io.Discard, os.Stdin) // until the parent is done
		server.Close()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// BenchmarkParallelLogins exchanges codes in 200 goroutines over TLS with an
// emulator that takes 50 ms, in a process of its own. It reports the client's
// user and system time and the connections it opened:
//
//	go test -run '^$' -bench ParallelLogins -benchtime 20000x ./wechat
func BenchmarkParallelLogins(b *testing.B) {
	target, roots := startUpstream(b)
	for _, bb := range []struct {
		name      string
		transport *http.Transport
	}{
		{"wechat.NewTransport", wechat.NewTransport()},
		{"http.DefaultTransport", http.DefaultTransport.(*http.Transport).Clone()},
	} {
		b.Run(bb.name, func(b *testing.B) { benchmarkLogins(b, bb.transport.Clone(), target, roots) })
	}
}

func benchmarkLogins(b *testing.B, transport *http.Transport, target string, roots *x509.CertPool) {
	const parallel = 200
	var dials atomic.Int64
	dial := transport.DialContext
	transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		dials.Add(1)
		return dial(ctx, network, addr)
	}
	if transport.TLSClientConfig == nil {
		transport.TLSClientConfig = new(tls.Config)
	}
	transport.TLSClientConfig.RootCAs = roots
	client := &http.Client{Transport: transport}
	defer client.CloseIdleConnections()
	p := wechat.MiniProgram(wechattest.DefaultAppID, wechattest.DefaultSecret,
		wechat.WithBaseURL(target), wechat.WithHTTPClient(client), wechat.WithTimeout(30*time.Second))

	var next atomic.Int64
	var wg sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	before := cpuTime(b)
	for range parallel {
		wg.Go(func() {
			for {
				i := next.Add(1)
				if i > int64(b.N) {
					return
				}
				if _, err := p.Exchange(b.Context(), fmt.Sprintf("dev:user%d", i%1000)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "logins/s")
	b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/login")
	b.ReportMetric(float64(dials.Load()), "connections")
}

// startUpstream returns the URL of an emulator in another process and the roots
// that its certificate needs.
func startUpstream(b *testing.B) (string, *x509.CertPool) {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), upstreamProcess+"=1")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	target := strings.TrimSpace(line)
	u, err := url.Parse(target)
	if err != nil {
		b.Fatal(err)
	}
	// The process on the other end is ours: its certificate is trusted as shown.
	conn, err := tls.Dial("tcp", u.Host, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	roots := x509.NewCertPool()
	roots.AddCert(conn.ConnectionState().PeerCertificates[0])
	return target, roots
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
