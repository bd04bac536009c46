package wechat

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/ginwx/wxlogin"
)

// Phone is a phone number that a user granted, from
// [MiniProgramProvider.PhoneNumber] or from decrypted user data. It is personal
// data: fmt verbs, slog, encoding/json and everything else that honours the
// standard interfaces show Masked. Take the fields one by one to work with it.
type Phone struct {
	Number      string // with the country code where it is foreign
	PureNumber  string // without country code
	CountryCode string // digits: "86"

	// AuthorizedAt is when the user granted it, to the second.
	AuthorizedAt time.Time
}

// Masked returns enough of the number for its owner to recognise it, and no more:
// "138****0000", "+1 20****55".
func (p Phone) Masked() string {
	if p.PureNumber == "" {
		return ""
	}
	masked := maskNumber(p.PureNumber)
	if p.CountryCode == "" || p.CountryCode == chinaCode {
		return masked
	}
	return "+" + p.CountryCode + " " + masked
}

const chinaCode = "86"

func maskNumber(number string) string {
	const stars = "****"
	switch n := len(number); {
	case n >= 11:
		return number[:3] + stars + number[n-4:]
	case n >= 8:
		return number[:2] + stars + number[n-2:]
	default:
		return stars
	}
}

// String returns Masked.
func (p Phone) String() string { return p.Masked() }

// Format writes Masked for every verb.
func (p Phone) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, p.Masked()) }

// LogValue returns Masked.
func (p Phone) LogValue() slog.Value { return slog.StringValue(p.Masked()) }

// MarshalText returns Masked, never an error.
func (p Phone) MarshalText() ([]byte, error) { return []byte(p.Masked()), nil }

// phoneInfo is a phone number as WeChat writes it, in the answer to a phone code
// and in encrypted data alike.
type phoneInfo struct {
	Number      string    `json:"phoneNumber"`
	PureNumber  string    `json:"purePhoneNumber"`
	CountryCode digits    `json:"countryCode"`
	Watermark   watermark `json:"watermark"`
}

// watermark says whose data it is and when it was made.
type watermark struct {
	AppID     string `json:"appid"`
	Timestamp number `json:"timestamp"` // Unix seconds
}

// maxPhone is far above the 15 digits of E.164.
const maxPhone = 32

func (p *phoneInfo) complete() bool {
	return validPhone(p.Number) && validPhone(p.PureNumber) && validPhone(string(p.CountryCode)) &&
		p.Watermark.AppID != "" && p.Watermark.Timestamp > 0
}

// validPhone takes what a number may be written with: how WeChat writes foreign
// ones is not documented.
func validPhone(number string) bool {
	return number != "" && len(number) <= maxPhone && strings.Trim(number, "+-() 0123456789") == ""
}

// phone returns the number, if the watermark names the app.
func (p *phoneInfo) phone(appID string) (Phone, error) {
	if p.Watermark.AppID != appID {
		return Phone{}, errWatermark()
	}
	return Phone{
		Number:       p.Number,
		PureNumber:   p.PureNumber,
		CountryCode:  string(p.CountryCode),
		AuthorizedAt: time.Unix(int64(p.Watermark.Timestamp), 0),
	}, nil
}

func errWatermark() error {
	return fmt.Errorf("%w: the watermark is of another app", wxlogin.ErrInvalidUserData)
}
