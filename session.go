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

// session is what the store holds of one login: who it is, of whom the record has
// AppID, Subject, OpenID, UnionID, UserID, Device and Data, and its limits. Times
// are Unix milliseconds.
type session struct {
	*Identity

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
	for _, text := range [...]string{s.AppID, s.Subject, openID, s.UnionID, s.UserID, s.Device, string(s.Data)} {
		w.text(text)
	}
	return w.buf
}

// sameAsSubject stands for an openid that is the subject, as every mini
// program's is. No openid is a lone zero byte.
const sameAsSubject = "\x00"

// decode reads the record of key into s and its Identity, which is zero. It is on
// the way of every request.
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
	var data string
	r.texts(&s.AppID, &s.Subject, &s.OpenID, &s.UnionID, &s.UserID, &s.Device, &data)
	if s.OpenID == sameAsSubject {
		s.OpenID = s.Subject
	}
	if data != "" {
		s.Data = json.RawMessage(data)
	}
	return r.done()
}

// expires is when s ends if it is not used again.
func (s *session) expires() int64 { return min(s.seen+s.idle, s.end) }

// storeTTL keeps the record past both limits, counted from now.
func (s *session) storeTTL(now int64) time.Duration {
	return time.Duration(max(s.seen+s.idle, s.end)-now)*time.Millisecond + expiredGrace
}

// complete fills in what the Identity of a session under key has beyond the record.
func (s *session) complete(a *Auth, key string) {
	s.SessionID = sessionIDOf(key)
	s.CreatedAt = time.UnixMilli(s.created)
	s.ExpiresAt = time.UnixMilli(s.expires())
	s.verifiedBy = a.mark
}

// newSession starts the clock of a session for id.
func (a *Auth) newSession(id Identity) *session {
	now := a.now().UnixMilli()
	lifetime := a.lifetime.Milliseconds()
	if spread := lifetime / lifetimeJitter; spread > 0 {
		lifetime -= rand.Int64N(spread)
	}
	return &session{
		Identity: &Identity{
			AppID: id.AppID, Subject: id.Subject, OpenID: id.OpenID, UnionID: id.UnionID,
			UserID: id.UserID, Device: id.Device, Data: id.Data,
		},
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

// resume uses the session under key and writes whose it is into id, which is zero;
// with an error, what id holds is of no use.
func (a *Auth) resume(ctx context.Context, key string, id *Identity) error {
	s := session{Identity: id}
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
	s.complete(a, key)
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
