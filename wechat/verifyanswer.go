package wechat

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/ginwx/wxlogin"
)

// verifyAnswer is what code2Verifyinfo answers. Only user_id is sure to be there;
// the rest is taken where it has the form that the documents show, so that no
// change of it keeps a user from logging in.
type verifyAnswer struct {
	Login part[loginInfo] `json:"login_info"`
	User  struct {
		ID          string                `json:"user_id"`
		OpenApp     part[openAppPart]     `json:"openapp_info"`
		MiniProgram part[miniProgramPart] `json:"miniprogram_info"`
		Phone       part[phonePart]       `json:"phone_info"`
		Apple       part[applePart]       `json:"apple_info"`
		Huawei      part[huaweiPart]      `json:"huawei_info"`
	} `json:"user_info"`
}

// part is an object that may be absent, and counts as absent where it is something
// else.
type part[T any] struct{ value *T }

func (p *part[T]) UnmarshalJSON(data []byte) error {
	var value T
	if data[0] == '{' && json.Unmarshal(data, &value) == nil {
		p.value = &value
	}
	return nil
}

// flag is a switch, off where WeChat sends something else in its place.
type flag bool

func (f *flag) UnmarshalJSON(data []byte) error {
	*f = string(data) == "true" || string(data) == `"true"` || string(data) == "1"
	return nil
}

// moment is a number of seconds, or of milliseconds where seconds would lie beyond
// the year 5000, as a number or as a string; nothing where it is something else.
type moment time.Time

func (m *moment) UnmarshalJSON(data []byte) error {
	const firstMilliseconds = 1e11
	text := string(data)
	if data[0] == '"' && json.Unmarshal(data, &text) != nil {
		return nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err != nil || n <= 0:
	case n < firstMilliseconds:
		*m = moment(time.Unix(n, 0))
	default:
		*m = moment(time.UnixMilli(n))
	}
	return nil
}

type loginInfo struct {
	Type  text   `json:"type"`
	Time  moment `json:"login_time"`
	AppID text   `json:"appid"`
}

type openAppPart struct {
	AppID      text `json:"appid"`
	OpenID     text `json:"openid"`
	UnionID    text `json:"unionid"`
	HeadImgURL text `json:"headimgurl"`
	Nickname   text `json:"nickname"`
}

type miniProgramPart struct {
	AppID   text `json:"appid"`
	OpenID  text `json:"openid"`
	UnionID text `json:"unionid"`
}

type phonePart struct {
	Phone text `json:"phone"`
}

type applePart struct {
	BundleID      text `json:"bundleid"`
	UserID        text `json:"apple_user_id"`
	Email         text `json:"apple_email"`
	EmailVerified flag `json:"is_apple_email_verified"`
	EmailPrivate  flag `json:"is_apple_email_private"`
}

type huaweiPart struct {
	ClientID      text `json:"client_id"`
	OpenID        text `json:"huawei_open_id"`
	UnionID       text `json:"huawei_union_id"`
	DisplayName   text `json:"huawei_display_name"`
	Picture       text `json:"huawei_picture"`
	Email         text `json:"huawei_email"`
	EmailVerified flag `json:"is_huawei_email_verified"`
	Type          text `json:"type"`
}

// complete wants a user_id, and ids that can be kept where there are some.
func (a *verifyAnswer) complete() bool {
	openID, unionID := a.ids()
	return validID(a.User.ID) && (openID == "" || validID(openID)) && (unionID == "" || validID(unionID))
}

// ids are the mini program's openid, and the unionid of the mini program or else of
// the mobile app: both mean the same user.
func (a *verifyAnswer) ids() (openID, unionID string) {
	if p := a.User.MiniProgram.value; p != nil {
		openID, unionID = string(p.OpenID), string(p.UnionID)
	}
	if p := a.User.OpenApp.value; p != nil && unionID == "" {
		unionID = string(p.UnionID)
	}
	return openID, unionID
}

func (a *verifyAnswer) account() wxlogin.Account {
	openID, unionID := a.ids()
	return wxlogin.Account{Subject: a.User.ID, OpenID: openID, UnionID: unionID, Details: a.info()}
}

func (a *verifyAnswer) info() *VerifyInfo {
	info := &VerifyInfo{UserID: a.User.ID}
	if p := a.Login.value; p != nil {
		info.LoginType, info.LoginTime, info.LoginAppID = LoginType(p.Type), time.Time(p.Time), string(p.AppID)
	}
	if p := a.User.OpenApp.value; p != nil {
		info.OpenApp = &OpenAppInfo{
			AppID: string(p.AppID), OpenID: string(p.OpenID), UnionID: string(p.UnionID),
			HeadImgURL: string(p.HeadImgURL), Nickname: string(p.Nickname),
		}
	}
	if p := a.User.MiniProgram.value; p != nil {
		info.MiniProgram = &MiniProgramInfo{AppID: string(p.AppID), OpenID: string(p.OpenID), UnionID: string(p.UnionID)}
	}
	if p := a.User.Phone.value; p != nil {
		info.Phone = &PhoneInfo{Phone: string(p.Phone)}
	}
	if p := a.User.Apple.value; p != nil {
		info.Apple = &AppleInfo{
			BundleID: string(p.BundleID), UserID: string(p.UserID), Email: string(p.Email),
			EmailVerified: bool(p.EmailVerified), EmailPrivate: bool(p.EmailPrivate),
		}
	}
	if p := a.User.Huawei.value; p != nil {
		info.Huawei = &HuaweiInfo{
			ClientID: string(p.ClientID), OpenID: string(p.OpenID), UnionID: string(p.UnionID),
			DisplayName: string(p.DisplayName), Picture: string(p.Picture), Email: string(p.Email),
			EmailVerified: bool(p.EmailVerified), Type: string(p.Type),
		}
	}
	return info
}
