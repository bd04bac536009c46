package wechattest_test

import (
	"fmt"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/ginwx/wxlogin/wechat/wechattest"
)

func phoneBody(code, openID string) string {
	if openID == "" {
		return fmt.Sprintf(`{"code":%q}`, code)
	}
	return fmt.Sprintf(`{"code":%q,"openid":%q}`, code, openID)
}

func askPhone(t *testing.T, srv *wechattest.Server, token, body string) wire {
	t.Helper()
	return post(t, srv, wechattest.PathPhoneNumber, url.Values{"access_token": {token}}, "application/json", body)
}

func TestPhoneNumberHasTheBytesOfWeChat(t *testing.T) {
	c := newClock()
	srv := newServer(t, wechattest.WithClock(c.Now))
	app := srv.App(wechattest.DefaultAppID)
	code := app.PhoneCode("alice")
	wantMatch(t, code, `^[0-9a-f]{64}$`)
	granted := c.Now().Unix()
	c.advance(time.Minute)
	country, number := app.Phone("alice")
	wantMatch(t, number, `^138\d{8}$`)
	want := `{"errcode":0,"errmsg":"ok","phone_info":{"phoneNumber":"` + number + `","purePhoneNumber":"` + number +
		`","countryCode":"` + country + `","watermark":{"timestamp":` + strconv.FormatInt(granted, 10) + `,"appid":"` + wechattest.DefaultAppID + `"}}}`
	if got := askPhone(t, srv, app.AccessToken(), phoneBody(code, "")); got.body != want {
		t.Errorf("got %s, want %s", got.body, want)
	}
	if got := srv.Arrivals(code); got != 1 {
		t.Errorf("the code arrived %d times, want 1", got)
	}
}

func TestForeignNumberCarriesItsCountryCode(t *testing.T) {
	srv := newServer(t, wechattest.WithNumericCountryCode())
	app := srv.App(wechattest.DefaultAppID)
	app.SetPhone("alice", "852", "51234567")
	r := askPhone(t, srv, app.AccessToken(), phoneBody(app.PhoneCode("alice"), ""))
	wantMatch(t, r.body, `"phoneNumber":"85251234567","purePhoneNumber":"51234567","countryCode":852,`)
}

func TestPhoneCodeIsAKindOfItsOwn(t *testing.T) {
	c := newClock()
	srv := newServer(t, wechattest.WithClock(c.Now),
		wechattest.WithApp(wechattest.DefaultAppID, wechattest.DefaultSecret), wechattest.WithApp("wxb", "s"))
	app := srv.App(wechattest.DefaultAppID)
	token := app.AccessToken()
	ask := func(body string) wire { return askPhone(t, srv, token, body) }

	code := app.PhoneCode("alice")
	wantErrcode(t, exchange(t, srv, code), 40029) // of no use as a login code
	wantErrcode(t, ask(phoneBody(srv.Code("alice"), "")), 40029)
	wantErrcode(t, ask(phoneBody(code, srv.OpenID("bob"))), 40003)
	wantErrcode(t, ask(phoneBody(code, srv.OpenID("alice"))), 0)
	wantErrcode(t, ask(phoneBody(code, "")), 40029) // used
	wantErrcode(t, ask(phoneBody(srv.App("wxb").PhoneCode("alice"), "")), 40013)

	expired := app.PhoneCode("alice")
	c.advance(wechattest.CodeTTL - time.Nanosecond)
	wantErrcode(t, ask(phoneBody(app.PhoneCode("bob"), "")), 0)
	c.advance(time.Nanosecond)
	got := ask(phoneBody(expired, ""))
	wantErrcode(t, got, 40029)
	wantMatch(t, got.text(t, "errmsg"), `^invalid code hint: \[[0-9A-Za-z]{16}\] rid: [0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}$`)
}

func TestPhoneNumberRefusesWhatIsNoProperCall(t *testing.T) {
	srv := newServer(t)
	app := srv.App(wechattest.DefaultAppID)
	token, code := app.AccessToken(), app.PhoneCode("alice")
	wantErrcode(t, get(t, srv, wechattest.PathPhoneNumber, url.Values{"access_token": {token}}), 43002)
	wantErrcode(t, askPhone(t, srv, "", phoneBody(code, "")), 41001)
	wantErrcode(t, askPhone(t, srv, "x", phoneBody(code, "")), 40014)
	wantErrcode(t, askPhone(t, srv, token, "code="+code), 47001)
	wantErrcode(t, askPhone(t, srv, token, "{}"), 41008)
	wantErrcode(t, askPhone(t, srv, token, `{"code":1}`), 41008)

	// A dead token leaves the code alone, so a call with a fresh token can follow.
	srv.RevokeToken(token)
	wantErrcode(t, askPhone(t, srv, token, phoneBody(code, "")), 40001)
	wantErrcode(t, askPhone(t, srv, app.AccessToken(), phoneBody(code, "")), 0)
}

func TestPhoneFaultsUseTheCodeUpAsTold(t *testing.T) {
	srv := newServer(t)
	app := srv.App(wechattest.DefaultAppID)
	token, kept, used := app.AccessToken(), app.PhoneCode("alice"), app.PhoneCode("alice")
	srv.Next(wechattest.ErrCode(-1), wechattest.ErrCode(-1).Consuming())
	wantErrcode(t, askPhone(t, srv, token, phoneBody(kept, "")), -1)
	wantErrcode(t, askPhone(t, srv, token, phoneBody(used, "")), -1)
	wantErrcode(t, askPhone(t, srv, token, phoneBody(kept, "")), 0)
	wantErrcode(t, askPhone(t, srv, token, phoneBody(used, "")), 40029)
}
