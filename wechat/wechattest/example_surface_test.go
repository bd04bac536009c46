package wechattest_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ginwx/wxlogin/wechat/wechattest"
)

// ask makes a call as a server would and returns the answer without its request id.
func ask(srv *wechattest.Server, path string, query url.Values, body string) string {
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	req, err := http.NewRequest(method, srv.URL+path+"?"+query.Encode(), strings.NewReader(body))
	if err != nil {
		return err.Error()
	}
	resp, err := srv.Client().Do(req)
	if err != nil {
		return "no answer"
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(resp.Body)
	return string(answer)
}

func ExampleApp_PhoneCode() {
	srv := wechattest.NewServer()
	defer srv.Close()
	app := srv.App(wechattest.DefaultAppID)
	app.SetPhone("alice", "86", "13800000000")

	code := app.PhoneCode("alice") // e.detail.code of <button open-type="getPhoneNumber">
	answer := ask(srv, wechattest.PathPhoneNumber, url.Values{"access_token": {app.AccessToken()}}, `{"code":"`+code+`"}`)
	var got struct {
		PhoneInfo struct{ PurePhoneNumber string } `json:"phone_info"`
	}
	fmt.Println(json.Unmarshal([]byte(answer), &got), got.PhoneInfo.PurePhoneNumber)
	// Output: <nil> 13800000000
}

func ExampleEmulator_RevokeToken() {
	srv := wechattest.NewServer(wechattest.WithoutRID())
	defer srv.Close()
	app := srv.App(wechattest.DefaultAppID)

	token := app.AccessToken()
	srv.RevokeToken(token) // somebody else refreshed it
	fmt.Println(ask(srv, wechattest.PathPhoneNumber, url.Values{"access_token": {token}}, `{"code":"x"}`))
	fmt.Println(app.AccessToken() == token)
	// Output:
	// {"errcode":40001,"errmsg":"invalid credential, access_token is invalid or not latest"}
	// false
}

func ExampleApp_ExpireKey() {
	srv := wechattest.NewServer(wechattest.WithoutRID())
	defer srv.Close()
	app := srv.App(wechattest.DefaultAppID)
	srv.Code("alice")

	mac := hmac.New(sha256.New, []byte(app.SessionKey("alice")))
	query := url.Values{
		"access_token": {app.AccessToken()}, "openid": {srv.OpenID("alice")},
		"signature": {hex.EncodeToString(mac.Sum(nil))}, "sig_method": {"hmac_sha256"},
	}
	fmt.Println(ask(srv, wechattest.PathCheckSession, query, ""))
	app.ExpireKey("alice")
	fmt.Println(ask(srv, wechattest.PathCheckSession, query, ""))
	// Output:
	// {"errcode":0,"errmsg":"ok"}
	// {"errcode":87007,"errmsg":"session_key is not existed or expired"}
}

func ExampleApp_EncryptUserInfo() {
	srv := wechattest.NewServer()
	defer srv.Close()
	app := srv.App(wechattest.DefaultAppID)

	data := app.EncryptUserInfo("alice", wechattest.UserInfo{NickName: "Alice"})
	fmt.Println(data.RawData)
	fmt.Println(len(data.Signature), len(data.IV), data.EncryptedData != "")
	// Output:
	// {"nickName":"Alice","gender":0,"language":"zh_CN","city":"","province":"","country":"","avatarUrl":"https://thirdwx.qlogo.cn/mmopen/vi_32/wechattest/132"}
	// 40 24 true
}

func ExampleWithMultiTerminal() {
	srv := wechattest.NewServer(wechattest.WithMultiTerminal("wxdonut", "synthetic"))
	defer srv.Close()
	app := srv.MultiTerminal("wxdonut")
	app.Bind("alice", wechattest.LoginPhoneSMS)

	code := app.Code("alice", wechattest.LoginWeixinMiniProgram)
	answer := ask(srv, wechattest.PathCode2VerifyInfo, url.Values{
		"appid": {"wxdonut"}, "appsecret": {"synthetic"}, "code": {code}, "grant_type": {"authorization_code"},
	}, "")
	var got struct {
		UserInfo struct {
			UserID      string            `json:"user_id"`
			MiniProgram map[string]string `json:"miniprogram_info"`
			Phone       map[string]string `json:"phone_info"`
		} `json:"user_info"`
	}
	fmt.Println(json.Unmarshal([]byte(answer), &got))
	fmt.Println(got.UserInfo.UserID == app.UserID("alice"), got.UserInfo.MiniProgram["openid"] == srv.OpenID("alice"), len(got.UserInfo.Phone))
	// Output:
	// <nil>
	// true true 1
}

func ExampleEmulator_Always() {
	srv := wechattest.NewServer(wechattest.WithoutRID())
	defer srv.Close()

	srv.Always(wechattest.ErrCode(45009).On(wechattest.PathStableToken)) // the token interface is out of quota, login is not
	fmt.Println(ask(srv, wechattest.PathStableToken, nil, "{}"))
	fmt.Println(ask(srv, wechattest.PathCode2Session, exchangeQuery("x"), ""))
	srv.ClearFaults()
	fmt.Println(ask(srv, wechattest.PathStableToken, nil, "{}"))
	// Output:
	// {"errcode":45009,"errmsg":"reach max api daily quota limit"}
	// {"errcode":40029,"errmsg":"invalid code"}
	// {"errcode":41002,"errmsg":"appid missing"}
}

func ExampleEmulator_Requests() {
	srv := wechattest.NewServer()
	defer srv.Close()
	code := srv.Code("alice")
	ask(srv, wechattest.PathCode2Session, exchangeQuery(code), "")

	seen := srv.Requests()[0]
	fmt.Println(seen.Query.Get("js_code") == code, srv.Arrivals(code), srv.Connections())
	fmt.Println(seen) // printed, it shows no secret
	// Output:
	// true 1 1
	// GET "/sns/jscode2session" appid="wx0123456789abcdef" grant_type="authorization_code" js_code=*** secret=*** -> 200 errcode 0
}

func ExampleWithClock() {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	srv := wechattest.NewServer(wechattest.WithoutRID(), wechattest.WithClock(func() time.Time { return now }))
	defer srv.Close()

	code := srv.Code("alice")
	now = now.Add(wechattest.CodeTTL)
	fmt.Println(ask(srv, wechattest.PathCode2Session, exchangeQuery(code), ""))
	// Output: {"errcode":40029,"errmsg":"invalid code"}
}
