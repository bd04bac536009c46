package wxlogin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"time"
)

// Bounds of what a login takes in, in bytes.
const (
	MaxCodeLen  = 256
	maxIDLen    = 128 // app id, subject, openid, unionid, UserID, session_key
	maxLabelLen = 128 // device; longer ones are cut
	maxAgentLen = 512 // user agent and client address; longer ones are cut
	maxDataLen  = 4 << 10
)

// LoginRequest is what a client brings to log in.
type LoginRequest struct {
	// AppID is the app that the code belongs to. It may be empty where there is
	// one provider.
	AppID string

	// Code is what wx.login() gave the client: 1 to MaxCodeLen bytes of
	// printable ASCII.
	Code Secret

	// Token is the login token that the client still holds, if any: a session of
	// the same account ends when the new one begins. An invalid one is ignored.
	Token Secret

	Device    string // a label for the list of sessions, chosen by the client
	ClientIP  string // for OnLogin
	UserAgent string // for OnLogin
	Fields    Fields // what else the client sent, for OnLogin
}

// LoginEvent is what OnLogin learns and decides.
type LoginEvent struct {
	AppID   string
	Subject string // the user within the app; never changes
	OpenID  string
	UnionID string // may be empty, and may appear later for a known user
	Details any    // what the provider said beyond that; not stored

	ClientIP  string
	UserAgent string
	Device    string
	Fields    Fields // the request's other fields, unverified user input

	// UserID, set by OnLogin, is the application's own id of the user, at most
	// 128 bytes. Sessions of one UserID belong together, across apps. Where it is
	// another one than at the user's last login, the sessions from before end.
	UserID string
	// Data, set by OnLogin, is kept with the session as JSON of at most 4 KiB and
	// comes back in Identity.Data.
	Data any
	// Reply, set by OnLogin, is added to the reply of the login.
	Reply map[string]any
}

// LoginResult is a new session.
type LoginResult struct {
	Token     Secret // hand it to the client; nothing can show it again
	Identity  Identity
	ExpiresIn time.Duration  // until the session ends if it is not used
	Reply     map[string]any // what OnLogin adds to the reply
}

// Login exchanges the code and begins a session. Callers that bring the same code
// of the same app at the same time share one login and its result; a code that
// was answered once is never answered again.
//
// The errors are of class ErrBadRequest, ErrInvalidCode, ErrUserBlocked,
// ErrLoginRefused, ErrRateLimited, ErrUpstreamUnavailable, ErrMisconfigured,
// ErrStoreUnavailable, ErrInternal or ErrClosed. No token is handed out that was
// not saved.
func (a *Auth) Login(ctx context.Context, req LoginRequest) (LoginResult, error) {
	provider, err := a.Provider(ctx, req.AppID)
	if err != nil {
		return LoginResult{}, err
	}
	code := req.Code.Reveal()
	if err := validCode(code); err != nil {
		return LoginResult{}, err
	}
	key := provider.AppID() + "\x00" + code
	result, err := a.flights.join(ctx, a.loginTimeout, key, func(ctx context.Context) (LoginResult, error) {
		return a.login(ctx, provider, req)
	})
	if err != nil {
		return LoginResult{}, err
	}
	result.Reply = maps.Clone(result.Reply) // callers that shared the login share no map
	return result, nil
}

// Issue begins a session for an identity that the caller vouches for: a JWT that
// is being exchanged, a login by SMS. It takes AppID (which may be empty where one
// app is served), Subject, OpenID, UnionID, UserID, Data and Device; Subject may
// be left out where OpenID or UserID is set. No provider and no OnLogin is asked.
//
// The errors are of class ErrBadRequest, ErrStoreUnavailable or ErrInternal, or
// ErrInvalidCode where the account was revoked meanwhile.
func (a *Auth) Issue(ctx context.Context, id Identity) (LoginResult, error) {
	if id.AppID == "" && len(a.apps) == 1 {
		id.AppID = a.apps[0]
	}
	if id.Subject == "" {
		id.Subject = id.OpenID
	}
	id.Device = cut(id.Device, maxLabelLen)
	if err := a.mustServe(ctx, id.AppID); err != nil {
		return LoginResult{}, err
	}
	if id.Subject == "" && id.UserID == "" {
		return LoginResult{}, fmt.Errorf("%w: an identity needs Subject, OpenID or UserID", ErrBadRequest)
	}
	if err := boundedIdentity(id); err != nil {
		return LoginResult{}, fmt.Errorf("%w: %w", ErrBadRequest, err)
	}
	if len(id.Data) > 0 && !json.Valid(id.Data) {
		return LoginResult{}, fmt.Errorf("%w: Data is no JSON", ErrBadRequest)
	}
	var record subject
	if id.Subject != "" {
		var err error
		if record, err = a.loadSubject(ctx, id.AppID, id.Subject); err != nil {
			return LoginResult{}, err
		}
	}
	seen, err := a.readMarks(ctx, subjectAccount(id), accountOf(id))
	if err != nil {
		return LoginResult{}, err
	}
	return a.begin(ctx, beginning{id: id, record: record, seen: seen})
}

// validCode bounds what goes on to the platform. The length of a code is not
// documented and its alphabet neither, so there is an upper bound and no more.
func validCode(code string) error {
	if code == "" {
		return fmt.Errorf("%w: no code", ErrBadRequest)
	}
	if len(code) > MaxCodeLen {
		return fmt.Errorf("%w: code is longer than %d bytes", ErrBadRequest, MaxCodeLen)
	}
	for i := range len(code) {
		if code[i] < ' ' || code[i] > '~' {
			return fmt.Errorf("%w: code is not printable ASCII", ErrBadRequest)
		}
	}
	return nil
}

// login is the one flight of a code.
func (a *Auth) login(ctx context.Context, provider Provider, req LoginRequest) (result LoginResult, err error) {
	defer a.recovered(ctx, &err)
	account, err := provider.Exchange(ctx, req.Code.Reveal())
	if err != nil {
		err = exchangeError(err)
		a.logFailure(ctx, provider.AppID(), err)
		return LoginResult{}, err
	}
	req.AppID = provider.AppID()
	e := newEntrance(account, req)
	if err := e.bounded(); err != nil {
		return LoginResult{}, fmt.Errorf("%w: %w", ErrUpstreamUnavailable, err)
	}
	return a.enter(ctx, e)
}

// exchangeError gives a provider's error a class where it has none, and drops a
// URL that came with it, which may carry the secret and the code.
func exchangeError(err error) error {
	if urlErr := (*url.Error)(nil); errors.As(err, &urlErr) {
		class := classOf(err)
		if class == nil {
			class = ErrUpstreamUnavailable
		}
		return fmt.Errorf("%w: exchange: %w", class, urlErr.Err)
	}
	if classOf(err) == nil {
		return fmt.Errorf("%w: exchange: %w", ErrUpstreamUnavailable, err)
	}
	return err
}

// logFailure tells an operator what only an operator can mend.
func (a *Auth) logFailure(ctx context.Context, appID string, err error) {
	level := slog.LevelInfo
	switch {
	case errors.Is(err, ErrMisconfigured):
		level = slog.LevelError
	case errors.Is(err, ErrUpstreamUnavailable), errors.Is(err, ErrRateLimited):
		level = slog.LevelWarn
	}
	a.log.LogAttrs(ctx, level, "wxlogin: exchange failed", slog.String("app", appID), slog.Any("error", err))
}
