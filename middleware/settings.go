package middleware

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/internal/carrier"
)

// Settings are an Auth with the options of a route, resolved. The handlers of
// package handler work with one each; so can yours, to read tokens where the
// other routes read them and to answer as they do.
//
// Settings do not change and are safe for concurrent use.
type Settings struct {
	auth       *wxlogin.Auth
	extractors []TokenExtractor
	codes      []CodeSource
	apps       []string // nil for all that auth serves
	language   Language
	encode     Encoder

	userDataAge time.Duration // 0 for the default
	loginLimit  *loginLimit   // nil for none
	cloudFrom   bool
}

// NewSettings resolves opts, or returns an error of class ErrMisconfigured that
// says what to change.
func NewSettings(auth *wxlogin.Auth, opts ...Option) (*Settings, error) {
	if auth == nil {
		return nil, fmt.Errorf("%w: auth is nil; make one with wxlogin.New and check its error", wxlogin.ErrMisconfigured)
	}
	s := &Settings{
		auth:       auth,
		extractors: []TokenExtractor{FromBearer()},
		codes:      []CodeSource{CodeField("code")},
		encode:     EncodeJSON,
	}
	var errs []error
	for i, opt := range opts {
		if opt == nil {
			errs = append(errs, fmt.Errorf("%w: option %d is nil; leave it out", wxlogin.ErrMisconfigured, i))
			continue
		}
		if err := opt.apply(s); err != nil {
			errs = append(errs, fmt.Errorf("%w: %w", wxlogin.ErrMisconfigured, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return s, nil
}

// Auth returns the Auth of the route.
func (s *Settings) Auth() *wxlogin.Auth { return s.auth }

// Token returns the request's token, unverified, or "" where it has none.
func (s *Settings) Token(r *http.Request) string {
	for _, extract := range s.extractors {
		if token := extract(r); token != "" {
			return token
		}
	}
	return ""
}

// Admits reports whether the route takes users of the app: see WithApps.
func (s *Settings) Admits(appID string) bool {
	return s.apps == nil || slices.Contains(s.apps, appID)
}

// LoginApp returns the app that a login is for, given the one that the client
// named, if any: the only app of WithApps needs no naming, and of several the
// client must name one. Without WithApps it returns what the client named, for
// Auth.Login to judge. The error is of class ErrBadRequest.
func (s *Settings) LoginApp(named string) (string, error) {
	switch {
	case named == "" && len(s.apps) == 1:
		return s.apps[0], nil
	case named == "" && s.apps != nil:
		return "", fmt.Errorf("%w: no app is named", wxlogin.ErrBadRequest)
	case !s.Admits(named):
		return "", fmt.Errorf("%w: no such app here", wxlogin.ErrBadRequest)
	}
	return named, nil
}

// identityContext carries an identity on c and on c.Request.Context(). Its Origin
// is the *Settings whose Identify put it there.
type identityContext = carrier.Context[wxlogin.Identity]

// Identify authenticates the request's token, puts the identity on c and on
// c.Request.Context(), and returns it. A request that was authenticated with the
// same token and the same Auth already is not asked for again. Hand the error to
// Fail; it is one of [wxlogin.Auth.Authenticate], or of class ErrInvalidToken for
// a user of an app that the route does not take. Behind TrustCloudHostingHeaders a
// request without a token is that of the user whom the headers name.
func (s *Settings) Identify(c *gin.Context) (wxlogin.Identity, error) {
	ctx, err := s.identify(c, s.Token(c.Request), nil)
	if err != nil {
		return wxlogin.Identity{}, err
	}
	return ctx.Identity, nil
}

// identify is Identify for a token that was read already, and for the user whom
// TrustCloudHostingHeaders, and nobody else, is about to let in.
func (s *Settings) identify(c *gin.Context, token string, v *vouched) (*identityContext, error) {
	// Whoever put an identity or a voucher here has set a key of c too. Most requests
	// have none yet, and need no look at the contexts.
	var earlier *identityContext
	if len(c.Keys) > 0 {
		earlier = carrier.On[wxlogin.Identity](c.Request.Context())
		v = s.vouchedFor(c)
	}
	if s.identified(c, earlier, token, v) {
		return earlier, s.admit(earlier)
	}
	ctx, err := s.authenticate(c, token, v)
	if err != nil {
		return nil, err
	}
	if err := s.admit(ctx); err != nil {
		return nil, err
	}
	ctx.Origin = s
	c.Request = c.Request.WithContext(ctx)
	c.Set(carrier.GinIdentity, ctx)
	c.Set(openIDKey, ctx.Identity.OpenID)
	return ctx, nil
}

// admit refuses users of apps that the route does not take.
func (s *Settings) admit(ctx *identityContext) error {
	if !s.Admits(ctx.Identity.AppID) {
		return fmt.Errorf("%w: of an app that this route does not take", wxlogin.ErrInvalidToken)
	}
	return nil
}

// identified reports whether earlier, the innermost identity on the request's
// context, is what an Identify found for the same token. It asks the settings of
// then for the token, so that a route which takes the header alone is not opened by
// a token that an outer group took from a query.
func (s *Settings) identified(c *gin.Context, earlier *identityContext, token string, v *vouched) bool {
	if earlier == nil || !earlier.Identity.VerifiedBy(s.auth) || token == "" && v == nil {
		return false
	}
	origin, ok := earlier.Origin.(*Settings)
	return ok && (origin == s || origin.Token(c.Request) == token)
}

// Succeed answers with status and body through the route's encoder; nil is no
// body. The reply is not to be stored by any cache.
func (s *Settings) Succeed(c *gin.Context, status int, body any) {
	s.send(c, Reply{Status: status, Body: body})
}

// Fail answers with what the table says about err, through the route's encoder,
// and ends the chain of handlers. err itself goes to c.Error as private, for the
// application's logger, and no word of it to the client, except for the code and
// text of a [wxlogin.RefusedError].
func (s *Settings) Fail(c *gin.Context, err error) {
	if err == nil {
		err = fmt.Errorf("%w: Fail was called without an error", wxlogin.ErrInternal)
	}
	_ = c.Error(err).SetType(gin.ErrorTypePrivate)
	c.Abort()
	s.send(c, ReplyFor(err, s.language))
}

// send sets the headers that no encoder may forget and encodes. Where the encoder
// fails before it wrote anything, the client gets the reply of an internal error.
func (s *Settings) send(c *gin.Context, reply Reply) {
	if c.Writer.Written() {
		return
	}
	reply.setHeaders(c.Writer.Header())
	err := s.encode(c.Writer, c.Request, reply)
	if err == nil {
		return
	}
	err = fmt.Errorf("%w: encode reply: %w", wxlogin.ErrInternal, err)
	_ = c.Error(err).SetType(gin.ErrorTypePrivate)
	c.Abort()
	if !c.Writer.Written() {
		reply = ReplyFor(err, s.language)
		reply.setHeaders(c.Writer.Header())
		_ = EncodeJSON(c.Writer, c.Request, reply) // its texts always encode
	}
}
