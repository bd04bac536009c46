package wechat

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ginwx/wxlogin"
)

// WeChat's own samples: they are in its documents and in every SDK.
const (
	officialApp     = "wx4f4bc4dec97d474b"
	officialDataKey = "tiihtNczf5v6AKRyjwEUhQ=="
	officialIV      = "r7BXXKkLb8qrSNn05n0qiA=="
	officialData    = "CiyLU1Aw2KjvrjMdj8YKliAjtP4gsMZMQmRzooG2xrDcvSnxIMXFufNstNGTyaGS9uT5geRa0W4oTOb1WT7fJlAC+oNPdbB+3hVbJSRgv+4lGOETKUQz6OYStslQ142dNCuabNPGBzlooOmB231qMM85d2/fV6ChevvXvQP8Hkue1poOFtnEtpyxVLW1zAo6/1Xx1COxFvrc2d7UL/lmHInNlxuacJXwu0fjpXfz/YqYzBIBzD6WUfTIF9GRHpOn/Hz7saL8xz+W//FRAUid1OksQaQx4CMs8LOddcQhULW4ucetDf96JcR3g0gfRK4PC7E/r7Z6xNrXd2UIeorGj5Ef7b1pJAYB6Y5anaHqZ9J6nKEBvB4DnNLIVWSgARns/8wR2SiRS7MNACwTyrGvt9ts8p12PKFdlqYTopNHR1Vf7XjfhQlVsAJdNiKdYmYVoKlaRv85IfVunYzO0IKXsyl7JCUjCpoG20f0a04COwfneQAGGwd5oa+T8yO5hzuyDb/XcxxmK01EpqOyuxINew=="
	officialTime    = 1477314187

	officialRawKey    = "HyVFkGl5F5OQWJZZaNzBBg=="
	officialRawData   = `{"nickName":"Band","gender":1,"language":"zh_CN","city":"Guangzhou","province":"Guangdong","country":"CN","avatarUrl":"http://wx.qlogo.cn/mmopen/vi_32/1vZvI39NWFQ9XM4LtQpFrQJ1xlgZxx3w7bQxKARol6503Iuswjjn6nIGBiaycAjAtpujxyzYsrztuuICqIM5ibXQ/0"}`
	officialSignature = "75e81ceda165f4ffa64f4068af58c64b8f54b88c"

	// A synthetic phone number under the key and iv of the sample.
	phoneData = "xT8p8W6jIVdEWQ+ccHuD2RaIIS4vtW9zm7JtfYVPBkmYZ4q95YVd04MQxnJjNTDJagXZdH1dLSA+ur5iQao2Vedx4flywrAKAliLotUJtwGUHU7Im9aknw99Qgl0yhLkP7/4PH5y8DGT5KfAXOVwYGS88WGk8pcQkZdJVWCwgnyZ83dCoG47ODEWN+qz3AWSHW2kmKdbkmQWYgE35dahaw=="
	phoneTime = 1700000000
)

// Synthetic keys of 16 bytes.
const (
	dataKey  = "c3ludGhldGljLWtleS0wMQ=="
	dataKey2 = "c3ludGhldGljLWtleS0wMg=="
	dataKey3 = "c3ludGhldGljLWtleS0wMw=="
	dataIV   = "c3ludGhldGljLWl2LTAwMQ=="
	dataApp  = "wx00000000000000aa"
	dataTime = 1700000000
)

func dataKeys(keys ...string) wxlogin.SessionKeys {
	both := wxlogin.SessionKeys{Current: wxlogin.NewSecret(keys[0])}
	if len(keys) > 1 {
		both.Previous = wxlogin.NewSecret(keys[1])
	}
	return both
}

func rulesAt(appID string, unix int64) UserDataRules {
	return UserDataRules{AppID: appID, Now: func() time.Time { return time.Unix(unix, 0) }}
}

func dataRules() UserDataRules { return rulesAt(dataApp, dataTime) }

// marked is an object with the watermark of dataRules.
func marked(members string) string {
	return fmt.Sprintf(`{%s"watermark":{"timestamp":%d,"appid":%q}}`, members, dataTime, dataApp)
}

// encryptBlocks encrypts whole blocks as they are.
func encryptBlocks(t testing.TB, key string, plain []byte) string {
	t.Helper()
	rawKey, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		t.Fatal(err)
	}
	iv, err := base64.StdEncoding.DecodeString(dataIV)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(rawKey)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]byte, len(plain))
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(out, plain)
	return base64.StdEncoding.EncodeToString(out)
}

func padded(plain string) []byte {
	n := aes.BlockSize - len(plain)%aes.BlockSize
	return append([]byte(plain), bytes.Repeat([]byte{byte(n)}, n)...)
}

func encryptText(t testing.TB, key, plain string) string {
	t.Helper()
	return encryptBlocks(t, key, padded(plain))
}

func signText(key, rawData string) string {
	sum := sha1.Sum([]byte(rawData + key))
	return hex.EncodeToString(sum[:])
}

func TestOfficialEncryptedSample(t *testing.T) {
	data, err := OpenUserData(dataKeys(officialDataKey), rulesAt(officialApp, officialTime),
		SealedUserData{EncryptedData: officialData, IV: officialIV})
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data.JSON)
	if got, want := hex.EncodeToString(sum[:]), "3237d8a5dbd413523c194882c7156544d8a06e2afcc97383cc300c17bd09391b"; got != want {
		t.Errorf("sha256 of the plain text: got %s, want %s", got, want)
	}
	if len(data.JSON) != 393 || data.Time.Unix() != officialTime || data.PreviousKey || data.RawData != "" {
		t.Errorf("got %d bytes of %v, previous key %t", len(data.JSON), data.Time, data.PreviousKey)
	}
	info, err := data.UserInfo()
	want := UserInfo{
		OpenID: "oGZUI0egBJY1zhBYw2KhdUfwVJJE", UnionID: "ocMvos6NjeKLIBqg5Mr9QjxrP1FA", NickName: "Band", Gender: 1,
		AvatarURL: "http://wx.qlogo.cn/mmopen/vi_32/aSKcBBPpibyKNicHNTMM0qJVh8Kjgiak2AHWr8MHM4WgMEm7GFhsf8OYrySdbvAMvTsw3mo8ibKicsnfN5pRjl1p8HQ/0",
		Country:   "CN", Province: "Guangdong", City: "Guangzhou", Language: "zh_CN",
	}
	if err != nil || info != want {
		t.Errorf("user info: got %#v, %v, want the sample's", []string{info.OpenID, info.NickName, info.AvatarURL}, err)
	}
	if _, err := data.Phone(); !errors.Is(err, wxlogin.ErrInvalidUserData) {
		t.Errorf("phone of a profile: got %v, want ErrInvalidUserData", err)
	}
}

func TestOfficialSignatureSample(t *testing.T) {
	key, err := VerifyRawData(dataKeys(officialRawKey), officialRawData, officialSignature)
	if err != nil || key.Reveal() != officialRawKey {
		t.Fatalf("got %v, want the key", err)
	}
	data, err := OpenUserData(dataKeys(officialRawKey), dataRules(), SealedUserData{RawData: officialRawData, Signature: officialSignature})
	if err != nil || data.RawData != officialRawData || data.JSON != nil || !data.Time.IsZero() {
		t.Fatalf("got %v, want rawData as it came", err)
	}
	info, err := data.UserInfo()
	if err != nil || info.NickName != "Band" || info.Gender != 1 || info.City != "Guangzhou" || info.OpenID != "" {
		t.Errorf("user info of rawData: got %v", err)
	}
}

func TestPhoneSample(t *testing.T) {
	data, err := OpenUserData(dataKeys(officialDataKey), rulesAt(officialApp, phoneTime),
		SealedUserData{EncryptedData: phoneData, IV: officialIV})
	if err != nil {
		t.Fatal(err)
	}
	phone, err := data.Phone()
	if err != nil || phone.Number != "13800000000" || phone.PureNumber != "13800000000" || phone.CountryCode != "86" ||
		phone.AuthorizedAt.Unix() != phoneTime {
		t.Errorf("phone: got %v, %v", phone, err)
	}
	if _, err := data.UserInfo(); !errors.Is(err, wxlogin.ErrInvalidUserData) {
		t.Errorf("user info of a phone number: got %v, want ErrInvalidUserData", err)
	}
	plain, err := Decrypt(dataKeys(officialDataKey), rulesAt(officialApp, phoneTime), phoneData, officialIV)
	if err != nil || string(plain) != string(data.JSON) {
		t.Errorf("Decrypt: got %v, want the same text", err)
	}
}

func TestAPlusThatBecameASpaceIsRepaired(t *testing.T) {
	if !strings.Contains(officialData, "+") {
		t.Fatal("the sample has no plus sign")
	}
	lost := strings.ReplaceAll(officialData, "+", " ")
	if _, err := Decrypt(dataKeys(officialDataKey), rulesAt(officialApp, officialTime), lost, officialIV); err != nil {
		t.Errorf("encryptedData: got %v", err)
	}
	// An iv with plus signs, for a key and a text that fit.
	iv := "+/+/+/+/+/+/+/+/+/+/+w=="
	raw, _ := base64.StdEncoding.DecodeString(iv)
	rawKey, _ := base64.StdEncoding.DecodeString(dataKey)
	block, _ := aes.NewCipher(rawKey)
	out := padded(marked(""))
	cipher.NewCBCEncrypter(block, raw).CryptBlocks(out, out)
	if _, err := Decrypt(dataKeys(dataKey), dataRules(), base64.StdEncoding.EncodeToString(out), strings.ReplaceAll(iv, "+", " ")); err != nil {
		t.Errorf("iv: got %v", err)
	}
}

func TestSignature(t *testing.T) {
	const text = `{"nickName":"微信用户","avatarUrl":"https:\/\/example.test\/a?b=c+d"}`
	good, old := signText(dataKey, text), signText(dataKey2, text)
	both := dataKeys(dataKey, dataKey2)
	rows := []struct {
		name      string
		keys      wxlogin.SessionKeys
		rawData   string
		signature string
		wantKey   string
		want      error
	}{
		{"the newest key", both, text, good, dataKey, nil},
		{"the previous key", both, text, old, dataKey2, nil},
		{"a key that is neither", both, text, signText(dataKey3, text), "", wxlogin.ErrSessionKeyStale},
		{"no previous key", dataKeys(dataKey), text, old, "", wxlogin.ErrSessionKeyStale},
		{"no key at all", wxlogin.SessionKeys{}, text, good, "", wxlogin.ErrSessionKeyStale},
		{"signed without a key", dataKeys(dataKey), text, signText("", text), "", wxlogin.ErrSessionKeyStale},
		{"the decoded key", both, text, signText("synthetic-key-01", text), "", wxlogin.ErrSessionKeyStale},
		{"one byte of the text changed", both, strings.Replace(text, "c+d", "c d", 1), good, "", wxlogin.ErrSessionKeyStale},
		{"the text marshalled again", both, strings.ReplaceAll(text, `\/`, "/"), good, "", wxlogin.ErrSessionKeyStale},
		{"a space at the end", both, text + " ", good, "", wxlogin.ErrSessionKeyStale},
		{"upper case", both, text, strings.ToUpper(good), "", wxlogin.ErrInvalidUserData},
		{"39 digits", both, text, good[:39], "", wxlogin.ErrInvalidUserData},
		{"41 digits", both, text, good + "0", "", wxlogin.ErrInvalidUserData},
		{"no digits", both, text, strings.Repeat("g", 40), "", wxlogin.ErrInvalidUserData},
		{"empty", both, text, "", "", wxlogin.ErrInvalidUserData},
		{"a space at its end", both, text, good + " ", "", wxlogin.ErrInvalidUserData},
		{"sha256", both, text, strings.Repeat("0", 64), "", wxlogin.ErrInvalidUserData},
		{"no text", both, "", signText(dataKey, ""), "", wxlogin.ErrInvalidUserData},
		{"too much text", both, strings.Repeat("x", maxUserData+1), good, "", wxlogin.ErrInvalidUserData},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			key, err := VerifyRawData(row.keys, row.rawData, row.signature)
			if !errors.Is(err, row.want) || key.Reveal() != row.wantKey {
				t.Errorf("got %v, want %v", err, row.want)
			}
		})
	}
}

func TestWhichKeyDecrypts(t *testing.T) {
	const raw = `{"nickName":"a"}`
	text := marked(`"nickName":"a",`)
	now, before, never := encryptText(t, dataKey, text), encryptText(t, dataKey2, text), encryptText(t, dataKey3, text)
	rows := []struct {
		name         string
		keys         wxlogin.SessionKeys
		data         SealedUserData
		wantPrevious bool
		want         error
	}{
		{"the newest", dataKeys(dataKey, dataKey2), SealedUserData{EncryptedData: now}, false, nil},
		{"the previous", dataKeys(dataKey, dataKey2), SealedUserData{EncryptedData: before}, true, nil},
		{"neither", dataKeys(dataKey, dataKey2), SealedUserData{EncryptedData: never}, false, wxlogin.ErrSessionKeyStale},
		{"there is no previous", dataKeys(dataKey), SealedUserData{EncryptedData: before}, false, wxlogin.ErrSessionKeyStale},
		{"there is none", wxlogin.SessionKeys{}, SealedUserData{EncryptedData: now}, false, wxlogin.ErrSessionKeyStale},
		{"both pairs under the newest", dataKeys(dataKey, dataKey2),
			SealedUserData{RawData: raw, Signature: signText(dataKey, raw), EncryptedData: now}, false, nil},
		{"both pairs under the previous", dataKeys(dataKey, dataKey2),
			SealedUserData{RawData: raw, Signature: signText(dataKey2, raw), EncryptedData: before}, true, nil},
		{"signed under the newest, encrypted under the previous", dataKeys(dataKey, dataKey2),
			SealedUserData{RawData: raw, Signature: signText(dataKey, raw), EncryptedData: before}, false, wxlogin.ErrInvalidUserData},
		{"signed under the previous, encrypted under the newest", dataKeys(dataKey, dataKey2),
			SealedUserData{RawData: raw, Signature: signText(dataKey2, raw), EncryptedData: now}, false, wxlogin.ErrInvalidUserData},
		{"signed under neither", dataKeys(dataKey, dataKey2),
			SealedUserData{RawData: raw, Signature: signText(dataKey3, raw), EncryptedData: now}, false, wxlogin.ErrSessionKeyStale},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			row.data.IV = dataIV
			data, err := OpenUserData(row.keys, dataRules(), row.data)
			if !errors.Is(err, row.want) || data.PreviousKey != row.wantPrevious {
				t.Fatalf("got previous key %t, %v, want %t, %v", data.PreviousKey, err, row.wantPrevious, row.want)
			}
			if err == nil && string(data.JSON) != text || err != nil && (data.JSON != nil || data.RawData != "") {
				t.Error("the text must be there without an error and with none only")
			}
		})
	}
}

func TestOtherShapes(t *testing.T) {
	sealed := func(plain string) SealedUserData {
		return SealedUserData{EncryptedData: encryptText(t, dataKey, plain), IV: dataIV}
	}
	data, err := OpenUserData(dataKeys(dataKey), dataRules(), sealed(marked(`"stepInfoList":[{"timestamp":1445866601,"step":100}],`)))
	if err != nil {
		t.Fatal(err)
	}
	var run struct {
		Steps []struct{ Timestamp, Step int } `json:"stepInfoList"`
	}
	if err := data.Decode(&run); err != nil || len(run.Steps) != 1 || run.Steps[0].Step != 100 {
		t.Errorf("steps: got %v, %v", run, err)
	}
	var wrong struct {
		Steps int `json:"stepInfoList"`
	}
	if err := data.Decode(&wrong); !errors.Is(err, wxlogin.ErrInvalidUserData) || strings.Contains(err.Error(), "1445866601") {
		t.Errorf("a shape that does not fit: got %v", err)
	}
	if err := (UserData{}).Decode(&run); !errors.Is(err, wxlogin.ErrInvalidUserData) {
		t.Errorf("nothing to decode: got %v", err)
	}
	var group struct{ OpenGID string }
	if data, err = OpenUserData(dataKeys(dataKey), dataRules(), sealed(marked(`"openGId":"gid",`))); err != nil {
		t.Fatal(err)
	}
	if err := data.Decode(&group); err != nil || group.OpenGID != "gid" {
		t.Errorf("group: got %v, %v", group, err)
	}
}

func TestUserInfoIsTolerantOfWhatIsMissing(t *testing.T) {
	rows := []struct {
		name, members string
		want          UserInfo
		err           error
	}{
		{"a name alone", `"nickName":"微信用户"`, UserInfo{NickName: "微信用户"}, nil},
		{"gender as text", `"nickName":"a","gender":"2"`, UserInfo{NickName: "a", Gender: 2}, nil},
		{"nulls", `"nickName":"a","gender":null,"city":null,"unionId":null`, UserInfo{NickName: "a"}, nil},
		{"an empty name", `"nickName":""`, UserInfo{}, nil},
		{"a member of another kind is ignored", `"nickName":"a","is_demote":true`, UserInfo{NickName: "a"}, nil},
		{"no name", `"city":"x"`, UserInfo{}, wxlogin.ErrInvalidUserData},
		{"another case", `"NICKNAME":"a"`, UserInfo{}, wxlogin.ErrInvalidUserData},
		{"a name that is no text", `"nickName":{"a":1}`, UserInfo{}, wxlogin.ErrInvalidUserData},
		{"gender that is no number", `"nickName":"a","gender":"female"`, UserInfo{}, wxlogin.ErrInvalidUserData},
		{"a huge gender", `"nickName":"a","gender":1e999`, UserInfo{}, wxlogin.ErrInvalidUserData},
		{"two names", `"nickName":"a","nickName":"b"`, UserInfo{}, wxlogin.ErrInvalidUserData},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			for _, data := range []UserData{{RawData: "{" + row.members + "}"}, {JSON: json.RawMessage("{" + row.members + "}")}} {
				info, err := data.UserInfo()
				if info != row.want || !errors.Is(err, row.err) {
					t.Errorf("got name %q, gender %d, %v", info.NickName, info.Gender, err)
				}
			}
		})
	}
}
