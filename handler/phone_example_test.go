package handler_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/handler"
	"github.com/ginwx/wxlogin/wechat"
	"github.com/ginwx/wxlogin/wechat/wechattest"
)

func ExamplePhone() {
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
	r.POST("/wx/phone", handler.Phone(auth, func(_ context.Context, id wxlogin.Identity, phone wechat.Phone) (any, error) {
		if phone.CountryCode != "86" {
			return nil, wxlogin.Refuse("foreign_number", "Please use a number of the mainland.")
		}
		// Save phone.PureNumber for id here.
		return nil, nil // the client gets the masked number
	}))

	app := server.App(wechattest.DefaultAppID)
	token := demoLogin(r, "/wx/login?code="+app.Code("alice"))
	for _, country := range []string{"86", "852"} {
		app.SetPhone("alice", country, "13800001234")
		body := fmt.Sprintf(`{"code":%q}`, app.PhoneCode("alice")) // e.detail.code of the button
		w := send(r, request{method: http.MethodPost, target: "/wx/phone", token: token, body: body})
		fmt.Println(w.Code, w.Body)
	}
	// Output:
	// 200 {"phone":"138****1234"}
	// 403 {"error":{"code":"login_refused","reason":"foreign_number","message":"Please use a number of the mainland."}}
}

func ExampleSession_check() {
	server := wechattest.NewServer()
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

	token := demoLogin(r, "/wx/login?code="+server.Code("alice"))
	for range 2 {
		var reply struct {
			Valid bool `json:"session_key_valid"`
		}
		if err := json.Unmarshal(get(r, "/wx/session?check=wechat", token).Body.Bytes(), &reply); err != nil {
			panic(err)
		}
		fmt.Println(reply.Valid)
		server.Code("alice") // wx.login, whose code nobody sent here
	}
	// Output:
	// true
	// false
}
