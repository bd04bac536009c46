package handler

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/middleware"
)

type sessionsReply struct {
	Sessions []listedSession `json:"sessions"`
}

type listedSession struct {
	ID         string    `json:"id"`
	App        string    `json:"app"`
	Device     string    `json:"device"`
	CreatedAt  time.Time `json:"created_at"`
	LastSeenAt time.Time `json:"last_seen_at"`
	ExpiresIn  int64     `json:"expires_in"`
	Current    bool      `json:"current"`
}

// Sessions lists the live sessions of the user's own account, the newest first, in
// all apps. The id is for EndSession; device is the label that the client gave when
// it logged in, as it gave it: escape it where it is shown as HTML.
//
//	{"sessions":[{"id":"…","app":"wx…","device":"Mate 70","created_at":"2026-03-01T08:30:00Z",
//		"last_seen_at":"2026-03-02T19:04:05Z","expires_in":601200,"current":true}]}
//
// It needs a store that is a store.AccountStore; with another the answer is
// misconfigured.
func Sessions(auth *wxlogin.Auth, opts ...middleware.Option) gin.HandlerFunc {
	return sessions(mustSettings("Sessions", auth, opts))
}

func sessions(s *middleware.Settings) gin.HandlerFunc {
	return func(c *gin.Context) {
		id, err := s.Identify(c)
		if err != nil {
			s.Fail(c, err)
			return
		}
		found, err := s.Auth().Sessions(c.Request.Context(), id)
		if err != nil {
			s.Fail(c, err)
			return
		}
		reply := sessionsReply{Sessions: make([]listedSession, 0, len(found))}
		for _, session := range found {
			reply.Sessions = append(reply.Sessions, listedSession{
				ID:         session.ID,
				App:        session.AppID,
				Device:     session.Device,
				CreatedAt:  moment(session.CreatedAt),
				LastSeenAt: moment(session.LastSeenAt),
				ExpiresIn:  secondsLeft(s, session.ExpiresAt),
				Current:    session.Current,
			})
		}
		s.Succeed(c, http.StatusOK, reply)
	}
}
