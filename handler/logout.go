package handler

import (
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/middleware"
)

// allField asks for the end of all sessions.
const allField = "all"

// Logout ends the session of the request's token and answers 204. A genuine token
// whose session is gone already is answered 204 too, so that a client may repeat a
// logout whose reply was lost. While the store is down the answer is 503, and the
// token is still good.
//
// With all, true or 1, in the query, a JSON object or a form, every session of the
// account ends, in all apps, those of logins in flight included. That takes a live
// session: a token that ended cannot end others.
func Logout(auth *wxlogin.Auth, opts ...middleware.Option) gin.HandlerFunc {
	return logout(mustSettings("Logout", auth, opts))
}

func logout(s *middleware.Settings) gin.HandlerFunc {
	return func(c *gin.Context) {
		fields, err := readFields(c.Writer, c.Request)
		if err != nil {
			s.Fail(c, err)
			return
		}
		all, err := takeSwitch(fields, allField)
		if err != nil {
			s.Fail(c, err)
			return
		}
		if all {
			err = endAll(c, s)
		} else {
			err = endOne(c, s)
		}
		if err != nil {
			s.Fail(c, err)
			return
		}
		s.Succeed(c, http.StatusNoContent, nil)
	}
}

func endAll(c *gin.Context, s *middleware.Settings) error {
	id, err := s.Identify(c)
	if err != nil {
		return err
	}
	return s.Auth().RevokeUser(c.Request.Context(), id)
}

func endOne(c *gin.Context, s *middleware.Settings) error {
	ctx := c.Request.Context()
	token := s.Token(c.Request)
	// A live session is looked at first, because it may be of an app that this
	// route does not take.
	id, err := s.Auth().Authenticate(ctx, token)
	switch {
	case err == nil && !s.Admits(id.AppID):
		return wxlogin.ErrInvalidToken
	case errors.Is(err, wxlogin.ErrStoreUnavailable):
		return err
	}
	return s.Auth().Logout(ctx, token)
}
