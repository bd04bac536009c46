package wechat

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// UserInfo is a user's profile. WeChat made it, and most of it is what users typed
// about themselves: check its length and content before you show it. Since the end
// of 2022 it is anonymous for most clients: the grey picture and the name 微信用户,
// with gender and place empty. Login must not depend on it.
//
// It holds personal data: fmt verbs, slog and encoding/json show a mask.
type UserInfo struct {
	OpenID    string // of encrypted data only
	UnionID   string // of encrypted data only, where there is one
	NickName  string
	AvatarURL string // empty where there is none; its last part is the size
	Gender    int    // 0 unknown, 1 male, 2 female
	Country   string
	Province  string
	City      string
	Language  string // of the place names: en, zh_CN, zh_TW
}

// UserInfo returns the profile: the decrypted one where there is one, else that in
// RawData. Members that WeChat leaves out or sets to null are empty. The error is of
// class wxlogin.ErrInvalidUserData for data without a profile, such as a phone
// number, and for members of the wrong type.
func (d UserData) UserInfo() (UserInfo, error) {
	source := []byte(d.JSON)
	if source == nil {
		source = []byte(d.RawData)
	}
	object, ok := members(source)
	if !ok || object["nickName"] == nil {
		return UserInfo{}, invalidUserData("no user info")
	}
	var (
		info   UserInfo
		gender number
	)
	for name, into := range map[string]any{
		"openId": &info.OpenID, "unionId": &info.UnionID,
		"nickName": &info.NickName, "avatarUrl": &info.AvatarURL, "gender": &gender,
		"country": &info.Country, "province": &info.Province, "city": &info.City, "language": &info.Language,
	} {
		if raw := object[name]; raw != nil && json.Unmarshal(raw, into) != nil {
			return UserInfo{}, invalidUserData(name + " has the wrong type")
		}
	}
	info.Gender = int(gender)
	return info, nil
}

// Phone returns the phone number that was decrypted: the button's old way. The error
// is of class wxlogin.ErrInvalidUserData for data without a number.
func (d UserData) Phone() (Phone, error) {
	var info phoneInfo
	if !decode(d.JSON, &info) || !info.complete() {
		return Phone{}, invalidUserData("no phone number")
	}
	return info.phone(info.Watermark.AppID) // which OpenUserData checked
}

// Decode reads JSON into the struct that into points to, with encoding/json: for
// WeRun steps, groups and every other shape. The error is of class
// wxlogin.ErrInvalidUserData where nothing encrypted came or it does not fit; what
// into holds then is not to be used.
func (d UserData) Decode(into any) error {
	if d.JSON == nil || json.Unmarshal(d.JSON, into) != nil { // whose error quotes the data
		return invalidUserData("the data has another shape")
	}
	return nil
}

// members returns the members of one JSON object under their exact names. It
// reports false for everything else, and where two names differ in nothing or in
// case alone: readers disagree on which of them counts.
func members(object []byte) (map[string]json.RawMessage, bool) {
	d := json.NewDecoder(bytes.NewReader(object))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return nil, false
	}
	found := make(map[string]json.RawMessage)
	seen := make(map[string]bool)
	for d.More() {
		token, err := d.Token()
		name, ok := token.(string)
		folded := strings.ToLower(strings.ToUpper(name))
		if err != nil || !ok || seen[folded] {
			return nil, false
		}
		seen[folded] = true
		var value json.RawMessage
		if d.Decode(&value) != nil {
			return nil, false
		}
		found[name] = value
	}
	if end, err := d.Token(); err != nil || end != json.Delim('}') {
		return nil, false
	}
	_, err := d.Token()
	return found, err == io.EOF
}

// Format writes a mask for every verb.
func (i UserInfo) Format(f fmt.State, _ rune) { maskInfo.write(f) }

// LogValue returns a mask.
func (i UserInfo) LogValue() slog.Value { return maskInfo.value() }

// MarshalText returns a mask, never an error.
func (i UserInfo) MarshalText() ([]byte, error) { return maskInfo.marshalText() }
