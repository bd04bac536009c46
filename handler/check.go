package handler

import (
	"context"
	"errors"

	"github.com/gin-gonic/gin"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/middleware"
)

// checkField asks Session to check more than the token.
const (
	checkField  = "check"
	checkWeChat = "wechat"
)

// sessionKeyChecker is a provider that can ask WeChat about a session_key:
// [github.com/ginwx/wxlogin/wechat.MiniProgramProvider].
type sessionKeyChecker interface {
	CheckSessionKey(ctx context.Context, openID string, key wxlogin.Secret) (bool, error)
}

// checked answers what the request's check field asks for, nil where it asks for
// nothing.
func checked(c *gin.Context, s *middleware.Settings, id wxlogin.Identity) (*bool, error) {
	if c.Request.URL.RawQuery == "" {
		return nil, nil
	}
	switch asked := c.Request.URL.Query()[checkField]; {
	case len(asked) == 0:
		return nil, nil
	case len(asked) > 1 || asked[0] != checkWeChat:
		return nil, badRequest(`check is something else than "` + checkWeChat + `"`)
	}
	ok, err := honoursSessionKey(c.Request.Context(), s.Auth(), id)
	return &ok, err
}

// honoursSessionKey reports whether WeChat still honours the newest session_key of
// the user. One that is not known here is none that WeChat could honour. Where the
// app's provider cannot ask, the error is of class ErrBadRequest: it is the client
// that asked for it.
func honoursSessionKey(ctx context.Context, auth *wxlogin.Auth, id wxlogin.Identity) (bool, error) {
	provider, err := auth.Provider(ctx, id.AppID)
	if err != nil {
		return false, err
	}
	checker, ok := provider.(sessionKeyChecker)
	if !ok {
		return false, badRequest("the app has no session_key to check")
	}
	keys, err := auth.SessionKeys(ctx, id)
	if errors.Is(err, wxlogin.ErrSessionKeyStale) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return checker.CheckSessionKey(ctx, id.OpenID, keys.Current)
}
