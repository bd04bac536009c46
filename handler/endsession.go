package handler

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/middleware"
)

// idParam is the path parameter that names a session.
const idParam = "id"

// EndSession ends one session of the user's own account, named by the path
// parameter id, and answers 204; its own session is a logout. A session that is
// not in the account's list, of another user for one, is left alone and answered
// 204 too: it is as gone as the user can make it. Mount it on a path with :id.
func EndSession(auth *wxlogin.Auth, opts ...middleware.Option) gin.HandlerFunc {
	return endSession(mustSettings("EndSession", auth, opts))
}

func endSession(s *middleware.Settings) gin.HandlerFunc {
	return func(c *gin.Context) {
		id, err := s.Identify(c)
		if err != nil {
			s.Fail(c, err)
			return
		}
		sessionID := c.Param(idParam)
		if sessionID == "" {
			s.Fail(c, badRequest("no session is named"))
			return
		}
		if err := s.Auth().EndSession(c.Request.Context(), id, sessionID); err != nil {
			s.Fail(c, err)
			return
		}
		s.Succeed(c, http.StatusNoContent, nil)
	}
}
