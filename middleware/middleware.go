// Package middleware guards Gin routes with wxlogin tokens, and holds what the
// guard and package handler share: where the token and the code are read, the one
// table from errors to replies, and how a reply looks.
//
//	api := r.Group("/api", middleware.Required(auth))
//	api.GET("/me", func(c *gin.Context) {
//		c.JSON(200, gin.H{"openid": wxlogin.OpenID(c)})
//	})
//
// A handler of your own that wants the same options and replies takes the same
// ...[Option] and resolves them with [NewSettings].
package middleware

import (
	"github.com/gin-gonic/gin"

	"github.com/ginwx/wxlogin"
)

// openIDKey is where c.GetString finds the openid.
const openIDKey = "openid"

// Required lets a request pass only with a token that auth honours, and answers
// every other one itself: 401 without a good token, 503 where the store cannot
// say. Behind it the identity is on c and on c.Request.Context(), for
// [wxlogin.FromContext] and [wxlogin.OpenID], and c.GetString("openid") works.
//
// Gin reuses a *gin.Context for other users as soon as its handlers return: hand
// c.Request.Context(), or the Identity, to whatever outlives the request.
//
// Behind Optional of the same auth, a request with the same token is not
// authenticated again. An identity that anything else put on the context is never
// taken for a login, and is replaced.
//
// It panics where auth is nil or an option is wrong, at wiring time only.
func Required(auth *wxlogin.Auth, opts ...Option) gin.HandlerFunc {
	s := mustSettings("Required", auth, opts)
	return func(c *gin.Context) {
		if _, err := s.identify(c, s.Token(c.Request), nil); err != nil {
			s.Fail(c, err)
		}
	}
}

// Optional is Required for routes that guests may use: a request without a token
// passes, without an identity. One with a bad token is refused as by Required, and
// so is every one with a token while the store is down: a user whose login ended
// must not silently become a guest.
func Optional(auth *wxlogin.Auth, opts ...Option) gin.HandlerFunc {
	s := mustSettings("Optional", auth, opts)
	return func(c *gin.Context) {
		token := s.Token(c.Request)
		if token == "" && s.vouchedFor(c) == nil {
			return
		}
		if _, err := s.identify(c, token, nil); err != nil {
			s.Fail(c, err)
		}
	}
}

func mustSettings(name string, auth *wxlogin.Auth, opts []Option) *Settings {
	s, err := NewSettings(auth, opts...)
	if err != nil {
		panic("middleware." + name + ": " + err.Error())
	}
	return s
}
