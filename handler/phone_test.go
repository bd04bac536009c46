package handler_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/handler"
	"github.com/ginwx/wxlogin/middleware"
	"github.com/ginwx/wxlogin/wechat"
	"github.com/ginwx/wxlogin/wechat/wechattest"
)

// button is a mini program with a phone button, its server and WeChat.
type button struct {
	t      testing.TB
	wechat *wechattest.Server
	app    *wechattest.App
	auth   *wxlogin.Auth
	engine *gin.Engine

	got  []wechat.Phone // what the hook got
	from []wxlogin.Identity
	hook handler.PhoneHook // asked after that; nil for none
}

// patience is far above what a loaded machine needs for an answer of 127.0.0.1.
const patience = 30 * time.Second

func newButton(t testing.TB, cfg wxlogin.Config, opts ...middleware.Option) *button {
	t.Helper()
	return newButtonWithin(t, patience, cfg, opts...)
}

func newButtonWithin(t testing.TB, timeout time.Duration, cfg wxlogin.Config, opts ...middleware.Option) *button {
	t.Helper()
	b := &button{t: t, wechat: wechattest.NewServer()}
	t.Cleanup(b.wechat.Close)
	b.app = b.wechat.App(wechattest.DefaultAppID)
	b.app.SetPhone("alice", "86", "13800001234")
	cfg.Providers = []wxlogin.Provider{
		wechat.MiniProgram(wechattest.DefaultAppID, wechattest.DefaultSecret, wechat.WithBaseURL(b.wechat.URL), wechat.WithTimeout(timeout)),
	}
	b.auth = newAuth(t, cfg)
	b.engine = mounted(b.auth)
	b.engine.Any("/phone", handler.Phone(b.auth, b.note, opts...))
	return b
}

func (b *button) note(ctx context.Context, id wxlogin.Identity, phone wechat.Phone) (any, error) {
	b.got, b.from = append(b.got, phone), append(b.from, id)
	if b.hook == nil {
		return nil, nil
	}
	return b.hook(ctx, id, phone)
}

func (b *button) logIn(user string) (token string) {
	b.t.Helper()
	return logIn(b.t, b.engine, "code="+b.app.Code(user))
}

// press sends a phone code as a mini program does.
func (b *button) press(token, phoneCode string) *httptest.ResponseRecorder {
	return send(b.engine, request{
		method: "POST", target: "/phone", token: token, contentType: jsonType, body: fmt.Sprintf(`{"code":%q}`, phoneCode),
	})
}

func TestPhoneGivesTheNumberToTheHookAndAMaskToTheClient(t *testing.T) {
	b := newButton(t, wxlogin.Config{})
	token := b.logIn("alice")
	for n, q := range []request{
		{method: "POST", target: "/phone", contentType: jsonType, body: `{"code":"%s"}`},
		{method: "POST", target: "/phone", contentType: formType, body: `code=%s`},
		{method: "POST", target: "/phone", body: `{"code":"%s","openid":"o-of-somebody-else"}`},
		{method: "GET", target: "/phone?code=%s"},
	} {
		phoneCode := b.app.PhoneCode("alice")
		q.token = token
		q.target, q.body = strings.Replace(q.target, "%s", phoneCode, 1), strings.Replace(q.body, "%s", phoneCode, 1)
		w := send(b.engine, q)
		if wantStatus(t, w, http.StatusOK); w.Body.String() != `{"phone":"138****1234"}` {
			t.Errorf("body: got %s", w.Body)
		}
		if len(b.got) != n+1 || b.got[n].PureNumber != "13800001234" || b.from[n].OpenID != b.app.OpenID("alice") {
			t.Fatalf("hook: called %d times, got %v of %q", len(b.got), b.got[len(b.got)-1], b.from[len(b.from)-1].OpenID)
		}
	}
	last := b.wechat.Requests()[len(b.wechat.Requests())-1]
	if last.Path != wechattest.PathPhoneNumber || !strings.Contains(string(last.Body), `"openid":"`+b.app.OpenID("alice")+`"`) {
		t.Error("the session's openid was not sent along")
	}
	if got := b.wechat.Count(wechattest.PathStableToken); got != 1 {
		t.Errorf("stable_token was asked %d times, want once", got)
	}
}

func TestAPhoneCodeIsReadWhereWithCodeSays(t *testing.T) {
	b := newButton(t, wxlogin.Config{}, middleware.WithCode(middleware.CodeField("phone_code"), middleware.CodeHeader("X-Phone-Code")))
	token := b.logIn("alice")
	wantStatus(t, send(b.engine, request{method: "POST", target: "/phone", token: token, body: `{"phone_code":"` + b.app.PhoneCode("alice") + `"}`}), http.StatusOK)
	wantStatus(t, send(b.engine, request{method: "POST", target: "/phone", token: token, headers: []string{"X-Phone-Code", b.app.PhoneCode("alice")}}), http.StatusOK)
	wantFailure(t, b.press(token, b.app.PhoneCode("alice")), http.StatusBadRequest, "bad_request")
}

func TestAPhoneCodeThatIsNotThisUsersIsRefused(t *testing.T) {
	b := newButton(t, wxlogin.Config{})
	token := b.logIn("alice")
	used := b.app.PhoneCode("alice")
	wantStatus(t, b.press(token, used), http.StatusOK)
	for name, phoneCode := range map[string]string{
		"used": used, "another user's": b.app.PhoneCode("bob"), "a login code": b.app.Code("alice"), "unknown": "canary-code",
	} {
		t.Run(name, func(t *testing.T) {
			wantFailure(t, b.press(token, phoneCode), http.StatusUnauthorized, "invalid_code")
		})
	}
	for name, body := range map[string]string{
		"no code": `{}`, "an empty one": `{"code":""}`, "a number": `{"code":1}`, "two": `{"code":["a","b"]}`,
		"too long": `{"code":"` + strings.Repeat("a", 257) + `"}`, "not ASCII": `{"code":"电话"}`, "no JSON": `{`,
	} {
		t.Run(name, func(t *testing.T) {
			before := b.wechat.Count(wechattest.PathPhoneNumber)
			w := send(b.engine, request{method: "POST", target: "/phone", token: token, body: body})
			wantFailure(t, w, http.StatusBadRequest, "bad_request")
			if b.wechat.Count(wechattest.PathPhoneNumber) != before {
				t.Error("it was sent to WeChat")
			}
		})
	}
	if len(b.got) != 1 {
		t.Errorf("hook: called %d times, want once", len(b.got))
	}
	wantStatus(t, get(b.engine, "/wx/session", token), http.StatusOK) // the token is as good as before
}

func TestFailuresOfWeChatAreAnsweredByTheTable(t *testing.T) {
	b := newButton(t, wxlogin.Config{})
	token := b.logIn("alice")
	for name, tt := range map[string]struct {
		fault  wechattest.Fault
		status int
		code   string
	}{
		"minute quota": {wechattest.ErrCode(45011), http.StatusTooManyRequests, "rate_limited"},
		"no right":     {wechattest.ErrCode(48001), http.StatusInternalServerError, "misconfigured"},
		"unknown":      {wechattest.ErrCode(12345), http.StatusBadGateway, "wechat_unavailable"},
		"cut":          {wechattest.Cut(), http.StatusBadGateway, "wechat_unavailable"},
		"HTML":         {wechattest.HTML(), http.StatusBadGateway, "wechat_unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			b.wechat.Next(tt.fault.On(wechattest.PathPhoneNumber))
			wantFailure(t, b.press(token, b.app.PhoneCode("alice")), tt.status, tt.code)
		})
	}
	if len(b.got) != 0 {
		t.Errorf("hook: called %d times, want never", len(b.got))
	}
}

func TestAPhoneCodeThatWeChatDoesNotAnswerIsATimeout(t *testing.T) {
	b := newButtonWithin(t, 50*time.Millisecond, wxlogin.Config{})
	issued, err := b.auth.Issue(t.Context(), wxlogin.Identity{OpenID: b.app.OpenID("alice")})
	if err != nil {
		t.Fatal(err)
	}
	b.wechat.Always(wechattest.Slow(time.Minute))
	wantFailure(t, b.press(issued.Token.Reveal(), b.app.PhoneCode("alice")), http.StatusGatewayTimeout, "wechat_unavailable")
}

func TestWhatThePhoneHookReturnsIsTheReply(t *testing.T) {
	b := newButton(t, wxlogin.Config{})
	token := b.logIn("alice")
	reply := func(body any, err error) *httptest.ResponseRecorder {
		b.hook = func(ctx context.Context, id wxlogin.Identity, _ wechat.Phone) (any, error) {
			if found, ok := wxlogin.FromContext(ctx); !ok || found.SessionID != id.SessionID {
				t.Error("the context does not carry the identity")
			}
			return body, err
		}
		return b.press(token, b.app.PhoneCode("alice"))
	}
	w := reply(gin.H{"bound": true}, nil)
	if wantStatus(t, w, http.StatusOK); w.Body.String() != `{"bound":true}` {
		t.Errorf("body: got %s", w.Body)
	}
	w = reply(nil, wxlogin.Refuse("number_taken", "Use another one."))
	if wantFailure(t, w, http.StatusForbidden, "login_refused"); !strings.Contains(w.Body.String(), "number_taken") {
		t.Errorf("body: got %s", w.Body)
	}
	wantFailure(t, reply(gin.H{"x": 1}, errors.New("database: "+canaryCode)), http.StatusInternalServerError, "internal")

	// A number that is returned as it came is masked; fields that are taken out are not.
	b.hook = func(_ context.Context, _ wxlogin.Identity, phone wechat.Phone) (any, error) {
		return gin.H{"whole": phone, "field": phone.CountryCode}, nil
	}
	w = b.press(token, b.app.PhoneCode("alice"))
	if wantStatus(t, w, http.StatusOK); w.Body.String() != `{"field":"86","whole":"138****1234"}` {
		t.Errorf("body: got %s", w.Body)
	}
}

func TestPhoneNeedsATokenAStoreAndAnOpenID(t *testing.T) {
	broken := newBrokenStore(t)
	b := newButton(t, wxlogin.Config{Store: broken, Keys: [][]byte{testKey}})
	token := b.logIn("alice")
	wantFailure(t, b.press("", b.app.PhoneCode("alice")), http.StatusUnauthorized, "missing_token")
	wantFailure(t, b.press("x", b.app.PhoneCode("alice")), http.StatusUnauthorized, "invalid_token")
	broken.down.Store(true)
	wantFailure(t, b.press(token, b.app.PhoneCode("alice")), http.StatusServiceUnavailable, "store_unavailable")
	broken.down.Store(false)
	issued, err := b.auth.Issue(t.Context(), wxlogin.Identity{AppID: b.app.ID(), UserID: "7"})
	if err != nil {
		t.Fatal(err)
	}
	wantFailure(t, b.press(issued.Token.Reveal(), b.app.PhoneCode("alice")), http.StatusBadRequest, "bad_request")
	if len(b.got) != 0 || b.wechat.Count(wechattest.PathPhoneNumber) != 0 {
		t.Error("a code went out for nobody")
	}
}

func TestWrongWiringOfPhonePanics(t *testing.T) {
	server := wechattest.NewServer()
	defer server.Close()
	auth := newAuth(t, wxlogin.Config{Providers: []wxlogin.Provider{
		wechat.MiniProgram(wechattest.DefaultAppID, wechattest.DefaultSecret, wechat.WithBaseURL(server.URL)),
	}})
	hook := func(context.Context, wxlogin.Identity, wechat.Phone) (any, error) { return nil, nil }
	for name, wire := range map[string]func(){
		"no auth":            func() { handler.Phone(nil, hook) },
		"no hook":            func() { handler.Phone(auth, nil) },
		"a nil option":       func() { handler.Phone(auth, hook, nil) },
		"no app with phones": func() { handler.Phone(newAuth(t, wxlogin.Config{}), hook) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.HasPrefix(got, "handler.Phone: ") {
					t.Errorf("panic: got %q, want one that names the function", got)
				}
			}()
			wire()
		})
	}
	// Of several apps one may have no phones; its users are told so.
	mixed := newAuth(t, wxlogin.Config{Providers: []wxlogin.Provider{
		wechat.MiniProgram(wechattest.DefaultAppID, wechattest.DefaultSecret, wechat.WithBaseURL(server.URL)), newProvider(testApp),
	}})
	engine := mounted(mixed)
	engine.POST("/phone", handler.Phone(mixed, hook))
	token := logIn(t, engine, "code=ok:alice&app="+testApp)
	w := send(engine, request{method: "POST", target: "/phone", token: token, body: `{"code":"x"}`})
	wantFailure(t, w, http.StatusInternalServerError, "misconfigured")
}

// TestNoPhoneNumberLeaves presses the button on every path and looks for the number,
// the codes and the access_token in every reply, log and error.
func TestNoPhoneNumberLeaves(t *testing.T) {
	var log, access, ginErrors bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	broken := newBrokenStore(t)
	b := newButton(t, wxlogin.Config{Store: broken, Keys: [][]byte{testKey}, Logger: logger})
	b.hook = func(_ context.Context, _ wxlogin.Identity, phone wechat.Phone) (any, error) {
		logger.Info("got", "phone", phone)
		fmt.Fprintf(&log, "%v %+v %#v %s %d\n", phone, phone, phone, phone, phone)
		return phone, nil
	}
	engine := gin.New()
	engine.Use(gin.LoggerWithWriter(&access), func(c *gin.Context) {
		c.Next()
		for _, err := range c.Errors {
			fmt.Fprintf(&ginErrors, "%v %+v %#v\n", err, err.Err, err.JSON())
		}
		fmt.Fprintf(&ginErrors, "%v %+v\n", c.Keys, c.Keys)
	})
	handler.Mount(engine.Group("/wx"), b.auth)
	engine.POST("/phone", handler.Phone(b.auth, b.note))
	b.engine = engine
	token := b.logIn("alice")
	secrets := []string{"13800001234", wechattest.DefaultSecret, "access_token="}
	var replies []string
	for _, fault := range []wechattest.Fault{
		wechattest.Pass(), wechattest.Cut(), wechattest.HTML(), wechattest.Truncated(), wechattest.BadGateway(),
		wechattest.ErrCode(40001), wechattest.ErrCode(40029), wechattest.ErrCode(48001), wechattest.ErrCode(-1),
	} {
		for _, path := range []string{wechattest.PathPhoneNumber, wechattest.PathStableToken} {
			b.wechat.Next(fault.On(path))
			phoneCode := b.app.PhoneCode("alice")
			secrets = append(secrets, phoneCode, b.app.AccessToken())
			w := b.press(token, phoneCode)
			replies = append(replies, fmt.Sprint(w.Code, w.Header(), w.Body))
			b.wechat.ClearFaults()
		}
		broken.down.Store(true)
		replies = append(replies, b.press(token, b.app.PhoneCode("alice")).Body.String())
		broken.down.Store(false)
	}
	if access.Len() == 0 || log.Len() == 0 || ginErrors.Len() == 0 || len(b.got) == 0 {
		t.Fatal("a log is empty, or no number came: the test looks at nothing")
	}
	for place, text := range map[string]string{
		"replies": strings.Join(replies, "\n"), "access log": access.String(), "log": log.String(), "c.Errors and c.Keys": ginErrors.String(),
	} {
		for _, secret := range append(secrets, url.QueryEscape(secrets[0])) {
			if at := strings.Index(text, secret); at >= 0 {
				t.Errorf("%s shows a secret: …%s…", place, text[max(0, at-80):min(len(text), at+80)])
			}
		}
	}
}
