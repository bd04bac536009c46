package wechat

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/ginwx/wxlogin"
)

// once answers the last of its requests with a body that may be anything, and
// those before it with a token.
func once(path, body string) tripper {
	sent := false
	return func(r *http.Request) (*http.Response, error) {
		if r.URL.Path != path {
			return answerWith(http.StatusOK, `{"access_token":"canary-token-1","expires_in":7200}`), nil
		}
		if sent { // no second attempt while fuzzing
			return nil, errors.New("second attempt")
		}
		sent = true
		return answerWith(http.StatusOK, body), nil
	}
}

// busy reports whether an answer costs a pause.
func busy(body []byte) bool {
	head, ok := decodeHead(body)
	return ok && head.code == codeBusy
}

// oneClass fails for an error that has not one class, or that is too long.
func oneClass(t *testing.T, body []byte, err error) {
	t.Helper()
	if countClasses(err) != 1 || len(err.Error()) > 2*maxMsg+200 {
		t.Errorf("%q: %v has %d classes and %d bytes", body, err, countClasses(err), len(err.Error()))
	}
}

func FuzzStableTokenAnswer(f *testing.F) {
	for _, body := range []string{
		`{"access_token":"ACCESS_TOKEN","expires_in":7200}`, `{"access_token":"a","expires_in":"345","errcode":0}`,
		`{"errcode":40164,"errmsg":"invalid ip 203.0.113.7 ipv6 ::ffff:203.0.113.7, not in whitelist rid: 611740a4-27f9a8ba-065da01b"}`,
		`{"errcode":45009}`, `{"access_token":null,"expires_in":1e3}`, `{"access_token":"\u0000","expires_in":-1}`, `[]`, `null`, ``,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if busy(body) {
			return
		}
		p := provider(t, once("/cgi-bin/stable_token", string(body)))
		defer p.Close()
		got, err := p.AccessToken(t.Context(), wxlogin.Secret{})
		if err != nil {
			oneClass(t, body, err)
			return
		}
		if text := got.Reveal(); text == "" || len(text) > maxToken || strings.ContainsFunc(text, notVisible) || !json.Valid(body) {
			t.Errorf("%q: a token of %d bytes", body, len(text))
		}
	})
}

func FuzzSessionKeyAnswers(f *testing.F) {
	for _, body := range []string{
		`{"errcode":0,"errmsg":"ok"}`, `{"errcode":87009,"errmsg":"invalid signature"}`, `{"errcode":"87007"}`, `{}`, `{"errcode":null}`,
		`{"errcode":0,"errmsg":"ok","openid":"o1","session_key":"a2V5"}`, `{"openid":"o2","session_key":"a2V5"}`, `{"errcode":40003}`,
	} {
		f.Add([]byte(body))
	}
	key := wxlogin.NewSecret(testKey)
	f.Fuzz(func(t *testing.T, body []byte) {
		if busy(body) {
			return
		}
		p := provider(t, once("/wxa/checksession", string(body)))
		defer p.Close()
		ok, err := p.CheckSessionKey(t.Context(), "o1", key)
		if err != nil {
			oneClass(t, body, err)
		}
		if ok && (err != nil || !json.Valid(body)) {
			t.Errorf("%q: the key is good, and %v", body, err)
		}
		r := provider(t, once("/wxa/resetusersessionkey", string(body)))
		defer r.Close()
		fresh, err := r.ResetUserSessionKey(t.Context(), "o1", key)
		if err != nil {
			oneClass(t, body, err)
		}
		if fresh.IsZero() == (err == nil) || len(fresh.Reveal()) > maxID {
			t.Errorf("%q: a key of %d bytes and %v", body, len(fresh.Reveal()), err)
		}
	})
}

func FuzzPhoneNumberAnswer(f *testing.F) {
	mark := `"watermark":{"timestamp":1637744274,"appid":"` + testAppID + `"}`
	for _, body := range []string{
		`{"errcode":0,"errmsg":"ok","phone_info":{` + phoneFields + `,"countryCode":86,` + mark + `}}`,
		`{"phone_info":{` + phoneFields + `,"countryCode":"+86",` + mark + `}}`,
		`{"phone_info":{` + phoneFields + `,"countryCode":null,` + mark + `}}`,
		`{"phone_info":{` + phoneFields + `,"countryCode":86,"watermark":{"timestamp":"1","appid":"other"}}}`,
		`{"errcode":40029,"errmsg":"invalid code hint: [WiEBWV0sf-Te2URA] rid: 66165fe0-612cb3df-20194ddf"}`, `{"phone_info":[]}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if busy(body) {
			return
		}
		p := provider(t, once("/wxa/business/getuserphonenumber", string(body)))
		defer p.Close()
		phone, err := p.PhoneNumber(t.Context(), "o1", wxlogin.NewSecret(testCode))
		if err != nil {
			oneClass(t, body, err)
			if phone != (Phone{}) {
				t.Errorf("%q: a number came with %v", body, err)
			}
			return
		}
		if !validPhone(phone.Number) || !validPhone(phone.PureNumber) || !validPhone(phone.CountryCode) || phone.AuthorizedAt.Unix() <= 0 {
			t.Errorf("%q: got %+v", body, phone)
		}
		if len(phone.PureNumber) > 1 && strings.Contains(phone.Masked(), phone.PureNumber) {
			t.Errorf("%q: %s masks nothing", body, phone.Masked())
		}
	})
}

func FuzzCode2VerifyInfoAnswer(f *testing.F) {
	for _, body := range []string{
		terminalAnswer, `{"errcode":10001001,"errmsg":"code错误 rid: 6704f20a-0a55b460-3cf51f0c"}`, `{"user_info":{"user_id":"u1"}}`,
		`{"login_info":{"login_time":"9223372036854775807"},"user_info":{"user_id":"u1","apple_info":{"is_apple_email_verified":"1"}}}`,
		`{"login_info":{"login_time":-1,"type":[]},"user_info":{"user_id":"u1","phone_info":{"phone":{}}}}`, `{"user_info":[]}`, `{`, `7`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if busy(body) {
			return
		}
		account, err := terminalOf(t, once("/donut/code2verifyinfo", string(body))).Exchange(t.Context(), testCode)
		if err != nil {
			oneClass(t, body, err)
			if account != (wxlogin.Account{}) {
				t.Errorf("%q: an account came with %v", body, err)
			}
			return
		}
		info, ok := account.Details.(*VerifyInfo)
		if !ok || !validID(account.Subject) || info.UserID != account.Subject || !account.SessionKey.IsZero() ||
			len(account.OpenID) > maxID || len(account.UnionID) > maxID {
			t.Errorf("%q: got %+v", body, account)
		}
	})
}
