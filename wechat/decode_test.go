package wechat

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"

	"github.com/ginwx/wxlogin"
)

// FuzzCode2SessionAnswer checks what holds for every answer: one class or an
// account with an openid, never both, and nothing that is too long.
func FuzzCode2SessionAnswer(f *testing.F) {
	for _, body := range []string{
		goodAnswer,
		`{"session_key":"HyVFkGl5F5OQWJZZaNzBBg==","openid":"oGZUI0egBJY1zhBYw2KhdUfwVJJE","unionid":"ocMvos6NjeKLIBqg5Mr9QjxrP1FA"}`,
		`{"errcode":40029,"errmsg":"invalid code, rid: 617833f5-4d39a245-36d3a896"}`,
		`{"errcode":"40163","errmsg":"code been used, hints: [ req_id: N37KMa0605th21 ]"}`,
		`{"errcode":45011,"errmsg":null}`, `{"errcode":0,"openid":"o\/1"}`, `{"openid":1}`, `[]`, `null`, ``, `<html>`, `{"errcode":1e3}`,
		`{"errcode":-1}`, `{"ERRCODE":"+40029"}`, "{\"openid\":\"\xff\"}",
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		first := true
		p := provider(t, tripper(func(*http.Request) (*http.Response, error) {
			if !first { // no back-off while fuzzing
				return nil, errors.New("second attempt")
			}
			first = false
			return answerWith(http.StatusOK, string(body)), nil
		}))
		if head, ok := decodeHead(body); ok && head.code == codeBusy {
			return
		}
		account, err := p.Exchange(t.Context(), testCode)
		if err == nil {
			if account.Subject == "" || account.Subject != account.OpenID || !json.Valid(body) {
				t.Errorf("%q: account %+v", body, account)
			}
			for _, id := range []string{account.Subject, account.UnionID, account.SessionKey.Reveal()} {
				if len(id) > maxID {
					t.Errorf("%q: %d bytes", body, len(id))
				}
			}
			return
		}
		if account != (wxlogin.Account{}) {
			t.Errorf("%q: an account came with %v", body, err)
		}
		matched := 0
		for _, class := range classes {
			if errors.Is(err, class) {
				matched++
			}
		}
		if matched != 1 {
			t.Errorf("%q: %v has %d classes, want 1", body, err, matched)
		}
		if len(err.Error()) > 2*maxMsg+200 {
			t.Errorf("%q: an error of %d bytes", body, len(err.Error()))
		}
	})
}
