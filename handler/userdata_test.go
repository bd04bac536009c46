package handler_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

// phone is a mini program on the phone of one user, its server and WeChat.
type phone struct {
	t      testing.TB
	wechat *wechattest.Server
	app    *wechattest.App
	auth   *wxlogin.Auth
	engine *gin.Engine
	clock  *clock

	mu   sync.Mutex
	got  []wechat.UserData // what the hook got
	from []wxlogin.Identity
	hook handler.UserDataHook // asked after that; nil for none
}

func newPhone(t testing.TB, cfg wxlogin.Config, rotation wechattest.Rotation, opts ...middleware.Option) *phone {
	t.Helper()
	p := &phone{t: t, clock: newClock()}
	p.wechat = wechattest.NewServer(wechattest.WithClock(p.clock.Now), wechattest.WithRotation(rotation))
	t.Cleanup(p.wechat.Close)
	p.app = p.wechat.App(wechattest.DefaultAppID)
	cfg.Providers = []wxlogin.Provider{
		wechat.MiniProgram(wechattest.DefaultAppID, wechattest.DefaultSecret, wechat.WithBaseURL(p.wechat.URL)),
	}
	cfg.Now = p.clock.Now
	p.auth = newAuth(t, cfg)
	p.engine = mounted(p.auth)
	p.engine.POST("/data", handler.UserData(p.auth, p.note, opts...))
	return p
}

func (p *phone) note(ctx context.Context, id wxlogin.Identity, data wechat.UserData) (any, error) {
	p.mu.Lock()
	p.got, p.from = append(p.got, data), append(p.from, id)
	p.mu.Unlock()
	if p.hook == nil {
		return nil, nil
	}
	return p.hook(ctx, id, data)
}

// last is what the hook got last; it must have been called n times.
func (p *phone) last(n int) (wechat.UserData, wxlogin.Identity) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.got) != n {
		p.t.Fatalf("hook: called %d times, want %d", len(p.got), n)
	}
	if n == 0 {
		return wechat.UserData{}, wxlogin.Identity{}
	}
	return p.got[n-1], p.from[n-1]
}

// logIn is wx.login and the login route.
func (p *phone) logIn(user string) (token string) {
	p.t.Helper()
	return logIn(p.t, p.engine, "code="+p.app.Code(user))
}

func (p *phone) send(token string, data wechattest.UserData) *httptest.ResponseRecorder {
	body, err := json.Marshal(data)
	if err != nil {
		p.t.Fatal(err)
	}
	return send(p.engine, request{method: "POST", target: "/data", token: token, contentType: jsonType, body: string(body)})
}

func TestUserDataInEveryForm(t *testing.T) {
	p := newPhone(t, wxlogin.Config{}, wechattest.RotateNever)
	token := p.logIn("alice")
	data := p.app.EncryptUserInfo("alice", wechattest.UserInfo{NickName: "A+B&c=d 微信"})
	for !strings.Contains(data.EncryptedData, "+") { // the iv is random
		data = p.app.EncryptUserInfo("alice", wechattest.UserInfo{NickName: "A+B&c=d 微信"})
	}
	quoted := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	form := url.Values{"rawData": {data.RawData}, "signature": {data.Signature}, "encryptedData": {data.EncryptedData}, "iv": {data.IV}}
	careless := "encryptedData=" + data.EncryptedData + "&iv=" + data.IV // whose plus signs become spaces
	good := []struct{ name, contentType, body string }{
		{"JSON", jsonType, quoted(data)},
		{"JSON, with what else the client got", jsonType, strings.Replace(quoted(data), "{", `{"errMsg":"ok","cloudID":"1","userInfo":{"nickName":"x"},`, 1)},
		{"no Content-Type", "", quoted(data)},
		{"a form", formType, form.Encode()},
		{"a form that was not escaped", formType, careless},
		{"rawData alone", jsonType, fmt.Sprintf(`{"rawData":%s,"signature":%q}`, quoted(data.RawData), data.Signature)},
		{"null beside it", jsonType, fmt.Sprintf(`{"rawData":null,"signature":null,"encryptedData":%q,"iv":%q}`, data.EncryptedData, data.IV)},
	}
	for i, row := range good {
		t.Run(row.name, func(t *testing.T) {
			w := send(p.engine, request{method: "POST", target: "/data", token: token, contentType: row.contentType, body: row.body})
			wantStatus(t, w, http.StatusNoContent)
			got, id := p.last(i + 1)
			if info, err := got.UserInfo(); err != nil || info.NickName != "A+B&c=d 微信" || id.OpenID != p.app.OpenID("alice") {
				t.Errorf("got %q of %q, %v", info.NickName, id.OpenID, err)
			}
		})
	}

	bad := []struct{ name, target, contentType, body string }{
		{"nothing", "/data", "", ""},
		{"an empty object", "/data", jsonType, "{}"},
		{"no JSON", "/data", jsonType, "rawData"},
		{"a list", "/data", jsonType, "[" + quoted(data) + "]"},
		{"rawData that was decoded", "/data", jsonType, fmt.Sprintf(`{"rawData":%s,"signature":%q}`, data.RawData, data.Signature)},
		{"rawData without signature", "/data", jsonType, fmt.Sprintf(`{"rawData":%s}`, quoted(data.RawData))},
		{"a signature without rawData", "/data", jsonType, fmt.Sprintf(`{"signature":%q}`, data.Signature)},
		{"encryptedData without iv", "/data", jsonType, fmt.Sprintf(`{"encryptedData":%q}`, data.EncryptedData)},
		{"an iv without encryptedData", "/data", jsonType, fmt.Sprintf(`{"iv":%q}`, data.IV)},
		{"a number", "/data", jsonType, fmt.Sprintf(`{"encryptedData":1,"iv":%q}`, data.IV)},
		{"a list of one", "/data", jsonType, fmt.Sprintf(`{"encryptedData":[%q],"iv":%q}`, data.EncryptedData, data.IV)},
		{"a field twice in JSON", "/data", jsonType, fmt.Sprintf(`{"iv":%q,"iv":%q,"encryptedData":%q}`, data.IV, data.IV, data.EncryptedData)},
		{"a field twice in a form", "/data", formType, form.Encode() + "&iv=x"},
		{"the query, which logs keep", "/data?" + form.Encode(), "", ""},
		{"half of it in the query", "/data?iv=" + url.QueryEscape(data.IV), formType, "encryptedData=" + url.QueryEscape(data.EncryptedData)},
		{"multipart", "/data", "multipart/form-data; boundary=x", quoted(data)},
		{"too much", "/data", jsonType, `{"encryptedData":"` + strings.Repeat("A", 64<<10) + `","iv":"x"}`},
	}
	for _, row := range bad {
		t.Run(row.name, func(t *testing.T) {
			w := send(p.engine, request{method: "POST", target: row.target, token: token, contentType: row.contentType, body: row.body})
			wantFailure(t, w, http.StatusBadRequest, "bad_request")
		})
	}
	p.last(len(good))
}

func TestWhatIsNotWeChatsIsInvalid(t *testing.T) {
	p := newPhone(t, wxlogin.Config{}, wechattest.RotateNever)
	token := p.logIn("alice")
	good := p.app.EncryptPhone("alice")
	text := func(format string, args ...any) wechattest.UserData {
		return p.app.EncryptText("alice", fmt.Sprintf(format, args...))
	}
	stamp := p.clock.Now().Unix()
	rows := []struct {
		name string
		data wechattest.UserData
	}{
		{"no base64", wechattest.UserData{EncryptedData: "!", IV: good.IV}},
		{"part of a block", wechattest.UserData{EncryptedData: "AAAA", IV: good.IV}},
		{"a short iv", wechattest.UserData{EncryptedData: good.EncryptedData, IV: "AAAA"}},
		{"no watermark", text(`{"phoneNumber":"1"}`)},
		{"another app's", text(`{"watermark":{"timestamp":%d,"appid":"wx-other"}}`, stamp)},
		{"two watermarks", text(`{"watermark":{"timestamp":%d,"appid":"wx-other"},"watermark":{"timestamp":%d,"appid":%q}}`, stamp, stamp, p.app.ID())},
		{"of the future", text(`{"watermark":{"timestamp":%d,"appid":%q}}`, stamp+301, p.app.ID())},
		{"too old", text(`{"watermark":{"timestamp":%d,"appid":%q}}`, stamp-24*3600-1, p.app.ID())},
		{"another user's", text(`{"openId":"mallory","nickName":"x","watermark":{"timestamp":%d,"appid":%q}}`, stamp, p.app.ID())},
		{"a bad signature", wechattest.UserData{RawData: "{}", Signature: "x"}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			wantFailure(t, p.send(token, row.data), http.StatusUnprocessableEntity, "invalid_user_data")
		})
	}
	wantFailure(t, p.send(token, text("no JSON")), http.StatusConflict, "session_key_stale")
	p.last(0)
}

func TestUserDataOfEveryShape(t *testing.T) {
	p := newPhone(t, wxlogin.Config{}, wechattest.RotateNever)
	token := p.logIn("alice")
	wantStatus(t, p.send(token, p.app.EncryptWeRun("alice", 1000, 2000)), http.StatusNoContent)
	got, _ := p.last(1)
	var run struct {
		StepInfoList []struct{ Step int }
	}
	if err := got.Decode(&run); err != nil || len(run.StepInfoList) != 2 || run.StepInfoList[1].Step != 2000 || !got.Time.Equal(p.clock.Now()) {
		t.Errorf("steps: got %v at %v, %v", run, got.Time, err)
	}
	wantStatus(t, p.send(token, p.app.EncryptGroup("alice", "gid")), http.StatusNoContent)
	got, _ = p.last(2)
	var group struct{ OpenGID string }
	if err := got.Decode(&group); err != nil || group.OpenGID != "gid" {
		t.Errorf("group: got %v, %v", group, err)
	}
}

func TestTheAgeOfUserDataGoesByTheClockOfTheAuth(t *testing.T) {
	for name, row := range map[string]struct {
		limit time.Duration
		opts  []middleware.Option
	}{
		"by default":           {24 * time.Hour, nil},
		"with WithUserDataAge": {time.Hour, []middleware.Option{middleware.WithUserDataAge(time.Hour)}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPhone(t, wxlogin.Config{}, wechattest.RotateNever, row.opts...)
			token := p.logIn("alice")
			data := p.app.EncryptPhone("alice")
			p.clock.advance(row.limit)
			wantStatus(t, p.send(token, data), http.StatusNoContent)
			p.clock.advance(time.Second)
			wantFailure(t, p.send(token, data), http.StatusUnprocessableEntity, "invalid_user_data")
			wantStatus(t, p.send(token, p.app.EncryptPhone("alice")), http.StatusNoContent)
		})
	}
}

func TestWhatTheHookReturnsIsTheReply(t *testing.T) {
	p := newPhone(t, wxlogin.Config{}, wechattest.RotateNever)
	token := p.logIn("alice")
	reply := func(body any, err error) *httptest.ResponseRecorder {
		p.hook = func(ctx context.Context, id wxlogin.Identity, _ wechat.UserData) (any, error) {
			if found, ok := wxlogin.FromContext(ctx); !ok || found.SessionID != id.SessionID {
				t.Error("the context does not carry the identity")
			}
			return body, err
		}
		return p.send(token, p.app.EncryptPhone("alice"))
	}
	w := reply(gin.H{"saved": true}, nil)
	if wantStatus(t, w, http.StatusOK); w.Body.String() != `{"saved":true}` {
		t.Errorf("body: got %s", w.Body)
	}
	w = reply(nil, nil)
	if wantStatus(t, w, http.StatusNoContent); w.Body.Len() != 0 {
		t.Errorf("body: got %s, want none", w.Body)
	}
	w = reply(nil, wxlogin.Refuse("not_your_number", "Use another one."))
	if wantFailure(t, w, http.StatusForbidden, "login_refused"); !strings.Contains(w.Body.String(), "not_your_number") {
		t.Errorf("body: got %s", w.Body)
	}
	wantFailure(t, reply(gin.H{"x": 1}, errors.New("database: "+canaryCode)), http.StatusInternalServerError, "internal")
	wantFailure(t, reply(nil, wxlogin.ErrRateLimited), http.StatusTooManyRequests, "rate_limited")

	// Data that is returned as it came is not shown.
	p.hook = func(_ context.Context, _ wxlogin.Identity, data wechat.UserData) (any, error) { return data, nil }
	w = p.send(token, p.app.EncryptPhone("alice"))
	if wantStatus(t, w, http.StatusOK); w.Body.String() != `"[user data]"` {
		t.Errorf("body: got %s, want a mask", w.Body)
	}
}

func TestUserDataNeedsATokenAndAStore(t *testing.T) {
	broken := newBrokenStore(t)
	p := newPhone(t, wxlogin.Config{Store: broken, Keys: [][]byte{testKey}}, wechattest.RotateNever)
	token := p.logIn("alice")
	data := p.app.EncryptPhone("alice")
	wantFailure(t, p.send("", data), http.StatusUnauthorized, "missing_token")
	wantFailure(t, p.send("x", data), http.StatusUnauthorized, "invalid_token")
	broken.down.Store(true)
	wantFailure(t, p.send(token, data), http.StatusServiceUnavailable, "store_unavailable")
	broken.down.Store(false)
	if err := p.auth.Forget(t.Context(), p.app.ID(), p.app.OpenID("alice")); err != nil {
		t.Fatal(err)
	}
	wantFailure(t, p.send(token, data), http.StatusUnauthorized, "invalid_token")
	p.last(0)
}

func TestWrongWiringOfUserDataPanics(t *testing.T) {
	auth := newAuth(t, wxlogin.Config{})
	hook := func(context.Context, wxlogin.Identity, wechat.UserData) (any, error) { return nil, nil }
	for name, wire := range map[string]func(){
		"no auth":      func() { handler.UserData(nil, hook) },
		"no hook":      func() { handler.UserData(auth, nil) },
		"a nil option": func() { handler.UserData(auth, hook, nil) },
		"no age":       func() { handler.UserData(auth, hook, middleware.WithUserDataAge(0)) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.HasPrefix(got, "handler.UserData: ") {
					t.Errorf("panic: got %q, want one that names the function", got)
				}
			}()
			wire()
		})
	}
}
