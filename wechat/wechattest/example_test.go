package wechattest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"

	"github.com/ginwx/wxlogin/wechat/wechattest"
)

// newApp is an application under test: it logs a user in and greets with the openid.
func newApp(wechat string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		resp, err := http.Get(wechat + "/sns/jscode2session?" + url.Values{
			"appid": {wechattest.DefaultAppID}, "secret": {wechattest.DefaultSecret},
			"js_code": {r.FormValue("code")}, "grant_type": {"authorization_code"},
		}.Encode())
		if err != nil {
			http.Error(w, "WeChat is out of reach", http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		var session struct {
			ErrCode int    `json:"errcode"`
			OpenID  string `json:"openid"`
		}
		if json.NewDecoder(resp.Body).Decode(&session) != nil || session.ErrCode != 0 {
			http.Error(w, "please log in again", http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, "hello ", session.OpenID)
	})
}

func Example() {
	srv := wechattest.NewServer()
	defer srv.Close()
	app := newApp(srv.URL) // the application under test, pointed at the emulator

	code := srv.Code("alice") // what wx.login() gives on alice's phone
	w := httptest.NewRecorder()
	app.ServeHTTP(w, httptest.NewRequest("GET", "/onLogin?code="+code, nil))
	fmt.Println(w.Code, w.Body.String() == "hello "+srv.OpenID("alice"))

	w = httptest.NewRecorder() // a thief comes later with the same code
	app.ServeHTTP(w, httptest.NewRequest("GET", "/onLogin?code="+code, nil))
	fmt.Println(w.Code)
	// Output:
	// 200 true
	// 401
}

func ExampleEmulator_Next() {
	srv := wechattest.NewServer()
	defer srv.Close()
	app := newApp(srv.URL)

	srv.Next(wechattest.BadGateway(), wechattest.ErrCode(45011), wechattest.Pass())
	for range 3 {
		w := httptest.NewRecorder()
		app.ServeHTTP(w, httptest.NewRequest("GET", "/onLogin?code="+srv.Code("alice"), nil))
		fmt.Println(w.Code)
	}
	fmt.Println(srv.Count(wechattest.PathCode2Session), "requests reached WeChat")
	// Output:
	// 401
	// 401
	// 200
	// 3 requests reached WeChat
}

func ExampleNew() {
	e := wechattest.New(wechattest.WithApp("wxshop", "synthetic"), wechattest.WithApp("wxclub", "synthetic"))
	mux := http.NewServeMux()
	mux.Handle("/sns/", e)
	mux.Handle("/wechat/code", e.CodeHandler()) // POST /wechat/code?user=alice&app=wxclub

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("POST", "/wechat/code?user=alice&app=wxclub", nil))
	var minted struct{ Code string }
	_ = json.Unmarshal(w.Body.Bytes(), &minted)
	fmt.Println(w.Code, len(minted.Code))
	// Output: 200 32
}

func ExampleWithFailureRate() {
	srv := wechattest.NewServer(
		wechattest.WithFailureRate(0.2, wechattest.ErrCode(45011)),
		wechattest.WithFailureRate(0.1, wechattest.BadGateway()))
	defer srv.Close()
	app := newApp(srv.URL)

	failed := 0
	for range 100 {
		w := httptest.NewRecorder()
		app.ServeHTTP(w, httptest.NewRequest("GET", "/onLogin?code="+srv.Code("alice"), nil))
		if w.Code != 200 {
			failed++
		}
	}
	fmt.Println(failed > 15 && failed < 45)
	// Output: true
}

func ExampleNewTLSServer() {
	srv := wechattest.NewTLSServer()
	defer srv.Close()
	resp, err := srv.Client().Get(srv.URL + wechattest.PathCode2Session)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	fmt.Println(resp.StatusCode, resp.Header.Get("Content-Type"), srv.Connections())
	// Output: 200 text/plain 1
}
