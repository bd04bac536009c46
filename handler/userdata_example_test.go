package handler_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/handler"
	"github.com/ginwx/wxlogin/middleware"
	"github.com/ginwx/wxlogin/wechat"
	"github.com/ginwx/wxlogin/wechat/wechattest"
)

func ExampleUserData() {
	server := wechattest.NewServer() // WeChat, for this example
	defer server.Close()
	auth, err := wxlogin.New(wxlogin.Config{Providers: []wxlogin.Provider{
		wechat.MiniProgram(wechattest.DefaultAppID, wechattest.DefaultSecret, wechat.WithBaseURL(server.URL)),
	}})
	if err != nil {
		panic(err)
	}
	defer auth.Close()

	r := gin.New()
	handler.Mount(r.Group("/wx"), auth)
	r.POST("/wx/profile", handler.UserData(auth, func(_ context.Context, id wxlogin.Identity, data wechat.UserData) (any, error) {
		info, err := data.UserInfo()
		if err != nil {
			return nil, err // answered 422
		}
		// Save info.NickName for id here.
		return gin.H{"name": info.NickName, "mine": info.OpenID == id.OpenID}, nil
	}))

	app := server.App(wechattest.DefaultAppID)
	token := demoLogin(r, "/wx/login?code="+app.Code("alice"))
	sent, err := json.Marshal(app.EncryptUserInfo("alice", wechattest.UserInfo{NickName: "Alice"}))
	if err != nil {
		panic(err)
	}
	for range 3 {
		w := send(r, request{method: http.MethodPost, target: "/wx/profile", token: token, body: string(sent)})
		fmt.Println(w.Code, w.Body)
		token = demoLogin(r, "/wx/login?code="+app.Code("alice")) // and a new session_key
	}
	// Output:
	// 200 {"mine":true,"name":"Alice"}
	// 200 {"mine":true,"name":"Alice"}
	// 409 {"error":{"code":"session_key_stale","message":"The data is out of date. Please log in again and repeat the step."}}
}

// Data of the last ten minutes only.
func ExampleUserData_age() {
	auth := demoAuth()
	defer auth.Close()
	save := func(context.Context, wxlogin.Identity, wechat.UserData) (any, error) { return nil, nil }

	r := gin.New()
	r.POST("/steps", handler.UserData(auth, save, middleware.WithUserDataAge(10*time.Minute)))
	fmt.Println(post(r, "/steps", "").Code)
	// Output: 401
}
