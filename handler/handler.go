// Package handler holds the routes of wxlogin for Gin: login, logout, and the
// user's own sessions. Mount puts them all under a group; each is also a handler
// of its own, for any path:
//
//	handler.Mount(r.Group("/wx"), auth)
//	r.Any("/onLogin", handler.Login(auth))
//
// The options of package middleware change where tokens and codes are read and
// how replies look. Errors are answered by its table.
package handler

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/middleware"
)

// Mount adds the routes of this package to r:
//
//	GET, POST  /login         Login
//	GET        /session       Session
//	POST       /logout        Logout
//	GET        /sessions      Sessions
//	DELETE     /sessions/:id  EndSession
//
// They find their tokens themselves: r needs no middleware of this module, and
// login must not sit behind Required. It panics where r or auth is nil or an
// option is wrong, at wiring time only.
func Mount(r gin.IRouter, auth *wxlogin.Auth, opts ...middleware.Option) {
	if r == nil {
		panic("handler.Mount: the router is nil; pass an engine or a group")
	}
	s := mustSettings("Mount", auth, opts)
	r.GET("/login", login(s))
	r.POST("/login", login(s))
	r.GET("/session", session(s))
	r.POST("/logout", logout(s))
	r.GET("/sessions", sessions(s))
	r.DELETE("/sessions/:"+idParam, endSession(s))
}

func mustSettings(name string, auth *wxlogin.Auth, opts []middleware.Option) *middleware.Settings {
	s, err := middleware.NewSettings(auth, opts...)
	if err != nil {
		panic("handler." + name + ": " + err.Error())
	}
	return s
}

// hooked serves a route that hands what it took from a request to the application's
// hook: what the hook returns is the reply, silent's where that is nil.
func hooked[T any](
	s *middleware.Settings,
	take func(*gin.Context, *middleware.Settings, wxlogin.Identity) (T, error),
	hook func(context.Context, wxlogin.Identity, T) (any, error),
	silent func(T) (status int, body any),
) gin.HandlerFunc {
	return func(c *gin.Context) {
		id, err := s.Identify(c)
		if err != nil {
			s.Fail(c, err)
			return
		}
		taken, err := take(c, s, id)
		if err != nil {
			s.Fail(c, err)
			return
		}
		status := http.StatusOK
		reply, err := hook(c.Request.Context(), id, taken)
		if err != nil {
			s.Fail(c, err)
			return
		}
		if reply == nil {
			status, reply = silent(taken)
		}
		s.Succeed(c, status, reply)
	}
}
