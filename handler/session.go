package handler

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/middleware"
)

// sessionReply has nothing about the user: who wants the openid or a profile on
// the client answers it from a route of its own, behind Required.
type sessionReply struct {
	ExpiresIn int64     `json:"expires_in"`
	CreatedAt time.Time `json:"created_at"`

	SessionKeyValid *bool `json:"session_key_valid,omitempty"` // only if asked
}

// Session tells a client whether its token is still good, and for how long: 200
// with the seconds until the session ends if it is not used, and when the user
// logged in; else 401. Asking counts as a use.
//
//	{"expires_in":604800,"created_at":"2026-03-01T08:30:00Z"}
//
// With ?check=wechat the reply says too whether WeChat still honours the session_key
// that is stored for the user. Where it is false, data that needs the key, as UserData
// does, needs a wx.login first; the token is as good as before, and login does not
// depend on it. It asks WeChat each time, with an access_token, and fails where WeChat
// does; an app without session_keys, such as a multi-terminal one, is answered 400.
//
//	{"expires_in":604800,"created_at":"2026-03-01T08:30:00Z","session_key_valid":true}
func Session(auth *wxlogin.Auth, opts ...middleware.Option) gin.HandlerFunc {
	return session(mustSettings("Session", auth, opts))
}

func session(s *middleware.Settings) gin.HandlerFunc {
	return func(c *gin.Context) {
		id, err := s.Identify(c)
		if err != nil {
			s.Fail(c, err)
			return
		}
		reply := sessionReply{
			ExpiresIn: secondsLeft(s, id.ExpiresAt),
			CreatedAt: moment(id.CreatedAt),
		}
		if reply.SessionKeyValid, err = checked(c, s, id); err != nil {
			s.Fail(c, err)
			return
		}
		s.Succeed(c, http.StatusOK, reply)
	}
}

// secondsLeft counts by the clock of the Auth.
func secondsLeft(s *middleware.Settings, end time.Time) int64 {
	return int64(s.Auth().ExpiresIn(wxlogin.Identity{ExpiresAt: end}) / time.Second)
}

// moment is written by encoding/json as RFC 3339 in UTC, which every JavaScript
// engine of a mini program reads with new Date(text).
func moment(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }
