package middleware_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/gin-gonic/gin"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/handler"
	"github.com/ginwx/wxlogin/middleware"
)

// exampleAuth returns an Auth and a token of alice, without WeChat: in a program,
// handler.Login hands out the tokens.
func exampleAuth() (*wxlogin.Auth, string) {
	auth, err := wxlogin.New(wxlogin.Config{Apps: []string{"wx0123456789abcdef"}})
	if err != nil {
		panic(err)
	}
	login, err := auth.Issue(context.Background(), wxlogin.Identity{OpenID: "alice"})
	if err != nil {
		panic(err)
	}
	return auth, login.Token.Reveal()
}

// show prints the reply to a GET with the headers given as name, value pairs.
func show(engine http.Handler, target string, headers ...string) {
	w := get(engine, target, headers...)
	fmt.Println(w.Code, w.Body)
}

func ExampleRequired() {
	auth, token := exampleAuth()
	defer auth.Close()

	r := gin.New()
	api := r.Group("/api", middleware.Required(auth))
	api.GET("/me", func(c *gin.Context) {
		c.JSON(http.StatusOK, gin.H{"openid": wxlogin.OpenID(c)})
	})

	show(r, "/api/me", "Authorization", "Bearer "+token)
	show(r, "/api/me")
	// Output:
	// 200 {"openid":"alice"}
	// 401 {"error":{"code":"missing_token","message":"Please log in."}}
}

func ExampleOptional() {
	auth, token := exampleAuth()
	defer auth.Close()

	r := gin.New()
	r.GET("/shop", middleware.Optional(auth), func(c *gin.Context) {
		if id, ok := wxlogin.FromContext(c); ok {
			c.String(http.StatusOK, "welcome back, %s", id.OpenID)
			return
		}
		c.String(http.StatusOK, "welcome, guest")
	})

	show(r, "/shop")
	show(r, "/shop", "Authorization", "Bearer "+token)
	show(r, "/shop", "Authorization", "Bearer stale")
	// Output:
	// 200 welcome, guest
	// 200 welcome back, alice
	// 401 {"error":{"code":"invalid_token","message":"Your login is not valid. Please log in again."}}
}

// A handler of your own that reads tokens and answers as the others do.
func ExampleNewSettings() {
	auth, token := exampleAuth()
	defer auth.Close()

	settings, err := middleware.NewSettings(auth, middleware.WithLanguage(middleware.Chinese))
	if err != nil {
		panic(err)
	}
	r := gin.New()
	r.GET("/orders", func(c *gin.Context) {
		id, err := settings.Identify(c)
		if err != nil {
			settings.Fail(c, err)
			return
		}
		settings.Succeed(c, http.StatusOK, gin.H{"orders of": id.OpenID})
	})

	show(r, "/orders", "Authorization", "Bearer "+token)
	show(r, "/orders")
	// Output:
	// 200 {"orders of":"alice"}
	// 401 {"error":{"code":"missing_token","message":"请先登录"}}
}

func ExampleWithToken() {
	auth, token := exampleAuth()
	defer auth.Close()

	anywhere := middleware.WithToken(
		middleware.FromBearer(),
		middleware.FromHeader("X-Token"),
		middleware.FromCookie("__Host-token"),
		middleware.FromQuery("token"), // ends up in access logs: see FromQuery
	)
	r := guarded(middleware.Required(auth, anywhere))

	show(r, "/me", "X-Token", token)
	show(r, "/me", "Cookie", "__Host-token="+token)
	show(r, "/me?token="+token)
	// Output:
	// 200 openid=alice
	// 200 openid=alice
	// 200 openid=alice
}

// An extractor is a function, so one that does not exist yet is three lines.
func ExampleTokenExtractor() {
	auth, token := exampleAuth()
	defer auth.Close()

	fromSubprotocol := func(r *http.Request) string {
		return r.Header.Get("Sec-WebSocket-Protocol")
	}
	r := guarded(middleware.Required(auth, middleware.WithToken(fromSubprotocol)))

	show(r, "/me", "Sec-WebSocket-Protocol", token)
	// Output: 200 openid=alice
}

func ExampleWithCode() {
	auth, _ := exampleAuth()
	defer auth.Close()

	// The option is for handler.Login and handler.Mount.
	settings, err := middleware.NewSettings(auth,
		middleware.WithCode(middleware.CodeHeader("X-WX-Code"), middleware.CodeField("js_code")))
	if err != nil {
		panic(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/login", nil)
	code, err := settings.TakeCode(r, wxlogin.Fields{"js_code": "0b3k"})
	fmt.Println(code.Reveal(), err)
	// Output: 0b3k <nil>
}

func ExampleWithApps() {
	auth, err := wxlogin.New(wxlogin.Config{Apps: []string{"wx-shop", "wx-staff"}})
	if err != nil {
		panic(err)
	}
	defer auth.Close()
	login, err := auth.Issue(context.Background(), wxlogin.Identity{AppID: "wx-shop", OpenID: "alice"})
	if err != nil {
		panic(err)
	}
	token := login.Token.Reveal()

	show(guarded(middleware.Required(auth)), "/me", "Authorization", "Bearer "+token)
	show(guarded(middleware.Required(auth, middleware.WithApps("wx-staff"))), "/me", "Authorization", "Bearer "+token)
	// Output:
	// 200 openid=alice
	// 401 {"error":{"code":"invalid_token","message":"Your login is not valid. Please log in again."}}
}

func ExampleWithLanguage() {
	auth, _ := exampleAuth()
	defer auth.Close()
	show(guarded(middleware.Required(auth, middleware.WithLanguage(middleware.Chinese))), "/me")
	// Output: 401 {"error":{"code":"missing_token","message":"请先登录"}}
}

// Clients that expect 200 and a code in the body, and the token in a header.
func ExampleWithEncoder() {
	auth, _ := exampleAuth()
	defer auth.Close()

	tokenInHeader := func(w http.ResponseWriter, r *http.Request, reply middleware.Reply) error {
		if body, ok := reply.Body.(map[string]any); ok {
			if token, ok := body["token"].(string); ok {
				w.Header().Set("X-Token", token)
				delete(body, "token")
			}
		}
		return middleware.EncodeEnvelope(w, r, reply)
	}
	settings, err := middleware.NewSettings(auth, middleware.WithEncoder(tokenInHeader))
	if err != nil {
		panic(err)
	}
	r := gin.New()
	r.GET("/login", func(c *gin.Context) { // as handler.Login answers
		settings.Succeed(c, http.StatusOK, map[string]any{"token": "secret", "expires_in": 604800})
	})
	w := get(r, "/login")
	fmt.Println(w.Header().Get("X-Token"), w.Body)
	// Output: secret {"code":0,"data":{"expires_in":604800}}
}

func ExampleEncodeEnvelope() {
	auth, _ := exampleAuth()
	defer auth.Close()
	show(guarded(middleware.Required(auth, middleware.WithEncoder(middleware.EncodeEnvelope))), "/me")
	// Output: 200 {"code":401,"error":"missing_token","message":"Please log in."}
}

// An access log that knows how grave each failure is.
func ExampleReplyFor() {
	auth, _ := exampleAuth()
	defer auth.Close()

	r := gin.New()
	r.Use(func(c *gin.Context) {
		c.Next()
		for _, err := range c.Errors.ByType(gin.ErrorTypePrivate) {
			level := middleware.ReplyFor(err.Err, middleware.English).Level
			fmt.Println(level, err.Err) // or slog.Log(ctx, level, "request failed", "error", err.Err)
		}
	})
	r.Use(middleware.Required(auth))
	r.GET("/me", func(*gin.Context) {})
	get(r, "/me")
	// Output: INFO wxlogin: no token
}

// Thirty logins in a row, and thirty a minute, from each address.
func ExampleWithLoginLimit() {
	auth, _ := exampleAuth()
	defer auth.Close()

	r := gin.New()
	_ = r.SetTrustedProxies([]string{"10.0.0.0/8"}) // whose X-Forwarded-For counts
	handler.Mount(r.Group("/wx"), auth, middleware.WithLoginLimit(30, middleware.ClientIP))
}

// The network of an IPv6 address counts.
func ExampleClientIP() {
	r := gin.New()
	r.GET("/", func(c *gin.Context) { c.String(http.StatusOK, middleware.ClientIP(c)) })
	show(r, "/", "X-Forwarded-For", "2001:db8:1:2:3:4:5:6")
	show(r, "/", "X-Forwarded-For", "192.0.2.1")
	// Output:
	// 200 2001:db8:1:2::
	// 200 192.0.2.1
}

// A login route of your own can be limited, too.
func ExampleSettings_LimitLogin() {
	auth, _ := exampleAuth()
	defer auth.Close()
	everybody := func(*gin.Context) string { return "" }
	settings, err := middleware.NewSettings(auth, middleware.WithLoginLimit(1, everybody))
	if err != nil {
		panic(err)
	}

	r := gin.New()
	r.GET("/enter", func(c *gin.Context) {
		if err := settings.LimitLogin(c); err != nil {
			settings.Fail(c, err)
			return
		}
		c.String(http.StatusOK, "come in")
	})
	show(r, "/enter")
	show(r, "/enter")
	// Output:
	// 200 come in
	// 429 {"error":{"code":"rate_limited","message":"Too many attempts. Please try again in a minute or two."}}
}
