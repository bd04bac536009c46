package wechat

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/ginwx/wxlogin"
)

// phoneNumberAPI is WeChat's getPhoneNumber, a POST of JSON:
// https://developers.weixin.qq.com/miniprogram/dev/server/API/user-info/phone-number/api_getphonenumber
func phoneNumberAPI() api {
	return api{name: "getPhoneNumber", path: "/wxa/business/getuserphonenumber", class: phoneNumberClass}
}

// phoneNumberClass is the table of what getPhoneNumber refuses. The errcode for a
// code of another user is not documented; 40003 is what the general list has for
// an openid that does not fit.
func phoneNumberClass(errcode int) error {
	switch errcode {
	case 40029, // unknown, expired, used, a login code
		40003, // of another user
		40013, // of another app: the access_token's was judged when it was issued
		41008: // missing: an empty code is never sent, so WeChat found nothing in the one it got
		return wxlogin.ErrInvalidCode
	default:
		return tokenCallClass(errcode)
	}
}

// PhoneNumber trades a phone code for the phone number that the user granted. The
// phone code is what <button open-type="getPhoneNumber"> gives the client as
// e.detail.code; a code of wx.login is another thing and is refused. It works once,
// for five minutes, and no login is needed for it.
//
// openID is the user whose number it must be: with it WeChat refuses a phone code
// that another user's button gave. Take it from the session or the login event,
// never from the request; where it is empty WeChat does not check.
//
// In a login that carries both codes call it inside OnLogin:
//
//	phone, err := provider.PhoneNumber(ctx, event.OpenID, wxlogin.NewSecret(event.Fields.Text("phone_code")))
//
// A phone code is sent once, and a second time in two cases alone: WeChat answered
// errcode -1, or refused the access_token. The number may be another one than that
// of the user's WeChat account: for what needs certainty WeChat advises an SMS on
// top. Only verified accounts that are no person's may call this.
//
// The classes of errors are those of AccessToken, and
//
//   - wxlogin.ErrBadRequest: the phone code is empty, longer than 256 bytes or not
//     printable ASCII, or the openid cannot be one; nothing was sent
//   - wxlogin.ErrInvalidCode: 40029, 40003, 40013, 41008: the user taps the button
//     again
//   - wxlogin.ErrRateLimited: 45009, 45011
//   - wxlogin.ErrMisconfigured: 48001 and others that an operator must act on
//   - wxlogin.ErrInvalidUserData: the number's watermark is of another app
//   - wxlogin.ErrUpstreamUnavailable: every other errcode, no answer or an
//     unreadable one
func (p *MiniProgramProvider) PhoneNumber(ctx context.Context, openID string, phoneCode wxlogin.Secret) (Phone, error) {
	if p.err != nil {
		return Phone{}, p.err
	}
	if err := checkCode(phoneCode.Reveal()); err != nil {
		return Phone{}, err
	}
	if openID != "" && !validID(openID) {
		return Phone{}, fmt.Errorf("%w: getPhoneNumber: not an openid", wxlogin.ErrBadRequest)
	}
	payload, err := json.Marshal(struct {
		Code   string `json:"code"`
		OpenID string `json:"openid,omitempty"`
	}{phoneCode.Reveal(), openID})
	if err != nil {
		return Phone{}, fmt.Errorf("%w: getPhoneNumber: the request is no JSON", wxlogin.ErrInternal)
	}
	var out phoneAnswer
	err = p.client.authorized(ctx, p.tokens, call{
		api: phoneNumberAPI(), payload: payload, hidden: []wxlogin.Secret{phoneCode},
	}, &out)
	if err != nil {
		return Phone{}, err
	}
	return out.Phone.phone(p.appID)
}

type phoneAnswer struct {
	Phone phoneInfo `json:"phone_info"`
}

func (a *phoneAnswer) complete() bool { return a.Phone.complete() }
