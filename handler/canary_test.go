package handler_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/handler"
	"github.com/ginwx/wxlogin/middleware"
)

// TestNoSecretLeaves walks every path with known secrets and looks for them in
// every reply, the access log, wxlogin's own log and c.Errors. The token is in the
// reply of its login alone.
func TestNoSecretLeaves(t *testing.T) {
	var log, access, ginErrors bytes.Buffer
	broken := newBrokenStore(t)
	wechat := &provider{appID: testApp, failures: map[string]error{canaryCode: wxlogin.ErrInvalidCode}}
	auth := newAuth(t, wxlogin.Config{
		Providers: []wxlogin.Provider{wechat}, Store: broken, Keys: [][]byte{testKey},
		Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		OnLogin: func(_ context.Context, e *wxlogin.LoginEvent) error {
			if e.OpenID == "panic" {
				panic(fmt.Sprint(canaryCode, e.Fields))
			}
			return nil
		},
	})
	engine := gin.New()
	engine.Use(gin.LoggerWithWriter(&access), func(c *gin.Context) {
		c.Next()
		for _, err := range c.Errors {
			fmt.Fprintf(&ginErrors, "%v %+v %#v\n", err, err.Err, err.JSON())
		}
	})
	handler.Mount(engine.Group("/wx"), auth)
	engine.GET("/me", middleware.Required(auth), func(c *gin.Context) {
		fmt.Fprintf(&ginErrors, "%v %+v", c.Keys, c.Keys)
	})

	loginJSON := func(code string) request {
		return request{method: "POST", target: "/wx/login", contentType: jsonType,
			body: fmt.Sprintf(`{"code":%q,"phone_code":%q}`, code, canaryCode)}
	}
	codes := []string{"ok:alice;" + canaryCode, canaryCode, "ok:panic"}
	var tokens []string
	for _, code := range []string{codes[0], codes[0]} {
		w := send(engine, loginJSON(code))
		token, _ := decode(t, w)["token"].(string)
		if token == "" || strings.Contains(w.Body.String(), canarySessionKey) {
			t.Fatalf("login: got %d %s, want a token and no session_key", w.Code, w.Body)
		}
		tokens = append(tokens, token)
	}
	token := tokens[0]

	var replies []string
	note := func(q request) {
		w := send(engine, q)
		replies = append(replies, fmt.Sprint(w.Code, w.Header(), w.Body))
	}
	probes := func() {
		for _, text := range []string{token, token[:len(token)-1], token + "x", strings.Repeat(token, 8)} {
			note(request{method: "GET", target: "/me", token: text})
			note(request{method: "GET", target: "/wx/session", token: text})
			note(request{method: "GET", target: "/wx/sessions", token: text})
			note(request{method: "DELETE", target: "/wx/sessions/unknown", token: text})
		}
		note(request{method: "GET", target: "/me", headers: []string{"Authorization", "Bearer " + token, "Authorization", token}})
		for _, code := range codes[1:] {
			note(loginJSON(code))
		}
		note(request{method: "POST", target: "/wx/login", contentType: jsonType, body: `{"code":"` + canaryCode + `",` + canaryCode})
		note(request{method: "POST", target: "/wx/login", contentType: formType, body: "code=%zz" + canaryCode})
		note(request{method: "POST", target: "/wx/login", contentType: canaryCode, body: canaryCode})
		note(request{method: "POST", target: "/wx/login", contentType: jsonType, body: `{"code":["` + canaryCode + `"]}`})
		note(request{method: "POST", target: "/wx/login", contentType: jsonType, body: `{"code":"x","app":"` + canaryCode + `"}`})
		note(request{method: "POST", target: "/wx/logout", token: token, contentType: jsonType, body: `{"all":"` + canaryCode + `"}`})
	}
	probes()
	broken.down.Store(true)
	probes()
	broken.down.Store(false)
	broken.noDelete.Store(true)
	note(request{method: "POST", target: "/wx/logout", token: token})
	broken.noDelete.Store(false)
	note(request{method: "POST", target: "/wx/logout", token: token})
	note(request{method: "POST", target: "/wx/logout?all=1", token: tokens[1]})

	if access.Len() == 0 || log.Len() == 0 || ginErrors.Len() == 0 {
		t.Fatal("a log is empty: the test looks at nothing")
	}
	for place, text := range map[string]string{
		"replies": strings.Join(replies, "\n"), "access log": access.String(), "log": log.String(), "c.Errors and c.Keys": ginErrors.String(),
	} {
		secrets := append([]string{canaryCode, canarySessionKey, string(testKey[:11])}, tokens...)
		for _, secret := range secrets {
			if at := strings.Index(text, secret); at >= 0 {
				t.Errorf("%s shows a secret: …%s…", place, text[max(0, at-80):min(len(text), at+80)])
			}
		}
	}
}
