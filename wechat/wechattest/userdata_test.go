package wechattest_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/ginwx/wxlogin/wechat/wechattest"
)

// open decrypts as a server does; ok is false where the key is not the one the data was encrypted with.
func open(t *testing.T, data wechattest.UserData, key string) (plaintext string, ok bool) {
	t.Helper()
	var parts [3][]byte
	for i, text := range []string{data.EncryptedData, data.IV, key} {
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		parts[i] = raw
	}
	block, err := aes.NewCipher(parts[2])
	if err != nil {
		t.Fatal(err)
	}
	text := bytes.Clone(parts[0])
	cipher.NewCBCDecrypter(block, parts[1]).CryptBlocks(text, text)
	n := int(text[len(text)-1])
	if n < 1 || n > 16 || !bytes.Equal(text[len(text)-n:], bytes.Repeat([]byte{byte(n)}, n)) {
		return "", false
	}
	text = text[:len(text)-n]
	return string(text), json.Valid(text)
}

func TestUserDataIsEncryptedWithTheCurrentKey(t *testing.T) {
	c := newClock()
	srv := newServer(t, wechattest.WithClock(c.Now), wechattest.WithApp("wxa", "s", wechattest.OpenPlatform("acme")))
	app := srv.App("wxa")
	app.Code("alice")
	mark := fmt.Sprintf(`"watermark":{"timestamp":%d,"appid":"wxa"}}`, c.Now().Unix())
	profile := `"nickName":"微信用户","gender":0,"language":"zh_CN","city":"","province":"","country":"","avatarUrl":"https://thirdwx.qlogo.cn/mmopen/vi_32/wechattest/132"`
	_, number := app.Phone("alice")
	day := c.Now().Unix()
	rows := []struct {
		name string
		data wechattest.UserData
		want string
	}{
		{"user info", app.EncryptUserInfo("alice", wechattest.UserInfo{}),
			`{"openId":"` + app.OpenID("alice") + `",` + profile + `,"unionId":"` + app.UnionID("alice") + `",` + mark},
		{"phone", app.EncryptPhone("alice"),
			`{"phoneNumber":"` + number + `","purePhoneNumber":"` + number + `","countryCode":"86",` + mark},
		{"steps", app.EncryptWeRun("alice", 100, 200),
			fmt.Sprintf(`{"stepInfoList":[{"timestamp":%d,"step":100},{"timestamp":%d,"step":200}],`, day-86400, day) + mark},
		{"group", app.EncryptGroup("alice", "gid"), `{"openGId":"gid",` + mark},
		{"any text", app.EncryptText("alice", `{"anything":1}`), `{"anything":1}`},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			got, ok := open(t, row.data, app.SessionKey("alice"))
			if !ok || got != row.want {
				t.Errorf("got %s, want %s", got, row.want)
			}
		})
	}

	raw := rows[0].data
	if want := "{" + profile + "}"; raw.RawData != want {
		t.Errorf("rawData: got %s, want %s", raw.RawData, want)
	}
	sum := sha1.Sum([]byte(raw.RawData + app.SessionKey("alice")))
	if raw.Signature != hex.EncodeToString(sum[:]) {
		t.Error("the signature must be that of rawData and the current key")
	}
	if rows[1].data.RawData != "" || rows[1].data.Signature != "" {
		t.Error("a phone number has no rawData and no signature")
	}
}

func TestDataOfAnUnboundAppHasNoUnionID(t *testing.T) {
	srv := newServer(t)
	app := srv.App(wechattest.DefaultAppID)
	data := app.EncryptUserInfo("alice", wechattest.UserInfo{NickName: "爱丽丝", Gender: 2})
	got, _ := open(t, data, app.SessionKey("alice"))
	wantMatch(t, got, `^\{"openId":"[^"]+","nickName":"爱丽丝","gender":2,.*"avatarUrl":"[^"]+","watermark":`)
}

func TestTheKeyRaceCanBePlayed(t *testing.T) {
	srv := newServer(t)
	app := srv.App(wechattest.DefaultAppID)
	_, first := login(t, srv, "alice")
	data := app.EncryptPhone("alice")
	_, second := login(t, srv, "alice") // wx.login inside the button's callback
	if _, ok := open(t, data, second); ok {
		t.Error("the new key must not open what the old one sealed")
	}
	if _, ok := open(t, data, first); !ok {
		t.Error("the old key must open it")
	}
	if _, ok := open(t, app.EncryptPhone("alice"), second); !ok {
		t.Error("data fetched again must open with the new key")
	}
}

func TestUserWithoutALivingKeyGetsOne(t *testing.T) {
	srv := newServer(t)
	app := srv.App(wechattest.DefaultAppID)
	_, old := login(t, srv, "alice")
	app.ExpireKey("alice")
	data := app.EncryptPhone("alice")
	if _, ok := open(t, data, app.SessionKey("alice")); !ok || app.SessionKey("alice") == old {
		t.Error("data must be encrypted with a new living key")
	}
}

func TestUserDataHasTheClientsNames(t *testing.T) {
	got, err := json.Marshal(wechattest.UserData{RawData: "r", Signature: "s", EncryptedData: "e", IV: "i"})
	if want := `{"rawData":"r","signature":"s","encryptedData":"e","iv":"i"}`; err != nil || string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
