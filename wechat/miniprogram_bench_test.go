//go:build unix

package wechat

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
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

	"github.com/ginwx/wxlogin/wechat/wechattest"
)

// upstreamProcess tells the test binary to be the emulator, so that what it
// costs does not count as the client's.
const upstreamProcess = "WXLOGIN_BENCH_UPSTREAM"

const benchLatency = 50 * time.Millisecond

func TestMain(m *testing.M) {
	if os.Getenv(upstreamProcess) != "" {
		log.SetOutput(io.Discard) // handshakes that a client gave up
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
// user and system time and the connections it opened, from a cold start:
//
//	go test -run '^$' -bench ParallelLogins -benchtime 20000x ./wechat
func BenchmarkParallelLogins(b *testing.B) {
	target, roots := startUpstream(b)
	b.Run("default", func(b *testing.B) {
		p := MiniProgram(wechattest.DefaultAppID, wechattest.DefaultSecret, WithBaseURL(target))
		p.client.own.TLSClientConfig.RootCAs = roots
		defer p.Close()
		benchmarkLogins(b, p, &p.client.gate.dial)
	})
	b.Run("http.DefaultClient", func(b *testing.B) {
		// The time-out is the only difference, so that it finishes.
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.TLSClientConfig = &tls.Config{RootCAs: roots}
		client := &http.Client{Transport: transport}
		defer client.CloseIdleConnections()
		benchmarkLogins(b, MiniProgram(wechattest.DefaultAppID, wechattest.DefaultSecret,
			WithBaseURL(target), WithHTTPClient(client), WithTimeout(time.Minute)), &transport.DialContext)
	})
}

func benchmarkLogins(b *testing.B, p *MiniProgramProvider, dial *dialFunc) {
	const parallel = 200
	var dials, next atomic.Int64
	inner := *dial
	*dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		dials.Add(1)
		return inner(ctx, network, addr)
	}
	var wg sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	before := cpuTime(b)
	for range parallel {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
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
