package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ginwx/wxlogin/wechat/wechattest"
)

// binary builds the program as a user does and returns its path.
func binary(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "example")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

// needTools skips where the shell's tools are missing; `make test` installs them.
func needTools(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err == nil {
			continue
		} else if os.Getenv("WXLOGIN_REQUIRE_TOOLS") != "" {
			t.Fatal(err)
		} else {
			t.Skipf("the walk needs %s: %v", name, err)
		}
	}
}

// process is the running program with what it has printed.
type process struct {
	*exec.Cmd
	out *bufio.Reader
}

func start(t *testing.T, path string, env []string, args ...string) *process {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(os.Environ(), append([]string{"ADDR=127.0.0.1:0", "GIN_MODE=", "WX_APPID=", "WX_SECRET=", "STORE="}, env...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return &process{Cmd: cmd, out: bufio.NewReader(out)}
}

// lines reads up to and including the first line with the prefix.
func (p *process) lines(t *testing.T, prefix string) string {
	t.Helper()
	var read strings.Builder
	for {
		line, err := p.out.ReadString('\n')
		read.WriteString(line)
		if strings.HasPrefix(line, prefix) {
			return read.String()
		}
		if err != nil {
			t.Fatalf("no line with %q in: %s", prefix, read.String())
		}
	}
}

// stop ends the program as an operator does and returns the rest of its output.
func (p *process) stop(t *testing.T) string {
	t.Helper()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(p.out)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("the program ended with %v", err)
	}
	return string(rest)
}

func TestThePrintedCurlLinesWalkThroughALogin(t *testing.T) {
	needTools(t, "sh", "curl", "sed")
	p := start(t, binary(t), nil)
	printed := p.lines(t, "curl ")
	if got := strings.Count(printed, "curl -s"); got != 3 {
		t.Fatalf("got %d curl lines, want 3:\n%s", got, printed)
	}
	_, walk, _ := strings.Cut(printed, "login:\n\n")
	out, err := exec.Command("sh", "-c", walk+"\necho; echo \"$CODE $TOKEN\"").Output()
	if err != nil {
		t.Fatalf("the walk: %v", err)
	}
	reply, secrets, _ := strings.Cut(string(out), "\n")
	var me struct{ OpenID string }
	if err := json.Unmarshal([]byte(reply), &me); err != nil || !strings.HasPrefix(me.OpenID, "o") {
		t.Errorf("got %q, %v; want the openid", reply, err)
	}
	log := p.stop(t)
	for _, secret := range strings.Fields(secrets) {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds a code or a token:\n%s", log)
		}
	}
	if !strings.Contains(log, "path=/wx/login") || !strings.Contains(log, "shutting down") {
		t.Errorf("got log %s; want a line for each request and the end", log)
	}
}

func TestTheDefaultAddressIsPrintedAsPeopleTypeIt(t *testing.T) {
	cfg, err := readConfig(nil, func(string) string { return "" })
	if err != nil || cfg.addr != "127.0.0.1:8080" {
		t.Errorf("got %q, %v", cfg.addr, err)
	}
}

func TestWechatOnlyServesTheEmulatorAlone(t *testing.T) {
	p := start(t, binary(t), nil, "-wechat-only", "-latency", "1ms", "-fail", "45011=100%")
	host := regexp.MustCompile(`http://(localhost:\d+)`).FindStringSubmatch(p.lines(t, "curl "))[1]
	response, err := http.Post("http://"+host+"/wechat/code?n=1000", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	var minted struct{ Codes []string }
	err = json.NewDecoder(response.Body).Decode(&minted)
	response.Body.Close()
	if err != nil || len(minted.Codes) != 1000 {
		t.Errorf("got %d codes, %v; want 1000", len(minted.Codes), err)
	}
	response, err = http.Get("http://" + host + "/sns/jscode2session")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(response.Body)
	response.Body.Close()
	if !strings.Contains(string(body), "45011") {
		t.Errorf("got %s, want the failure that was asked for", body)
	}
	p.stop(t)
}

func TestReleaseModeRefusesToEmulateUnlessTold(t *testing.T) {
	path := binary(t)
	refused := exec.Command(path)
	refused.Env = append(os.Environ(), "GIN_MODE=release", "ADDR=127.0.0.1:0", "WX_APPID=", "WX_SECRET=", "STORE=")
	if out, err := refused.CombinedOutput(); err == nil || !strings.Contains(string(out), "WX_APPID") {
		t.Errorf("got %v: %s; want a refusal that says what to set", err, out)
	}
	p := start(t, path, []string{"GIN_MODE=release"}, "-insecure-emulate")
	p.lines(t, "curl ")
	p.stop(t)
	p = start(t, path, []string{"GIN_MODE=release", "WX_APPID=wxtestapp00000001", "WX_SECRET=not-a-secret"})
	if printed := p.lines(t, "Codes are exchanged"); strings.Contains(printed, "emulated") {
		t.Errorf("got %s; want the real WeChat", printed)
	}
	p.stop(t)
}

func TestWrongFlagsAndEnvironmentAreErrors(t *testing.T) {
	env := func(pairs ...string) func(string) string {
		return func(name string) string {
			for i := 0; i < len(pairs); i += 2 {
				if pairs[i] == name {
					return pairs[i+1]
				}
			}
			return ""
		}
	}
	for _, c := range []struct {
		rule string
		args []string
		env  func(string) string
	}{
		{"an app without its secret", nil, env("WX_APPID", "wx")},
		{"a secret without its app", nil, env("WX_SECRET", "s")},
		{"a store without keys", nil, env("STORE", "redis://127.0.0.1:1")},
		{"a key that is no base64", nil, env("WXLOGIN_KEYS", "???")},
		{"an argument", []string{"x"}, env()},
		{"a share of nothing", []string{"-fail", "45011"}, env()},
		{"a share without percent", []string{"-fail", "45011=1"}, env()},
		{"a share above all", []string{"-fail", "45011=101%"}, env()},
		{"shares above all", []string{"-fail", "45011=60%", "-fail", "-1=60%"}, env()},
		{"no share", []string{"-fail", "45011=NaN%"}, env()},
		{"no errcode", []string{"-fail", "x=1%"}, env()},
	} {
		if _, err := readConfig(c.args, c.env); err == nil {
			t.Errorf("%s: got no error", c.rule)
		}
	}
	cfg, err := readConfig([]string{"-fail", "45011=1%", "-fail", "-1=0.5%"}, env("ADDR", ":1"))
	if err != nil || cfg.fail.String() != "-1=0.5%,45011=1%" || cfg.addr != ":1" {
		t.Errorf("got %v of %q, %v", cfg.fail, cfg.addr, err)
	}
}

func TestAStoreThatCannotBeOpenedIsAnError(t *testing.T) {
	for _, url := range []string{"mysql://x", "redis://:a-password@127.0.0.1:1/x/y", "redis://:a-password@127.0.0.1:1"} {
		b, err := newBackend(config{emulate: true, store: url, keys: [][]byte{make([]byte, 32)}}, slog.New(slog.DiscardHandler))
		if err == nil {
			b.close()
			t.Errorf("%s: got no error", url)
		} else if strings.Contains(err.Error(), "a-password") {
			t.Errorf("the error holds the password: %v", err)
		}
	}
}

func TestTheAccessLogHoldsNoQuery(t *testing.T) {
	gin.SetMode(gin.TestMode)
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	b, err := newBackend(config{emulate: true}, log)
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	code := b.wechat.Code("alice")
	routes := b.routes(log)
	for _, target := range []string{"/wx/login?code=" + code, "/wx/login?code=" + code, "/api/me?x=" + wechattest.DefaultSecret} {
		routes.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", target, nil))
	}
	if strings.Contains(out.String(), code) || strings.Contains(out.String(), wechattest.DefaultSecret) {
		t.Errorf("a query is in the log:\n%s", out.String())
	}
	for _, want := range []string{"status=200", "status=401", "error="} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s is not in the log:\n%s", want, out.String())
		}
	}
	if n := strings.Count(out.String(), "msg=request"); n != 3 {
		t.Errorf("got %d lines of 3:\n%s", n, fmt.Sprint(out.String()))
	}
}
