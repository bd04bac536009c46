package handler_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/handler"
	"github.com/ginwx/wxlogin/middleware"
)

func TestMountAddsItsRoutesAndNoOthers(t *testing.T) {
	auth := newAuth(t, wxlogin.Config{})
	for name, mount := range map[string]func(*gin.Engine){
		"engine":    func(e *gin.Engine) { handler.Mount(e, auth) },
		"group":     func(e *gin.Engine) { handler.Mount(e.Group("/"), auth) },
		"sub-group": func(e *gin.Engine) { handler.Mount(e.Group("/").Group(""), auth) },
	} {
		t.Run(name, func(t *testing.T) {
			engine := gin.New()
			mount(engine)
			var got []string
			for _, route := range engine.Routes() {
				got = append(got, route.Method+" "+route.Path)
			}
			slices.Sort(got)
			want := []string{"DELETE /sessions/:id", "GET /login", "GET /session", "GET /sessions", "POST /login", "POST /logout"}
			if !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestMountUnderOtherMiddleware(t *testing.T) {
	engine := gin.New()
	cors := func(c *gin.Context) {
		c.Header("Access-Control-Allow-Origin", "*")
		if c.Request.Method == http.MethodOptions {
			c.AbortWithStatus(http.StatusNoContent)
		}
	}
	auth := newAuth(t, wxlogin.Config{})
	group := engine.Group("/wx", cors, gin.Recovery())
	handler.Mount(group, auth)
	group.OPTIONS("/login", func(*gin.Context) {})

	w := get(engine, "/wx/login?code=ok:alice", "")
	wantStatus(t, w, 200)
	if w.Header().Get("Access-Control-Allow-Origin") != "*" {
		t.Error("the header of an outer middleware is lost")
	}
	if w := send(engine, request{method: "OPTIONS", target: "/wx/login"}); w.Code != 204 {
		t.Errorf("preflight: got %d, want 204", w.Code)
	}
}

func TestWrongWiringPanicsWithTheNameOfTheFunction(t *testing.T) {
	auth := newAuth(t, wxlogin.Config{})
	unknown := middleware.WithApps("wx-unknown")
	for name, calls := range map[string][2]func(){
		"Mount":      {func() { handler.Mount(gin.New(), nil) }, func() { handler.Mount(gin.New(), auth, unknown) }},
		"Login":      {func() { handler.Login(nil) }, func() { handler.Login(auth, unknown) }},
		"Logout":     {func() { handler.Logout(nil) }, func() { handler.Logout(auth, unknown) }},
		"Session":    {func() { handler.Session(nil) }, func() { handler.Session(auth, unknown) }},
		"Sessions":   {func() { handler.Sessions(nil) }, func() { handler.Sessions(auth, unknown) }},
		"EndSession": {func() { handler.EndSession(nil) }, func() { handler.EndSession(auth, unknown) }},
	} {
		t.Run(name, func(t *testing.T) {
			for i, fix := range []string{"wxlogin.New", "Config.Apps"} {
				if got := panicOf(calls[i]); !strings.Contains(got, "handler."+name+":") || !strings.Contains(got, fix) {
					t.Errorf("panic: got %q, want one with handler.%s and %s", got, name, fix)
				}
			}
		})
	}
	if got := panicOf(func() { handler.Mount(nil, auth) }); !strings.Contains(got, "handler.Mount") {
		t.Errorf("panic of a nil router: got %q, want one with handler.Mount", got)
	}
}

func panicOf(call func()) (message string) {
	defer func() { message = fmt.Sprint(recover()) }()
	call()
	return ""
}
