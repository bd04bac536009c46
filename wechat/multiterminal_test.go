package wechat

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/wechat/wechattest"
)

// terminalAnswer is the sample of the documents.
const terminalAnswer = `{"errcode":0,"login_info":{"type":"weixinApp","login_time":12345678,"appid":"aaa"},
 "user_info":{"user_id":"xxx",
  "openapp_info":{"appid":"bbb","openid":"ccc","unionid":"ddd","headimgurl":"HEADIMGURL","nickname":"NICKNAME"},
  "phone_info":{"phone":"137xxxxxxx"},
  "apple_info":{"bundleid":"eee","apple_user_id":"fff","apple_email":"xxx@test.com","is_apple_email_verified":true,"is_apple_email_private":true},
  "miniprogram_info":{"appid":"bbb2","openid":"ccc2","unionid":"ddd2"},
  "huawei_info":{"client_id":"h1","huawei_open_id":"h2","huawei_union_id":"h3","huawei_display_name":"h4","huawei_picture":"h5",
   "huawei_email":"h6","is_huawei_email_verified":true,"type":"huawei-app"}}}`

func terminalOf(t testing.TB, rt http.RoundTripper, opts ...Option) *MultiTerminalProvider {
	t.Helper()
	p := MultiTerminal(terminalAppID, terminalSecret, append([]Option{WithHTTPClient(&http.Client{Transport: rt})}, opts...)...)
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestEveryPartOfATerminalLoginIsTyped(t *testing.T) {
	account, err := terminalOf(t, &script{t: t, bodies: []string{terminalAnswer}}).Exchange(t.Context(), testCode)
	if err != nil {
		t.Fatal(err)
	}
	if account.Subject != "xxx" || account.OpenID != "ccc2" || account.UnionID != "ddd2" || !account.SessionKey.IsZero() {
		t.Errorf("got %+v", account)
	}
	want := &VerifyInfo{
		UserID: "xxx", LoginType: LoginWeixinApp, LoginTime: time.Unix(12345678, 0), LoginAppID: "aaa",
		OpenApp:     &OpenAppInfo{AppID: "bbb", OpenID: "ccc", UnionID: "ddd", HeadImgURL: "HEADIMGURL", Nickname: "NICKNAME"},
		MiniProgram: &MiniProgramInfo{AppID: "bbb2", OpenID: "ccc2", UnionID: "ddd2"},
		Phone:       &PhoneInfo{Phone: "137xxxxxxx"},
		Apple:       &AppleInfo{BundleID: "eee", UserID: "fff", Email: "xxx@test.com", EmailVerified: true, EmailPrivate: true},
		Huawei: &HuaweiInfo{
			ClientID: "h1", OpenID: "h2", UnionID: "h3", DisplayName: "h4", Picture: "h5", Email: "h6", EmailVerified: true, Type: "huawei-app",
		},
	}
	if !reflect.DeepEqual(account.Details, want) {
		t.Error("the details are not those of the answer")
	}
}

func TestOnlyTheUserIDOfATerminalLoginMustBeThere(t *testing.T) {
	for name, tt := range map[string]struct {
		body            string
		openID, unionID string
		info            VerifyInfo
	}{
		"nothing else":        {`{"user_info":{"user_id":"u1"}}`, "", "", VerifyInfo{}},
		"errcode as text":     {`{"errcode":"0","user_info":{"user_id":"u1"}}`, "", "", VerifyInfo{}},
		"login_time as text":  {`{"login_info":{"login_time":"12345678"},"user_info":{"user_id":"u1"}}`, "", "", VerifyInfo{LoginTime: time.Unix(12345678, 0)}},
		"login_time in ms":    {`{"login_info":{"login_time":1637744274000},"user_info":{"user_id":"u1"}}`, "", "", VerifyInfo{LoginTime: time.Unix(1637744274, 0)}},
		"login_time is a day": {`{"login_info":{"login_time":"2026-01-01","type":"apple"},"user_info":{"user_id":"u1"}}`, "", "", VerifyInfo{LoginType: LoginApple}},
		"parts of other kinds": {`{"login_info":[],"user_info":{"user_id":"u1","phone_info":"","apple_info":null,"openapp_info":[1],"miniprogram_info":7,"huawei_info":true}}`,
			"", "", VerifyInfo{}},
		"fields of other kinds": {`{"user_info":{"user_id":"u1","apple_info":{"apple_user_id":7,"apple_email":"e","is_apple_email_verified":"true","is_apple_email_private":1}}}`,
			"", "", VerifyInfo{Apple: &AppleInfo{Email: "e", EmailVerified: true, EmailPrivate: true}}},
		"a type nobody knows": {`{"login_info":{"type":"watch"},"user_info":{"user_id":"u1"}}`, "", "", VerifyInfo{LoginType: "watch"}},
		"unionid of the mobile app": {`{"user_info":{"user_id":"u1","openapp_info":{"openid":"o2","unionid":"n2"},"miniprogram_info":{"openid":"o1","unionid":""}}}`,
			"o1", "n2", VerifyInfo{OpenApp: &OpenAppInfo{OpenID: "o2", UnionID: "n2"}, MiniProgram: &MiniProgramInfo{OpenID: "o1"}}},
		"no mini program": {`{"user_info":{"user_id":"u1","openapp_info":{"openid":"o2"}}}`,
			"", "", VerifyInfo{OpenApp: &OpenAppInfo{OpenID: "o2"}}},
	} {
		t.Run(name, func(t *testing.T) {
			account, err := terminalOf(t, &script{t: t, bodies: []string{tt.body}}).Exchange(t.Context(), testCode)
			if err != nil {
				t.Fatal(err)
			}
			tt.info.UserID = "u1"
			if account.Subject != "u1" || account.OpenID != tt.openID || account.UnionID != tt.unionID || !reflect.DeepEqual(account.Details, &tt.info) {
				t.Errorf("got %+v, want openid %q, unionid %q and the details", account, tt.openID, tt.unionID)
			}
		})
	}
}

func TestATerminalAnswerWithoutAUserIsUnavailable(t *testing.T) {
	long := strings.Repeat("u", maxID+1)
	for _, body := range []string{
		`{"errcode":0}`, `{"user_info":{}}`, `{"user_info":null}`, `{"user_info":{"user_id":""}}`, `{"user_info":{"user_id":7}}`,
		`{"user_info":[]}`, `{"user_info":{"user_id":"` + long + `"}}`, `{"user_info":{"user_id":"u 1"}}`,
		`{"user_info":{"user_id":"u1","miniprogram_info":{"openid":"` + long + `"}}}`,
		`{"user_info":{"user_id":"u1","openapp_info":{"unionid":"a\nb"}}}`,
	} {
		account, err := terminalOf(t, &script{t: t, bodies: []string{body}}).Exchange(t.Context(), testCode)
		if !errors.Is(err, wxlogin.ErrUpstreamUnavailable) || account != (wxlogin.Account{}) {
			t.Errorf("%.60s: got %+v, %v, want ErrUpstreamUnavailable", body, account, err)
		}
	}
}

func TestTerminalCodesAreSentUnderTheNamesOfTheirAPI(t *testing.T) {
	rt := &script{t: t, bodies: []string{terminalAnswer}}
	if _, err := terminalOf(t, rt).Exchange(t.Context(), testCode); err != nil {
		t.Fatal(err)
	}
	want := url.Values{
		"appid": {terminalAppID}, "appsecret": {terminalSecret}, "code": {testCode}, "grant_type": {"authorization_code"},
	}
	r := rt.seen[0]
	if r.Method != http.MethodGet || r.URL.Path != "/donut/code2verifyinfo" || !reflect.DeepEqual(r.URL.Query(), want) {
		t.Errorf("got %s %s with %d parameters", r.Method, r.URL.Path, len(r.URL.Query()))
	}
}

func TestTerminalLoginsOfEveryTypeGiveOneUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.MultiTerminal(terminalAppID)
		has := map[wechattest.LoginType]func(*VerifyInfo) bool{
			wechattest.LoginWeixinApp:         func(v *VerifyInfo) bool { return v.OpenApp != nil && v.LoginType == LoginWeixinApp },
			wechattest.LoginWeixinMiniProgram: func(v *VerifyInfo) bool { return v.MiniProgram != nil && v.LoginType == LoginWeixinMiniProgram },
			wechattest.LoginPhoneSMS:          func(v *VerifyInfo) bool { return v.Phone != nil && v.LoginType == LoginPhoneSMS },
			wechattest.LoginPhoneOneClick:     func(v *VerifyInfo) bool { return v.Phone != nil && v.LoginType == LoginPhoneOneClick },
			wechattest.LoginApple:             func(v *VerifyInfo) bool { return v.Apple != nil && v.LoginType == LoginApple },
			wechattest.LoginHuawei:            func(v *VerifyInfo) bool { return v.Huawei != nil },
		}
		for login, ok := range has {
			account, err := w.terminal.Exchange(t.Context(), m.Code("alice", login))
			if err != nil {
				t.Fatal(err)
			}
			info, typed := account.Details.(*VerifyInfo)
			if account.Subject != m.UserID("alice") || !typed || !ok(info) || !info.LoginTime.Equal(time.Now()) {
				t.Errorf("%s: got %+v", login, account)
			}
			inMini := login == wechattest.LoginWeixinMiniProgram
			if (account.OpenID == w.OpenID("alice")) != inMini || (account.OpenID == "") == inMini {
				t.Errorf("%s: openid %q", login, account.OpenID)
			}
		}
		m.Bind("alice", wechattest.LoginWeixinMiniProgram)
		account, err := w.terminal.Exchange(t.Context(), m.Code("alice", wechattest.LoginPhoneSMS))
		if err != nil || account.OpenID != w.OpenID("alice") || account.UnionID != w.App(testAppID).UnionID("alice") {
			t.Errorf("with a bound account: got %+v, %v", account, err)
		}
		for rule, code := range map[string]string{
			"a login code of the mini program": w.App(testAppID).Code("alice"), "an unknown one": "canary-code",
		} {
			if _, err := w.terminal.Exchange(t.Context(), code); !errors.Is(err, wxlogin.ErrInvalidCode) {
				t.Errorf("%s: got %v, want ErrInvalidCode", rule, err)
			}
		}
		// wx.getMiniProgramCode gives a code of the mini program.
		if account, err := w.mini.Exchange(t.Context(), w.App(testAppID).Code("alice")); err != nil || account.OpenID != w.OpenID("alice") {
			t.Errorf("in the mini program: got %+v, %v", account, err)
		}
		old := m.Code("alice", wechattest.LoginApple)
		<-time.After(wechattest.CodeTTL)
		_, err = w.terminal.Exchange(t.Context(), old)
		if !errors.Is(err, wxlogin.ErrInvalidCode) || !hasCode(err, []int{10001000}) {
			t.Errorf("expired: got %v, want 10001000 as ErrInvalidCode", err)
		}
	})
}

func TestTerminalTokenIsSentOnlyWhereItIsAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		if _, err := w.terminal.Exchange(t.Context(), w.MultiTerminal(terminalAppID).Code("alice", wechattest.LoginApple)); err != nil {
			t.Fatal(err)
		}
		wantFetches(t, w.Emulator, 0)
	})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, withTerminalToken)
		if _, err := w.terminal.Exchange(t.Context(), w.MultiTerminal(terminalAppID).Code("alice", wechattest.LoginApple)); err != nil {
			t.Fatal(err)
		}
		wantFetches(t, w.Emulator, 1)
	})
	rt := &script{t: t, bodies: []string{terminalAnswer}}
	p := terminalOf(t, rt, WithTokenSource(TokenSourceFunc(func(context.Context, wxlogin.Secret) (wxlogin.Secret, error) {
		return wxlogin.NewSecret("canary-service-token"), nil
	})))
	if _, err := p.Exchange(t.Context(), testCode); err != nil {
		t.Fatal(err)
	}
	if got := rt.seen[0].URL.Query()["access_token"]; len(got) != 1 || got[0] != "canary-service-token" {
		t.Errorf("%d tokens sent, want that of the service", len(got))
	}
	if err := MiniProgram(testAppID, testSecret, WithAccessToken()).Validate(); !errors.Is(err, wxlogin.ErrMisconfigured) {
		t.Errorf("MiniProgram with WithAccessToken: got %v, want ErrMisconfigured", err)
	}
}

func TestDetailsReachOnLoginOnceAndAreNotStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, shared := newWorld(t), newWatched(t)
		var seen []*VerifyInfo
		auth, err := wxlogin.New(wxlogin.Config{
			Providers: []wxlogin.Provider{w.terminal, w.mini}, Store: shared, Keys: testKeys,
			OnLogin: func(_ context.Context, event *wxlogin.LoginEvent) error {
				if info, ok := event.Details.(*VerifyInfo); ok {
					seen = append(seen, info)
					event.Data = info // masks itself on the way
				}
				return nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer auth.Close()
		result, err := auth.Login(t.Context(), wxlogin.LoginRequest{
			AppID: terminalAppID, Code: wxlogin.NewSecret(w.MultiTerminal(terminalAppID).Code("alice", wechattest.LoginPhoneSMS)),
		})
		if err != nil || len(seen) != 1 {
			t.Fatalf("got %v, Details %d times", err, len(seen))
		}
		_, number := w.App(testAppID).Phone("alice")
		if seen[0].Phone == nil || seen[0].Phone.Phone != number {
			t.Error("the number did not reach OnLogin")
		}
		if strings.Contains(string(result.Identity.Data), number) {
			t.Error("the session keeps the number")
		}
		if _, err := auth.SessionKeys(t.Context(), result.Identity); !errors.Is(err, wxlogin.ErrSessionKeyStale) {
			t.Errorf("SessionKeys: got %v, want ErrSessionKeyStale: there is none", err)
		}
	})
}

func TestAPrintedTerminalLoginShowsTheUserIDAlone(t *testing.T) {
	account, err := terminalOf(t, &script{t: t, bodies: []string{terminalAnswer}}).Exchange(t.Context(), testCode)
	if err != nil {
		t.Fatal(err)
	}
	info := account.Details.(*VerifyInfo)
	for name, v := range map[string]any{
		"all": info, "by value": *info, "mobile app": info.OpenApp, "mini program": info.MiniProgram, "phone": info.Phone,
		"Apple": info.Apple, "Huawei": *info.Huawei, "account": account, "event": &wxlogin.LoginEvent{Details: info},
	} {
		text := shown(t, v)
		for _, personal := range []string{"HEADIMGURL", "NICKNAME", "137xxx", "fff", "xxx@", "h2", "h4", "h6", "ddd\""} {
			if strings.Contains(text, personal) {
				t.Errorf("%s shows %s: %s", name, personal, text)
			}
		}
	}
}

func TestWrongTerminalConfigurationIsReported(t *testing.T) {
	for name, p := range map[string]*MultiTerminalProvider{
		"no app id":  MultiTerminal("", terminalSecret),
		"no secret":  MultiTerminal(terminalAppID, ""),
		"nil source": MultiTerminal(terminalAppID, terminalSecret, WithTokenSource(nil)),
		"nil option": MultiTerminal(terminalAppID, terminalSecret, nil),
	} {
		if err := p.Validate(); !errors.Is(err, wxlogin.ErrMisconfigured) || !strings.Contains(err.Error(), "wechat.MultiTerminal: ") {
			t.Errorf("%s: got %v, want ErrMisconfigured", name, err)
		}
		if account, err := p.Exchange(t.Context(), testCode); err != p.Validate() || account != (wxlogin.Account{}) {
			t.Errorf("%s: Exchange: got %v", name, err)
		}
		if _, err := p.AccessToken(t.Context(), wxlogin.Secret{}); err != p.Validate() {
			t.Errorf("%s: AccessToken: got %v", name, err)
		}
		_ = p.Close()
	}
	p := terminalOf(t, &script{t: t})
	for _, code := range []string{"", strings.Repeat("a", 257), "a\x00"} {
		if _, err := p.Exchange(t.Context(), code); !errors.Is(err, wxlogin.ErrBadRequest) {
			t.Errorf("code %q: got %v, want ErrBadRequest", code, err)
		}
	}
}
