// Package demo runs the example of this module as its users do: built, as
// processes, on a Redis server that STORE names.
package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ginwx/wxlogin/integration/engine"
)

// keys are synthetic.
const keys = "YSBzeW50aGV0aWMga2V5IG9mIHRoZSBkZW1vLCB1bnNhZmUh"

// answerTime is more than any answer may take, also in an outage.
const answerTime = 10 * time.Second

// program is the path of the example.
var program string

func TestMain(m *testing.M) {
	code, err := buildAndRun(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func buildAndRun(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "wxdemo")
	if err != nil {
		return 1, err
	}
	defer func() {
		if removed := os.RemoveAll(dir); err == nil {
			err = removed
		}
	}()
	program = filepath.Join(dir, "example")
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	build := exec.CommandContext(ctx, "go", "build", "-o", program, "github.com/ginwx/wxlogin/example")
	if out, err := build.CombinedOutput(); err != nil {
		return 1, fmt.Errorf("go build: %w\n%s", err, out)
	}
	return m.Run(), nil
}

// instance is a running example.
type instance struct {
	*engine.Process
	url string
}

// start starts an example, which is killed at the end of the test.
func start(t *testing.T, redis *engine.Redis) *instance {
	t.Helper()
	addr := engine.Addr(engine.FreePort(t))
	d := &instance{url: "http://" + addr}
	d.Process = engine.Start(t, engine.Spec{
		Path: program, AsSelf: true,
		Env: []string{"ADDR=" + addr, "STORE=redis://" + redis.Addr(), "WXLOGIN_KEYS=" + keys},
		Ready: func(ctx context.Context) error {
			reply, err := d.send(ctx, http.MethodGet, "/api/me", "")
			if err == nil && reply.status != http.StatusUnauthorized {
				err = fmt.Errorf("status %d without a token, want 401", reply.status)
			}
			return err
		},
	})
	return d
}

// reply is an answer with the fields of all replies that there are.
type reply struct {
	status              int
	retryAfter          string
	Code, Token, OpenID string
	Error               struct{ Code string }
}

func (d *instance) send(ctx context.Context, method, path, token string) (reply, error) {
	req, err := http.NewRequestWithContext(ctx, method, d.url+path, nil)
	if err != nil {
		return reply{}, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	// Each request has its own connection: none outlives an instance.
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return reply{}, err
	}
	r := reply{status: resp.StatusCode, retryAfter: resp.Header.Get("Retry-After")}
	if len(body) > 0 {
		if err := json.Unmarshal(body, &r); err != nil {
			return reply{}, fmt.Errorf("status %d: %w", r.status, err)
		}
	}
	return r, nil
}

// ask is send for a request that must be answered, with status want.
func (d *instance) ask(t *testing.T, want int, method, path, token string) reply {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), answerTime)
	defer cancel()
	r, err := d.send(ctx, method, path, token)
	where, _, _ := strings.Cut(path, "?") // what follows may be a code
	if err != nil {
		t.Fatalf("%s %s: no answer that can be read: %T", method, where, err)
	}
	if r.status != want {
		t.Fatalf("%s %s: status %d, want %d", method, where, r.status, want)
	}
	return r
}

// code plays wx.login in the mini program of user.
func (d *instance) code(t *testing.T, user string) string {
	t.Helper()
	return d.ask(t, http.StatusOK, http.MethodPost, "/wechat/code?user="+user, "").Code
}

// login logs user in and returns the token.
func (d *instance) login(t *testing.T, user string) string {
	t.Helper()
	r := d.ask(t, http.StatusOK, http.MethodGet, "/wx/login?code="+d.code(t, user), "")
	if r.Token == "" {
		t.Fatal("the login has no token")
	}
	return r.Token
}

// me returns the OpenID behind a token that is live.
func (d *instance) me(t *testing.T, token string) string {
	t.Helper()
	r := d.ask(t, http.StatusOK, http.MethodGet, "/api/me", token)
	if r.OpenID == "" {
		t.Fatal("the reply has no openid")
	}
	return r.OpenID
}

// checkSecretsAreNotLogged checks what an instance wrote since it was started first.
func (d *instance) checkSecretsAreNotLogged(t *testing.T, secrets ...string) {
	t.Helper()
	log := d.Log()
	if !strings.Contains(log, "path=/wx/login") {
		t.Error("the log has no line for the login")
	}
	for _, secret := range append(secrets, keys) {
		if strings.Contains(log, secret) {
			t.Error("the log holds a token or the keys")
		}
	}
}

func TestASessionOutlivesTheProcess(t *testing.T) {
	d := start(t, engine.StartRedis(t))
	token := d.login(t, "alice")
	before := d.me(t, token)
	end := map[string]func(){"stopped": d.Stop, "killed": d.Kill}
	for how, now := range end {
		now()
		if d.Running() {
			t.Fatalf("%s, it still runs", how)
		}
		d.Restart()
		if after := d.me(t, token); after != before {
			t.Errorf("%s and started again: openid %q, want %q", how, after, before)
		}
	}
	d.ask(t, http.StatusNoContent, http.MethodPost, "/wx/logout", token)
	d.Stop()
	d.Restart()
	d.ask(t, http.StatusUnauthorized, http.MethodGet, "/api/me", token)
	d.checkSecretsAreNotLogged(t, token)
}

func TestTwoInstancesShareSessions(t *testing.T) {
	redis := engine.StartRedis(t)
	one, two := start(t, redis), start(t, redis)
	alice, bob := one.login(t, "alice"), two.login(t, "bob")
	if here, there := one.me(t, alice), two.me(t, alice); here != there {
		t.Errorf("alice is %q on the one and %q on the other", here, there)
	}
	if one.me(t, alice) == one.me(t, bob) {
		t.Error("alice and bob are the same")
	}
	two.ask(t, http.StatusNoContent, http.MethodPost, "/wx/logout", alice)
	for _, d := range []*instance{one, two} {
		r := d.ask(t, http.StatusUnauthorized, http.MethodGet, "/api/me", alice)
		if r.Error.Code != "invalid_token" {
			t.Errorf("after the logout: error %q, want invalid_token", r.Error.Code)
		}
		d.me(t, bob)
		d.checkSecretsAreNotLogged(t, alice, bob)
	}
}

func TestInstancesWithoutTheirRedisAnswer503UntilItIsBack(t *testing.T) {
	redis := engine.StartRedis(t, "--appendonly", "yes", "--appendfsync", "always")
	instances := []*instance{start(t, redis), start(t, redis)}
	token := instances[0].login(t, "alice")
	before := instances[1].me(t, token)
	redis.Kill()
	for _, d := range instances {
		code := d.code(t, "alice")
		for _, r := range []reply{
			d.ask(t, http.StatusServiceUnavailable, http.MethodGet, "/api/me", token),
			d.ask(t, http.StatusServiceUnavailable, http.MethodPost, "/wx/logout", token),
			d.ask(t, http.StatusServiceUnavailable, http.MethodGet, "/wx/login?code="+code, ""),
		} {
			if seconds, err := strconv.Atoi(r.retryAfter); err != nil || seconds < 1 {
				t.Errorf("Retry-After is %q, want seconds", r.retryAfter)
			}
			if r.Error.Code != "store_unavailable" {
				t.Errorf("error %q, want store_unavailable", r.Error.Code)
			}
		}
		// What needs no store tells the truth all the same.
		d.ask(t, http.StatusUnauthorized, http.MethodGet, "/api/me", "")
	}
	redis.Restart()
	for _, d := range instances {
		err := engine.Poll(20*time.Second, func(ctx context.Context) error {
			r, err := d.send(ctx, http.MethodGet, "/api/me", token)
			switch {
			case err != nil:
				return err
			case r.status == http.StatusUnauthorized:
				t.Error("the outage ended the session")
			case r.status != http.StatusOK:
				return fmt.Errorf("status %d", r.status)
			case r.OpenID != before:
				t.Errorf("after the outage: openid %q, want %q", r.OpenID, before)
			}
			return nil
		})
		if err != nil {
			t.Errorf("after the outage: %v", err)
		}
		d.checkSecretsAreNotLogged(t, token, d.login(t, "alice"))
	}
}
