// Package wechattest is an emulator of WeChat's server-side login interfaces, for the tests of an application
// that logs mini program users in, and for trying such an application out without an AppID.
//
// It answers as api.weixin.qq.com does, to the byte where public material shows the bytes: HTTP 200 on errors,
// text/plain, the order of the keys, the escaped slash, the request id behind errmsg, the order of the checks.
// It plays the other side too: [Emulator.Code] is wx.login() on a user's phone. Where WeChat's behaviour could
// not be confirmed from public material, a comment beside the code says "unconfirmed".
//
// A test of an application in ten lines:
//
//	func TestLogin(t *testing.T) {
//		srv := wechattest.NewServer()
//		defer srv.Close()
//		app := newApp(wechat.MiniProgram(wechattest.DefaultAppID, wechattest.DefaultSecret, wechat.WithBaseURL(srv.URL)))
//
//		w := httptest.NewRecorder()
//		app.ServeHTTP(w, httptest.NewRequest("GET", "/wx/login?code="+srv.Code("alice"), nil))
//		if w.Code != 200 {
//			t.Fatalf("login of alice: got status %d: %s", w.Code, w.Body)
//		}
//	}
//
// The application is pointed at srv.URL instead of https://api.weixin.qq.com; nothing else changes. What goes
// wrong in production is played by script, here two busy answers and then a connection cut after the code was
// used up:
//
//	srv.Next(wechattest.ErrCode(-1), wechattest.ErrCode(-1), wechattest.Cut().Consuming())
//
// and what reached WeChat can be looked at: [Emulator.Requests], [Emulator.Count], [Emulator.Arrivals],
// [Server.Connections].
//
// The rest of WeChat's login surface is here as well, with the same faults and the same record:
//
//   - access tokens of /cgi-bin/token and /cgi-bin/stable_token, with WeChat's rules of invalidation:
//     [App.AccessToken], [Emulator.RevokeToken], [Emulator.ExpireToken];
//   - /wxa/checksession and /wxa/resetusersessionkey: [App.SessionKey], [App.RotateKey], [App.ExpireKey];
//   - phone numbers: [App.PhoneCode], [App.SetPhone];
//   - user data as the client gets it, signed and encrypted with the current session_key:
//     [App.EncryptUserInfo], [App.EncryptPhone] and their neighbours;
//   - multi-terminal apps (多端应用): [WithMultiTerminal], [MultiTerminalApp.Code].
//
// Everything here is synthetic. An Emulator knows no real user, makes no outgoing request, keeps its state in
// bounded memory and starts no goroutine. All methods are safe for concurrent use.
package wechattest
