package wechat_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/wechat"
	"github.com/ginwx/wxlogin/wechat/wechattest"
)

// loggedIn returns an emulator, an Auth and alice's identity in it.
func loggedIn() (*wechattest.Server, *wxlogin.Auth, wxlogin.Identity) {
	server := wechattest.NewServer()
	auth, err := wxlogin.New(wxlogin.Config{Providers: []wxlogin.Provider{
		wechat.MiniProgram(wechattest.DefaultAppID, wechattest.DefaultSecret, wechat.WithBaseURL(server.URL)),
	}})
	if err != nil {
		panic(err)
	}
	login, err := auth.Login(context.Background(), wxlogin.LoginRequest{Code: wxlogin.NewSecret(server.Code("alice"))})
	if err != nil {
		panic(err)
	}
	return server, auth, login.Identity
}

// Without HTTP, a message of a queue for one. Behind Gin, handler.UserData does this.
func ExampleOpenUserData() {
	server, auth, alice := loggedIn()
	defer server.Close()
	defer auth.Close()
	// What wx.getUserProfile gave the client, and the client sent.
	sent := server.App(alice.AppID).EncryptUserInfo("alice", wechattest.UserInfo{NickName: "Alice"})

	keys, err := auth.SessionKeys(context.Background(), alice)
	if err != nil {
		fmt.Println(err)
		return
	}
	data, err := wechat.OpenUserData(keys, wechat.UserDataRules{AppID: alice.AppID}, wechat.SealedUserData{
		RawData: sent.RawData, Signature: sent.Signature, EncryptedData: sent.EncryptedData, IV: sent.IV,
	})
	switch {
	case errors.Is(err, wxlogin.ErrSessionKeyStale):
		fmt.Println("the client logs in and fetches its data again")
	case err != nil:
		fmt.Println(err)
	default:
		info, err := data.UserInfo()
		fmt.Println(info.NickName, info.OpenID == alice.OpenID, err)
		fmt.Println("in a log:", data, info)
	}
	// Output:
	// Alice true <nil>
	// in a log: [user data] [user info]
}

func ExampleVerifyRawData() {
	// WeChat's own sample.
	keys := wxlogin.SessionKeys{Current: wxlogin.NewSecret("HyVFkGl5F5OQWJZZaNzBBg==")}
	rawData := `{"nickName":"Band","gender":1,"language":"zh_CN","city":"Guangzhou","province":"Guangdong","country":"CN",` +
		`"avatarUrl":"http://wx.qlogo.cn/mmopen/vi_32/1vZvI39NWFQ9XM4LtQpFrQJ1xlgZxx3w7bQxKARol6503Iuswjjn6nIGBiaycAjAtpujxyzYsrztuuICqIM5ibXQ/0"}`

	_, err := wechat.VerifyRawData(keys, rawData, "75e81ceda165f4ffa64f4068af58c64b8f54b88c")
	fmt.Println(err)
	_, err = wechat.VerifyRawData(keys, rawData+" ", "75e81ceda165f4ffa64f4068af58c64b8f54b88c")
	fmt.Println(err)
	// Output:
	// <nil>
	// wxlogin: session_key is stale: neither verifies the signature
}

func ExampleDecrypt() {
	server, auth, alice := loggedIn()
	defer server.Close()
	defer auth.Close()
	sent := server.App(alice.AppID).EncryptGroup("alice", "tGroup") // wx.getGroupEnterInfo

	keys, err := auth.SessionKeys(context.Background(), alice)
	if err != nil {
		fmt.Println(err)
		return
	}
	plain, err := wechat.Decrypt(keys, wechat.UserDataRules{AppID: alice.AppID}, sent.EncryptedData, sent.IV)
	fmt.Println(string(plain[:len(`{"openGId":"tGroup"`)]), err)
	// Output: {"openGId":"tGroup" <nil>
}

// open is what the examples below have in common.
func open(encrypt func(*wechattest.App) wechattest.UserData) wechat.UserData {
	server, auth, alice := loggedIn()
	defer server.Close()
	defer auth.Close()
	keys, err := auth.SessionKeys(context.Background(), alice)
	if err != nil {
		panic(err)
	}
	sent := encrypt(server.App(alice.AppID))
	data, err := wechat.OpenUserData(keys, wechat.UserDataRules{AppID: alice.AppID}, wechat.SealedUserData{EncryptedData: sent.EncryptedData, IV: sent.IV})
	if err != nil {
		panic(err)
	}
	return data
}

// The profile is anonymous for most clients since 2022.
func ExampleUserData_UserInfo() {
	data := open(func(app *wechattest.App) wechattest.UserData {
		return app.EncryptUserInfo("alice", wechattest.UserInfo{})
	})
	info, err := data.UserInfo()
	fmt.Println(info.NickName, info.Gender, err)
	// Output: 微信用户 0 <nil>
}

// The phone button's old way.
func ExampleUserData_Phone() {
	data := open(func(app *wechattest.App) wechattest.UserData {
		app.SetPhone("alice", "86", "13800000000")
		return app.EncryptPhone("alice")
	})
	phone, err := data.Phone()
	fmt.Println(phone, phone.PureNumber, err)
	// Output: 138****0000 13800000000 <nil>
}

// wx.getWeRunData.
func ExampleUserData_Decode() {
	data := open(func(app *wechattest.App) wechattest.UserData { return app.EncryptWeRun("alice", 8000, 12000) })
	var run struct {
		Days []struct {
			Timestamp int64 `json:"timestamp"`
			Steps     int   `json:"step"`
		} `json:"stepInfoList"`
	}
	err := data.Decode(&run)
	fmt.Println(len(run.Days), run.Days[1].Steps, err)
	// Output: 2 12000 <nil>
}
