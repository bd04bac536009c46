package handler_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/handler"
	"github.com/ginwx/wxlogin/middleware"
)

const (
	jsonType = "application/json"
	formType = "application/x-www-form-urlencoded"
)

func TestLoginTakesACodeFromEverywhere(t *testing.T) {
	auth := newAuth(t, wxlogin.Config{})
	server := httptest.NewServer(mounted(auth))
	defer server.Close()
	for _, tt := range []struct{ name, method, query, contentType, body string }{
		{"the official sample, a GET", "GET", "?code=ok:alice", "", ""},
		{"a GET with the Content-Type of wx.request", "GET", "?code=ok:alice", jsonType, ""},
		{"POST with a query and no body", "POST", "?code=ok:alice", jsonType, ""},
		{"POST with a query and an unknown type, no body", "POST", "?code=ok:alice", "text/plain", ""},
		{"JSON", "POST", "", jsonType, `{"code":"ok:alice"}`},
		{"JSON with a charset", "POST", "", "application/json; charset=utf-8", `{"code":"ok:alice"}`},
		{"JSON without a Content-Type", "POST", "", "", `{"code":"ok:alice"}`},
		{"JSON with space around it", "POST", "", "Application/JSON", " \n{\"code\":\"ok:alice\"}\n "},
		{"form", "POST", "", formType, "code=ok%3Aalice"},
		{"other query fields beside the body", "POST", "?from=share", jsonType, `{"code":"ok:alice"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, _ := http.NewRequestWithContext(t.Context(), tt.method, server.URL+"/wx/login"+tt.query, strings.NewReader(tt.body))
			if tt.contentType != "" {
				r.Header.Set("Content-Type", tt.contentType)
			}
			response, err := server.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			text, _ := io.ReadAll(response.Body)
			var body struct {
				Token     string `json:"token"`
				TokenType string `json:"token_type"`
				ExpiresIn int64  `json:"expires_in"`
			}
			if err := json.Unmarshal(text, &body); err != nil || response.StatusCode != 200 {
				t.Fatalf("got %d %s, want 200", response.StatusCode, text)
			}
			if body.TokenType != "Bearer" || body.ExpiresIn < 604798 || body.ExpiresIn > 604800 {
				t.Errorf("got %s, want a Bearer token for about 604800 s", text)
			}
			if got := response.Header.Get("Cache-Control"); got != "no-store" {
				t.Errorf("Cache-Control: got %q, want no-store", got)
			}
			if id, err := auth.Authenticate(t.Context(), body.Token); err != nil || id.OpenID != "alice" {
				t.Errorf("Authenticate: got %q, %v, want alice", id.OpenID, err)
			}
		})
	}
}

func TestLoginRefusesBadInput(t *testing.T) {
	wechat := newProvider(testApp)
	engine := mounted(newAuth(t, wxlogin.Config{Providers: []wxlogin.Provider{wechat}}))
	long := strings.Repeat("c", 257)
	for _, tt := range []struct{ name, method, query, contentType, body string }{
		{"no code", "GET", "", "", ""},
		{"empty code", "GET", "?code=", "", ""},
		{"257 bytes", "GET", "?code=" + long, "", ""},
		{"not ASCII", "GET", "?code=%E4%BB%A3%E7%A0%81", "", ""},
		{"newline", "GET", "?code=ok:alice%0A", "", ""},
		{"CR LF and a header", "GET", "?code=ok%0D%0AX-Evil:1", "", ""},
		{"zero byte", "GET", "?code=ok%00", "", ""},
		{"DEL", "GET", "?code=ok%7F", "", ""},
		{"not UTF-8", "GET", "?code=%FF%FE", "", ""},
		{"repeated in the query", "GET", "?code=ok:alice&code=ok:alice", "", ""},
		{"in query and JSON", "POST", "?code=ok:alice", jsonType, `{"code":"ok:alice"}`},
		{"in query and form", "POST", "?code=ok:alice", formType, "code=ok:alice"},
		{"repeated in a form", "POST", "", formType, "code=ok:alice&code=ok:bob"},
		{"repeated in JSON", "POST", "", jsonType, `{"code":"ok:alice","code":"ok:bob"}`},
		{"repeated in JSON, one escaped", "POST", "", jsonType, `{"code":"ok:alice","c\u006fde":"ok:bob"}`},
		{"another name repeated in JSON", "POST", "", jsonType, `{"code":"ok:alice","x":1,"x":1}`},
		{"an array of one", "POST", "", jsonType, `{"code":["ok:alice"]}`},
		{"a number", "POST", "", jsonType, `{"code":1}`},
		{"null", "POST", "", jsonType, `{"code":null}`},
		{"an object", "POST", "", jsonType, `{"code":{"a":"b"}}`},
		{"empty in JSON", "POST", "", jsonType, `{"code":""}`},
		{"257 bytes in JSON", "POST", "", jsonType, `{"code":"` + long + `"}`},
		{"newline in JSON", "POST", "", jsonType, `{"code":"ok:alice\n"}`},
		{"wrong case of the name", "POST", "", jsonType, `{"Code":"ok:alice"}`},
		{"malformed JSON", "POST", "", jsonType, `{"code":"ok:alice"`},
		{"trailing comma", "POST", "", jsonType, `{"code":"ok:alice",}`},
		{"trailing garbage", "POST", "", jsonType, `{"code":"ok:alice"}x`},
		{"two objects", "POST", "", jsonType, `{"code":"ok:alice"}{"code":"ok:bob"}`},
		{"a JSON array", "POST", "", jsonType, `[{"code":"ok:alice"}]`},
		{"a JSON string", "POST", "", jsonType, `"ok:alice"`},
		{"JSON null", "POST", "", jsonType, `null`},
		{"space alone", "POST", "", jsonType, ` `},
		{"a number too large", "POST", "", jsonType, `{"code":"ok:alice","n":1e999}`},
		{"JSON nested without end", "POST", "", jsonType, `{"code":"ok:alice","n":` + strings.Repeat("[", 60000)},
		{"JSON labelled as a form", "POST", "", formType, `{"code":"ok:alice"}`},
		{"a form labelled as JSON", "POST", "", jsonType, `code=ok:alice`},
		{"plain text", "POST", "", "text/plain", `{"code":"ok:alice"}`},
		{"multipart", "POST", "", "multipart/form-data; boundary=x", "--x--"},
		{"XML", "POST", "", "application/xml", "<code>ok:alice</code>"},
		{"a malformed Content-Type", "POST", "", "application/json; charset", `{"code":"ok:alice"}`},
		{"a malformed form", "POST", "", formType, "code=ok:alice&x=%zz"},
		{"a malformed query", "GET", "?code=ok:alice&x=%zz", "", ""},
		{"a semicolon in the query", "GET", "?code=ok:alice;x=1", "", ""},
		{"a body of 1 MiB", "POST", "", jsonType, `{"code":"ok:alice","x":"` + strings.Repeat("x", 1<<20) + `"}`},
		{"a body of 64 KiB and a byte", "POST", "", formType, "code=ok:alice&x=" + strings.Repeat("x", 64<<10-15)},
		{"a query beyond 64 KiB", "GET", "?code=ok:alice&x=" + strings.Repeat("x", 64<<10), "", ""},
		{"app as a number", "POST", "", jsonType, `{"code":"ok:alice","app":7}`},
		{"app twice", "GET", "?code=ok:alice&app=" + testApp + "&app=" + testApp, "", ""},
		{"an app that is not served", "GET", "?code=ok:alice&app=wx-unknown", "", ""},
		{"device as an object", "POST", "", jsonType, `{"code":"ok:alice","device":{}}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := send(engine, request{method: tt.method, target: "/wx/login" + tt.query, contentType: tt.contentType, body: tt.body})
			wantFailure(t, w, 400, "bad_request")
		})
	}
	for name, q := range map[string]struct {
		length  int64
		mayRead int
	}{
		"1 MiB with its length is not read":        {1 << 20, 0},
		"1 MiB without a length is read in bounds": {-1, 65<<10 + 512},
	} {
		t.Run(name, func(t *testing.T) {
			body := strings.NewReader(`{"code":"ok:alice","x":"` + strings.Repeat("x", 1<<20) + `"}`)
			size := body.Len()
			r := httptest.NewRequest("POST", "/wx/login", io.MultiReader(body))
			r.ContentLength = q.length
			w := httptest.NewRecorder()
			engine.ServeHTTP(w, r)
			wantFailure(t, w, 400, "bad_request")
			if read := size - body.Len(); read > q.mayRead {
				t.Errorf("bytes read: got %d, want at most %d", read, q.mayRead)
			}
		})
	}
	if seen := wechat.seen(); len(seen) != 0 {
		t.Errorf("codes that reached the provider: got %d, want none", len(seen))
	}
}

func TestABodyOfTheFullLengthIsTaken(t *testing.T) {
	engine := mounted(newAuth(t, wxlogin.Config{}))
	body := "code=ok:alice&x="
	body += strings.Repeat("x", 64<<10-len(body))
	wantStatus(t, send(engine, request{method: "POST", target: "/wx/login", contentType: formType, body: body}), 200)
}

func TestACodeWithParametersInItStaysOneCode(t *testing.T) {
	wechat := newProvider(testApp)
	engine := mounted(newAuth(t, wxlogin.Config{Providers: []wxlogin.Provider{wechat}}))
	const code = "c&appid=x&secret=y#z?"
	body, _ := json.Marshal(map[string]string{"code": code})
	wantFailure(t, send(engine, request{method: "POST", target: "/wx/login", body: string(body)}), 401, "invalid_code")
	if got := wechat.seen(); !reflect.DeepEqual(got, []string{code}) {
		t.Errorf("codes at the provider: got %q, want the one as it was", got)
	}
}

func TestOnLoginLearnsTheRequest(t *testing.T) {
	var event wxlogin.LoginEvent
	auth := newAuth(t, wxlogin.Config{OnLogin: func(_ context.Context, e *wxlogin.LoginEvent) error {
		event = *e
		return nil
	}})
	engine := mounted(auth)
	for _, tt := range []struct {
		name   string
		q      request
		fields wxlogin.Fields
	}{
		{"query", request{method: "GET", target: "/wx/login?code=ok:alice&device=Mate&app=" + testApp + "&scene=1001&tag=a&tag=b"},
			wxlogin.Fields{"scene": "1001", "tag": []any{"a", "b"}}},
		{"form", request{method: "POST", target: "/wx/login", contentType: formType, body: "code=ok:alice&device=Mate&scene=1001&tag=a&tag=b"},
			wxlogin.Fields{"scene": "1001", "tag": []any{"a", "b"}}},
		{"JSON", request{method: "POST", target: "/wx/login", contentType: jsonType,
			body: `{"code":"ok:alice","device":"Mate","app":null,"scene":1001,"new":true,"none":null,"invite":{"by":["bob"]}}`},
			wxlogin.Fields{"scene": 1001.0, "new": true, "none": nil, "invite": map[string]any{"by": []any{"bob"}}}},
		{"query and JSON", request{method: "POST", target: "/wx/login?scene=1001&tag=a&device=Mate", contentType: jsonType, body: `{"code":"ok:alice","tag":["b"]}`},
			wxlogin.Fields{"scene": "1001", "tag": []any{"a", []any{"b"}}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.q.headers = []string{"User-Agent", "test/1", "X-Forwarded-For", "203.0.113.9"}
			wantStatus(t, send(engine, tt.q), 200)
			if !reflect.DeepEqual(event.Fields, tt.fields) {
				t.Errorf("fields: got %#v, want %#v", map[string]any(event.Fields), map[string]any(tt.fields))
			}
			if event.Device != "Mate" || event.UserAgent != "test/1" || event.ClientIP != "203.0.113.9" || event.OpenID != "alice" {
				t.Errorf("got device %q, agent %q, address %q, openid %q", event.Device, event.UserAgent, event.ClientIP, event.OpenID)
			}
		})
	}
}

func TestOnLoginAddsToTheReplyAndReplacesNothing(t *testing.T) {
	auth := newAuth(t, wxlogin.Config{OnLogin: func(_ context.Context, e *wxlogin.LoginEvent) error {
		e.Reply = map[string]any{"nickname": "小明", "token": "mine", "expires_in": 1}
		return nil
	}})
	engine := gin.New()
	var seen []*gin.Error
	engine.Use(func(c *gin.Context) { c.Next(); seen = c.Errors })
	handler.Mount(engine.Group("/wx"), auth)
	body := decode(t, get(engine, "/wx/login?code=ok:alice", ""))
	if body["nickname"] != "小明" {
		t.Errorf("nickname: got %v, want the application's", body["nickname"])
	}
	if body["token"] == "mine" || body["expires_in"] == 1.0 || body["token_type"] != "Bearer" {
		t.Errorf("got %v, want wxlogin's own three fields", body)
	}
	if len(seen) != 1 || seen[0].Type != gin.ErrorTypePrivate {
		t.Errorf("c.Errors: got %v, want one private error", seen)
	}
}

func TestLoginFailuresHaveTheirReplies(t *testing.T) {
	failures := map[string]error{
		"blocked": wxlogin.ErrUserBlocked, "limited": wxlogin.ErrRateLimited, "upstream": wxlogin.ErrUpstreamUnavailable,
		"timeout": fmt.Errorf("%w: %w", wxlogin.ErrUpstreamUnavailable, context.DeadlineExceeded),
		"secret":  wxlogin.ErrMisconfigured, "unknown": fmt.Errorf("errcode 12345: %s", canaryCode),
	}
	wechat := &provider{appID: testApp, failures: failures}
	auth := newAuth(t, wxlogin.Config{Providers: []wxlogin.Provider{wechat}, OnLogin: func(_ context.Context, e *wxlogin.LoginEvent) error {
		switch e.OpenID {
		case "banned":
			return wxlogin.Refuse("banned", "账号已停用")
		case "panic":
			panic(canaryCode)
		case "broken":
			return fmt.Errorf("database: %s", canaryCode)
		}
		return nil
	}})
	engine := mounted(auth)
	for code, want := range map[string]struct {
		status int
		code   string
	}{
		"anything": {401, "invalid_code"}, "blocked": {403, "user_blocked"}, "limited": {429, "rate_limited"},
		"upstream": {502, "wechat_unavailable"}, "timeout": {504, "wechat_unavailable"}, "unknown": {502, "wechat_unavailable"},
		"secret": {500, "misconfigured"}, "ok:banned": {403, "login_refused"}, "ok:panic": {500, "internal"}, "ok:broken": {500, "internal"},
	} {
		t.Run(code, func(t *testing.T) {
			w := get(engine, "/wx/login?code="+code, "")
			wantFailure(t, w, want.status, want.code)
			if strings.Contains(w.Body.String(), canaryCode) {
				t.Errorf("the reply quotes the error: %s", w.Body)
			}
		})
	}
	w := get(engine, "/wx/login?code=ok:banned", "")
	failure, _ := decode(t, w)["error"].(map[string]any)
	if failure["reason"] != "banned" || failure["message"] != "账号已停用" {
		t.Errorf("got %v, want the application's own code and text", failure)
	}
}

func TestAnAuthThatOnlyValidatesCannotLogIn(t *testing.T) {
	engine := mounted(newAuth(t, wxlogin.Config{Apps: []string{testApp}}))
	wantFailure(t, get(engine, "/wx/login?code=ok:alice", ""), 500, "misconfigured")
	wantFailure(t, get(engine, "/wx/login", ""), 500, "misconfigured")
}

func TestLoginWithAStoreThatIsDown(t *testing.T) {
	broken := newBrokenStore(t)
	engine := mounted(newAuth(t, wxlogin.Config{
		Providers: []wxlogin.Provider{newProvider(testApp)}, Store: broken, Keys: [][]byte{testKey},
	}))
	broken.down.Store(true)
	w := get(engine, "/wx/login?code=ok:alice", "")
	wantFailure(t, w, 503, "store_unavailable")
	if w.Header().Get("Retry-After") == "" {
		t.Error("Retry-After: got none")
	}
}

func TestLoginAfterCloseIsUnavailable(t *testing.T) {
	auth := newAuth(t, wxlogin.Config{})
	engine := mounted(auth)
	if err := auth.Close(); err != nil {
		t.Fatal(err)
	}
	wantFailure(t, get(engine, "/wx/login?code=ok:alice", ""), 503, "unavailable")
}

func TestALoginEndsTheSessionItComesFrom(t *testing.T) {
	engine := mounted(newAuth(t, wxlogin.Config{}))
	old := logIn(t, engine, "code=ok:alice")
	bobs := logIn(t, engine, "code=ok:bob")
	wantStatus(t, get(engine, "/wx/login?code=ok:alice", bobs), 200)
	wantStatus(t, get(engine, "/wx/session", bobs), 200)
	wantStatus(t, get(engine, "/wx/login?code=ok:alice", old), 200)
	wantFailure(t, get(engine, "/wx/session", old), 401, "invalid_token")
	wantStatus(t, get(engine, "/wx/login?code=ok:alice", "forged"), 200)
}

func TestWithCodeOnLogin(t *testing.T) {
	auth := newAuth(t, wxlogin.Config{})
	engine := gin.New()
	engine.Any("/onLogin", handler.Login(auth, middleware.WithCode(middleware.CodeHeader("X-WX-Code"), middleware.CodeField("js_code"))))
	for _, method := range []string{"GET", "POST", "PUT"} {
		wantStatus(t, send(engine, request{method: method, target: "/onLogin", headers: []string{"X-WX-Code", "ok:alice"}}), 200)
		wantStatus(t, send(engine, request{method: method, target: "/onLogin?js_code=ok:alice"}), 200)
	}
	wantFailure(t, get(engine, "/onLogin?code=ok:alice", ""), 400, "bad_request")
	wantFailure(t, send(engine, request{method: "GET", target: "/onLogin?js_code=ok:alice", headers: []string{"X-WX-Code", "ok:alice"}}), 400, "bad_request")
	wantFailure(t, send(engine, request{method: "OPTIONS", target: "/onLogin"}), 400, "bad_request")
}

func TestSeveralApps(t *testing.T) {
	first, second := newProvider(testApp), newProvider(otherApp)
	auth := newAuth(t, wxlogin.Config{Providers: []wxlogin.Provider{first, second}})
	engine := gin.New()
	handler.Mount(engine.Group("/wx"), auth)
	handler.Mount(engine.Group("/one"), auth, middleware.WithApps(otherApp))
	handler.Mount(engine.Group("/both"), auth, middleware.WithApps(testApp, otherApp))

	wantFailure(t, get(engine, "/wx/login?code=ok:alice", ""), 400, "bad_request")
	wantFailure(t, get(engine, "/both/login?code=ok:alice", ""), 400, "bad_request")
	wantFailure(t, get(engine, "/one/login?code=ok:alice&app="+testApp, ""), 400, "bad_request")
	if len(first.seen())+len(second.seen()) != 0 {
		t.Error("a code was tried with an app that nobody named")
	}
	wantStatus(t, get(engine, "/wx/login?code=ok:alice&app="+testApp, ""), 200)
	wantStatus(t, get(engine, "/both/login?code=ok:alice&app="+testApp, ""), 200)
	wantStatus(t, get(engine, "/one/login?code=ok:alice", ""), 200)
	if got := second.seen(); len(got) != 1 {
		t.Errorf("logins of the implied app: got %d, want 1", len(got))
	}

	token := logIn(t, engine, "code=ok:alice&app="+testApp)
	wantFailure(t, get(engine, "/one/session", token), 401, "invalid_token")
	wantFailure(t, post(engine, "/one/logout", token), 401, "invalid_token")
	wantStatus(t, get(engine, "/both/session", token), 200)
	wantStatus(t, post(engine, "/both/logout", token), 204)
}

func TestEnvelopeLogin(t *testing.T) {
	engine := gin.New()
	handler.Mount(engine, newAuth(t, wxlogin.Config{}), middleware.WithEncoder(middleware.EncodeEnvelope), middleware.WithLanguage(middleware.Chinese))
	w := get(engine, "/login?code=ok:alice", "")
	data, _ := decode(t, w)["data"].(map[string]any)
	token, _ := data["token"].(string)
	if w.Code != 200 || token == "" {
		t.Fatalf("got %d %s, want a token in data", w.Code, w.Body)
	}
	if got := post(engine, "/logout", token); got.Code != 200 || got.Body.String() != `{"code":0,"data":null}` {
		t.Errorf("logout: got %d %s", got.Code, got.Body)
	}
	if got, want := get(engine, "/session", token).Body.String(), `{"code":401,"error":"invalid_token","message":"登录状态无效，请重新登录"}`; got != want {
		t.Errorf("session: got %s, want %s", got, want)
	}
}
