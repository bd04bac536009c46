package wechat

import (
	"fmt"
	"io"
	"log/slog"
	"time"
)

// LoginType is a way of logging in to a multi-terminal app, in WeChat's words. New
// ones may come.
type LoginType string

// The ways that WeChat documents.
const (
	LoginWeixinMiniProgram LoginType = "weixinMiniProgram" // wx.weixinMiniProgramLogin
	LoginWeixinApp         LoginType = "weixinApp"         // wx.weixinAppLogin
	LoginPhoneSMS          LoginType = "phoneSms"          // wx.phoneSmsLogin
	LoginPhoneOneClick     LoginType = "phoneOneClick"     // the one-click phone button
	LoginApple             LoginType = "apple"             // wx.appleLogin
)

// VerifyInfo is what WeChat says about a user of a multi-terminal app at a login.
// OnLogin finds it in LoginEvent.Details, and nowhere else is it kept:
//
//	info, ok := event.Details.(*wechat.VerifyInfo)
//
// The part of the way in which the user logged in is there, and those of the
// accounts that the user has bound; the others are nil, so expect any of them to
// be. All of it is personal data: fmt verbs, slog and encoding/json show the
// UserID alone, of the parts nothing. Take the fields one by one.
type VerifyInfo struct {
	UserID string // the same at every login

	LoginType  LoginType
	LoginTime  time.Time // that WeChat's number is in seconds is unconfirmed; zero where there is none
	LoginAppID string    // not always there

	OpenApp     *OpenAppInfo     // the user in the mobile app
	MiniProgram *MiniProgramInfo // the user in the mini program
	Phone       *PhoneInfo
	Apple       *AppleInfo
	Huawei      *HuaweiInfo
}

// OpenAppInfo is the user in the mobile app.
type OpenAppInfo struct {
	personal

	AppID      string
	OpenID     string
	UnionID    string // may be empty
	HeadImgURL string
	Nickname   string
}

// MiniProgramInfo is the user in the mini program.
type MiniProgramInfo struct {
	personal

	AppID   string
	OpenID  string
	UnionID string // empty unless the mini program is bound to an Open Platform account
}

// PhoneInfo is the user's phone number, as WeChat writes it here: one text.
type PhoneInfo struct {
	personal

	Phone string
}

// AppleInfo is the user's Apple account.
type AppleInfo struct {
	personal

	BundleID      string
	UserID        string
	Email         string
	EmailVerified bool
	EmailPrivate  bool // Apple forwards it for the user
}

// HuaweiInfo is the user's Huawei account.
type HuaweiInfo struct {
	personal

	ClientID      string
	OpenID        string
	UnionID       string
	DisplayName   string
	Picture       string
	Email         string
	EmailVerified bool
	Type          string
}

const maskedPart = "[personal data]"

func (v VerifyInfo) mask() string { return fmt.Sprintf("[user %s, personal data]", v.UserID) }

// Format writes the UserID alone.
func (v VerifyInfo) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, v.mask()) }

// LogValue returns the UserID alone.
func (v VerifyInfo) LogValue() slog.Value { return slog.StringValue(v.mask()) }

// MarshalText returns the UserID alone.
func (v VerifyInfo) MarshalText() ([]byte, error) { return []byte(v.mask()), nil }

// personal hides what it is embedded in from everything that prints.
type personal struct{}

func (personal) Format(f fmt.State, _ rune)   { _, _ = io.WriteString(f, maskedPart) }
func (personal) LogValue() slog.Value         { return slog.StringValue(maskedPart) }
func (personal) MarshalText() ([]byte, error) { return []byte(maskedPart), nil }
