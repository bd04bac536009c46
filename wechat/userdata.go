package wechat

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"time"

	"github.com/ginwx/wxlogin"
)

const (
	// DefaultUserDataAge is how old encrypted user data may be by its watermark.
	// WeChat names no figure; the same data is good for a day, so that a client
	// may send it again after an outage, and not for as long as the key lives.
	DefaultUserDataAge = 24 * time.Hour

	// maxClockSkew is how far ahead of our clock WeChat's may be.
	maxClockSkew = 5 * time.Minute

	// maxUserData bounds rawData and encryptedData, in bytes of text.
	maxUserData = 64 << 10
)

// SealedUserData is user data as a mini program gets it from WeChat and sends it to
// its server, under the names that it has there. Each pair may be absent, not both.
// It holds personal data: fmt verbs, slog and encoding/json show a mask.
type SealedUserData struct {
	RawData       string // plain profile as JSON text, byte for byte
	Signature     string // of RawData
	EncryptedData string // base64
	IV            string // base64
}

// UserDataRules say which encrypted user data is taken.
type UserDataRules struct {
	// AppID is the mini program that the watermark must name. Required.
	AppID string

	// MaxAge is how old the watermark may be, 0 for DefaultUserDataAge. It may be
	// five minutes ahead of the clock.
	MaxAge time.Duration

	// Now is the clock. Default time.Now.
	Now func() time.Time
}

// UserData is user data that was verified. It holds personal data: fmt verbs, slog
// and encoding/json show a mask, so take out what you need.
type UserData struct {
	// RawData is the profile as the client sent it, its signature verified; "" where
	// none came. It has no watermark, so it may be of any age.
	RawData string

	// JSON is what was encrypted, its watermark checked: one object, in which no two
	// members have the same name. It is nil where nothing encrypted came.
	JSON json.RawMessage

	// Time is when WeChat made JSON, by its watermark; zero without JSON.
	Time time.Time

	// PreviousKey says that the data was made under the session_key before the
	// newest: wx.login ran between fetching and sending it.
	PreviousKey bool
}

// OpenUserData verifies and decrypts what a client sent as user data. The keys are
// those of Auth.SessionKeys for the user who sent it, and rules.AppID is the user's
// app. The newest key is tried first, then the one before it; where a signature
// came and one of the keys verified it, that key alone may decrypt.
//
// The errors tell the two remedies apart and quote nothing of data and keys:
//
//   - wxlogin.ErrSessionKeyStale: no key verifies the signature, or none gives right
//     padding, UTF-8 and JSON. The client calls wx.login, logs in, and fetches its
//     data again; the same data can never be read. A changed ciphertext looks the
//     same.
//   - wxlogin.ErrInvalidUserData: the data cannot be WeChat's. Its form is wrong
//     (signature, base64, length, iv); the key that verified the signature does not
//     decrypt; or what was decrypted is no object with a watermark of this app and
//     of the right age.
//   - wxlogin.ErrBadRequest: neither pair is there, or half of one.
//   - wxlogin.ErrMisconfigured: the rules name no app, or a negative age.
//
// The encryption is AES-128-CBC without a MAC, so data that was decrypted is as
// trustworthy as the user who sent it: check amounts and rights elsewhere.
func OpenUserData(keys wxlogin.SessionKeys, rules UserDataRules, data SealedUserData) (UserData, error) {
	if err := rules.validate(); err != nil {
		return UserData{}, err
	}
	if err := data.validate(); err != nil {
		return UserData{}, err
	}
	// The form of everything comes before any key.
	var sealed envelope
	if data.EncryptedData != "" {
		var err error
		if sealed, err = parseEnvelope(data.EncryptedData, data.IV); err != nil {
			return UserData{}, err
		}
	}
	var found UserData
	proven := false
	if data.RawData != "" {
		key, previous, err := verifyRawData(keys, data.RawData, data.Signature)
		if err != nil {
			return UserData{}, err
		}
		found.RawData, found.PreviousKey, proven = data.RawData, previous, true
		keys = wxlogin.SessionKeys{Current: key}
	}
	if data.EncryptedData == "" {
		return found, nil
	}
	plain, ok := sealed.open(keys.Current)
	if !ok && !keys.Previous.IsZero() {
		plain, ok = sealed.open(keys.Previous)
		found.PreviousKey = ok
	}
	switch {
	case !ok && proven: // by its own signature the key is not stale
		return UserData{}, invalidUserData("encryptedData does not belong to rawData")
	case !ok:
		return UserData{}, staleKeys("neither decrypts the data")
	}
	at, err := rules.checkWatermark(plain)
	if err != nil {
		return UserData{}, err
	}
	found.JSON, found.Time = plain, at
	return found, nil
}

func (d SealedUserData) validate() error {
	signed, encrypted := d.RawData != "", d.EncryptedData != ""
	switch {
	case signed != (d.Signature != ""):
		return fmt.Errorf("%w: rawData and signature belong together", wxlogin.ErrBadRequest)
	case encrypted != (d.IV != ""):
		return fmt.Errorf("%w: encryptedData and iv belong together", wxlogin.ErrBadRequest)
	case !signed && !encrypted:
		return fmt.Errorf("%w: no user data", wxlogin.ErrBadRequest)
	}
	return nil
}

func (r UserDataRules) validate() error {
	switch {
	case r.AppID == "":
		return misconfigured("UserDataRules", fmt.Errorf("AppID is empty"))
	case r.MaxAge < 0:
		return misconfigured("UserDataRules", fmt.Errorf("MaxAge is negative"))
	}
	return nil
}

// checkWatermark returns the time of the watermark in a decrypted text.
func (r UserDataRules) checkWatermark(plain []byte) (time.Time, error) {
	object, ok := members(plain)
	if !ok {
		return time.Time{}, invalidUserData("the decrypted text is not one object")
	}
	mark, ok := members(object["watermark"])
	if !ok {
		return time.Time{}, invalidUserData("no watermark")
	}
	var appID string
	if json.Unmarshal(mark["appid"], &appID) != nil || appID != r.AppID {
		return time.Time{}, invalidUserData("the watermark is not of this app")
	}
	seconds, ok := unixSeconds(mark["timestamp"])
	if !ok {
		return time.Time{}, invalidUserData("the watermark has no time")
	}
	now, maxAge := time.Now, r.MaxAge
	if r.Now != nil {
		now = r.Now
	}
	if maxAge == 0 {
		maxAge = DefaultUserDataAge
	}
	at := time.Unix(seconds, 0)
	if age := now().Sub(at); age > maxAge || age < -maxClockSkew {
		return time.Time{}, invalidUserData("the watermark is too old, or of the future")
	}
	return at, nil
}

// unixSeconds reads a whole number above zero, as a number or as a string.
func unixSeconds(raw json.RawMessage) (int64, bool) {
	text := string(raw)
	if len(raw) > 0 && raw[0] == '"' && json.Unmarshal(raw, &text) != nil {
		return 0, false
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	return seconds, err == nil && seconds > 0
}

func invalidUserData(what string) error {
	return fmt.Errorf("%w: %s", wxlogin.ErrInvalidUserData, what)
}

func staleKeys(what string) error { return fmt.Errorf("%w: %s", wxlogin.ErrSessionKeyStale, what) }

// mask stands for personal data wherever it is rendered.
type mask string

func (m mask) write(f fmt.State)            { _, _ = io.WriteString(f, string(m)) }
func (m mask) value() slog.Value            { return slog.StringValue(string(m)) }
func (m mask) marshalText() ([]byte, error) { return []byte(m), nil }

const (
	maskSealed mask = "[sealed user data]"
	maskData   mask = "[user data]"
	maskInfo   mask = "[user info]"
)

// Format writes a mask for every verb.
func (d SealedUserData) Format(f fmt.State, _ rune) { maskSealed.write(f) }

// LogValue returns a mask.
func (d SealedUserData) LogValue() slog.Value { return maskSealed.value() }

// MarshalText returns a mask, never an error.
func (d SealedUserData) MarshalText() ([]byte, error) { return maskSealed.marshalText() }

// Format writes a mask for every verb.
func (d UserData) Format(f fmt.State, _ rune) { maskData.write(f) }

// LogValue returns a mask.
func (d UserData) LogValue() slog.Value { return maskData.value() }

// MarshalText returns a mask, never an error.
func (d UserData) MarshalText() ([]byte, error) { return maskData.marshalText() }
