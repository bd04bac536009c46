package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/ginwx/wxlogin/integration/engine"
)

// demo is a running demo.
type demo struct {
	url  string
	stop func()
}

func start(t *testing.T, store string) demo {
	t.Helper()
	env := map[string]string{
		"ADDR": "127.0.0.1:0", "STORE": store,
		"WXLOGIN_KEYS": "YSBzeW50aGV0aWMga2V5IG9mIHRoZSBkZW1vLCB1bnNhZmUh", // a synthetic key
	}
	ctx, cancel := context.WithCancel(context.Background())
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, nil, func(name string) string { return env[name] }, in)
		in.CloseWithError(io.EOF)
		ended <- err
	}()
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("the demo does not start: %v", <-ended)
		}
		if url, ok := strings.CutPrefix(strings.TrimSpace(line), "Listening on "); ok {
			go io.Copy(io.Discard, lines)
			return demo{url, func() {
				cancel()
				if err := <-ended; err != nil {
					t.Errorf("the demo ended with error %v", err)
				}
			}}
		}
	}
}

// ask sends a request and reads a reply with the fields of all of them.
func (d demo) ask(t *testing.T, method, path, token string) (status int, reply struct{ Code, Token, OpenID string }) {
	t.Helper()
	req, err := http.NewRequest(method, d.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	_ = json.Unmarshal(body, &reply) // a logout has no body; a wrong one shows below
	return resp.StatusCode, reply
}

func TestASessionOutlivesTheDemo(t *testing.T) {
	for name, store := range map[string]func(t *testing.T) string{
		"SQLite":     func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "wxlogin.db") },
		"PostgreSQL": func(t *testing.T) string { return engine.StartPostgres(t).DSN() },
		"MariaDB":    func(t *testing.T) string { return "mysql:" + engine.StartMariaDB(t).DSN() },
	} {
		t.Run(name, func(t *testing.T) {
			defer http.DefaultClient.CloseIdleConnections()
			where := store(t)
			d := start(t, where)
			_, code := d.ask(t, http.MethodPost, "/wechat/code?user=alice", "")
			status, login := d.ask(t, http.MethodGet, "/wx/login?code="+code.Code, "")
			if status != http.StatusOK || login.Token == "" {
				t.Fatalf("login: status %d, want 200 and a token", status)
			}
			_, before := d.ask(t, http.MethodGet, "/api/me", login.Token)
			d.stop()

			d = start(t, where)
			defer d.stop()
			status, after := d.ask(t, http.MethodGet, "/api/me", login.Token)
			if status != http.StatusOK || after.OpenID == "" || after.OpenID != before.OpenID {
				t.Errorf("after a restart: status %d, openid %q, want 200 and %q", status, after.OpenID, before.OpenID)
			}
			if status, _ := d.ask(t, http.MethodPost, "/wx/logout", login.Token); status != http.StatusNoContent {
				t.Errorf("logout: status %d, want 204", status)
			}
			if status, _ := d.ask(t, http.MethodGet, "/api/me", login.Token); status != http.StatusUnauthorized {
				t.Errorf("after the logout: status %d, want 401", status)
			}
		})
	}
}

func TestTheDemoRefusesToStartWrongly(t *testing.T) {
	for name, env := range map[string]map[string]string{
		"without a store":               {},
		"with a store that is none":     {"STORE": "redis://localhost"},
		"with a broken URL":             {"STORE": "postgres://user:synthetic-password@host:port/db"},
		"with a broken DSN":             {"STORE": "mysql:user:synthetic-password@"},
		"with a key that is no base64":  {"STORE": "sqlite:" + filepath.Join(t.TempDir(), "x.db"), "WXLOGIN_KEYS": "!"},
		"with a key that is too short":  {"STORE": "sqlite:" + filepath.Join(t.TempDir(), "x.db"), "WXLOGIN_KEYS": "c2hvcnQ="},
		"with an app without a secret":  {"STORE": "sqlite:" + filepath.Join(t.TempDir(), "x.db"), "WX_APPID": "wx0000000000000000"},
		"with a directory of no access": {"STORE": "sqlite:/nowhere/at/all.db"},
	} {
		t.Run(name, func(t *testing.T) {
			err := run(context.Background(), nil, func(name string) string { return env[name] }, io.Discard)
			if err == nil {
				t.Fatal("no error")
			}
			if strings.Contains(err.Error(), "synthetic-password") {
				t.Errorf("the error shows the password: %v", err)
			}
		})
	}
}

func TestReleaseModeEmulatesWeChatOnlyIfTold(t *testing.T) {
	mode := gin.Mode()
	defer gin.SetMode(mode)
	none := func(string) string { return "" }
	real := func(name string) string { return "synthetic " + name }
	for _, test := range []struct {
		mode   string
		args   []string
		getenv func(string) string
		want   string // in the error: without more, the first thing that is missing
	}{
		{gin.DebugMode, nil, none, "STORE"},
		{gin.ReleaseMode, nil, none, "-insecure-emulate"},
		{gin.ReleaseMode, []string{"-insecure-emulate"}, none, "STORE"},
		{gin.ReleaseMode, nil, real, "WXLOGIN_KEYS"},
		{gin.DebugMode, []string{"extra"}, none, "extra"},
	} {
		gin.SetMode(test.mode)
		err := run(context.Background(), test.args, test.getenv, io.Discard)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s mode with %v: error %v, want one about %s", test.mode, test.args, err, test.want)
		}
	}
}
