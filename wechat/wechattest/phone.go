package wechattest

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// PathPhoneNumber is the path of getPhoneNumber.
const PathPhoneNumber = "/wxa/business/getuserphonenumber"

type phone struct{ country, number string }

// full is the number with its country code where it is foreign (the exact spelling is unconfirmed).
func (p phone) full() string {
	if p.country == "86" {
		return p.number
	}
	return p.country + p.number
}

// PhoneCode is what the user's tap on a phone button gives, e.detail.code: 64 hex digits, good for [CodeTTL],
// once, in this app. It is another kind of code than [App.Code]'s and is of no use in its place.
func (a *App) PhoneCode(user string) string {
	a.e.mu.Lock()
	defer a.e.mu.Unlock()
	return a.e.phoneCodes.mint(a.e.now(), codeEntry{appID: a.id, user: user})
}

// SetPhone gives the user a phone number in this app, with its country code in digits ("86").
func (a *App) SetPhone(user, countryCode, number string) {
	a.e.mu.Lock()
	defer a.e.mu.Unlock()
	a.phones[user] = phone{countryCode, number}
}

// Phone is the user's phone number: the one that was set, or one made from the user's name, the same in all
// apps.
func (a *App) Phone(user string) (countryCode, number string) {
	a.e.mu.Lock()
	defer a.e.mu.Unlock()
	p := a.phone(user)
	return p.country, p.number
}

func (a *App) phone(user string) phone {
	if p, ok := a.phones[user]; ok {
		return p
	}
	sum := sha256.Sum256([]byte("wechattest phone\x00" + user))
	return phone{"86", fmt.Sprintf("138%08d", binary.BigEndian.Uint64(sum[:])%1e8)}
}

// phoneNumber is getPhoneNumber: the number behind a code of the phone button.
//
// Unconfirmed: the order of the checks, 41008 for a missing code, 40003 for a code of another openid than the
// one that was sent along, and that such a mismatch leaves the code unused. A code of another app is answered
// 40013, as the page's own error list has it; 40029 is seen as well.
func (e *Emulator) phoneNumber(c call) answer {
	if c.method != http.MethodPost {
		return refuse(43002)
	}
	owner, errcode := e.authorize(c)
	if errcode != 0 {
		return refuse(errcode)
	}
	body, ok := parseBody(c.body)
	if !ok {
		return refuse(47001)
	}
	code := body.text("code")
	if code == "" {
		return refuse(41008)
	}
	entry, ok := e.phoneCodes.find(c.now, code)
	switch {
	case !ok || entry.used || entry.expired(c.now):
		return refuse(40029)
	case entry.appID != owner.id:
		return refuse(40013)
	}
	app := e.apps[entry.appID]
	if openID := body.text("openid"); openID != "" && openID != app.OpenID(entry.user) {
		return refuse(40003)
	}
	entry.used = true
	return answer{fields: okFields(field{"phone_info", app.phoneInfo(entry.user, entry.minted, e.numericCountry)})}
}

// phoneInfo is the same object in getPhoneNumber's answer and in encrypted data. Its time is that of the
// user's consent.
func (a *App) phoneInfo(user string, granted time.Time, numericCountry bool) []field {
	p := a.phone(user)
	var country any = p.country
	if n, err := strconv.Atoi(p.country); numericCountry && err == nil {
		country = n
	}
	return []field{
		{"phoneNumber", p.full()}, {"purePhoneNumber", p.number}, {"countryCode", country},
		a.watermark(granted),
	}
}
