package wechat

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/wechat/wechattest"
)

func TestPhoneCodeGivesTheNumberOfItsUserOnce(t *testing.T) {
	for name, opts := range map[string][]wechattest.Option{
		"country code as text": nil, "country code as number": {wechattest.WithNumericCountryCode()},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(s *worldSetup) { s.emulator = opts })
				app := w.App(testAppID)
				app.SetPhone("alice", "86", "13800001234")
				app.SetPhone("bob", "1", "2025550123")
				granted := time.Now()
				codes := map[string]wxlogin.Secret{}
				for _, user := range []string{"alice", "bob"} {
					codes[user] = wxlogin.NewSecret(app.PhoneCode(user))
				}
				<-time.After(time.Minute)
				phone, err := w.mini.PhoneNumber(t.Context(), w.OpenID("alice"), codes["alice"])
				want := Phone{Number: "13800001234", PureNumber: "13800001234", CountryCode: "86", AuthorizedAt: granted}
				if err != nil || phone.Number != want.Number || phone.PureNumber != want.PureNumber ||
					phone.CountryCode != want.CountryCode || !phone.AuthorizedAt.Equal(granted) {
					t.Errorf("got %v %v, %v", phone, phone.AuthorizedAt, err)
				}
				if _, err := w.mini.PhoneNumber(t.Context(), w.OpenID("alice"), codes["alice"]); !errors.Is(err, wxlogin.ErrInvalidCode) {
					t.Errorf("the same code again: got %v, want ErrInvalidCode", err)
				}
				if _, err := w.mini.PhoneNumber(t.Context(), w.OpenID("alice"), codes["bob"]); !errors.Is(err, wxlogin.ErrInvalidCode) {
					t.Errorf("another user's code: got %v, want ErrInvalidCode", err)
				}
				phone, err = w.mini.PhoneNumber(t.Context(), "", codes["bob"]) // no login needed
				if err != nil || phone.PureNumber != "2025550123" || phone.CountryCode != "1" || phone.Number == phone.PureNumber {
					t.Errorf("without openid: got %v, %v", phone, err)
				}
				for rule, code := range map[string]string{"a login code": app.Code("alice"), "an unknown code": "canary-code"} {
					if _, err := w.mini.PhoneNumber(t.Context(), w.OpenID("alice"), wxlogin.NewSecret(code)); !errors.Is(err, wxlogin.ErrInvalidCode) {
						t.Errorf("%s: got %v, want ErrInvalidCode", rule, err)
					}
				}
				expired := app.PhoneCode("alice")
				<-time.After(wechattest.CodeTTL)
				if _, err := w.mini.PhoneNumber(t.Context(), w.OpenID("alice"), wxlogin.NewSecret(expired)); !errors.Is(err, wxlogin.ErrInvalidCode) {
					t.Errorf("an expired code: got %v, want ErrInvalidCode", err)
				}
			})
		})
	}
}

func TestPhoneCodeIsPostedAsJSONWithTheOpenIDOfItsUser(t *testing.T) {
	for openID, want := range map[string]string{"o1": `{"code":"c\"1\u0026","openid":"o1"}`, "": `{"code":"c\"1\u0026"}`} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			_, _ = w.mini.PhoneNumber(t.Context(), openID, wxlogin.NewSecret(`c"1&`))
			r := w.Requests()[1]
			if r.Method != http.MethodPost || string(r.Body) != want || r.RawQuery != "access_token="+w.App(testAppID).AccessToken() {
				t.Errorf("got %s with a body of %d bytes and a query of %d, want %s", r.Method, len(r.Body), len(r.RawQuery), want)
			}
		})
	}
}

func TestWhatCannotBeAPhoneCodeIsNotSent(t *testing.T) {
	p := provider(t, &script{t: t})
	for _, code := range []string{"", strings.Repeat("a", 257), "a\nb", "电话"} {
		if _, err := p.PhoneNumber(t.Context(), "o1", wxlogin.NewSecret(code)); !errors.Is(err, wxlogin.ErrBadRequest) {
			t.Errorf("%q: got %v, want ErrBadRequest", code, err)
		}
	}
	if _, err := p.PhoneNumber(t.Context(), "o 1", wxlogin.NewSecret("c1")); !errors.Is(err, wxlogin.ErrBadRequest) {
		t.Errorf("an openid that cannot be one: got %v, want ErrBadRequest", err)
	}
}

const phoneFields = `"phoneNumber":"13800001234","purePhoneNumber":"13800001234"`

func phoneAnswerOf(t *testing.T, info string) (Phone, error) {
	t.Helper()
	rt := &script{t: t, bodies: []string{
		`{"access_token":"canary-token-1","expires_in":7200}`, `{"errcode":0,"errmsg":"ok","phone_info":` + info + `}`,
	}}
	p := provider(t, rt)
	defer p.Close()
	return p.PhoneNumber(t.Context(), "o1", wxlogin.NewSecret(testCode))
}

// The sample of the documents, with the app's id, and the forms it may take.
func TestPhoneAnswersInTheOfficialShapeAreRead(t *testing.T) {
	for name, country := range map[string]string{"number, as the sample has it": `86`, "text, as the table has it": `"86"`} {
		phone, err := phoneAnswerOf(t, `{`+phoneFields+`,"countryCode":`+country+`,
			"watermark":{"timestamp":1637744274,"appid":"`+testAppID+`"}}`)
		if err != nil || phone.CountryCode != "86" || phone.PureNumber != "13800001234" || phone.AuthorizedAt.Unix() != 1637744274 {
			t.Errorf("%s: got %v, %v", name, phone, err)
		}
	}
}

func TestPhoneAnswersThatAreNoneAreUnavailable(t *testing.T) {
	mark := `,"watermark":{"timestamp":1637744274,"appid":"` + testAppID + `"}`
	for name, info := range map[string]string{
		"nothing":                    `null`,
		"a list":                     `[]`,
		"no number":                  `{"purePhoneNumber":"13800001234","countryCode":"86"` + mark + `}`,
		"no pure number":             `{"phoneNumber":"13800001234","countryCode":"86"` + mark + `}`,
		"no country code":            `{` + phoneFields + mark + `}`,
		"country code of no kind":    `{` + phoneFields + `,"countryCode":[86]` + mark + `}`,
		"country code is a fraction": `{` + phoneFields + `,"countryCode":8.6` + mark + `}`,
		"no watermark":               `{` + phoneFields + `,"countryCode":"86"}`,
		"no time":                    `{` + phoneFields + `,"countryCode":"86","watermark":{"appid":"` + testAppID + `"}}`,
		"markup":                     `{"phoneNumber":"<b>","purePhoneNumber":"13800001234","countryCode":"86"` + mark + `}`,
		"too long":                   `{"phoneNumber":"` + strings.Repeat("1", 33) + `","purePhoneNumber":"1","countryCode":"86"` + mark + `}`,
	} {
		phone, err := phoneAnswerOf(t, info)
		if !errors.Is(err, wxlogin.ErrUpstreamUnavailable) || phone != (Phone{}) {
			t.Errorf("%s: got %v, %v, want ErrUpstreamUnavailable", name, phone, err)
		}
		if strings.Contains(fmt.Sprint(err), "1380000") {
			t.Errorf("%s: %v shows a number", name, err)
		}
	}
}

func TestAPhoneNumberOfAnotherAppIsRefused(t *testing.T) {
	phone, err := phoneAnswerOf(t, `{`+phoneFields+`,"countryCode":"86","watermark":{"timestamp":1637744274,"appid":"wx00000000000000bb"}}`)
	if !errors.Is(err, wxlogin.ErrInvalidUserData) || countClasses(err) != 1 || phone != (Phone{}) {
		t.Errorf("got %v, %v, want ErrInvalidUserData", phone, err)
	}
}

func TestAPrintedPhoneIsMasked(t *testing.T) {
	for _, tt := range []struct {
		phone Phone
		want  string
	}{
		{Phone{}, ""},
		{Phone{Number: "13800001234", PureNumber: "13800001234", CountryCode: "86"}, "138****1234"},
		{Phone{Number: "13800001234", PureNumber: "13800001234"}, "138****1234"},
		{Phone{Number: "12025550123", PureNumber: "2025550123", CountryCode: "1"}, "+1 20****23"},
		{Phone{Number: "85261234567", PureNumber: "61234567", CountryCode: "852"}, "+852 61****67"},
		{Phone{Number: "3541234567", PureNumber: "1234567", CountryCode: "354"}, "+354 ****"},
	} {
		if got := tt.phone.Masked(); got != tt.want || tt.phone.String() != got {
			t.Errorf("got %q, want %q", got, tt.want)
		}
		text := shown(t, tt.phone) + shown(t, &tt.phone) + shown(t, []Phone{tt.phone}) + shown(t, map[string]Phone{"a": tt.phone})
		if tt.phone.PureNumber != "" && strings.Contains(text, tt.phone.PureNumber) {
			t.Errorf("%q is shown: %s", tt.want, text)
		}
	}
}
