package handler_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/handler"
	"github.com/ginwx/wxlogin/wechat"
	"github.com/ginwx/wxlogin/wechat/wechattest"
)

// TestNoUserDataLeaves sends a known profile on every path and looks for it, and for
// the session_keys, in every reply, log and error.
func TestNoUserDataLeaves(t *testing.T) {
	const canary = "canary-nickname"
	var log, access, ginErrors bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	broken := newBrokenStore(t)
	p := newPhone(t, wxlogin.Config{Store: broken, Keys: [][]byte{testKey}, Logger: logger}, wechattest.RotateAlways)
	p.hook = func(_ context.Context, id wxlogin.Identity, data wechat.UserData) (any, error) {
		info, err := data.UserInfo()
		logger.Info("got", "data", data, "info", info, "error", err)
		fmt.Fprintf(&log, "%v %+v %#v %s\n", data, data, info, info)
		return data, nil
	}
	engine := gin.New()
	engine.Use(gin.LoggerWithWriter(&access), func(c *gin.Context) {
		c.Next()
		for _, err := range c.Errors {
			fmt.Fprintf(&ginErrors, "%v %+v %#v\n", err, err.Err, err.JSON())
		}
		fmt.Fprintf(&ginErrors, "%v %+v\n", c.Keys, c.Keys)
	})
	handler.Mount(engine.Group("/wx"), p.auth)
	engine.POST("/data", handler.UserData(p.auth, p.note))
	p.engine = engine

	keys := []string{canary}
	var replies []string
	note := func(w *httptest.ResponseRecorder) { replies = append(replies, fmt.Sprint(w.Code, w.Header(), w.Body)) }
	token := p.logIn("alice")
	for range 3 {
		data := p.app.EncryptUserInfo("alice", wechattest.UserInfo{NickName: canary})
		keys = append(keys, p.app.SessionKey("alice"), data.EncryptedData, data.Signature)
		mixed := data
		mixed.Signature = p.app.EncryptUserInfo("bob", wechattest.UserInfo{}).Signature
		for range 3 {
			for _, d := range []wechattest.UserData{
				data, mixed, p.app.EncryptText("alice", canary), p.app.EncryptText("alice", `{"`+canary+`":1}`),
				{EncryptedData: canary, IV: canary}, {RawData: canary, Signature: canary}, {RawData: canary},
			} {
				note(p.send(token, d))
				note(p.send("x", d))
			}
			note(send(engine, request{method: "POST", target: "/data", token: token, body: `{"rawData":{"` + canary + `":1}}`}))
			note(send(engine, request{method: "POST", target: "/data", token: token, contentType: formType, body: "rawData=%zz" + canary}))
			broken.down.Store(true)
			note(p.send(token, data))
			broken.down.Store(false)
			token = p.logIn("alice")
			keys = append(keys, p.app.SessionKey("alice"))
		}
		p.clock.advance(25 * time.Hour)
		note(p.send(token, data))
		token = p.logIn("alice")
	}
	statuses := strings.Join(replies, "\n")
	for _, status := range []string{"200 ", "400 ", "401 ", "409 ", "422 ", "503 "} {
		if !strings.Contains("\n"+statuses, "\n"+status) {
			t.Errorf("no reply was a %s: the test looks at too little", status)
		}
	}
	if len(p.got) == 0 || access.Len() == 0 || log.Len() == 0 || ginErrors.Len() == 0 {
		t.Fatal("a log is empty: the test looks at nothing")
	}
	for place, text := range map[string]string{
		"replies": statuses, "access log": access.String(), "log": log.String(), "c.Errors and c.Keys": ginErrors.String(),
	} {
		for _, secret := range keys {
			if at := strings.Index(text, secret); at >= 0 {
				t.Errorf("%s shows user data or a key: …%s…", place, text[max(0, at-80):at])
			}
		}
	}
}
