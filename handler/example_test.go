package handler_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/handler"
	"github.com/ginwx/wxlogin/middleware"
)

// demoProvider stands for wechat.MiniProgram, so that the examples need no WeChat:
// it takes every code for a user's name.
type demoProvider struct{}

func (demoProvider) AppID() string { return "wx0123456789abcdef" }

func (demoProvider) Exchange(_ context.Context, code string) (wxlogin.Account, error) {
	return wxlogin.Account{Subject: code, OpenID: code}, nil
}

func demoAuth() *wxlogin.Auth {
	auth, err := wxlogin.New(wxlogin.Config{Providers: []wxlogin.Provider{demoProvider{}}})
	if err != nil {
		panic(err)
	}
	return auth
}

// demoLogin logs alice in by a GET to target and returns the token.
func demoLogin(engine http.Handler, target string) string {
	var reply struct{ Token string }
	w := get(engine, target, "")
	if err := json.Unmarshal(w.Body.Bytes(), &reply); err != nil || reply.Token == "" {
		panic(w.Body.String())
	}
	return reply.Token
}

func ExampleMount() {
	auth := demoAuth()
	defer auth.Close()

	r := gin.New()
	handler.Mount(r.Group("/wx"), auth)
	api := r.Group("/api", middleware.Required(auth))
	api.GET("/me", func(c *gin.Context) {
		c.JSON(http.StatusOK, gin.H{"openid": wxlogin.OpenID(c)})
	})

	token := demoLogin(r, "/wx/login?code=alice")
	fmt.Println(get(r, "/api/me", token).Body)
	fmt.Println(post(r, "/wx/logout", token).Code)
	fmt.Println(get(r, "/api/me", token).Body)
	// Output:
	// {"openid":"alice"}
	// 204
	// {"error":{"code":"invalid_token","message":"Your login is not valid. Please log in again."}}
}

// The login on the path of WeChat's own sample, and for clients that send the code
// under another name.
func ExampleLogin() {
	auth := demoAuth()
	defer auth.Close()

	r := gin.New()
	r.Any("/onLogin", handler.Login(auth))
	r.POST("/v1/login", handler.Login(auth, middleware.WithCode(middleware.CodeField("js_code"))))

	fmt.Println(get(r, "/onLogin?code=alice", "").Code)
	fmt.Println(send(r, request{method: "POST", target: "/v1/login", body: `{"js_code":"alice"}`}).Code)
	fmt.Println(get(r, "/onLogin", "").Body)
	// Output:
	// 200
	// 200
	// {"error":{"code":"bad_request","message":"The request is malformed."}}
}

func ExampleLogout() {
	auth := demoAuth()
	defer auth.Close()

	r := gin.New()
	r.GET("/login", handler.Login(auth))
	r.POST("/logout", handler.Logout(auth))
	phone, tablet := demoLogin(r, "/login?code=alice"), demoLogin(r, "/login?code=alice")

	fmt.Println(post(r, "/logout?all=1", phone).Code)
	_, err := auth.Authenticate(context.Background(), tablet)
	fmt.Println(err)
	// Output:
	// 204
	// wxlogin: token is invalid: no such session
}

func ExampleSession() {
	auth := demoAuth()
	defer auth.Close()

	r := gin.New()
	r.GET("/login", handler.Login(auth))
	r.GET("/session", handler.Session(auth))

	fmt.Println(get(r, "/session", demoLogin(r, "/login?code=alice")).Code)
	fmt.Println(get(r, "/session", "").Code)
	// Output:
	// 200
	// 401
}

func ExampleSessions() {
	auth := demoAuth()
	defer auth.Close()

	r := gin.New()
	r.GET("/login", handler.Login(auth))
	r.GET("/devices", handler.Sessions(auth))
	demoLogin(r, "/login?code=alice&device=phone")
	token := demoLogin(r, "/login?code=alice&device=tablet")

	fmt.Println(get(r, "/devices", token).Code)
	// Output: 200
}

// A user ends the session of a lost phone from the tablet.
func ExampleEndSession() {
	auth := demoAuth()
	defer auth.Close()

	r := gin.New()
	r.GET("/login", handler.Login(auth))
	r.DELETE("/devices/:id", handler.EndSession(auth))
	phone, tablet := demoLogin(r, "/login?code=alice"), demoLogin(r, "/login?code=alice")
	lost, err := auth.Authenticate(context.Background(), phone)
	if err != nil {
		panic(err)
	}

	fmt.Println(send(r, request{method: "DELETE", target: "/devices/" + lost.SessionID, token: tablet}).Code)
	_, err = auth.Authenticate(context.Background(), phone)
	fmt.Println(err)
	// Output:
	// 204
	// wxlogin: token is invalid: no such session
}
