package wechat

import (
	"encoding/json"
	"errors"
	"testing"
	"unicode/utf8"

	"github.com/ginwx/wxlogin"
)

// FuzzDecrypt feeds everything that a client and a store decide. What is accepted
// must be made again by encrypting it.
func FuzzDecrypt(f *testing.F) {
	f.Add(officialData, officialIV, officialDataKey, officialDataKey)
	f.Add(phoneData, officialIV, dataKey, officialDataKey)
	f.Add(encryptText(f, dataKey, marked("")), dataIV, dataKey, "")
	f.Add(encryptText(f, dataKey2, "{}"), dataIV, dataKey, dataKey2)
	f.Add(encryptBlocks(f, dataKey, make([]byte, 16)), dataIV, dataKey, "x")
	f.Add("AAAA", "AA==", "AAAA", "")
	f.Add("", "", "", "")
	f.Fuzz(func(t *testing.T, encrypted, iv, current, previous string) {
		rules := rulesAt(dataApp, dataTime)
		data, err := OpenUserData(dataKeys(current, previous), rules, SealedUserData{EncryptedData: encrypted, IV: iv})
		wantUserDataError(t, err)
		if err != nil {
			if data.JSON != nil {
				t.Error("something came with the error")
			}
			return
		}
		key := current
		if data.PreviousKey {
			key = previous
		}
		if iv == dataIV && encryptText(t, key, string(data.JSON)) != repaired(encrypted) {
			t.Error("what was decrypted does not encrypt to what came")
		}
		wantOurs(t, data)
	})
}

// FuzzDecryptedText encrypts any text under the right key: what a broken or hostile
// sender of plaintext could get through.
func FuzzDecryptedText(f *testing.F) {
	f.Add(marked(""))
	f.Add(marked(`"nickName":"a","gender":1,`))
	f.Add(marked(`"phoneNumber":"1","purePhoneNumber":"1","countryCode":86,`))
	f.Add(`{"watermark":{"timestamp":"1700000000","appid":"wx00000000000000aa"}}`)
	f.Add(`{"watermark":{},"watermark":{"timestamp":1700000000,"appid":"wx00000000000000aa"}}`)
	f.Add(`[{"a":1e999}]`)
	f.Add("\xff")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 32<<10 {
			return
		}
		data, err := OpenUserData(dataKeys(dataKey), dataRules(), SealedUserData{EncryptedData: encryptText(t, dataKey, text), IV: dataIV})
		wantUserDataError(t, err)
		if readable := utf8.ValidString(text) && json.Valid([]byte(text)); readable == errors.Is(err, wxlogin.ErrSessionKeyStale) {
			t.Errorf("readable %t: got %v", readable, err)
		}
		if err == nil {
			if string(data.JSON) != text {
				t.Error("the text changed")
			}
			wantOurs(t, data)
		}
	})
}

// FuzzVerifyRawData accepts a signature if and only if it is that of the text.
func FuzzVerifyRawData(f *testing.F) {
	f.Add(officialRawData, officialSignature, officialRawKey, "")
	f.Add(officialRawData, officialSignature, dataKey, officialRawKey)
	f.Add("{}", signText("", "{}"), "", "")
	f.Add("", "", "", "")
	f.Fuzz(func(t *testing.T, rawData, signature, current, previous string) {
		keys := dataKeys(current, previous)
		data, err := OpenUserData(keys, dataRules(), SealedUserData{RawData: rawData, Signature: signature})
		wantUserDataError(t, err)
		want := rawData != "" && len(rawData) <= maxUserData &&
			(current != "" && signature == signText(current, rawData) || previous != "" && signature == signText(previous, rawData))
		if want != (err == nil) {
			t.Errorf("got %v, want good %t", err, want)
		}
		if err == nil {
			if data.RawData != rawData {
				t.Error("rawData changed")
			}
			_, err := data.UserInfo()
			wantUserDataError(t, err)
		}
		// The text signed as WeChat would sign it.
		if rawData != "" && len(rawData) <= maxUserData && current != "" {
			if key, err := VerifyRawData(keys, rawData, signText(current, rawData)); err != nil || key.Reveal() != current {
				t.Errorf("a genuine signature: got %v", err)
			}
		}
	})
}

func wantUserDataError(t *testing.T, err error) {
	t.Helper()
	if err != nil && !errors.Is(err, wxlogin.ErrInvalidUserData) && !errors.Is(err, wxlogin.ErrSessionKeyStale) && !errors.Is(err, wxlogin.ErrBadRequest) {
		t.Errorf("got an error of no class: %v", err)
	}
}

// wantOurs reads accepted data with encoding/json alone, and with all methods.
func wantOurs(t *testing.T, data UserData) {
	t.Helper()
	var object map[string]json.RawMessage
	var mark map[string]any
	if json.Unmarshal(data.JSON, &object) != nil || json.Unmarshal(object["watermark"], &mark) != nil || mark["appid"] != dataApp {
		t.Error("accepted without a watermark of this app")
	}
	_, err := data.UserInfo()
	wantUserDataError(t, err)
	_, err = data.Phone()
	wantUserDataError(t, err)
	wantUserDataError(t, data.Decode(&struct{ StepInfoList []struct{ Step int } }{}))
}

func repaired(text string) string {
	out := []byte(text)
	for i, c := range out {
		if c == ' ' {
			out[i] = '+'
		}
	}
	return string(out)
}
