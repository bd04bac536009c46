package wxlogin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
)

// entrance is a user on the way in, by a code or admitted without one.
type entrance struct {
	id      Identity
	account Account
	req     LoginRequest
	key     string // of the session; empty for a new random one with a token
}

func newEntrance(account Account, req LoginRequest) entrance {
	req.Device = cut(req.Device, maxLabelLen)
	req.ClientIP = cut(req.ClientIP, maxAgentLen)
	req.UserAgent = cut(req.UserAgent, maxAgentLen)
	return entrance{
		id: Identity{
			AppID: req.AppID, Subject: account.Subject, OpenID: account.OpenID, UnionID: account.UnionID, Device: req.Device,
		},
		account: account,
		req:     req,
	}
}

// bounded checks what the platform said.
func (e *entrance) bounded() error {
	if e.id.Subject == "" {
		return errors.New("the account has no subject")
	}
	if len(e.account.SessionKey.Reveal()) > maxIDLen {
		return fmt.Errorf("the account's session_key is longer than %d bytes", maxIDLen)
	}
	return boundedIdentity(e.id)
}

// enter reads what is known of the user, lets OnLogin decide and begins a session.
func (a *Auth) enter(ctx context.Context, e entrance) (LoginResult, error) {
	exchanged := exchangedKey{key: e.account.SessionKey.Reveal(), at: a.now().UnixMilli()}
	record, err := a.loadSubject(ctx, e.id.AppID, e.id.Subject)
	if err != nil {
		return LoginResult{}, err
	}
	seen, err := a.readMarks(ctx, record.accounts(e.id)...)
	if err != nil {
		return LoginResult{}, err
	}
	event := e.event()
	if err := a.decide(ctx, event, &e.id); err != nil {
		return LoginResult{}, err
	}
	result, err := a.begin(ctx, beginning{
		id: e.id, record: record, exchanged: exchanged, seen: seen, replaces: e.req.Token.Reveal(), key: e.key,
	})
	if err != nil {
		return LoginResult{}, err
	}
	result.Reply = event.Reply
	return result, nil
}

func (e *entrance) event() *LoginEvent {
	return &LoginEvent{
		AppID: e.id.AppID, Subject: e.id.Subject, OpenID: e.id.OpenID, UnionID: e.id.UnionID, Details: e.account.Details,
		ClientIP: e.req.ClientIP, UserAgent: e.req.UserAgent, Device: e.req.Device, Fields: e.req.Fields,
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
	seen      marks
	replaces  string // the token that the client still holds
	key       string // of the session; empty for a new random one with a token
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
	token, key, err := a.saveSession(ctx, s, account, b.key)
	if err != nil {
		return LoginResult{}, err
	}
	if err := a.checkMarks(ctx, b.id, b.seen, key); err != nil {
		return LoginResult{}, err
	}
	a.endReplaced(ctx, b.replaces, account, key)
	a.leaveFormer(ctx, b.record, account, b.id)
	a.capSessions(ctx, account)
	s.complete(a, key)
	id := *s.Identity
	a.log.LogAttrs(ctx, slog.LevelInfo, "wxlogin: session began",
		slog.String("app", id.AppID), slog.String("session", id.SessionID))
	return LoginResult{Token: token, Identity: id, ExpiresIn: id.ExpiresAt.Sub(id.CreatedAt)}, nil
}

// endReplaced ends the session that the client logs in again from, if it is live
// and of the same account. The new session stands, so a failure is for the log.
func (a *Auth) endReplaced(ctx context.Context, token string, account accountID, newKey string) {
	key, err := a.tokens.open(token)
	if err != nil || key == newKey {
		return
	}
	s := session{Identity: new(Identity)}
	_, err = a.loadSession(ctx, key, &s)
	if err == nil && accountOf(*s.Identity) == account {
		err = a.deleteSession(ctx, key)
	}
	if err != nil && !errors.Is(err, ErrInvalidToken) {
		a.log.LogAttrs(ctx, slog.LevelWarn, "wxlogin: replaced session not ended", slog.Any("error", err))
	}
}

// leaveFormer ends the user's sessions under the account that OnLogin said before,
// so that no session stays where nobody looks for it.
func (a *Auth) leaveFormer(ctx context.Context, record subject, account accountID, id Identity) {
	if a.accounts == nil || !record.present || record.account == account {
		return
	}
	if err := a.leaveAccount(ctx, record.account, id); err != nil {
		a.log.LogAttrs(ctx, slog.LevelWarn, "wxlogin: sessions of the former account not ended", slog.Any("error", err))
	}
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
