package wechat

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/ginwx/wxlogin"
)

// Decrypt returns the JSON object in encryptedData: [OpenUserData] for that pair
// alone, and with the same rules and errors. Phone numbers, WeRun steps, groups and
// user info all come this way.
func Decrypt(keys wxlogin.SessionKeys, rules UserDataRules, encryptedData, iv string) (json.RawMessage, error) {
	data, err := OpenUserData(keys, rules, SealedUserData{EncryptedData: encryptedData, IV: iv})
	return data.JSON, err
}

// envelope is encrypted data whose form is right: whole blocks and a whole iv.
type envelope struct {
	ciphertext []byte
	iv         []byte
}

// parseEnvelope checks everything that can be checked without a key, because
// package cipher panics on parts of a block.
func parseEnvelope(encryptedData, iv string) (envelope, error) {
	if len(encryptedData) > maxUserData {
		return envelope{}, invalidUserData("encryptedData is too long")
	}
	ciphertext, ok := decodeBase64(encryptedData)
	if !ok || len(ciphertext) == 0 || len(ciphertext)%aes.BlockSize != 0 {
		return envelope{}, invalidUserData("encryptedData is not base64 of whole blocks")
	}
	// The length is looked at first: an iv is never long.
	if len(iv) != base64.StdEncoding.EncodedLen(aes.BlockSize) {
		return envelope{}, invalidUserData("iv is not base64 of 16 bytes")
	}
	vector, ok := decodeBase64(iv)
	if !ok || len(vector) != aes.BlockSize {
		return envelope{}, invalidUserData("iv is not base64 of 16 bytes")
	}
	return envelope{ciphertext: ciphertext, iv: vector}, nil
}

// decodeBase64 reads canonical standard base64 on one line. A plus sign that a form
// or a query turned into a space is one again.
func decodeBase64(text string) ([]byte, bool) {
	if strings.ContainsAny(text, "\r\n") { // which package base64 skips
		return nil, false
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(strings.ReplaceAll(text, " ", "+"))
	return raw, err == nil
}

// open returns the JSON text in e, or false: for a key that is none or not the
// right one, and for wrong padding, wrong UTF-8 and no JSON alike, so that nobody
// learns from an answer which of them it was.
func (e envelope) open(sessionKey wxlogin.Secret) (json.RawMessage, bool) {
	key, ok := decodeBase64(sessionKey.Reveal())
	if !ok || len(key) != 16 { // AES-128; more bytes would be another cipher
		return nil, false
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, false
	}
	plain := make([]byte, len(e.ciphertext))
	cipher.NewCBCDecrypter(block, e.iv).CryptBlocks(plain, e.ciphertext)
	plain, ok = unpad(plain)
	if !ok || !utf8.Valid(plain) || !json.Valid(plain) {
		return nil, false
	}
	return plain, true
}

// unpad removes PKCS#7 padding from whole blocks: n bytes of value n, 1 to 16. It
// looks at every byte of the last block whatever it finds.
func unpad(plain []byte) ([]byte, bool) {
	last := plain[len(plain)-aes.BlockSize:]
	n := int(last[aes.BlockSize-1])
	good := subtle.ConstantTimeLessOrEq(1, n) & subtle.ConstantTimeLessOrEq(n, aes.BlockSize)
	for i, b := range last {
		outside := subtle.ConstantTimeLessOrEq(i+n, aes.BlockSize-1) // of the padding
		good &= outside | subtle.ConstantTimeByteEq(b, byte(n))
	}
	if good != 1 {
		return nil, false
	}
	return plain[:len(plain)-n], true
}
