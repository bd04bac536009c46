package wechattest

import (
	"encoding/base64"
	"slices"
	"strconv"
	"testing"
	"time"
)

// The official demo vector of encryptedData, as it is part of the sample code in every language.
const (
	demoKey  = "tiihtNczf5v6AKRyjwEUhQ=="
	demoIV   = "r7BXXKkLb8qrSNn05n0qiA=="
	demoText = `{"openId":"oGZUI0egBJY1zhBYw2KhdUfwVJJE","nickName":"Band","gender":1,"language":"zh_CN","city":"Guangzhou","province":"Guangdong","country":"CN","avatarUrl":"http://wx.qlogo.cn/mmopen/vi_32/aSKcBBPpibyKNicHNTMM0qJVh8Kjgiak2AHWr8MHM4WgMEm7GFhsf8OYrySdbvAMvTsw3mo8ibKicsnfN5pRjl1p8HQ/0","unionId":"ocMvos6NjeKLIBqg5Mr9QjxrP1FA","watermark":{"timestamp":1477314187,"appid":"wx4f4bc4dec97d474b"}}`
	demoData = "CiyLU1Aw2KjvrjMdj8YKliAjtP4gsMZMQmRzooG2xrDcvSnxIMXFufNstNGTyaGS9uT5geRa0W4oTOb1WT7fJlAC+oNPdbB+3hVbJSRgv+4lGOETKUQz6OYStslQ142dNCuabNPGBzlooOmB231qMM85d2/fV6ChevvXvQP8Hkue1poOFtnEtpyxVLW1zAo6/1Xx1COxFvrc2d7UL/lmHInNlxuacJXwu0fjpXfz/YqYzBIBzD6WUfTIF9GRHpOn/Hz7saL8xz+W//FRAUid1OksQaQx4CMs8LOddcQhULW4ucetDf96JcR3g0gfRK4PC7E/r7Z6xNrXd2UIeorGj5Ef7b1pJAYB6Y5anaHqZ9J6nKEBvB4DnNLIVWSgARns/8wR2SiRS7MNACwTyrGvt9ts8p12PKFdlqYTopNHR1Vf7XjfhQlVsAJdNiKdYmYVoKlaRv85IfVunYzO0IKXsyl7JCUjCpoG20f0a04COwfneQAGGwd5oa+T8yO5hzuyDb/XcxxmK01EpqOyuxINew=="
)

func decodeIV(t *testing.T, text string) (iv [16]byte) {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(raw) != len(iv) {
		t.Fatalf("iv: %d bytes, %v", len(raw), err)
	}
	copy(iv[:], raw)
	return iv
}

func TestEncryptionGivesTheOfficialCiphertext(t *testing.T) {
	if got := encryptCBC(demoKey, decodeIV(t, demoIV), demoText); got != demoData {
		t.Errorf("got %s, want %s", got, demoData)
	}
}

func TestEncryptionGivesThePhoneCiphertext(t *testing.T) {
	const want = "xT8p8W6jIVdEWQ+ccHuD2RaIIS4vtW9zm7JtfYVPBkmYZ4q95YVd04MQxnJjNTDJagXZdH1dLSA+ur5iQao2Vedx4flywrAKAliLotUJtwGUHU7Im9aknw99Qgl0yhLkP7/4PH5y8DGT5KfAXOVwYGS88WGk8pcQkZdJVWCwgnyZ83dCoG47ODEWN+qz3AWSHW2kmKdbkmQWYgE35dahaw=="
	app := New(WithApp("wx4f4bc4dec97d474b", "s")).App("wx4f4bc4dec97d474b")
	app.SetPhone("alice", "86", "13800000000")
	plain := clientJSON(app.phoneInfo("alice", time.Unix(1700000000, 0), false))
	if got := encryptCBC(demoKey, decodeIV(t, demoIV), plain); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestUserInfoIsSpelledAsInTheOfficialVector(t *testing.T) {
	info := UserInfo{NickName: "Band", Gender: 1, Language: "zh_CN", City: "Guangzhou", Province: "Guangdong", Country: "CN",
		AvatarURL: "http://wx.qlogo.cn/mmopen/vi_32/aSKcBBPpibyKNicHNTMM0qJVh8Kjgiak2AHWr8MHM4WgMEm7GFhsf8OYrySdbvAMvTsw3mo8ibKicsnfN5pRjl1p8HQ/0"}
	app := New(WithApp("wx4f4bc4dec97d474b", "s")).App("wx4f4bc4dec97d474b")
	fields := append([]field{{"openId", "oGZUI0egBJY1zhBYw2KhdUfwVJJE"}}, info.fields()...)
	fields = append(fields, field{"unionId", "ocMvos6NjeKLIBqg5Mr9QjxrP1FA"}, app.watermark(time.Unix(1477314187, 0)))
	if got := clientJSON(fields); got != demoText {
		t.Errorf("got %s, want %s", got, demoText)
	}
}

func TestSignatureOfRawDataIsTheOfficialOne(t *testing.T) {
	const raw = `{"nickName":"Band","gender":1,"language":"zh_CN","city":"Guangzhou","province":"Guangdong","country":"CN","avatarUrl":"http://wx.qlogo.cn/mmopen/vi_32/1vZvI39NWFQ9XM4LtQpFrQJ1xlgZxx3w7bQxKARol6503Iuswjjn6nIGBiaycAjAtpujxyzYsrztuuICqIM5ibXQ/0"}`
	if got, want := signature(raw, "HyVFkGl5F5OQWJZZaNzBBg=="), "75e81ceda165f4ffa64f4068af58c64b8f54b88c"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestLoginSignatureIsTheOfficialOne(t *testing.T) {
	const key = "o0q0otL8aEzpcZL/FT9WsQ=="
	for message, want := range map[string]string{
		`{"foo":"bar"}`: "654571f79995b2ce1e149e53c0a33dc39c0a74090db514261454e8dbe432aa0b",
		"":              "46e043c5525c2d817c44be603d30837a808a1d930d038f6fdc3e62a201fed128",
	} {
		if got := loginSignature(key, message); got != want {
			t.Errorf("message %q: got %s, want %s", message, got, want)
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	now := time.Unix(1700000000, 0)
	e := New(WithClock(func() time.Time { return now }))
	app := e.App(DefaultAppID)
	for range 1000 {
		app.Code("alice")
		app.PhoneCode("alice")
	}
	now = now.Add(CodeTTL)
	app.Code("alice")
	app.PhoneCode("alice")
	if got := len(e.codes.entries) + len(e.codes.queue) + len(e.phoneCodes.entries) + len(e.phoneCodes.queue); got != 4 {
		t.Errorf("expired codes: got %d entries left, want only those of the 2 fresh codes", got)
	}

	for i := range maxUsers {
		app.queue = append(app.queue, strconv.Itoa(i))
	}
	app.member("bob")
	app.member("carol")
	if len(app.queue) != maxUsers {
		t.Errorf("users: got %d, want %d", len(app.queue), maxUsers)
	}
	if _, there := app.users[app.OpenID("alice")]; there {
		t.Error("the user seen first must be the one to go")
	}
	e.tokens.queue = slices.Repeat([]*accessToken{{}}, maxTokens)
	e.issue(app.credentials, now)
	if len(e.tokens.queue) != maxTokens {
		t.Errorf("tokens: got %d, want %d", len(e.tokens.queue), maxTokens)
	}

	book := newCodeBook(hexDigits, 8, CodeTTL)
	book.queue = slices.Repeat([]*codeEntry{{minted: now}}, maxCodes)
	book.mint(now, codeEntry{})
	if len(book.queue) != maxCodes {
		t.Errorf("codes: got %d, want %d", len(book.queue), maxCodes)
	}
}
