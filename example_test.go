package wxlogin_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/handler"
	"github.com/ginwx/wxlogin/middleware"
	"github.com/ginwx/wxlogin/store"
	"github.com/ginwx/wxlogin/wechat"
	"github.com/ginwx/wxlogin/wechat/wechattest"
)

// A backend in four lines: two of them mount the login routes and guard the rest.
func Example() {
	appID, secret := os.Getenv("WX_APPID"), os.Getenv("WX_SECRET")
	auth, err := wxlogin.New(wxlogin.Config{
		Providers: []wxlogin.Provider{wechat.MiniProgram(appID, secret)},
	})
	if err != nil {
		log.Print(err)
		return
	}
	defer auth.Close()

	r := gin.Default()
	handler.Mount(r.Group("/wx"), auth)
	api := r.Group("/api", middleware.Required(auth))
	api.GET("/me", func(c *gin.Context) {
		c.JSON(200, gin.H{"openid": wxlogin.OpenID(c)})
	})
	_ = r.Run()
}

// exampleAuth is an Auth on an emulated WeChat.
func exampleAuth(change ...func(*wxlogin.Config)) (*wxlogin.Auth, *wechattest.Server, func()) {
	srv := wechattest.NewServer()
	cfg := wxlogin.Config{Providers: []wxlogin.Provider{
		wechat.MiniProgram(wechattest.DefaultAppID, wechattest.DefaultSecret, wechat.WithBaseURL(srv.URL)),
	}}
	for _, c := range change {
		c(&cfg)
	}
	auth, err := wxlogin.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	return auth, srv, func() { _ = auth.Close(); srv.Close() }
}

func ExampleNew() {
	_, err := wxlogin.New(wxlogin.Config{
		Providers: []wxlogin.Provider{wechat.MiniProgram("wx0123456789abcdef", "not-a-real-secret")},
		Store:     store.NewMemory(), // or Redis, or SQL, which several instances share
		Keys:      [][]byte{[]byte("too short")},
	})
	fmt.Println(err)
	// Output: wxlogin: misconfigured: Config.Keys[0] has 9 bytes; use at least 32 random ones
}

func ExampleAuth_Login() {
	auth, wx, stop := exampleAuth()
	defer stop()
	ctx := context.Background()

	result, err := auth.Login(ctx, wxlogin.LoginRequest{Code: wxlogin.NewSecret(wx.Code("alice"))})
	if err != nil {
		log.Print(err)
		return
	}
	fmt.Println(result.ExpiresIn)
	fmt.Println(result.Token) // never shows by accident: Reveal it where it goes to the client

	_, err = auth.Login(ctx, wxlogin.LoginRequest{Code: wxlogin.NewSecret("used or unknown")})
	fmt.Println(errors.Is(err, wxlogin.ErrInvalidCode))
	// Output:
	// 168h0m0s
	// [secret]
	// true
}

func ExampleAuth_Authenticate() {
	auth, wx, stop := exampleAuth()
	defer stop()
	ctx := context.Background()
	result, err := auth.Login(ctx, wxlogin.LoginRequest{Code: wxlogin.NewSecret(wx.Code("alice"))})
	if err != nil {
		log.Print(err)
		return
	}

	// A WebSocket's handshake, a gRPC call, a job: whatever carries a token.
	id, err := auth.Authenticate(ctx, result.Token.Reveal())
	switch {
	case errors.Is(err, wxlogin.ErrStoreUnavailable):
		fmt.Println("try again later; this says nothing about the token")
	case err != nil:
		fmt.Println("log in again")
	default:
		fmt.Println(id.OpenID == wx.OpenID("alice"))
	}
	// Output: true
}

func ExampleAuth_AuthenticateContext() {
	auth, wx, stop := exampleAuth()
	defer stop()
	ctx := context.Background()
	result, err := auth.Login(ctx, wxlogin.LoginRequest{Code: wxlogin.NewSecret(wx.Code("alice"))})
	if err != nil {
		log.Print(err)
		return
	}
	// In an interceptor:
	ctx, err = auth.AuthenticateContext(ctx, result.Token.Reveal())
	if err != nil {
		log.Print(err)
		return
	}
	fmt.Println(wxlogin.OpenID(ctx) == wx.OpenID("alice"))
	// Output: true
}

func ExampleAuth_Now() {
	auth, _, stop := exampleAuth(func(cfg *wxlogin.Config) {
		cfg.Now = func() time.Time { return time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC) }
	})
	defer stop()
	fmt.Println(auth.Now())
	// Output: 2026-03-01 00:00:00 +0000 UTC
}

func ExampleAuth_Issue() {
	auth, _, stop := exampleAuth()
	defer stop()

	// The JWT of an older login was verified before; its user gets a session.
	result, err := auth.Issue(context.Background(), wxlogin.Identity{OpenID: "o-of-the-old-token", UserID: "42"})
	fmt.Println(result.Identity.UserID, err)
	// Output: 42 <nil>
}

func ExampleAuth_Logout() {
	auth, wx, stop := exampleAuth()
	defer stop()
	ctx := context.Background()
	result, err := auth.Login(ctx, wxlogin.LoginRequest{Code: wxlogin.NewSecret(wx.Code("alice"))})
	if err != nil {
		log.Print(err)
		return
	}
	fmt.Println(auth.Logout(ctx, result.Token.Reveal()))
	_, err = auth.Authenticate(ctx, result.Token.Reveal())
	fmt.Println(err)
	// Output:
	// <nil>
	// wxlogin: token is invalid: no such session
}

func ExampleAuth_RevokeUser() {
	auth, wx, stop := exampleAuth(func(cfg *wxlogin.Config) {
		cfg.OnLogin = func(_ context.Context, e *wxlogin.LoginEvent) error { e.UserID = "42"; return nil }
	})
	defer stop()
	ctx := context.Background()
	for range 3 { // on three devices
		if _, err := auth.Login(ctx, wxlogin.LoginRequest{Code: wxlogin.NewSecret(wx.Code("alice"))}); err != nil {
			log.Print(err)
		}
	}
	fmt.Println(auth.RevokeUser(ctx, wxlogin.Identity{UserID: "42"}))
	sessions, err := auth.Sessions(ctx, wxlogin.Identity{UserID: "42"})
	fmt.Println(len(sessions), err)
	// Output:
	// <nil>
	// 0 <nil>
}

func ExampleAuth_Sessions() {
	auth, wx, stop := exampleAuth()
	defer stop()
	ctx := context.Background()
	login := func(device string) wxlogin.Identity {
		result, err := auth.Login(ctx, wxlogin.LoginRequest{Code: wxlogin.NewSecret(wx.Code("alice")), Device: device})
		if err != nil {
			log.Print(err)
		}
		return result.Identity
	}
	phone, tablet := login("phone"), login("tablet")
	if err := auth.EndSession(ctx, phone, tablet.SessionID); err != nil {
		log.Print(err)
	}
	sessions, err := auth.Sessions(ctx, phone)
	for _, s := range sessions {
		fmt.Println(s.Device, s.Current, err)
	}
	// Output: phone true <nil>
}

func ExampleAuth_SessionKeys() {
	auth, wx, stop := exampleAuth()
	defer stop()
	ctx := context.Background()
	result, err := auth.Login(ctx, wxlogin.LoginRequest{Code: wxlogin.NewSecret(wx.Code("alice"))})
	if err != nil {
		log.Print(err)
		return
	}
	keys, err := auth.SessionKeys(ctx, result.Identity)
	fmt.Println(keys.Current, keys.Previous.IsZero(), err)
	// Output: [secret] true <nil>
}

func ExampleAuth_KeepSessionKey() {
	auth, wx, stop := exampleAuth()
	defer stop()
	ctx := context.Background()
	result, err := auth.Login(ctx, wxlogin.LoginRequest{Code: wxlogin.NewSecret(wx.Code("alice"))})
	if err != nil {
		log.Print(err)
		return
	}
	keys, err := auth.SessionKeys(ctx, result.Identity)
	if err != nil {
		log.Print(err)
		return
	}
	provider, err := auth.Provider(ctx, result.Identity.AppID)
	if err != nil {
		log.Print(err)
		return
	}
	// The key may have leaked: WeChat makes a new one, the old one dies at once.
	fresh, err := provider.(*wechat.MiniProgramProvider).ResetUserSessionKey(ctx, result.Identity.OpenID, keys.Current)
	if err != nil {
		log.Print(err)
		return
	}
	fmt.Println(auth.KeepSessionKey(ctx, result.Identity, fresh))
	// Output: <nil>
}

func ExampleAuth_Forget() {
	auth, wx, stop := exampleAuth()
	defer stop()
	ctx := context.Background()
	if _, err := auth.Login(ctx, wxlogin.LoginRequest{Code: wxlogin.NewSecret(wx.Code("alice"))}); err != nil {
		log.Print(err)
	}
	// The user withdrew consent.
	fmt.Println(auth.Forget(ctx, wechattest.DefaultAppID, wx.OpenID("alice")))
	// Output: <nil>
}

func ExampleAuth_Admit() {
	auth, _, stop := exampleAuth()
	defer stop()
	// A gateway that only we can be called by has put the openid into a header.
	openID := "o-from-a-trusted-gateway"
	id, err := auth.Admit(context.Background(),
		wxlogin.Account{Subject: openID, OpenID: openID},
		wxlogin.LoginRequest{AppID: wechattest.DefaultAppID})
	fmt.Println(id.OpenID, err)
	// Output: o-from-a-trusted-gateway <nil>
}

func ExampleAuth_Provider() {
	auth, _, stop := exampleAuth()
	defer stop()
	provider, err := auth.Provider(context.Background(), wechattest.DefaultAppID)
	fmt.Println(provider.AppID() == wechattest.DefaultAppID, err)
	// Output: true <nil>
}

func ExampleAuth_ExpiresIn() {
	auth, _, stop := exampleAuth(func(cfg *wxlogin.Config) { cfg.IdleTimeout = time.Hour })
	defer stop()
	result, err := auth.Issue(context.Background(), wxlogin.Identity{OpenID: "o-alice"})
	fmt.Println(auth.ExpiresIn(result.Identity).Round(time.Minute), err)
	// Output: 1h0m0s <nil>
}

func ExampleRefuse() {
	auth, wx, stop := exampleAuth(func(cfg *wxlogin.Config) {
		cfg.OnLogin = func(ctx context.Context, e *wxlogin.LoginEvent) error {
			if e.Fields.Text("invitation") == "" {
				return wxlogin.Refuse("not_invited", "Ask a member for an invitation")
			}
			return nil
		}
	})
	defer stop()
	_, err := auth.Login(context.Background(), wxlogin.LoginRequest{Code: wxlogin.NewSecret(wx.Code("alice"))})
	var refused *wxlogin.RefusedError
	fmt.Println(errors.As(err, &refused), refused.Code)
	// Output: true not_invited
}

// A handler is tested without a login: put an identity on the context.
func ExampleWithIdentity() {
	orders := func(c *gin.Context) { c.String(http.StatusOK, "orders of "+wxlogin.OpenID(c.Request.Context())) }

	gin.SetMode(gin.TestMode)
	w := httptest.NewRecorder()
	c, _ := gin.CreateTestContext(w)
	ctx := wxlogin.WithIdentity(context.Background(), wxlogin.Identity{OpenID: "o-alice"})
	c.Request = httptest.NewRequestWithContext(ctx, "GET", "/orders", nil)
	orders(c)
	fmt.Println(w.Body)
	// Output: orders of o-alice
}

func ExampleFromContext() {
	ctx := wxlogin.WithIdentity(context.Background(), wxlogin.Identity{OpenID: "o-alice", UserID: "42"})
	id, ok := wxlogin.FromContext(ctx)
	fmt.Println(id.UserID, ok)
	_, ok = wxlogin.FromContext(context.Background())
	fmt.Println(ok)
	// Output:
	// 42 true
	// false
}

func ExampleOpenID() {
	ctx := wxlogin.WithIdentity(context.Background(), wxlogin.Identity{OpenID: "o-alice"})
	fmt.Println(wxlogin.OpenID(ctx))
	// Output: o-alice
}

func ExampleNewSecret() {
	s := wxlogin.NewSecret("not for the log")
	fmt.Printf("%v %+v %q\n", s, struct{ Token wxlogin.Secret }{s}, s)
	fmt.Println(strings.ToUpper(s.Reveal()))
	// Output:
	// [secret] {Token:[secret]} [secret]
	// NOT FOR THE LOG
}

// Apps that come and go at run time, from whatever knows them.
func ExampleConfig_resolve() {
	known := map[string]wxlogin.Provider{
		"wxtenant00000001": wechat.MiniProgram("wxtenant00000001", "not-a-real-secret"),
	}
	auth, err := wxlogin.New(wxlogin.Config{
		Resolve: func(_ context.Context, appID string) (wxlogin.Provider, error) { return known[appID], nil },
	})
	if err != nil {
		log.Print(err)
		return
	}
	defer auth.Close()
	_, err = auth.Login(context.Background(), wxlogin.LoginRequest{AppID: "wxstranger", Code: wxlogin.NewSecret("x")})
	fmt.Println(err)
	// Output: wxlogin: bad request: no such app
}
