package wechat

import (
	"crypto/sha1"
	"crypto/subtle"
	"encoding/hex"

	"github.com/ginwx/wxlogin"
)

// VerifyRawData returns the session_key that rawData was signed under: the newest
// one first, then the one before it. rawData is the text of that name from
// wx.getUserProfile or wx.getUserInfo, byte for byte as the client sent it;
// decoding and encoding it again breaks the signature. It is at most 64 KiB.
//
// A good signature says that WeChat made the text for the holder of this key. It
// says nothing about when, so the text may be sent again as long as the key lives.
//
// The errors are of class wxlogin.ErrInvalidUserData where the signature is not 40
// lower-case hexadecimal digits or rawData is empty or too long, and
// wxlogin.ErrSessionKeyStale where neither key verifies it: another key was used,
// or a text was changed. Nothing of the text and the keys is in an error.
//
// The rule is signature = hex(sha1(rawData + session_key)), with the key as the
// base64 text that it comes as.
func VerifyRawData(keys wxlogin.SessionKeys, rawData, signature string) (wxlogin.Secret, error) {
	key, _, err := verifyRawData(keys, rawData, signature)
	return key, err
}

// verifyRawData also reports whether the key is the previous one.
func verifyRawData(keys wxlogin.SessionKeys, rawData, signature string) (key wxlogin.Secret, previous bool, err error) {
	if rawData == "" || len(rawData) > maxUserData {
		return wxlogin.Secret{}, false, invalidUserData("rawData is empty or too long")
	}
	if !isSignature(signature) {
		return wxlogin.Secret{}, false, invalidUserData("signature is not 40 lower-case hexadecimal digits")
	}
	// Both are computed whatever the first one says.
	current, before := signs(keys.Current, rawData, signature), signs(keys.Previous, rawData, signature)
	switch {
	case current:
		return keys.Current, false, nil
	case before:
		return keys.Previous, true, nil
	}
	return wxlogin.Secret{}, false, staleKeys("neither verifies the signature")
}

func signs(key wxlogin.Secret, rawData, signature string) bool {
	if key.IsZero() {
		return false // anybody can sign without a key
	}
	sum := sha1.Sum([]byte(rawData + key.Reveal()))
	return subtle.ConstantTimeCompare([]byte(hex.EncodeToString(sum[:])), []byte(signature)) == 1
}

func isSignature(s string) bool {
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(s) == hex.EncodedLen(sha1.Size)
}
