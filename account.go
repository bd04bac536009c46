package wxlogin

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// accountID names who sessions belong to: the application's user where it gave a
// UserID, else the user within one app.
type accountID [sha256.Size]byte

func accountOf(id Identity) accountID {
	if id.UserID != "" {
		return accountID(digest("user", id.UserID))
	}
	return subjectAccount(id)
}

// subjectAccount is the account of a user without UserID.
func subjectAccount(id Identity) accountID {
	return accountID(digest("subject", id.AppID, id.Subject))
}

func (a accountID) indexKey() string { return "account:" + keyText.EncodeToString(a[:]) }
func (a accountID) markKey() string  { return "revoked:" + keyText.EncodeToString(a[:]) }

// digest hashes texts so that no two lists of texts share a digest.
func digest(texts ...string) [sha256.Size]byte {
	var w recordWriter
	for _, text := range texts {
		w.text(text)
	}
	return sha256.Sum256(w.buf)
}

// Session is one login of an account, as its owner may see it.
type Session struct {
	ID         string    // names it for EndSession
	AppID      string    // the app it was made for
	Device     string    // the label that the client gave
	CreatedAt  time.Time // when the user logged in
	LastSeenAt time.Time // to within the interval at which slides are written
	ExpiresAt  time.Time // when it ends if it is not used again
	Current    bool      // whether it is the session of the identity that asks
}

// Sessions lists the live sessions of id's account, the newest first. The error
// is of class ErrNoAccountIndex or ErrStoreUnavailable.
func (a *Auth) Sessions(ctx context.Context, id Identity) ([]Session, error) {
	found, err := a.listSessions(ctx, accountOf(id), liveSession)
	if err != nil {
		return nil, err
	}
	list := make([]Session, 0, len(found))
	for _, s := range found {
		list = append(list, Session{
			ID:         sessionIDOf(s.key),
			AppID:      s.AppID,
			Device:     s.Device,
			CreatedAt:  time.UnixMilli(s.created),
			LastSeenAt: time.UnixMilli(s.seen),
			ExpiresAt:  time.UnixMilli(s.expires()),
			Current:    sessionIDOf(s.key) == id.SessionID,
		})
	}
	return list, nil
}

// EndSession ends one session of id's account by its Session.ID. An account
// cannot end another's: an ID that is not in its own list changes nothing, and is
// no error, because that session is as gone as the caller wants it. The error is
// of class ErrNoAccountIndex or ErrStoreUnavailable.
func (a *Auth) EndSession(ctx context.Context, id Identity, sessionID string) error {
	found, err := a.listSessions(ctx, accountOf(id), liveSession)
	if err != nil {
		return err
	}
	for _, s := range found {
		if sessionIDOf(s.key) == sessionID {
			return a.deleteSession(ctx, s.key)
		}
	}
	return nil
}

// Logout ends the session of a genuine token; one that is gone already is no
// error. A nil error means that the token is refused from now on. The errors are
// of class ErrMissingToken, ErrInvalidToken or ErrStoreUnavailable; after the
// last one the session may live on.
func (a *Auth) Logout(ctx context.Context, token string) error {
	key, err := a.tokens.open(token)
	if err != nil {
		return err
	}
	switch _, err := a.loadSession(ctx, key, &session{Identity: new(Identity)}); {
	case errors.Is(err, errNoSession):
		return nil
	case err != nil:
		return err
	}
	return a.deleteSession(ctx, key)
}

func (a *Auth) deleteSession(ctx context.Context, key string) error {
	if err := a.store.Delete(ctx, key); err != nil {
		return storeError("end session", err)
	}
	a.log.LogAttrs(ctx, slog.LevelInfo, "wxlogin: session ended", slog.String("session", sessionIDOf(key)))
	return nil
}

type listedSession struct {
	key string
	session
}

// liveSession and anySession say what listSessions returns.
func liveSession(s *session, now int64) bool { return now < s.expires() }
func anySession(*session, int64) bool        { return true }

// listSessions returns the wanted sessions of an account, the newest first.
func (a *Auth) listSessions(ctx context.Context, account accountID, wanted func(*session, int64) bool) ([]listedSession, error) {
	if a.accounts == nil {
		return nil, ErrNoAccountIndex
	}
	entries, err := a.accounts.ListFor(ctx, account.indexKey())
	if err != nil {
		return nil, storeError("list sessions", err)
	}
	now := a.now().UnixMilli()
	var list []listedSession
	for _, entry := range entries {
		if !isSessionKey(entry.Key) {
			return nil, storeError("list sessions", errUnreadable)
		}
		s := session{Identity: new(Identity)}
		if err := s.decode(entry.Key, string(entry.Value)); err != nil {
			return nil, storeError("list sessions", err)
		}
		if wanted(&s, now) {
			list = append(list, listedSession{entry.Key, s})
		}
	}
	slices.SortFunc(list, func(x, y listedSession) int {
		if c := cmp.Compare(y.created, x.created); c != 0 {
			return c
		}
		return strings.Compare(x.key, y.key)
	})
	return list, nil
}

// capSessions ends the sessions beyond the limit, those that began first. The new
// one is saved by now, so a failure is for the log alone.
func (a *Auth) capSessions(ctx context.Context, account accountID) {
	if a.maxSessions < 0 || a.accounts == nil {
		return
	}
	list, err := a.listSessions(ctx, account, liveSession)
	for i := a.maxSessions; i < len(list) && err == nil; i++ {
		err = a.deleteSession(ctx, list[i].key)
	}
	if err != nil {
		a.log.LogAttrs(ctx, slog.LevelWarn, "wxlogin: sessions not capped", slog.Any("error", err))
	}
}
