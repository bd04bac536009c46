package wxlogin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/ginwx/wxlogin/internal/carrier"
	"github.com/ginwx/wxlogin/store"
)

const (
	sessionVersion = 1
	// sessionTagLen is how much of its own key a record repeats, so that an
	// answer meant for another key is never taken for this one.
	sessionTagLen = 8
	// expiredGrace keeps a session after its end, to tell "expired" from "unknown".
	expiredGrace = time.Hour
	// lifetimeJitter is the share of MaxLifetime within which sessions end at random.
	lifetimeJitter = 10
)

var errNoSession = fmt.Errorf("%w: no such session", ErrInvalidToken)

// session is what the store holds of one login. Times are Unix milliseconds.
type session struct {
	AppID, Subject, OpenID, UnionID, UserID, Device, Data string

	created int64
	seen    int64 // moves when a slide is written
	end     int64 // the absolute limit; never moves
	idle    int64 // a duration, in milliseconds
}

// encode writes s for its store key.
func (s *session) encode(key string) []byte {
	w := recordWriter{buf: make([]byte, 0, 160)}
	w.byte(sessionVersion)
	w.buf = append(w.buf, key[len(sessionPrefix):][:sessionTagLen]...)
	for _, ms := range [...]int64{s.created, s.seen, s.end, s.idle} {
		w.millis(ms)
	}
	openID := s.OpenID
	if openID == s.Subject {
		openID = sameAsSubject
	}
	for _, text := range [...]string{s.AppID, s.Subject, openID, s.UnionID, s.UserID, s.Device, s.Data} {
		w.text(text)
	}
	return w.buf
}

// sameAsSubject stands for an openid that is the subject, as every mini
// program's is. No openid is a lone zero byte.
const sameAsSubject = "\x00"

// decode reads the record of key. It is on the way of every request.
func (s *session) decode(key, value string) error {
	r := recordReader{rest: value}
	head := r.take(1 + sessionTagLen + 4*millisLen)
	if head == "" || head[0] != sessionVersion || head[1:1+sessionTagLen] != key[len(sessionPrefix):][:sessionTagLen] {
		return errUnreadable
	}
	times := head[1+sessionTagLen:]
	s.created = millisAt(times)
	s.seen = millisAt(times[millisLen:])
	s.end = millisAt(times[2*millisLen:])
	s.idle = millisAt(times[3*millisLen:])
	r.texts(&s.AppID, &s.Subject, &s.OpenID, &s.UnionID, &s.UserID, &s.Device, &s.Data)
	if s.OpenID == sameAsSubject {
		s.OpenID = s.Subject
	}
	return r.done()
}

// expires is when s ends if it is not used again.
func (s *session) expires() int64 { return min(s.seen+s.idle, s.end) }

// storeTTL keeps the record past both limits, counted from now.
func (s *session) storeTTL(now int64) time.Duration {
	return time.Duration(max(s.seen+s.idle, s.end)-now)*time.Millisecond + expiredGrace
}

// account is who s belongs to.
func (s *session) account() accountID {
	return accountOf(Identity{AppID: s.AppID, Subject: s.Subject, UserID: s.UserID})
}

// identify writes who the session under key belongs to into id, which is zero.
// Field by field: a literal would be made first and copied then.
func (s *session) identify(a *Auth, key string, id *Identity) {
	id.AppID = s.AppID
	id.Subject = s.Subject
	id.OpenID = s.OpenID
	id.UnionID = s.UnionID
	id.UserID = s.UserID
	id.Device = s.Device
	id.SessionID = sessionIDOf(key)
	id.CreatedAt = time.UnixMilli(s.created)
	id.ExpiresAt = time.UnixMilli(s.expires())
	id.verifiedBy = a.mark
	if s.Data != "" {
		id.Data = json.RawMessage(s.Data)
	}
}

// newSession starts the clock of a session for id.
func (a *Auth) newSession(id Identity) *session {
	now := a.now().UnixMilli()
	lifetime := a.lifetime.Milliseconds()
	if spread := lifetime / lifetimeJitter; spread > 0 {
		lifetime -= rand.Int64N(spread)
	}
	return &session{
		AppID: id.AppID, Subject: id.Subject, OpenID: id.OpenID, UnionID: id.UnionID,
		UserID: id.UserID, Device: id.Device, Data: string(id.Data),
		created: now, seen: now, end: now + lifetime, idle: a.idle.Milliseconds(),
	}
}

// Authenticate returns the identity behind token and counts as a use of its
// session. The errors are of class ErrMissingToken, ErrInvalidToken,
// ErrSessionExpired or ErrStoreUnavailable; the last one says nothing about the
// token.
func (a *Auth) Authenticate(ctx context.Context, token string) (Identity, error) {
	var id Identity
	if err := a.authenticate(ctx, token, &id); err != nil {
		return Identity{}, err
	}
	return id, nil
}

// AuthenticateContext is Authenticate and WithIdentity in one, for whatever stands
// between a request and its handlers. Without an error the context carries the
// identity.
func (a *Auth) AuthenticateContext(ctx context.Context, token string) (context.Context, error) {
	c := &carrier.Context[Identity]{Context: ctx}
	if err := a.authenticate(ctx, token, &c.Identity); err != nil {
		return nil, err
	}
	return c, nil
}

func (a *Auth) authenticate(ctx context.Context, token string, id *Identity) error {
	key, err := a.tokens.open(token)
	if err != nil {
		return err
	}
	return a.resume(ctx, key, id)
}

// resume uses the session under key.
func (a *Auth) resume(ctx context.Context, key string, id *Identity) error {
	var s session
	value, err := a.loadSession(ctx, key, &s)
	if err != nil {
		return err
	}
	now := a.now().UnixMilli()
	if now >= s.expires() {
		return ErrSessionExpired
	}
	if now-s.seen >= a.touch.Milliseconds() {
		if err := a.slide(ctx, key, &s, value, now); err != nil {
			return err
		}
	}
	s.identify(a, key, id)
	return nil
}

// loadSession reads the session under key, live or expired, of an app served
// here, into s, and returns the value that a swap must find.
func (a *Auth) loadSession(ctx context.Context, key string, s *session) (string, error) {
	value, err := a.getString(ctx, key)
	if err != nil {
		if errors.Is(err, store.ErrNotFound) {
			return "", errNoSession
		}
		return "", storeError("read session", err)
	}
	if err := s.decode(key, value); err != nil {
		return "", storeError("read session", err)
	}
	served, err := a.serves(ctx, s.AppID)
	if err != nil {
		return "", err
	}
	if !served {
		return "", fmt.Errorf("%w: of an app that is not served here", ErrInvalidToken)
	}
	return value, nil
}

// getString reads without a copy where the store can.
func (a *Auth) getString(ctx context.Context, key string) (string, error) {
	if a.memory != nil {
		return a.memory.GetString(ctx, key)
	}
	value, err := a.store.Get(ctx, key)
	return string(value), err
}

// slide moves the idle limit. Only a session that is still there can slide:
// nothing brings back one that was deleted. Losing to another slide is fine, and
// so is a write that failed: the session was read and is live.
func (a *Auth) slide(ctx context.Context, key string, s *session, old string, now int64) error {
	moved := *s
	moved.seen = now
	swapped, err := a.store.Swap(ctx, key, []byte(old), moved.encode(key), moved.storeTTL(now))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("%w: ended meanwhile", ErrInvalidToken)
	case err != nil:
		a.log.LogAttrs(ctx, slog.LevelWarn, "wxlogin: session not extended",
			slog.String("session", sessionIDOf(key)), slog.Any("error", err))
	case swapped:
		*s = moved
	}
	return nil
}

// saveSession writes a new session under the account's index: at key, or at a new
// random one whose token it returns.
func (a *Auth) saveSession(ctx context.Context, s *session, account accountID, key string) (token Secret, _ string, err error) {
	if key == "" {
		if token, key, err = a.tokens.issue(); err != nil {
			return Secret{}, "", err
		}
	}
	value, ttl := s.encode(key), s.storeTTL(s.created)
	var added bool
	if a.accounts != nil {
		added, err = a.accounts.AddFor(ctx, account.indexKey(), key, value, ttl)
	} else {
		added, err = a.store.Add(ctx, key, value, ttl)
	}
	if err != nil {
		return Secret{}, "", storeError("save session", err)
	}
	if !added {
		return Secret{}, "", errSessionTaken
	}
	return token, key, nil
}

// errSessionTaken cannot come of a random key; at a fixed one another instance was
// faster.
var errSessionTaken = storeError("save session", errors.New("the key is taken"))

// storeError marks an outage.
func storeError(op string, err error) error {
	return fmt.Errorf("%w: %s: %w", ErrStoreUnavailable, op, err)
}
