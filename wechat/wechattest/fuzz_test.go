package wechattest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/ginwx/wxlogin/wechat/wechattest"
)

// paths are all emulated interfaces.
var paths = []string{
	wechattest.PathCode2Session, wechattest.PathToken, wechattest.PathStableToken, wechattest.PathCheckSession,
	wechattest.PathResetSessionKey, wechattest.PathPhoneNumber, wechattest.PathCode2VerifyInfo,
}

// FuzzServeHTTP sends anything to every interface: the emulator must answer in JSON, without a panic and
// without giving a secret away.
func FuzzServeHTTP(f *testing.F) {
	good := exchangeQuery("dev:alice").Encode()
	f.Add(uint8(0), "GET", good, "", "")
	f.Add(uint8(0), "GET", good+"&js_code=%00&appid=x", "", "")
	f.Add(uint8(0), "GET", "%zz&;=&a=b=c&appid", "", "")
	f.Add(uint8(0), "HEAD", good, "text/plain", "x")
	f.Add(uint8(1), "GET", tokenQuery().Encode(), "", "")
	f.Add(uint8(2), "POST", "", "application/json", `{"grant_type":"client_credential","appid":"wx0123456789abcdef","secret":"x","force_refresh":true}`)
	f.Add(uint8(2), "POST", "", "", `{"appid":[],"secret":{},"grant_type":null,"force_refresh":0}`)
	f.Add(uint8(3), "GET", "access_token=x&openid=x&signature=x&sig_method=hmac_sha256", "", "")
	f.Add(uint8(4), "GET", "access_token=x&openid=x&signature=%00&sig_method=hmac_sha256", "", "")
	f.Add(uint8(5), "POST", "access_token=x", "application/json", `{"code":"x","openid":"x"}`)
	f.Add(uint8(6), "GET", verifyQuery("x").Encode(), "", "")
	e := wechattest.New(wechattest.WithDevCodes(), wechattest.WithUserQuota(5), wechattest.WithRecord(1), wechattest.WithMultiTerminal("wxdonut", "synthetic"))
	token := e.App(wechattest.DefaultAppID).AccessToken()
	f.Fuzz(func(t *testing.T, which uint8, method, query, contentType, body string) {
		path := paths[int(which)%len(paths)]
		query = strings.ReplaceAll(query, "access_token=x", "access_token="+token) // so that fuzzing gets past it
		r := &http.Request{
			Method: method, URL: &url.URL{Path: path, RawQuery: query}, Header: http.Header{"Content-Type": {contentType}},
			Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), RemoteAddr: "127.0.0.1:1",
		}
		w := httptest.NewRecorder()
		e.ServeHTTP(w, r)
		if w.Code != http.StatusOK || !json.Valid(w.Body.Bytes()) {
			t.Errorf("got status %d: %q", w.Code, w.Body)
		}
		if strings.Contains(w.Body.String(), wechattest.DefaultSecret) {
			t.Error("the answer gives the secret away")
		}
		_ = e.Requests()[0].String()
	})
}

// FuzzCodeHandler sends anything to the code mint: it must answer with a code, codes or a reason.
func FuzzCodeHandler(f *testing.F) {
	f.Add("POST", "user=alice&n=3", "application/x-www-form-urlencoded", "app=x")
	f.Add("POST", "user=%ff", "multipart/form-data; boundary=x", "--x--")
	f.Add("GET", "n=99999999999999999999", "", "")
	e := wechattest.New()
	f.Fuzz(func(t *testing.T, method, query, contentType, body string) {
		if strings.Contains(query+body, "n=") && len(query+body) > 0 && strings.ContainsAny(query+body, "56789") {
			return // a big n costs time and shows nothing
		}
		r := &http.Request{
			Method: method, URL: &url.URL{Path: "/wechat/code", RawQuery: query}, Header: http.Header{"Content-Type": {contentType}},
			Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
		}
		w := httptest.NewRecorder()
		e.CodeHandler().ServeHTTP(w, r)
		var got struct {
			Code, Error string
			Codes       []string
		}
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatalf("got %q: %v", w.Body, err)
		}
		if (w.Code == http.StatusOK) != (got.Error == "" && (got.Code != "" || len(got.Codes) > 0)) {
			t.Errorf("got status %d: %s", w.Code, w.Body)
		}
	})
}
