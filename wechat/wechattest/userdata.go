package wechattest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"time"
)

// UserData is what a mini program gets from wx.getUserProfile, the phone button, wx.getWeRunData and their
// like, and sends to its server. The JSON names are those of the client.
type UserData struct {
	RawData       string `json:"rawData,omitempty"`   // user info only
	Signature     string `json:"signature,omitempty"` // user info only
	EncryptedData string `json:"encryptedData"`
	IV            string `json:"iv"`
}

// UserInfo is a user's profile. The zero value stands for the anonymous one that WeChat gives since 2022.
type UserInfo struct {
	NickName  string // "" becomes 微信用户
	Gender    int    // 0 unknown, 1 male, 2 female
	Language  string // "" becomes zh_CN
	City      string
	Province  string
	Country   string
	AvatarURL string // "" becomes an address that stands for the grey picture
}

func (u UserInfo) fields() []field {
	return []field{
		{"nickName", or(u.NickName, "微信用户")}, {"gender", u.Gender}, {"language", or(u.Language, "zh_CN")},
		{"city", u.City}, {"province", u.Province}, {"country", u.Country},
		{"avatarUrl", or(u.AvatarURL, "https://thirdwx.qlogo.cn/mmopen/vi_32/wechattest/132")},
	}
}

func or(s, instead string) string {
	if s == "" {
		return instead
	}
	return s
}

// EncryptUserInfo is wx.getUserProfile on the user's phone: the profile as rawData with its signature, and
// encrypted together with openId, unionId (if any) and the watermark. It uses the user's current session_key,
// like all Encrypt methods; a user without a living one calls wx.login first.
func (a *App) EncryptUserInfo(user string, info UserInfo) UserData {
	a.e.mu.Lock()
	defer a.e.mu.Unlock()
	plain := append([]field{{"openId", a.OpenID(user)}}, info.fields()...)
	if id := a.unionID(user); id != "" {
		plain = append(plain, field{"unionId", id})
	}
	data := a.encrypt(user, clientJSON(append(plain, a.watermark(a.e.now()))))
	data.RawData = clientJSON(info.fields())
	data.Signature = signature(data.RawData, a.livingKey(user))
	return data
}

// EncryptPhone is the phone button's old way: the number of [App.Phone], encrypted.
func (a *App) EncryptPhone(user string) UserData {
	a.e.mu.Lock()
	defer a.e.mu.Unlock()
	return a.encrypt(user, clientJSON(a.phoneInfo(user, a.e.now(), false)))
}

// EncryptWeRun is wx.getWeRunData: the steps of successive days, the last of them today.
func (a *App) EncryptWeRun(user string, steps ...int) UserData {
	a.e.mu.Lock()
	defer a.e.mu.Unlock()
	now := a.e.now()
	days := make([][]field, len(steps))
	for i, n := range steps {
		day := now.AddDate(0, 0, i-len(steps)+1)
		days[i] = []field{{"timestamp", day.Unix()}, {"step", n}}
	}
	return a.encrypt(user, clientJSON([]field{{"stepInfoList", days}, a.watermark(now)}))
}

// EncryptGroup is wx.getShareInfo and wx.getGroupEnterInfo: the id of a group chat.
func (a *App) EncryptGroup(user, openGID string) UserData {
	a.e.mu.Lock()
	defer a.e.mu.Unlock()
	return a.encrypt(user, clientJSON([]field{{"openGId", openGID}, a.watermark(a.e.now())}))
}

// EncryptText encrypts exactly this text, for shapes that have no method here and for those that WeChat would
// not send: another app's watermark, none, or no JSON at all.
func (a *App) EncryptText(user, plaintext string) UserData {
	a.e.mu.Lock()
	defer a.e.mu.Unlock()
	return a.encrypt(user, plaintext)
}

func (a *App) watermark(t time.Time) field {
	return field{"watermark", []field{{"timestamp", t.Unix()}, {"appid", a.id}}}
}

func (a *App) encrypt(user, plaintext string) UserData {
	var iv [aes.BlockSize]byte
	rand.Read(iv[:]) // never fails
	return UserData{
		EncryptedData: encryptCBC(a.livingKey(user), iv, plaintext),
		IV:            base64.StdEncoding.EncodeToString(iv[:]),
	}
}

func (a *App) livingKey(user string) string {
	m, now := a.member(user), a.e.now()
	if !m.keyLives(now) {
		m.rotate(now, a.e.keyLifetime)
	}
	return m.key
}

// clientJSON is JSON as it is in user data, where, unlike in answers, the slash stands plain.
func clientJSON(fields []field) string {
	return string(format{plainSlash: true}.object(nil, fields))
}

// signature is hex(sha1(rawData + session_key)), the key as base64 text.
func signature(rawData, sessionKey string) string {
	sum := sha1.Sum([]byte(rawData + sessionKey))
	return hex.EncodeToString(sum[:])
}

// encryptCBC is AES-128-CBC with PKCS#7 padding to blocks of 16.
func encryptCBC(sessionKey string, iv [aes.BlockSize]byte, plaintext string) string {
	key, err := base64.StdEncoding.DecodeString(sessionKey)
	if err != nil {
		panic("wechattest: a session_key must be base64") // all of them are our own
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("wechattest: a session_key must have 16 bytes")
	}
	padding := aes.BlockSize - len(plaintext)%aes.BlockSize
	text := []byte(plaintext)
	for range padding {
		text = append(text, byte(padding))
	}
	cipher.NewCBCEncrypter(block, iv[:]).CryptBlocks(text, text)
	return base64.StdEncoding.EncodeToString(text)
}
