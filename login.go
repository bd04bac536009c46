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
	// 128 bytes. Sessions of one UserID belong together, across apps.
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

type hook = func(context.Context, *LoginEvent) error

// Login exchanges the code and begins a session. Callers that bring the same code
// of the same app at the same time share one login and its result; a code that
// was answered once is never answered again.
//
// The errors are of class ErrBadRequest, ErrInvalidCode, ErrUserBlocked,
// ErrLoginRefused, ErrRateLimited, ErrUpstreamUnavailable, ErrMisconfigured,
// ErrStoreUnavailable, ErrInternal or ErrClosed. No token is handed out that was
// not saved.
func (a *Auth) Login(ctx context.Context, req LoginRequest) (LoginResult, error) {
	provider, err := a.provider(req.AppID)
	if err != nil {
		return LoginResult{}, err
	}
	code := req.Code.Reveal()
	if err := validCode(code); err != nil {
		return LoginResult{}, err
	}
	req.Device = cut(req.Device, maxLabelLen)
	req.ClientIP = cut(req.ClientIP, maxAgentLen)
	req.UserAgent = cut(req.UserAgent, maxAgentLen)
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
	if !a.Serves(id.AppID) {
		return LoginResult{}, fmt.Errorf("%w: no such app", ErrBadRequest)
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
	seen, err := a.seeMark(ctx, accountOf(id))
	if err != nil {
		return LoginResult{}, err
	}
	return a.begin(ctx, beginning{id: id, record: record, seen: seen})
}

// provider returns the one of an app; the app is named by the request or is the
// only one, and is never found by trying.
func (a *Auth) provider(appID string) (Provider, error) {
	if appID == "" && len(a.providers) == 1 {
		for _, p := range a.providers {
			return p, nil
		}
	}
	if p, ok := a.providers[appID]; ok {
		return p, nil
	}
	if len(a.providers) == 0 {
		return nil, fmt.Errorf("%w: no provider: this Auth only validates tokens", ErrMisconfigured)
	}
	return nil, fmt.Errorf("%w: no such app", ErrBadRequest)
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
	exchanged := exchangedKey{key: account.SessionKey.Reveal(), at: a.now().UnixMilli()}
	id := Identity{
		AppID: provider.AppID(), Subject: account.Subject, OpenID: account.OpenID, UnionID: account.UnionID,
		Device: req.Device,
	}
	if err := boundedAccount(id, exchanged.key); err != nil {
		return LoginResult{}, fmt.Errorf("%w: %w", ErrUpstreamUnavailable, err)
	}
	record, err := a.loadSubject(ctx, id.AppID, id.Subject)
	if err != nil {
		return LoginResult{}, err
	}
	expected := accountOf(id)
	if record.present {
		expected = record.account
	}
	seen, err := a.seeMark(ctx, expected)
	if err != nil {
		return LoginResult{}, err
	}
	event := newLoginEvent(id, account.Details, req)
	if err := a.decide(ctx, event, &id); err != nil {
		return LoginResult{}, err
	}
	result, err = a.begin(ctx, beginning{id: id, record: record, exchanged: exchanged, seen: seen, replaces: req.Token.Reveal()})
	if err != nil {
		return LoginResult{}, err
	}
	result.Reply = event.Reply
	return result, nil
}

func newLoginEvent(id Identity, details any, req LoginRequest) *LoginEvent {
	return &LoginEvent{
		AppID: id.AppID, Subject: id.Subject, OpenID: id.OpenID, UnionID: id.UnionID, Details: details,
		ClientIP: req.ClientIP, UserAgent: req.UserAgent, Device: req.Device, Fields: req.Fields,
	}
}

// decide asks OnLogin and puts what it set into id.
func (a *Auth) decide(ctx context.Context, event *LoginEvent, id *Identity) error {
	if a.onLogin == nil {
		return nil
	}
	if err := a.onLogin(ctx, event); err != nil {
		if classOf(err) == nil {
			err = fmt.Errorf("%w: OnLogin: %w", ErrInternal, err)
		}
		return err
	}
	id.UserID = event.UserID
	if event.Data != nil {
		data, err := json.Marshal(event.Data)
		if err != nil {
			return fmt.Errorf("%w: OnLogin set Data that is no JSON: %w", ErrInternal, err)
		}
		id.Data = data
	}
	if err := boundedIdentity(*id); err != nil {
		return fmt.Errorf("%w: OnLogin: %w", ErrInternal, err)
	}
	return nil
}

// beginning is what begin needs to know.
type beginning struct {
	id        Identity
	record    subject      // of the user, as read before the decision
	exchanged exchangedKey // empty where no code was exchanged
	seen      markSeen
	replaces  string // the token that the client still holds
}

// begin writes a session: what is known of the user first, the session next, and
// then whatever must see it saved.
func (a *Auth) begin(ctx context.Context, b beginning) (LoginResult, error) {
	account := accountOf(b.id)
	if b.id.Subject != "" {
		if err := a.saveSubject(ctx, b.id, b.record, account, b.exchanged); err != nil {
			return LoginResult{}, err
		}
	}
	s := a.newSession(b.id)
	token, key, err := a.saveSession(ctx, s, account)
	if err != nil {
		return LoginResult{}, err
	}
	if err := a.checkMark(ctx, account, b.seen, key); err != nil {
		return LoginResult{}, err
	}
	a.endReplaced(ctx, b.replaces, account, key)
	if b.record.present && b.record.account != account {
		a.leaveAccount(ctx, b.record.account, b.id)
	}
	a.capSessions(ctx, account)
	id := s.identity(a, key)
	a.log.LogAttrs(ctx, slog.LevelInfo, "wxlogin: session began",
		slog.String("app", id.AppID), slog.String("session", id.SessionID))
	return LoginResult{Token: token, Identity: id, ExpiresIn: a.ExpiresIn(id)}, nil
}

// endReplaced ends the session that the client logs in again from, if it is live
// and of the same account. The new session stands, so a failure is for the log.
func (a *Auth) endReplaced(ctx context.Context, token string, account accountID, newKey string) {
	key, err := a.tokens.open(token)
	if err != nil || key == newKey {
		return
	}
	s, _, err := a.loadSession(ctx, key)
	if err == nil && s.account() == account {
		err = a.deleteSession(ctx, key)
	}
	if err != nil && !errors.Is(err, ErrInvalidToken) {
		a.log.LogAttrs(ctx, slog.LevelWarn, "wxlogin: replaced session not ended", slog.Any("error", err))
	}
}

// leaveAccount ends the user's sessions under the account that OnLogin said
// before, so that no session stays where nobody looks for it.
func (a *Auth) leaveAccount(ctx context.Context, old accountID, id Identity) {
	if a.accounts == nil {
		return
	}
	list, err := a.listSessions(ctx, old)
	for i := 0; i < len(list) && err == nil; i++ {
		if list[i].AppID == id.AppID && list[i].Subject == id.Subject {
			err = a.deleteSession(ctx, list[i].key)
		}
	}
	if err != nil {
		a.log.LogAttrs(ctx, slog.LevelWarn, "wxlogin: sessions of the former account not ended", slog.Any("error", err))
	}
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

func boundedAccount(id Identity, sessionKey string) error {
	if id.Subject == "" {
		return errors.New("the provider returned no subject")
	}
	if len(sessionKey) > maxIDLen {
		return fmt.Errorf("the provider returned a session_key of more than %d bytes", maxIDLen)
	}
	return boundedIdentity(id)
}

func boundedIdentity(id Identity) error {
	for _, field := range []struct{ name, value string }{
		{"Subject", id.Subject}, {"OpenID", id.OpenID}, {"UnionID", id.UnionID}, {"UserID", id.UserID},
	} {
		if len(field.value) > maxIDLen {
			return fmt.Errorf("field %s is longer than %d bytes", field.name, maxIDLen)
		}
	}
	if len(id.Data) > maxDataLen {
		return fmt.Errorf("field Data is longer than %d bytes", maxDataLen)
	}
	return nil
}
