package wechat_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/wechat"
	"github.com/ginwx/wxlogin/wechat/wechattest"
)

// example returns WeChat, for an example, and the provider of its mini program.
func example() (*wechattest.Server, *wechat.MiniProgramProvider) {
	server := wechattest.NewServer()
	return server, wechat.MiniProgram(wechattest.DefaultAppID, wechattest.DefaultSecret, wechat.WithBaseURL(server.URL))
}

// A call of your own to WeChat, with the token that wxlogin uses too.
func ExampleMiniProgramProvider_AccessToken() {
	server, provider := example()
	defer server.Close()
	defer provider.Close()
	ctx := context.Background()

	call := func(token wxlogin.Secret) (errcode int) {
		resp, err := http.Get(server.URL + "/wxa/checksession?access_token=" + token.Reveal())
		if err != nil {
			return -1
		}
		defer resp.Body.Close()
		var answer struct{ ErrCode int }
		_ = json.NewDecoder(resp.Body).Decode(&answer)
		return answer.ErrCode
	}
	token, err := provider.AccessToken(ctx, wxlogin.Secret{})
	if err != nil {
		fmt.Println(err)
		return
	}
	server.RevokeToken(token.Reveal()) // somebody else refreshed it

	errcode := call(token)
	fmt.Println(errcode)
	if errcode == 40001 || errcode == 40014 || errcode == 42001 {
		if token, err = provider.AccessToken(ctx, token); err == nil {
			errcode = call(token) // once more, and not again
		}
	}
	fmt.Println(errcode, err) // past the token now: the openid is missing
	// Output:
	// 40001
	// 41009 <nil>
}

func ExampleMiniProgramProvider_CheckSessionKey() {
	server, provider := example()
	defer server.Close()
	auth, err := wxlogin.New(wxlogin.Config{Providers: []wxlogin.Provider{provider}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer auth.Close()
	ctx := context.Background()

	login, err := auth.Login(ctx, wxlogin.LoginRequest{Code: wxlogin.NewSecret(server.Code("alice"))})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 2 {
		keys, err := auth.SessionKeys(ctx, login.Identity)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(provider.CheckSessionKey(ctx, login.Identity.OpenID, keys.Current))
		server.Code("alice") // the client calls wx.login, and tells nobody
	}
	// Output:
	// true <nil>
	// false <nil>
}

func ExampleMiniProgramProvider_ResetUserSessionKey() {
	server, provider := example()
	defer server.Close()
	defer provider.Close()
	ctx := context.Background()

	account, err := provider.Exchange(ctx, server.Code("alice"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fresh, err := provider.ResetUserSessionKey(ctx, account.OpenID, account.SessionKey)
	fmt.Println(fresh, err)
	_, err = provider.ResetUserSessionKey(ctx, account.OpenID, account.SessionKey)
	fmt.Println("with the old key:", errors.Is(err, wxlogin.ErrSessionKeyStale))
	// Output:
	// [secret] <nil>
	// with the old key: true
}

// A login that brings both codes in one request: wx.login's and the phone button's.
func ExampleMiniProgramProvider_PhoneNumber() {
	server, provider := example()
	defer server.Close()
	auth, err := wxlogin.New(wxlogin.Config{
		Providers: []wxlogin.Provider{provider},
		OnLogin: func(ctx context.Context, event *wxlogin.LoginEvent) error {
			phoneCode := wxlogin.NewSecret(event.Fields.Text("phone_code"))
			if phoneCode.IsZero() {
				return nil // a login without the button
			}
			phone, err := provider.PhoneNumber(ctx, event.OpenID, phoneCode)
			if err != nil {
				return err
			}
			// Find or make the user of phone.PureNumber here, and set event.UserID.
			event.Reply = map[string]any{"phone": phone.Masked()}
			return nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer auth.Close()

	app := server.App(wechattest.DefaultAppID)
	app.SetPhone("alice", "86", "13800001234")
	result, err := auth.Login(context.Background(), wxlogin.LoginRequest{
		Code:   wxlogin.NewSecret(app.Code("alice")),
		Fields: wxlogin.Fields{"phone_code": app.PhoneCode("alice")},
	})
	fmt.Println(result.Reply, err)
	// Output: map[phone:138****1234] <nil>
}

func ExampleMiniProgramProvider_UseVault() {
	server, provider := example()
	defer server.Close()
	// New hands the provider its vault: instances with one Store and one set of
	// Keys share one access_token.
	auth, err := wxlogin.New(wxlogin.Config{Providers: []wxlogin.Provider{provider}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer auth.Close()
	token, err := provider.AccessToken(context.Background(), wxlogin.Secret{})
	fmt.Println(token, err)
	// Output: [secret] <nil>
}

func ExamplePhone() {
	phone := wechat.Phone{Number: "13800001234", PureNumber: "13800001234", CountryCode: "86", AuthorizedAt: time.Unix(1637744274, 0)}
	fmt.Println(phone)
	fmt.Printf("%+v\n", phone)
	// Output:
	// 138****1234
	// 138****1234
}

func ExamplePhone_Masked() {
	fmt.Println(wechat.Phone{PureNumber: "2025550123", CountryCode: "1"}.Masked())
	// Output: +1 20****23
}

const terminalID, terminalSecret = "wx00000000000000dd", "not-a-real-secret"

// A multi-terminal app beside its mini program: the same Auth, two apps.
func ExampleMultiTerminal() {
	server := wechattest.NewServer(
		wechattest.WithApp(wechattest.DefaultAppID, wechattest.DefaultSecret),
		wechattest.WithMultiTerminal(terminalID, terminalSecret))
	defer server.Close()
	auth, err := wxlogin.New(wxlogin.Config{
		Providers: []wxlogin.Provider{
			wechat.MultiTerminal(terminalID, terminalSecret, wechat.WithBaseURL(server.URL)),
			// For the codes of wx.getMiniProgramCode:
			wechat.MiniProgram(wechattest.DefaultAppID, wechattest.DefaultSecret, wechat.WithBaseURL(server.URL)),
		},
		OnLogin: func(_ context.Context, event *wxlogin.LoginEvent) error {
			if info, ok := event.Details.(*wechat.VerifyInfo); ok {
				fmt.Println("by", info.LoginType, "with a phone:", info.Phone != nil, "in the mini program:", info.MiniProgram != nil)
			}
			return nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer auth.Close()

	terminal := server.MultiTerminal(terminalID)
	terminal.Bind("alice", wechattest.LoginWeixinMiniProgram)
	result, err := auth.Login(context.Background(), wxlogin.LoginRequest{
		AppID: terminalID, Code: wxlogin.NewSecret(terminal.Code("alice", wechattest.LoginPhoneSMS)),
	})
	fmt.Println(err, result.Identity.Subject == terminal.UserID("alice"), result.Identity.OpenID == server.OpenID("alice"))
	// Output:
	// by phoneSms with a phone: true in the mini program: true
	// <nil> true true
}

func ExampleMultiTerminalProvider_Exchange() {
	server := wechattest.NewServer(wechattest.WithMultiTerminal(terminalID, terminalSecret))
	defer server.Close()
	provider := wechat.MultiTerminal(terminalID, terminalSecret, wechat.WithBaseURL(server.URL))
	defer provider.Close()

	_, err := provider.Exchange(context.Background(), server.Code("alice")) // of wx.login
	fmt.Println(errors.Is(err, wxlogin.ErrInvalidCode))
	// Output: true
}

func ExampleMultiTerminalProvider_Validate() {
	fmt.Println(wechat.MultiTerminal("", "not-a-real-secret").Validate())
	// Output: wxlogin: misconfigured: wechat.MultiTerminal: the app id is empty
}

func ExampleMultiTerminalProvider_AppID() {
	fmt.Println(wechat.MultiTerminal(terminalID, terminalSecret).AppID())
	// Output: wx00000000000000dd
}

func ExampleMultiTerminalProvider_Close() {
	provider := wechat.MultiTerminal(terminalID, terminalSecret)
	defer provider.Close() // or let Auth.Close do it
}

func ExampleMultiTerminalProvider_AccessToken() {
	server := wechattest.NewServer(wechattest.WithMultiTerminal(terminalID, terminalSecret))
	defer server.Close()
	provider := wechat.MultiTerminal(terminalID, terminalSecret, wechat.WithBaseURL(server.URL))
	defer provider.Close()

	token, err := provider.AccessToken(context.Background(), wxlogin.Secret{})
	fmt.Println(token, err)
	// Output: [secret] <nil>
}

func ExampleVerifyInfo() {
	info := &wechat.VerifyInfo{UserID: "u1", LoginType: wechat.LoginPhoneSMS, Phone: &wechat.PhoneInfo{Phone: "13800001234"}}
	fmt.Println(info, info.Phone)
	fmt.Println(info.Phone.Phone)
	// Output:
	// [user u1, personal data] [personal data]
	// 13800001234
}

func ExampleWithAccessToken() {
	server := wechattest.NewServer(wechattest.WithMultiTerminal(terminalID, terminalSecret, wechattest.RequireAccessToken()))
	defer server.Close()
	provider := wechat.MultiTerminal(terminalID, terminalSecret, wechat.WithBaseURL(server.URL), wechat.WithAccessToken())
	defer provider.Close()

	_, err := provider.Exchange(context.Background(), server.MultiTerminal(terminalID).Code("alice", wechattest.LoginApple))
	fmt.Println(err)
	// Output: <nil>
}

// The AppSecret has just been reset in WeChat's console; this process was started
// with both.
func ExampleWithNextSecret() {
	server := wechattest.NewServer(wechattest.WithApp(wechattest.DefaultAppID, "the-new-secret"))
	defer server.Close()
	provider := wechat.MiniProgram(wechattest.DefaultAppID, "the-old-secret",
		wechat.WithNextSecret("the-new-secret"), wechat.WithBaseURL(server.URL))
	defer provider.Close()

	for range 2 {
		_, err := provider.Exchange(context.Background(), server.Code("alice"))
		fmt.Println(err, server.Count(wechattest.PathCode2Session))
	}
	// Output:
	// <nil> 2
	// <nil> 3
}

// centralService stands for a team's own service that holds all access_tokens.
type centralService struct{ current func() string }

func (s centralService) AccessToken(_ context.Context, stale wxlogin.Secret) (wxlogin.Secret, error) {
	token := wxlogin.NewSecret(s.current())
	if token.Equal(stale) {
		return wxlogin.Secret{}, fmt.Errorf("%w: the token service has no other token", wxlogin.ErrUpstreamUnavailable)
	}
	return token, nil
}

func ExampleWithTokenSource() {
	server := wechattest.NewServer()
	defer server.Close()
	app := server.App(wechattest.DefaultAppID)
	provider := wechat.MiniProgram(wechattest.DefaultAppID, wechattest.DefaultSecret, wechat.WithBaseURL(server.URL),
		wechat.WithTokenSource(centralService{app.AccessToken}))
	defer provider.Close()

	phone, err := provider.PhoneNumber(context.Background(), app.OpenID("alice"), wxlogin.NewSecret(app.PhoneCode("alice")))
	fmt.Println(err, phone.CountryCode, server.Count(wechattest.PathStableToken))
	// Output: <nil> 86 0
}

func ExampleTokenSourceFunc() {
	var source wechat.TokenSource = wechat.TokenSourceFunc(func(context.Context, wxlogin.Secret) (wxlogin.Secret, error) {
		return wxlogin.NewSecret("from somewhere else"), nil
	})
	fmt.Println(source.AccessToken(context.Background(), wxlogin.Secret{}))
	// Output: [secret] <nil>
}
