package handler_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/wechat/wechattest"
)

// FuzzUserData sends bodies with a genuine token. Only WeChat's own data may reach
// the hook, and the fuzzer has only what is in the seeds.
func FuzzUserData(f *testing.F) {
	p := newPhone(f, wxlogin.Config{}, wechattest.RotateNever)
	token := p.logIn("alice")
	info := p.app.EncryptUserInfo("alice", wechattest.UserInfo{NickName: "Alice"})
	text, err := json.Marshal(info)
	if err != nil {
		f.Fatal(err)
	}
	form := url.Values{"encryptedData": {info.EncryptedData}, "iv": {info.IV}}
	f.Add("", jsonType, string(text))
	f.Add("", formType, form.Encode())
	f.Add("", formType, "encryptedData="+info.EncryptedData+"&iv="+info.IV)
	f.Add("iv=x", jsonType, `{"rawData":"{}","signature":"`+info.Signature+`"}`)
	f.Add("", "", `{"encryptedData":"AAAAAAAAAAAAAAAAAAAAAA==","iv":"AAAAAAAAAAAAAAAAAAAAAA=="}`)
	f.Add("%zz", "text/plain", "\xff")
	f.Add("", jsonType, `{"iv":null,"rawData":[]}`)
	f.Fuzz(func(t *testing.T, query, contentType, body string) {
		before := len(p.got)
		r := hostile(http.MethodPost, query, contentType, "Bearer "+token, body)
		r.URL.Path = "/data"
		w := httptest.NewRecorder()
		p.engine.ServeHTTP(w, r)
		wantNoStore(t, w)
		switch w.Code {
		case http.StatusNoContent:
			got := p.got[len(p.got)-1]
			if got.RawData != "" && got.RawData != info.RawData {
				t.Error("rawData was accepted that is not WeChat's")
			}
			// The first block can be changed through the iv, by whoever knows it; the
			// fuzzer that gets past the JSON and the watermark behind it made an object.
			if got.JSON != nil && !json.Valid(got.JSON) || got.JSON == nil && got.RawData == "" {
				t.Error("rubbish was accepted")
			}
		case http.StatusBadRequest, http.StatusConflict, http.StatusUnprocessableEntity:
			if len(p.got) != before {
				t.Error("the hook was called")
			}
		default:
			t.Errorf("status: got %d %s, want 204, 400, 409 or 422", w.Code, w.Body)
		}
		p.got, p.from = nil, nil
	})
}
