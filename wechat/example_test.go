package wechat_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/wechat"
	"github.com/ginwx/wxlogin/wechat/wechattest"
)

// The provider is made for wxlogin.Config.Providers; this calls it by hand.
func ExampleMiniProgram() {
	server := wechattest.NewServer() // WeChat, for this example
	defer server.Close()

	var provider wxlogin.Provider = wechat.MiniProgram(wechattest.DefaultAppID, wechattest.DefaultSecret,
		wechat.WithBaseURL(server.URL))

	code := server.Code("alice") // what wx.login() gives the client
	account, err := provider.Exchange(context.Background(), code)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(account.OpenID == server.OpenID("alice"))
	fmt.Println("session_key:", account.SessionKey)
	// Output:
	// true
	// session_key: [secret]
}

func ExampleMiniProgramProvider_Exchange() {
	server := wechattest.NewServer()
	defer server.Close()
	provider := wechat.MiniProgram(wechattest.DefaultAppID, wechattest.DefaultSecret, wechat.WithBaseURL(server.URL))
	defer provider.Close()

	code := server.Code("alice")
	for range 2 {
		_, err := provider.Exchange(context.Background(), code)
		switch {
		case err == nil:
			fmt.Println("logged in")
		case errors.Is(err, wxlogin.ErrInvalidCode):
			fmt.Println("the client calls wx.login again")
		case errors.Is(err, wxlogin.ErrUpstreamUnavailable):
			fmt.Println("WeChat did not answer")
		default:
			fmt.Println(err)
		}
	}
	// Output:
	// logged in
	// the client calls wx.login again
}

func ExampleMiniProgramProvider_Validate() {
	provider := wechat.MiniProgram("wx0123456789abcdef", "") // WX_SECRET was not set
	fmt.Println(provider.Validate())
	// Output:
	// wxlogin: misconfigured: wechat.MiniProgram: the AppSecret is empty
}

func ExampleMiniProgramProvider_AppID() {
	fmt.Println(wechat.MiniProgram("wx0123456789abcdef", "not-a-real-secret").AppID())
	// Output: wx0123456789abcdef
}

func ExampleMiniProgramProvider_Close() {
	provider := wechat.MiniProgram("wx0123456789abcdef", "not-a-real-secret")
	defer provider.Close()
}

func ExampleError() {
	server := wechattest.NewServer(wechattest.WithoutRID())
	defer server.Close()
	provider := wechat.MiniProgram(wechattest.DefaultAppID, wechattest.DefaultSecret, wechat.WithBaseURL(server.URL))
	defer provider.Close()

	_, err := provider.Exchange(context.Background(), "0712cDoV0cfty22AeloV0daMoV02cDog")
	var refusal *wechat.Error
	if errors.As(err, &refusal) {
		fmt.Println(refusal.API, refusal.Code, refusal.Msg)
	}
	fmt.Println(err)
	// Output:
	// code2Session 40029 invalid code
	// wxlogin: code is invalid or used: code2Session: errcode 40029: invalid code
}

func ExampleError_Error() {
	fmt.Println(&wechat.Error{API: "code2Session", Code: -1, Msg: "system error, rid: 617833f5-4d39a245-36d3a896"})
	// Output: wxlogin: platform is unavailable: code2Session: errcode -1: system error, rid: 617833f5-4d39a245-36d3a896
}

func ExampleError_Unwrap() {
	err := fmt.Errorf("login: %w", &wechat.Error{Code: -1})
	fmt.Println(errors.Is(err, wxlogin.ErrUpstreamUnavailable))
	// Output: true
}

func ExampleWithBaseURL() {
	server := wechattest.NewServer()
	defer server.Close()
	provider := wechat.MiniProgram(wechattest.DefaultAppID, wechattest.DefaultSecret, wechat.WithBaseURL(server.URL))
	fmt.Println(provider.Validate())
	// Output: <nil>
}

// One pool of connections for two apps, through a proxy.
func ExampleWithHTTPClient() {
	transport := wechat.NewTransport()
	transport.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy.internal:3128"})
	client := &http.Client{Transport: transport}
	defer client.CloseIdleConnections()

	providers := []wxlogin.Provider{
		wechat.MiniProgram("wx0123456789abcdef", "not-a-real-secret", wechat.WithHTTPClient(client)),
		wechat.MiniProgram("wxfedcba9876543210", "not-a-real-one-either", wechat.WithHTTPClient(client)),
	}
	fmt.Println(len(providers))
	// Output: 2
}

func ExampleWithTimeout() {
	provider := wechat.MiniProgram("wx0123456789abcdef", "not-a-real-secret", wechat.WithTimeout(3*time.Second))
	fmt.Println(provider.Validate())
	// Output: <nil>
}

func ExampleNewTransport() {
	transport := wechat.NewTransport()
	transport.MaxConnsPerHost, transport.MaxIdleConnsPerHost = 64, 64 // a small service
	provider := wechat.MiniProgram("wx0123456789abcdef", "not-a-real-secret",
		wechat.WithHTTPClient(&http.Client{Transport: transport}))
	fmt.Println(provider.Validate())
	// Output: <nil>
}
