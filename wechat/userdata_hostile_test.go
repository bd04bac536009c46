package wechat

import (
	"bytes"
	"crypto/aes"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/ginwx/wxlogin"
)

// wantRefused checks that data is refused with class, and that nothing comes with
// the error.
func wantRefused(t *testing.T, keys wxlogin.SessionKeys, data SealedUserData, class error) {
	t.Helper()
	got, err := OpenUserData(keys, dataRules(), data)
	if !errors.Is(err, class) {
		t.Errorf("got %v, want %v", err, class)
	}
	if got.JSON != nil || got.RawData != "" || !got.Time.IsZero() || got.PreviousKey {
		t.Error("something came with the error")
	}
}

func TestTheFormIsCheckedBeforeAnyKey(t *testing.T) {
	good := encryptText(t, dataKey, marked(""))
	raw, _ := base64.StdEncoding.DecodeString(good)
	blocks := func(n int) string { return base64.StdEncoding.EncodeToString(raw[:n]) }
	bytesOf := func(n int) string { return base64.StdEncoding.EncodeToString(make([]byte, n)) }
	rows := []struct {
		name, data, iv string
		want           error
	}{
		{"one byte", blocks(1), dataIV, wxlogin.ErrInvalidUserData},
		{"15 bytes", blocks(15), dataIV, wxlogin.ErrInvalidUserData},
		{"17 bytes", blocks(17), dataIV, wxlogin.ErrInvalidUserData},
		{"31 bytes", blocks(31), dataIV, wxlogin.ErrInvalidUserData},
		{"zero bytes", "====", dataIV, wxlogin.ErrInvalidUserData},
		{"padding alone", "=", dataIV, wxlogin.ErrInvalidUserData},
		{"not base64", "!" + good[1:], dataIV, wxlogin.ErrInvalidUserData},
		{"URL-safe base64", strings.Repeat("-_-_", 16), dataIV, wxlogin.ErrInvalidUserData},
		{"a line break", good[:20] + "\r\n" + good[20:], dataIV, wxlogin.ErrInvalidUserData},
		{"a tab", good[:20] + "\t" + good[20:], dataIV, wxlogin.ErrInvalidUserData},
		{"percent-encoded", strings.Replace(good, good[3:4], "%2B", 1), dataIV, wxlogin.ErrInvalidUserData},
		{"without padding", strings.TrimRight(bytesOf(16), "="), dataIV, wxlogin.ErrInvalidUserData},
		{"bits behind the end", bytesOf(16)[:21] + "B==", dataIV, wxlogin.ErrInvalidUserData},
		{"text behind the end", bytesOf(16) + bytesOf(16), dataIV, wxlogin.ErrInvalidUserData},
		{"JSON", `{"a":1}`, dataIV, wxlogin.ErrInvalidUserData},
		{"a zero byte", good + "\x00", dataIV, wxlogin.ErrInvalidUserData},
		{"not UTF-8", "\xff" + good[1:], dataIV, wxlogin.ErrInvalidUserData},
		{"64 KiB and more", bytesOf(48<<10 + 16), dataIV, wxlogin.ErrInvalidUserData},
		{"an iv of 15 bytes", good, bytesOf(15), wxlogin.ErrInvalidUserData},
		{"an iv of 17 bytes", good, bytesOf(17), wxlogin.ErrInvalidUserData},
		{"an iv of 32 bytes", good, bytesOf(32), wxlogin.ErrInvalidUserData},
		{"an iv of one byte", good, bytesOf(1), wxlogin.ErrInvalidUserData},
		{"an iv that is not base64", good, strings.Repeat("!", 24), wxlogin.ErrInvalidUserData},
		{"an iv with a line break", good, dataIV[:23] + "\n", wxlogin.ErrInvalidUserData},
		{"a hex iv", good, strings.Repeat("0f", 16), wxlogin.ErrInvalidUserData},
		{"no iv", good, "", wxlogin.ErrBadRequest},
		{"an iv alone", "", dataIV, wxlogin.ErrBadRequest},
		{"nothing", "", "", wxlogin.ErrBadRequest},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			for _, keys := range []wxlogin.SessionKeys{dataKeys(dataKey, dataKey2), {}} {
				wantRefused(t, keys, SealedUserData{EncryptedData: row.data, IV: row.iv}, row.want)
				if row.data != "" || row.iv != "" { // a good signature mends nothing
					wantRefused(t, keys, SealedUserData{
						EncryptedData: row.data, IV: row.iv, RawData: "{}", Signature: signText(dataKey, "{}"),
					}, row.want)
				}
			}
		})
	}
	wantRefused(t, dataKeys(dataKey), SealedUserData{RawData: "{}"}, wxlogin.ErrBadRequest)
	wantRefused(t, dataKeys(dataKey), SealedUserData{Signature: signText(dataKey, "{}")}, wxlogin.ErrBadRequest)
}

func TestAKeyThatIsNoneOpensNothing(t *testing.T) {
	good := SealedUserData{EncryptedData: encryptText(t, dataKey, marked("")), IV: dataIV}
	for name, key := range map[string]string{
		"empty": "", "not base64": "canary-session-key!!", "hex": strings.Repeat("0f", 16), "one byte": "AA==",
		"15 bytes":            base64.StdEncoding.EncodeToString(make([]byte, 15)),
		"24 bytes, AES-192":   base64.StdEncoding.EncodeToString(make([]byte, 24)),
		"32 bytes, AES-256":   base64.StdEncoding.EncodeToString(make([]byte, 32)),
		"the key, raw":        "synthetic-key-01",
		"with a line break":   dataKey + "\n",
		"without its padding": strings.TrimRight(dataKey, "="),
	} {
		t.Run(name, func(t *testing.T) {
			wantRefused(t, dataKeys(key), good, wxlogin.ErrSessionKeyStale)
			wantRefused(t, dataKeys(key, key), good, wxlogin.ErrSessionKeyStale)
			if data, err := OpenUserData(dataKeys(key, dataKey), dataRules(), good); err != nil || !data.PreviousKey {
				t.Errorf("beside a good previous key: got %v", err)
			}
		})
	}
}

// TestAKeyHas16Bytes encrypts under longer keys, which AES knows and WeChat does not.
func TestAKeyHas16Bytes(t *testing.T) {
	for _, n := range []int{24, 32} {
		key := base64.StdEncoding.EncodeToString(make([]byte, n))
		data := SealedUserData{EncryptedData: encryptText(t, key, marked("")), IV: dataIV}
		wantRefused(t, dataKeys(key), data, wxlogin.ErrSessionKeyStale)
	}
}

// TestNothingIsNoPadding looks at what OpenUserData never lets through so far.
func TestNothingIsNoPadding(t *testing.T) {
	if _, err := parseEnvelope("", dataIV); !errors.Is(err, wxlogin.ErrInvalidUserData) {
		t.Errorf("no block: got %v, want ErrInvalidUserData", err)
	}
	for last := range 256 {
		block := append(bytes.Repeat([]byte("x"), aes.BlockSize-1), byte(last))
		if got, ok := unpad(block); ok != (last == 1) || ok && len(got) != aes.BlockSize-1 {
			t.Errorf("last byte %d: got %d bytes, %t", last, len(got), ok)
		}
	}
}

func TestEveryPaddingByteCounts(t *testing.T) {
	for n := 1; n <= aes.BlockSize; n++ {
		text := marked("")
		text += strings.Repeat(" ", (2*aes.BlockSize-n-len(text)%aes.BlockSize)%aes.BlockSize)
		whole := padded(text)
		if got := int(whole[len(whole)-1]); got != n {
			t.Fatalf("padding: got %d, want %d", got, n)
		}
		if _, err := Decrypt(dataKeys(dataKey), dataRules(), encryptBlocks(t, dataKey, whole), dataIV); err != nil {
			t.Errorf("padding of %d: %v", n, err)
		}
		for i := 1; i <= n; i++ {
			for _, flip := range []byte{0x01, 0x10, 0x80, 0xff} {
				broken := bytes.Clone(whole)
				broken[len(broken)-i] ^= flip
				data := SealedUserData{EncryptedData: encryptBlocks(t, dataKey, broken), IV: dataIV}
				wantRefused(t, dataKeys(dataKey), data, wxlogin.ErrSessionKeyStale)
			}
		}
	}
}

func TestABlockOfRubbishIsRefusedWhateverItsLastByte(t *testing.T) {
	for _, filling := range []string{"x", " ", "\x00", "\xff", "1"} {
		for last := range 256 {
			for _, whole := range []string{"", marked("") + strings.Repeat(" ", (aes.BlockSize-len(marked(""))%aes.BlockSize)%aes.BlockSize)} {
				plain := []byte(whole + strings.Repeat(filling, aes.BlockSize-1) + string([]byte{byte(last)}))
				if last == 1 && (filling == "1" && whole == "" || filling == " " && whole != "") {
					continue // a number without watermark, and an object with blanks behind it: see the next tests
				}
				data := SealedUserData{EncryptedData: encryptBlocks(t, dataKey, plain), IV: dataIV}
				wantRefused(t, dataKeys(dataKey), data, wxlogin.ErrSessionKeyStale)
			}
		}
	}
}

func TestWhatWasDecryptedMustBeWeChats(t *testing.T) {
	mark := func(timestamp, appID string) string {
		return `{"watermark":{"timestamp":` + timestamp + `,"appid":` + appID + `}}`
	}
	good := fmt.Sprint(dataTime)
	app := `"` + dataApp + `"`
	stale, invalid := wxlogin.ErrSessionKeyStale, wxlogin.ErrInvalidUserData
	rows := []struct {
		name, text string
		want       error
	}{
		{"good", mark(good, app), nil},
		{"good, time as text", mark(`"`+good+`"`, app), nil},
		{"good, blanks around", " \n" + mark(good, app) + "\t ", nil},
		{"good, escaped", strings.Replace(mark(good, app), "appid", `\u0061ppid`, 1), nil},
		{"good, a huge number beside it", marked(`"x":1e999,"y":` + strings.Repeat("9", 4000) + `,`), nil},
		{"good, deep beside it", marked(`"x":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `,`), nil},

		{"nothing", "", stale},
		{"no JSON", "hello", stale},
		{"JSON cut off", mark(good, app)[:30], stale},
		{"JSON twice", mark(good, app) + mark(good, app), stale},
		{"text behind it", mark(good, app) + "x", stale},
		{"a zero byte behind it", mark(good, app) + "\x00", stale},
		{"not UTF-8", marked("\"x\":\"\xff\","), stale},
		{"a surrogate in UTF-8", marked("\"x\":\"\xed\xa0\x80\","), stale},
		{"a byte order mark", "\ufeff" + mark(good, app), stale},
		{"too deep", strings.Repeat("[", 20000) + strings.Repeat("]", 20000), stale},
		{"a comment", mark(good, app) + "/**/", stale},

		{"a number", "1", invalid},
		{"a text", `"x"`, invalid},
		{"null", "null", invalid},
		{"a list", "[" + mark(good, app) + "]", invalid},
		{"an empty object", "{}", invalid},
		{"no watermark", `{"openGId":"x"}`, invalid},
		{"a watermark that is null", `{"watermark":null}`, invalid},
		{"a watermark that is a list", `{"watermark":[` + good + `,` + app + `]}`, invalid},
		{"a watermark that is a text", `{"watermark":"` + dataApp + `"}`, invalid},
		{"a watermark further down", `{"x":` + mark(good, app) + `}`, invalid},
		{"a watermark in another case", strings.Replace(mark(good, app), "watermark", "Watermark", 1), invalid},
		{"appid in another case", strings.Replace(mark(good, app), "appid", "appId", 1), invalid},
		{"two watermarks, ours last", marked(`"watermark":{"timestamp":1,"appid":"other"},`), invalid},
		{"two watermarks that differ in case", marked(`"WATERMARK":{"timestamp":1,"appid":"other"},`), invalid},
		{"two watermarks by an odd letter", marked("\"Watermar\u212a\":{},"), invalid},
		{"two times by an odd letter", mark(good+",\"time\u017ftamp\":1", app), invalid},
		{"two app ids", mark(good, `"other","appid":`+app), invalid},
		{"two app ids that differ in case", mark(good, `"other","appID":`+app), invalid},
		{"two members alike", marked(`"phoneNumber":"1","phoneNumber":"2",`), invalid},
		{"another app", mark(good, `"wx00000000000000ab"`), invalid},
		{"our app and more", mark(good, `"`+dataApp+` "`), invalid},
		{"our app in another case", mark(good, strings.ToUpper(app)), invalid},
		{"an app that is null", mark(good, "null"), invalid},
		{"an app that is empty", mark(good, `""`), invalid},
		{"an app that is a list", mark(good, "["+app+"]"), invalid},
		{"no app", `{"watermark":{"timestamp":` + good + `}}`, invalid},
		{"no time", `{"watermark":{"appid":` + app + `}}`, invalid},
		{"time null", mark("null", app), invalid},
		{"time zero", mark("0", app), invalid},
		{"time below zero", mark("-"+good, app), invalid},
		{"time with a fraction", mark(good+".5", app), invalid},
		{"time with an exponent", mark("1.7e9", app), invalid},
		{"time true", mark("true", app), invalid},
		{"time an object", mark("{}", app), invalid},
		{"time an odd text", mark(`"`+good+` "`, app), invalid},
		{"time in milliseconds", mark(good+"000", app), invalid},
		{"time beyond 64 bits", mark(strings.Repeat("9", 40), app), invalid},
		{"the last time of 64 bits", mark("9223372036854775807", app), invalid},
		{"the first time", mark("1", app), invalid},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			data := SealedUserData{EncryptedData: encryptText(t, dataKey, row.text), IV: dataIV}
			if row.want == nil {
				if _, err := OpenUserData(dataKeys(dataKey), dataRules(), data); err != nil {
					t.Errorf("got %v", err)
				}
				return
			}
			wantRefused(t, dataKeys(dataKey, dataKey2), data, row.want)
			wantRefused(t, dataKeys(dataKey2, dataKey), data, row.want)
		})
	}
}

func TestPaddingUTF8AndJSONFailAlike(t *testing.T) {
	padding := padded(marked(""))
	padding[len(padding)-1] = 0
	texts := make(map[string]bool)
	for _, plain := range [][]byte{padding, padded("\xff"), padded("{"), padded("")} {
		_, err := Decrypt(dataKeys(dataKey), dataRules(), encryptBlocks(t, dataKey, plain), dataIV)
		texts[fmt.Sprint(err)] = true
	}
	_, err := Decrypt(dataKeys(dataKey2), dataRules(), encryptText(t, dataKey, marked("")), dataIV)
	texts[fmt.Sprint(err)] = true
	if len(texts) != 1 {
		t.Errorf("got %d errors, want one: %v", len(texts), texts)
	}
}

func TestTheAgeOfAWatermark(t *testing.T) {
	data := SealedUserData{EncryptedData: encryptText(t, dataKey, marked("")), IV: dataIV}
	rows := []struct {
		name  string
		max   time.Duration
		later time.Duration
		good  bool
	}{
		{"just made", 0, 0, true},
		{"a day old", 0, 24 * time.Hour, true},
		{"a day and a second old", 0, 24*time.Hour + time.Second, false},
		{"ten years old", 0, 10 * 365 * 24 * time.Hour, false},
		{"five minutes ahead", 0, -5 * time.Minute, true},
		{"more than five minutes ahead", 0, -5*time.Minute - time.Second, false},
		{"at a limit of one's own", time.Minute, time.Minute, true},
		{"past it", time.Minute, time.Minute + time.Second, false},
		{"a limit of years", 100 * 365 * 24 * time.Hour, 10 * 365 * 24 * time.Hour, true},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			rules := UserDataRules{AppID: dataApp, MaxAge: row.max, Now: func() time.Time { return time.Unix(dataTime, 0).Add(row.later) }}
			got, err := OpenUserData(dataKeys(dataKey), rules, data)
			if row.good != (err == nil) || err != nil && !errors.Is(err, wxlogin.ErrInvalidUserData) {
				t.Errorf("got %v, want good %t", err, row.good)
			}
			if err == nil && got.Time.Unix() != dataTime {
				t.Errorf("Time: got %v, want that of the watermark", got.Time)
			}
		})
	}
	if _, err := OpenUserData(dataKeys(dataKey), UserDataRules{AppID: dataApp}, data); !errors.Is(err, wxlogin.ErrInvalidUserData) {
		t.Errorf("by time.Now: got %v, want too old", err)
	}
}

func TestNoLimitMakesATimeGoodThatIsNone(t *testing.T) {
	rules := dataRules()
	rules.MaxAge = 200 * 365 * 24 * time.Hour
	for _, timestamp := range []string{"0", "-1", "-1700000000"} {
		text := `{"watermark":{"timestamp":` + timestamp + `,"appid":"` + dataApp + `"}}`
		if _, err := Decrypt(dataKeys(dataKey), rules, encryptText(t, dataKey, text), dataIV); !errors.Is(err, wxlogin.ErrInvalidUserData) {
			t.Errorf("%s: got %v, want ErrInvalidUserData", timestamp, err)
		}
	}
}

func TestRulesMustNameAnApp(t *testing.T) {
	data := SealedUserData{EncryptedData: encryptText(t, dataKey, strings.Replace(marked(""), dataApp, "", 1)), IV: dataIV}
	for name, rules := range map[string]UserDataRules{"no app": {}, "a negative age": {AppID: dataApp, MaxAge: -1}} {
		if _, err := OpenUserData(dataKeys(dataKey), rules, data); !errors.Is(err, wxlogin.ErrMisconfigured) {
			t.Errorf("%s: got %v, want ErrMisconfigured", name, err)
		}
	}
}

// TestUserDataStaysOutOfErrorsAndLogs renders everything of this file in every way
// that logs use.
func TestUserDataStaysOutOfErrorsAndLogs(t *testing.T) {
	const canary = "canary-personal-data"
	raw := `{"nickName":"` + canary + `"}`
	text := marked(`"nickName":"` + canary + `","openId":"` + canary + `",`)
	sealed := SealedUserData{
		RawData: raw, Signature: signText(dataKey, raw), EncryptedData: encryptText(t, dataKey, text), IV: dataIV,
	}
	data, err := OpenUserData(dataKeys(dataKey), dataRules(), sealed)
	if err != nil {
		t.Fatal(err)
	}
	info, err := data.UserInfo()
	if err != nil || info.NickName != canary {
		t.Fatalf("user info: got %v", err)
	}
	values := []any{sealed, &sealed, data, &data, info, &info, []UserInfo{info}, map[string]any{"a": data}, struct{ In UserData }{data}}
	wrong := sealed
	wrong.Signature = signText(dataKey3, raw)
	for _, keys := range []wxlogin.SessionKeys{dataKeys(dataKey), dataKeys(dataKey2, dataKey3), {}} {
		for _, rules := range []UserDataRules{dataRules(), rulesAt("wx-other", dataTime), rulesAt(dataApp, 1)} {
			for _, d := range []SealedUserData{
				sealed, wrong, {EncryptedData: canary + dataKey, IV: dataIV}, {EncryptedData: sealed.EncryptedData, IV: canary},
				{RawData: raw, Signature: canary}, {EncryptedData: encryptText(t, dataKey, canary), IV: dataIV},
				{EncryptedData: encryptText(t, dataKey, marked(`"`+canary+`":1,"`+canary+`":2,`)), IV: dataIV},
			} {
				_, err := OpenUserData(keys, rules, d)
				values = append(values, err)
			}
		}
	}
	var log bytes.Buffer
	loggers := []*slog.Logger{slog.New(slog.NewTextHandler(&log, nil)), slog.New(slog.NewJSONHandler(&log, nil))}
	for _, value := range values {
		fmt.Fprintf(&log, "%v %+v %#v %s %q %x %d\n", value, value, value, value, value, value, value)
		for _, logger := range loggers {
			logger.Info("m", "v", value)
		}
	}
	for _, secret := range []string{canary, fmt.Sprintf("%x", canary), dataKey, dataKey2, dataKey3, "synthetic-key", sealed.EncryptedData[:24]} {
		if at := strings.Index(log.String(), secret); at >= 0 {
			t.Errorf("shown: …%s…", log.String()[max(0, at-60):at+20])
		}
	}
}
