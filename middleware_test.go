package wxlogin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/handler"
	"github.com/ginwx/wxlogin/middleware"
	"github.com/ginwx/wxlogin/wechat"
	"github.com/ginwx/wxlogin/wechat/wechattest"
)

// The whole way, on real HTTP: a client with a code, the login routes, WeChat
// (emulated), the middleware, a business handler that reads the openid.

const (
	secondApp    = "wxsecondapp0000001"
	secondSecret = "second-not-a-real-app-secret"
)

// app is a backend as a user of the package writes it, with its WeChat.
type app struct {
	*testing.T
	wechat *wechattest.Server
	auth   *wxlogin.Auth
	url    string
	log    *logBuffer
}

func newApp(t *testing.T, changes ...func(*wxlogin.Config)) *app {
	t.Helper()
	gin.SetMode(gin.TestMode)
	a := &app{T: t, log: &logBuffer{}}
	a.wechat = wechattest.NewServer(
		wechattest.WithApp(wechattest.DefaultAppID, wechattest.DefaultSecret, wechattest.OpenPlatform("an account")),
		wechattest.WithApp(secondApp, secondSecret),
	)
	t.Cleanup(a.wechat.Close)
	cfg := wxlogin.Config{
		Providers: []wxlogin.Provider{
			wechat.MiniProgram(wechattest.DefaultAppID, wechattest.DefaultSecret, wechat.WithBaseURL(a.wechat.URL)),
			wechat.MiniProgram(secondApp, secondSecret, wechat.WithBaseURL(a.wechat.URL)),
		},
		Logger: slog.New(slog.NewJSONHandler(a.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, change := range changes {
		change(&cfg)
	}
	auth, err := wxlogin.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	a.auth = auth
	t.Cleanup(func() { _ = auth.Close() })

	r := gin.New()
	r.Use(gin.LoggerWithWriter(a.log))
	handler.Mount(r.Group("/wx"), auth, middleware.WithApps(wechattest.DefaultAppID))
	handler.Mount(r.Group("/second"), auth, middleware.WithApps(secondApp))
	r.Any("/onLogin", handler.Login(auth, middleware.WithApps(wechattest.DefaultAppID)))
	api := r.Group("/api", middleware.Required(auth))
	api.GET("/me", func(c *gin.Context) {
		below, cancel := context.WithCancel(c.Request.Context()) // what a service layer gets
		defer cancel()
		c.JSON(http.StatusOK, gin.H{"openid": wxlogin.OpenID(c), "below": wxlogin.OpenID(below), "string": c.GetString("openid")})
	})
	r.GET("/guest", middleware.Optional(auth), func(c *gin.Context) { c.String(http.StatusOK, "hello "+wxlogin.OpenID(c)) })
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	a.url = server.URL
	return a
}

// answer is a reply with its body read.
type answer struct {
	*http.Response
	body string
}

func (r answer) field(t *testing.T, path ...string) string {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(r.body), &value); err != nil {
		t.Fatalf("%v: %s", err, r.body)
	}
	for _, name := range path {
		value = value.(map[string]any)[name]
	}
	return fmt.Sprint(value)
}

func (a *app) do(method, path, token, contentType, body string) answer {
	a.Helper()
	req, err := http.NewRequestWithContext(a.Context(), method, a.url+path, strings.NewReader(body))
	if err != nil {
		a.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(req)
	if err != nil {
		a.Fatal(err)
	}
	defer response.Body.Close()
	read, err := io.ReadAll(response.Body)
	if err != nil {
		a.Fatal(err)
	}
	return answer{response, string(read)}
}

func (a *app) get(path, token string) answer { a.Helper(); return a.do("GET", path, token, "", "") }

func (a *app) login(code string) answer {
	a.Helper()
	return a.do("POST", "/wx/login", "", "application/json", fmt.Sprintf(`{"code":%q}`, code))
}

func (a *app) mustLogin(user string) (token string) {
	a.Helper()
	reply := a.login(a.wechat.Code(user))
	if reply.StatusCode != http.StatusOK {
		a.Fatalf("login: %d %s", reply.StatusCode, reply.body)
	}
	return reply.field(a.T, "token")
}

func (a *app) want(what string, reply answer, status int, code string) {
	a.Helper()
	if reply.StatusCode != status || code != "" && reply.field(a.T, "error", "code") != code {
		a.Errorf("%s: got %d %s, want %d %s", what, reply.StatusCode, reply.body, status, code)
	}
	if got := reply.Header.Get("Cache-Control"); code != "" && got != "no-store" {
		a.Errorf("%s: got Cache-Control %q, want no-store", what, got)
	}
}

func TestTheOpenIDOfWxLoginReachesABusinessHandler(t *testing.T) {
	a := newApp(t)
	for rule, login := range map[string]func(code string) answer{
		"the official sample: a GET": func(code string) answer { return a.get("/onLogin?code="+code, "") },
		"POST of JSON":               a.login,
		"POST of a form": func(code string) answer {
			return a.do("POST", "/wx/login", "", "application/x-www-form-urlencoded", url.Values{"code": {code}}.Encode())
		},
	} {
		reply := login(a.wechat.Code("alice"))
		if reply.StatusCode != http.StatusOK || reply.field(t, "token_type") != "Bearer" || reply.field(t, "expires_in") != "604800" {
			t.Errorf("%s: got %d %s", rule, reply.StatusCode, reply.body)
			continue
		}
		me := a.get("/api/me", reply.field(t, "token"))
		for _, from := range []string{"openid", "below", "string"} {
			if got := me.field(t, from); got != a.wechat.OpenID("alice") {
				t.Errorf("%s: %s: got %q, want %q", rule, from, got, a.wechat.OpenID("alice"))
			}
		}
	}
	bob := a.mustLogin("bob")
	if got := a.get("/api/me", bob).field(t, "openid"); got != a.wechat.OpenID("bob") || got == a.wechat.OpenID("alice") {
		t.Errorf("bob is %q", got)
	}
}

func TestEveryAnswerOfWeChatHasItsReply(t *testing.T) {
	for _, c := range []struct {
		rule   string
		faults []wechattest.Fault
		status int
		code   string
	}{
		{"invalid code", []wechattest.Fault{wechattest.ErrCode(40029)}, 401, "invalid_code"},
		{"used code", []wechattest.Fault{wechattest.ErrCode(40163)}, 401, "invalid_code"},
		{"blocked", []wechattest.Fault{wechattest.ErrCode(40226)}, 403, "user_blocked"},
		{"quota", []wechattest.Fault{wechattest.ErrCode(45011)}, 429, "rate_limited"},
		{"busy twice", []wechattest.Fault{wechattest.ErrCode(-1), wechattest.ErrCode(-1)}, 502, "wechat_unavailable"},
		{"busy once", []wechattest.Fault{wechattest.ErrCode(-1)}, 200, ""},
		{"busy, then used", []wechattest.Fault{wechattest.ErrCode(-1), wechattest.ErrCode(40163)}, 401, "invalid_code"},
		{"unknown", []wechattest.Fault{wechattest.ErrCode(99999)}, 502, "wechat_unavailable"},
		{"wrong secret", []wechattest.Fault{wechattest.ErrCode(40125)}, 500, "misconfigured"},
		{"wrong app", []wechattest.Fault{wechattest.ErrCode(40013)}, 500, "misconfigured"},
		{"frozen", []wechattest.Fault{wechattest.ErrCode(40243)}, 500, "misconfigured"},
		{"cut before", []wechattest.Fault{wechattest.Cut()}, 502, "wechat_unavailable"},
		{"cut after", []wechattest.Fault{wechattest.Cut().Consuming()}, 502, "wechat_unavailable"},
		{"redirect", []wechattest.Fault{wechattest.Redirect("http://127.0.0.1:1/")}, 502, "wechat_unavailable"},
		{"bad gateway", []wechattest.Fault{wechattest.BadGateway()}, 502, "wechat_unavailable"},
		{"HTML", []wechattest.Fault{wechattest.HTML()}, 502, "wechat_unavailable"},
		{"truncated", []wechattest.Fault{wechattest.Truncated()}, 502, "wechat_unavailable"},
		{"endless", []wechattest.Fault{wechattest.Endless()}, 502, "wechat_unavailable"},
		{"errcode 0 beside the openid", []wechattest.Fault{wechattest.ExplicitOK()}, 200, ""},
	} {
		t.Run(c.rule, func(t *testing.T) {
			a := newApp(t)
			a.wechat.Next(c.faults...)
			code := a.wechat.Code("alice")
			reply := a.login(code)
			a.want("login", reply, c.status, c.code)
			wantHeader := map[int]string{401: "WWW-Authenticate", 429: "Retry-After"}[c.status]
			if wantHeader != "" && reply.Header.Get(wantHeader) == "" {
				t.Errorf("the reply has no %s", wantHeader)
			}
			if got, want := a.wechat.Arrivals(code), len(c.faults); got > max(want, 2) {
				t.Errorf("the code arrived %d times", got)
			}
			a.wantNoSecret(reply.body, code)
			wantNext := http.StatusOK
			if again := a.login(a.wechat.Code("alice")); again.StatusCode != wantNext {
				t.Errorf("the next login: got %d %s", again.StatusCode, again.body)
			}
		})
	}
}

// wantNoSecret looks into a reply and into everything that was logged. Login by
// POST keeps the code out of the access log too.
func (a *app) wantNoSecret(reply string, secrets ...string) {
	a.Helper()
	secrets = append(secrets, wechattest.DefaultSecret, secondSecret)
	for _, user := range []string{"alice", "bob"} {
		if key := a.wechat.App(wechattest.DefaultAppID).SessionKey(user); key != "" {
			secrets = append(secrets, key)
		}
	}
	for _, secret := range secrets {
		if strings.Contains(reply, secret) {
			a.Errorf("a reply holds a secret: %s", reply)
		}
		if strings.Contains(a.log.text(), secret) || strings.Contains(a.log.text(), url.QueryEscape(secret)) {
			a.Errorf("the log holds a secret:\n%s", a.log.text())
		}
	}
}

func TestACodeWorksOnceHoweverOftenItIsSent(t *testing.T) {
	a := newApp(t)
	code := a.wechat.Code("alice")
	a.wechat.Next(wechattest.Slow(100 * time.Millisecond))
	var wg sync.WaitGroup
	tokens := make([]string, 32)
	for i := range tokens {
		wg.Go(func() {
			if reply := a.login(code); reply.StatusCode == http.StatusOK {
				tokens[i] = reply.field(t, "token")
			} else if reply.field(t, "error", "code") != "invalid_code" {
				t.Errorf("got %d %s", reply.StatusCode, reply.body)
			}
		})
	}
	wg.Wait()
	distinct := make(map[string]bool)
	for _, token := range tokens {
		if token != "" {
			distinct[token] = true
		}
	}
	if len(distinct) != 1 {
		t.Errorf("got %d different tokens of one code, want 1", len(distinct))
	}
	a.want("the code once more", a.login(code), 401, "invalid_code")
}

func TestAParameterInACodeStaysInTheCode(t *testing.T) {
	a := newApp(t)
	for _, code := range []string{"x&appid=" + secondApp + "&secret=" + secondSecret, "x#y", "x%26grant_type=none", "x?y=z", "../x"} {
		a.want("login", a.login(code), 401, "invalid_code")
	}
	for _, request := range a.wechat.Requests() {
		if len(request.Query["appid"]) != 1 || request.Query.Get("appid") != wechattest.DefaultAppID || len(request.Query) != 4 {
			t.Errorf("WeChat got other parameters: %v", request.Query["appid"])
		}
	}
	before := len(a.wechat.Requests())
	a.want("a newline", a.do("POST", "/wx/login", "", "application/json", `{"code":"x\ny"}`), 400, "bad_request")
	if len(a.wechat.Requests()) != before {
		t.Error("a code with a newline reached WeChat")
	}
}

func TestLogoutRefusalAndGuests(t *testing.T) {
	a := newApp(t)
	token, other, bob := a.mustLogin("alice"), a.mustLogin("alice"), a.mustLogin("bob")
	a.want("no token", a.get("/api/me", ""), 401, "missing_token")
	a.want("a forged token", a.get("/api/me", "forged"), 401, "invalid_token")
	if got := a.get("/guest", "").body; got != "hello " {
		t.Errorf("a guest got %q", got)
	}
	if got := a.get("/guest", token).body; got != "hello "+a.wechat.OpenID("alice") {
		t.Errorf("alice got %q", got)
	}
	a.want("a guest with a forged token", a.get("/guest", "forged"), 401, "invalid_token")

	a.want("logout", a.do("POST", "/wx/logout", token, "", ""), 204, "")
	a.want("after logout", a.get("/api/me", token), 401, "invalid_token")
	a.want("the other session", a.get("/api/me", other), 200, "")
	third := a.mustLogin("alice")
	a.want("logout of all", a.do("POST", "/wx/logout?all=1", third, "", ""), 204, "")
	a.want("the other session", a.get("/api/me", other), 401, "invalid_token")
	a.want("bob", a.get("/api/me", bob), 200, "")
}

func TestTwoAppsInOneProcessDoNotMix(t *testing.T) {
	a := newApp(t)
	code := a.wechat.App(secondApp).Code("alice")
	a.want("a code of another app", a.login(code), 401, "invalid_code")
	reply := a.do("POST", "/second/login", "", "application/json", fmt.Sprintf(`{"code":%q}`, a.wechat.App(secondApp).Code("alice")))
	a.want("the second app", reply, 200, "")
	token := reply.field(t, "token")
	if got := a.get("/api/me", token).field(t, "openid"); got != a.wechat.App(secondApp).OpenID("alice") {
		t.Errorf("got %q", got)
	}
	a.want("its token at the first app's routes", a.get("/wx/session", token), 401, "invalid_token")
	a.want("its token at its own", a.get("/second/session", token), 200, "")
}

func TestOnLoginSeesTheUnionIDAndCanRefuse(t *testing.T) {
	var seen []string
	a := newApp(t, func(cfg *wxlogin.Config) {
		cfg.OnLogin = func(_ context.Context, e *wxlogin.LoginEvent) error {
			seen = append(seen, e.UnionID)
			if e.Fields.Text("invitation") == "" {
				return wxlogin.Refuse("not_invited", "Ask a member for an invitation")
			}
			e.Reply = map[string]any{"member": true}
			return nil
		}
	})
	reply := a.login(a.wechat.Code("alice"))
	a.want("without an invitation", reply, 403, "login_refused")
	if !strings.Contains(reply.body, "not_invited") || !strings.Contains(reply.body, "Ask a member") {
		t.Errorf("got %s, want the application's own code and text", reply.body)
	}
	reply = a.do("POST", "/wx/login", "", "application/json", fmt.Sprintf(`{"code":%q,"invitation":"x"}`, a.wechat.Code("alice")))
	a.want("with one", reply, 200, "")
	if reply.field(t, "member") != "true" {
		t.Errorf("got %s, want what OnLogin added", reply.body)
	}
	if want := a.wechat.App(wechattest.DefaultAppID).UnionID("alice"); len(seen) != 2 || seen[0] != want || want == "" {
		t.Errorf("OnLogin saw %q, want %q twice", seen, want)
	}
}

func TestNothingOfALoginIsInTheLog(t *testing.T) {
	a := newApp(t)
	code := a.wechat.Code("alice")
	reply := a.login(code)
	token := reply.field(t, "token")
	a.get("/api/me", token)
	a.login(code)
	a.do("POST", "/wx/logout", token, "", "")
	a.get("/api/me", token)
	a.wantNoSecret("", code, token)
	if !strings.Contains(a.log.text(), "/wx/login") {
		t.Error("the access log is empty: this test saw nothing")
	}
	if body := strings.ReplaceAll(reply.body, token, ""); strings.Contains(body, "session_key") {
		t.Errorf("got %s, want no session_key", body)
	}
}

type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
