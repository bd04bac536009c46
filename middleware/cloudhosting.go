package middleware

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/ginwx/wxlogin"
)

// The headers of WeChat cloud hosting, in the form in which net/http keeps them.
const (
	cloudSource      = "X-Wx-Source"
	cloudOpenID      = "X-Wx-Openid"
	cloudAppID       = "X-Wx-Appid"
	cloudUnionID     = "X-Wx-Unionid"
	cloudFromOpenID  = "X-Wx-From-Openid"
	cloudFromAppID   = "X-Wx-From-Appid"
	cloudFromUnionID = "X-Wx-From-Unionid"
)

// maxCloudValue bounds one of these headers, in bytes.
const maxCloudValue = 128

// TrustCloudHostingHeaders lets users in without a token, on the word of request
// headers: behind WeChat cloud hosting (微信云托管) the gateway adds X-WX-OPENID and
// X-WX-APPID to the calls of wx.cloud.callContainer, for a user whom WeChat has
// authenticated.
//
// DANGER: where anybody can reach the service without passing that gateway, anybody
// is whoever they say they are. WeChat does not document whether its gateway removes
// forged headers from calls of the public network. Use this only where public access
// to the service is switched off, or where your own ingress removes every X-WX-
// header, and let trust say so request by request. trust is called with each
// request that carries an openid in these headers, possibly many at once; it returns
// true where the request can only have come through the gateway, by a listener of
// its own, or by a header that only your ingress can set. Do not decide by the X-WX-
// headers themselves, nor by the Referer.
//
// Headers are believed only if trust returns true, X-WX-SOURCE is there, openid and
// app id are of the same pair, each is given once, as one plain value of at most 128
// bytes, and the app is one that auth serves and WithApps takes. The unionid is that
// of the same family, or none. Every other request with an openid in the headers is
// refused as one with a bad token is, 401 invalid_token, and never treated as a
// guest's: in front of a service that is set up well there are none.
//
// A request without an openid in the headers is left to what comes next. Put it in
// front of Required, Optional and the handlers of package handler, with the same
// auth: they take the user from here where the request has no token, or demand one
// where no user is vouched for.
//
//	api := r.Group("/api", middleware.TrustCloudHostingHeaders(auth, fromGateway), middleware.Required(auth))
//
// OnLogin is asked when a user comes first, and may refuse; RevokeUser and Forget
// end the session that begins then. See [wxlogin.Auth.Admit]. A token counts beside
// the headers: a good one of the same user is used, a bad one or another user's is
// refused. There is no session_key on this way.
//
// It panics where auth or trust is nil or an option is wrong, at wiring time only.
func TrustCloudHostingHeaders(auth *wxlogin.Auth, trust func(*http.Request) bool, opts ...Option) gin.HandlerFunc {
	s := mustSettings("TrustCloudHostingHeaders", auth, opts)
	if trust == nil {
		panic("middleware.TrustCloudHostingHeaders: trust is nil; say which requests can only have come through WeChat's gateway")
	}
	return func(c *gin.Context) {
		names, present := s.cloudFamily(c.Request.Header)
		if !present {
			return
		}
		v, err := readVouched(c.Request.Header, names)
		if err == nil && !trust(c.Request) {
			err = errors.New("not trusted")
		}
		if err == nil && !s.Admits(v.appID) { // before OnLogin hears of the user
			err = errors.New("of an app that this route does not take")
		}
		if err != nil {
			s.Fail(c, fmt.Errorf("%w: cloud hosting headers: %w", wxlogin.ErrInvalidToken, err))
			return
		}
		v.auth = auth
		c.Set(vouchedKey{}, v)
		ctx, err := s.identify(c, s.Token(c.Request), v)
		if err == nil {
			err = v.confirm(&ctx.Identity) // of a token that a guard in front of this one took
		}
		if err != nil {
			s.Fail(c, err)
		}
	}
}

// WithCloudHostingFrom makes TrustCloudHostingHeaders take X-WX-FROM-OPENID and
// X-WX-FROM-APPID where X-WX-OPENID is absent: calls of other mini programs that
// share the environment (资源复用). Their app ids must be served by the Auth, too.
// Default: the FROM headers are not looked at.
func WithCloudHostingFrom() Option {
	return optionFunc(func(s *Settings) error {
		s.cloudFrom = true
		return nil
	})
}

// cloudFamily is a set of headers that belong together.
type cloudFamily struct{ openID, appID, unionID string }

// cloudFamily returns the family that names a user.
func (s *Settings) cloudFamily(h http.Header) (cloudFamily, bool) {
	if _, ok := h[cloudOpenID]; ok {
		return cloudFamily{cloudOpenID, cloudAppID, cloudUnionID}, true
	}
	_, ok := h[cloudFromOpenID]
	return cloudFamily{cloudFromOpenID, cloudFromAppID, cloudFromUnionID}, ok && s.cloudFrom
}

// vouched is the user whom trusted headers name.
type vouched struct {
	auth                   *wxlogin.Auth
	appID, openID, unionID string
}

// vouchedKey is where c keeps a *vouched.
type vouchedKey struct{}

// readVouched reads headers strictly. Its errors quote no value.
func readVouched(h http.Header, names cloudFamily) (*vouched, error) {
	// Where it is documented, the source is a chain with commas.
	if source := h[cloudSource]; len(source) != 1 || source[0] == "" {
		return nil, fmt.Errorf("no single %s", cloudSource)
	}
	v := &vouched{}
	for _, field := range []struct {
		into     *string
		name     string
		optional bool
	}{
		{&v.openID, names.openID, false}, {&v.appID, names.appID, false}, {&v.unionID, names.unionID, true},
	} {
		values, present := h[field.name]
		if !present && field.optional {
			continue
		}
		if len(values) != 1 || !plainValue(values[0]) {
			return nil, fmt.Errorf("no single plain %s", field.name)
		}
		*field.into = values[0]
	}
	return v, nil
}

// plainValue reports whether a header is one value. A proxy joins several by commas.
func plainValue(s string) bool {
	return s != "" && len(s) <= maxCloudValue &&
		!strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == ',' })
}

// vouchedFor returns the user whom trusted headers name to the Auth of s, or nil.
func (s *Settings) vouchedFor(c *gin.Context) *vouched {
	value, _ := c.Get(vouchedKey{})
	v, ok := value.(*vouched)
	if !ok || v.auth != s.auth {
		return nil
	}
	return v
}

// admit lets the user in on the word of the headers.
func (v *vouched) admit(c *gin.Context) (wxlogin.Identity, error) {
	account := wxlogin.Account{Subject: v.openID, OpenID: v.openID, UnionID: v.unionID}
	id, err := v.auth.Admit(c.Request.Context(), account, wxlogin.LoginRequest{
		AppID: v.appID, ClientIP: c.ClientIP(), UserAgent: c.Request.UserAgent(),
	})
	if errors.Is(err, wxlogin.ErrBadRequest) { // the app: the rest is bounded
		err = fmt.Errorf("%w: cloud hosting headers: of an app that is not served here", wxlogin.ErrInvalidToken)
	}
	return id, err
}

// confirm compares whom a token belongs to with whom the headers name.
func (v *vouched) confirm(id *wxlogin.Identity) error {
	if id.AppID != v.appID || id.OpenID != v.openID {
		return fmt.Errorf("%w: of another user than the cloud hosting headers", wxlogin.ErrInvalidToken)
	}
	if v.unionID != "" {
		id.UnionID = v.unionID // as Admit does
	}
	return nil
}

// authenticate returns who the request is from: by its token, or by trusted headers
// where it has none. A token never counts against the headers.
func (s *Settings) authenticate(c *gin.Context, token string, v *vouched) (*identityContext, error) {
	if v != nil && token == "" {
		id, err := v.admit(c)
		if err != nil {
			return nil, err
		}
		return &identityContext{Context: c.Request.Context(), Identity: id}, nil
	}
	found, err := s.auth.AuthenticateContext(c.Request.Context(), token)
	if err != nil {
		return nil, err
	}
	ctx := found.(*identityContext)
	if v != nil {
		if err := v.confirm(&ctx.Identity); err != nil {
			return nil, err
		}
	}
	return ctx, nil
}
