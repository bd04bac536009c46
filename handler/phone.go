package handler

import (
	"context"
	"fmt"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/middleware"
	"github.com/ginwx/wxlogin/wechat"
)

// PhoneHook gets the phone number that a user granted, and who the user is. What it
// returns is the body of a 200; nil is the masked number. Return an error made by
// [wxlogin.Refuse] to refuse the number; any other error is answered as internal, or
// as the class of package wxlogin that it wraps.
//
// The number is personal and nothing of it is kept elsewhere, logged or traced. A
// [wechat.Phone] masks itself wherever it is printed or encoded, in a reply too.
type PhoneHook func(ctx context.Context, id wxlogin.Identity, phone wechat.Phone) (any, error)

// phoneReply is what a client gets where the hook returns nothing.
type phoneReply struct {
	Phone string `json:"phone"`
}

// phoneNumberer is a provider that knows phone codes: [wechat.MiniProgramProvider].
type phoneNumberer interface {
	PhoneNumber(ctx context.Context, openID string, phoneCode wxlogin.Secret) (wechat.Phone, error)
}

// Phone takes the code of <button open-type="getPhoneNumber">, e.detail.code in its
// event, and hands the phone number behind it to hook. That is not a code of
// wx.login, which is refused. The field is code, or what middleware.WithCode says,
// in the query, a JSON object or a form of at most 64 KiB; mount it for POST:
//
//	r.POST("/wx/phone", handler.Phone(auth, savePhone))
//
// The reply is what hook returns; where it returns nil, 200 with the masked number:
//
//	{"phone":"138****0000"}
//
// The openid of the session is sent along, so that WeChat refuses a code of another
// user's button; a session without openid is answered 400. 401 invalid_code means
// that the code is unknown, expired, used or another user's: the user taps the
// button again, and the token is as good as before. For a login that brings both
// codes at once see [wechat.MiniProgramProvider.PhoneNumber].
//
// It panics where auth or hook is nil, an option is wrong, or no app of auth can have
// such codes, at wiring time only.
func Phone(auth *wxlogin.Auth, hook PhoneHook, opts ...middleware.Option) gin.HandlerFunc {
	s := mustSettings("Phone", auth, opts)
	if hook == nil {
		panic("handler.Phone: the hook is nil; nothing else would get the number")
	}
	if p, err := auth.Provider(context.Background(), ""); err == nil && !isPhoneNumberer(p) {
		panic("handler.Phone: " + errNoPhones(p).Error())
	}
	return hooked(s, takePhone, hook, func(phone wechat.Phone) (int, any) {
		return http.StatusOK, phoneReply{phone.Masked()}
	})
}

func takePhone(c *gin.Context, s *middleware.Settings, id wxlogin.Identity) (wechat.Phone, error) {
	fields, err := readFields(c.Writer, c.Request)
	if err != nil {
		return wechat.Phone{}, err
	}
	phoneCode, err := s.TakeCode(c.Request, fields)
	if err != nil {
		return wechat.Phone{}, err
	}
	if phoneCode.IsZero() {
		return wechat.Phone{}, badRequest("no phone code")
	}
	if id.OpenID == "" {
		return wechat.Phone{}, badRequest("the session has no openid to check the phone code against")
	}
	ctx := c.Request.Context()
	provider, err := s.Auth().Provider(ctx, id.AppID)
	if err != nil {
		return wechat.Phone{}, err
	}
	phones, ok := provider.(phoneNumberer)
	if !ok {
		return wechat.Phone{}, errNoPhones(provider)
	}
	return phones.PhoneNumber(ctx, id.OpenID, phoneCode)
}

func isPhoneNumberer(p wxlogin.Provider) bool {
	_, ok := p.(phoneNumberer)
	return ok
}

func errNoPhones(p wxlogin.Provider) error {
	return fmt.Errorf("%w: the provider of app %q knows no phone codes", wxlogin.ErrMisconfigured, p.AppID())
}
