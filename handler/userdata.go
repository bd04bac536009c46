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

// The fields of user data, as wx.getUserProfile and its like name them.
const (
	rawDataField       = "rawData"
	signatureField     = "signature"
	encryptedDataField = "encryptedData"
	ivField            = "iv"
)

// UserDataHook gets the user data that UserData verified, and who sent it. What it
// returns is the body of a 200; nil is a 204 without one. Return an error made by
// [wxlogin.Refuse] to refuse the data; any other error is answered as internal, or
// as the class of package wxlogin that it wraps.
//
// data is personal and nothing of it is kept elsewhere: store what you need and
// nothing else.
type UserDataHook func(ctx context.Context, id wxlogin.Identity, data wechat.UserData) (any, error)

// UserData takes what wx.getUserProfile, the phone button's old way, wx.getWeRunData
// and their like give a mini program: rawData with signature, encryptedData with iv,
// or all four, in a JSON object or a form of at most 64 KiB. Other fields are
// ignored, and so is the query, because a URL with a profile in it ends up in access
// logs. It verifies and decrypts them with the session_keys of the token's user, by
// the rules of [wechat.OpenUserData], and hands them to hook. Mount it for POST.
//
//	r.POST("/wx/profile", handler.UserData(auth, saveProfile))
//
// 409 session_key_stale tells the client to call wx.login, log in and fetch its data
// again; sending the same data again is no use. It happens when wx.login ran between
// fetching and sending twice or more, or once without the login route hearing of it.
// 422 invalid_user_data means that the data cannot be WeChat's, or is older than
// middleware.WithUserDataAge, 24 hours by default. A field that is missing is 400.
//
// It panics where auth or hook is nil or an option is wrong, at wiring time only.
func UserData(auth *wxlogin.Auth, hook UserDataHook, opts ...middleware.Option) gin.HandlerFunc {
	s := mustSettings("UserData", auth, opts)
	if hook == nil {
		panic("handler.UserData: the hook is nil; nothing else would get the data")
	}
	return hooked(s, openUserData, hook, func(wechat.UserData) (int, any) { return http.StatusNoContent, nil })
}

func openUserData(c *gin.Context, s *middleware.Settings, id wxlogin.Identity) (wechat.UserData, error) {
	sealed, err := sealedUserData(c)
	if err != nil {
		return wechat.UserData{}, err
	}
	keys, err := s.Auth().SessionKeys(c.Request.Context(), id)
	if err != nil {
		return wechat.UserData{}, err
	}
	data, err := wechat.OpenUserData(keys, wechat.UserDataRules{
		AppID:  id.AppID,
		MaxAge: s.UserDataAge(),
		Now:    s.Auth().Now,
	}, sealed)
	if err != nil {
		return wechat.UserData{}, err
	}
	// The key belongs to this user, so anything else is not from WeChat.
	if info, err := data.UserInfo(); err == nil && info.OpenID != "" && info.OpenID != id.OpenID {
		return wechat.UserData{}, fmt.Errorf("%w: it is another user's", wxlogin.ErrInvalidUserData)
	}
	return data, nil
}

func sealedUserData(c *gin.Context) (wechat.SealedUserData, error) {
	r := c.Request.WithContext(c.Request.Context()) // a copy
	address := *r.URL
	address.RawQuery = ""
	r.URL = &address
	fields, err := readFields(c.Writer, r)
	if err != nil {
		return wechat.SealedUserData{}, err
	}
	var sealed wechat.SealedUserData
	for _, field := range []struct {
		name string
		into *string
	}{
		{rawDataField, &sealed.RawData}, {signatureField, &sealed.Signature},
		{encryptedDataField, &sealed.EncryptedData}, {ivField, &sealed.IV},
	} {
		if *field.into, err = takeText(fields, field.name); err != nil {
			return wechat.SealedUserData{}, err
		}
	}
	return sealed, nil
}
