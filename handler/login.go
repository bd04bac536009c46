package handler

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/middleware"
)

// The fields of a login that have a meaning, beside the code, which WithCode names.
const (
	appField    = "app"
	deviceField = "device"
)

// errReplyTaken is for the application's logger.
var errReplyTaken = errors.New("wxlogin: OnLogin's Reply has a field of the login reply, which stays as it is")

// Login exchanges the code of wx.login() for a token. It takes any method: the
// official sample, wx.request({url, data: {code}}), is a GET with ?code=.
//
// It reads from the query, from a JSON object or from a form, of at most 64 KiB:
// the code; app, the app id, where several apps log in here; device, a label for
// the user's list of sessions. All other fields go to OnLogin in
// [wxlogin.LoginEvent.Fields], with the types of encoding/json; one that is given
// more than once is a list there. A token that the client still holds, where
// WithToken reads it, ends with the new login.
//
// The reply is 200 with the token, its type and the seconds until it ends if it is
// not used, and what OnLogin put into Reply, which cannot replace these three:
//
//	{"token":"…","token_type":"Bearer","expires_in":604800}
//
// With an Auth that only validates tokens every login is answered as misconfigured.
//
// [middleware.WithLoginLimit] keeps one client from using up WeChat's quota.
//
// A code in a query is part of the URL that gin.Logger writes. It is used up by
// then; still, let clients POST, or keep queries out of the log. OnLogin's ClientIP
// is c.ClientIP(), which believes X-Forwarded-For from the proxies that the engine
// trusts, by default all: call SetTrustedProxies.
func Login(auth *wxlogin.Auth, opts ...middleware.Option) gin.HandlerFunc {
	return login(mustSettings("Login", auth, opts))
}

func login(s *middleware.Settings) gin.HandlerFunc {
	return func(c *gin.Context) {
		if err := s.LimitLogin(c); err != nil {
			s.Fail(c, err)
			return
		}
		req, err := loginRequest(c, s)
		if err != nil {
			s.Fail(c, err)
			return
		}
		result, err := s.Auth().Login(c.Request.Context(), req)
		if err != nil {
			s.Fail(c, err)
			return
		}
		reply, err := loginReply(result)
		if err != nil {
			_ = c.Error(err).SetType(gin.ErrorTypePrivate)
		}
		s.Succeed(c, http.StatusOK, reply)
	}
}

func loginRequest(c *gin.Context, s *middleware.Settings) (wxlogin.LoginRequest, error) {
	fields, err := readFields(c.Writer, c.Request)
	if err != nil {
		return wxlogin.LoginRequest{}, err
	}
	code, err := s.TakeCode(c.Request, fields)
	if err != nil {
		return wxlogin.LoginRequest{}, err
	}
	app, err := takeText(fields, appField)
	if err != nil {
		return wxlogin.LoginRequest{}, err
	}
	if app, err = s.LoginApp(app); err != nil {
		return wxlogin.LoginRequest{}, err
	}
	device, err := takeText(fields, deviceField)
	if err != nil {
		return wxlogin.LoginRequest{}, err
	}
	return wxlogin.LoginRequest{
		AppID:     app,
		Code:      code,
		Token:     wxlogin.NewSecret(s.Token(c.Request)),
		Device:    device,
		ClientIP:  c.ClientIP(),
		UserAgent: c.Request.UserAgent(),
		Fields:    fields,
	}, nil
}

// loginReply returns the body, and an error to log where OnLogin tried to set a
// field that is not its own.
func loginReply(result wxlogin.LoginResult) (map[string]any, error) {
	own := map[string]any{
		"token":      result.Token.Reveal(),
		"token_type": "Bearer",
		"expires_in": int64(result.ExpiresIn / time.Second),
	}
	body := make(map[string]any, len(own)+len(result.Reply))
	maps.Copy(body, result.Reply)
	maps.Copy(body, own)
	for name := range own {
		if _, taken := result.Reply[name]; taken {
			return body, fmt.Errorf("%w: %s", errReplyTaken, name)
		}
	}
	return body, nil
}
