package middleware_test

import (
	"net/http"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/middleware"
)

func TestATokenBesideTheHeadersMustAgree(t *testing.T) {
	auth := newAuth(t, wxlogin.Config{Apps: []string{testApp, otherApp}})
	alice := issue(t, auth, wxlogin.Identity{AppID: testApp, OpenID: "alice", Device: "by token"})
	bob := issue(t, auth, wxlogin.Identity{AppID: testApp, OpenID: "bob"})
	elsewhere := issue(t, auth, wxlogin.Identity{AppID: otherApp, OpenID: "alice"})
	appUser := issue(t, auth, wxlogin.Identity{AppID: testApp, UserID: "7"})
	headers := cloud(testApp, "alice")

	byHeader := middleware.WithToken(middleware.FromHeader("X-Token"))
	trusting := middleware.TrustCloudHostingHeaders(auth, fromGateway)
	for name, engine := range map[string]http.Handler{
		"Required":                          guarded(trusting, middleware.Required(auth)),
		"Optional":                          guarded(trusting, middleware.Optional(auth)),
		"alone":                             guarded(trusting),
		"Required in front":                 guarded(middleware.Required(auth), trusting),
		"Optional in front":                 guarded(middleware.Optional(auth), trusting),
		"a token that the outer one misses": guarded(middleware.TrustCloudHostingHeaders(auth, fromGateway, byHeader), middleware.Required(auth)),
	} {
		t.Run(name, func(t *testing.T) {
			wantOpenID(t, get(engine, "/me", with(headers, bearer(alice)...)...), "alice")
			for what, token := range map[string]string{
				"another user": bob, "another app": elsewhere, "a user without openid": appUser, "forged": "x", "twice": alice + ", " + alice,
			} {
				w := get(engine, "/me", with(headers, bearer(token)...)...)
				if wantFailure(t, w, 401, "invalid_token"); t.Failed() {
					t.Fatalf("with a token of %s", what)
				}
			}
		})
	}

	t.Run("its session is the one that counts", func(t *testing.T) {
		engine := gin.New()
		engine.Use(trusting, middleware.Required(auth))
		engine.GET("/me", func(c *gin.Context) {
			id, _ := wxlogin.FromContext(c.Request.Context())
			c.String(200, "%q %q", id.Device, id.UnionID)
		})
		if got := get(engine, "/me", with(headers, bearer(alice)...)...).Body.String(); got != `"by token" ""` {
			t.Errorf("got %s", got)
		}
		if got := get(engine, "/me", headers...).Body.String(); got != `"" ""` {
			t.Errorf("without the token: got %s", got)
		}
		union := with(headers, "X-WX-UNIONID", "u")
		if got := get(engine, "/me", with(union, bearer(alice)...)...).Body.String(); got != `"by token" "u"` {
			t.Errorf("with a unionid that appeared: got %s", got)
		}
		if got := get(engine, "/me", union...).Body.String(); got != `"" "u"` {
			t.Errorf("without the token, with a unionid: got %s", got)
		}
	})
	t.Run("it may have ended", func(t *testing.T) {
		if err := auth.Logout(t.Context(), bob); err != nil {
			t.Fatal(err)
		}
		engine := guarded(trusting, middleware.Required(auth))
		wantFailure(t, get(engine, "/me", with(cloud(testApp, "bob"), bearer(bob)...)...), 401, "invalid_token")
		wantOpenID(t, get(engine, "/me", cloud(testApp, "bob")...), "bob")
	})
	t.Run("a token of an outer query does not stand for the headers' user inside", func(t *testing.T) {
		outer := middleware.TrustCloudHostingHeaders(auth, fromGateway, middleware.WithToken(middleware.FromQuery("t")))
		engine := guarded(outer, middleware.Required(auth))
		wantOpenID(t, get(engine, "/me?t="+alice, headers...), "alice")
		wantFailure(t, get(engine, "/me?t="+alice), 401, "missing_token")
	})
}
