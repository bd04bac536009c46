package wxlogin

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/ginwx/wxlogin/store"
)

// SessionKeys are WeChat's keys for a user's data. WeChat honours one at a time,
// but a client may still hold data that was encrypted under the one before.
type SessionKeys struct {
	Current     Secret
	Previous    Secret    // empty where only one key has been seen
	ExchangedAt time.Time // when WeChat last answered with Current
}

// SessionKeys returns the session_keys of the user (id.AppID, id.Subject). They
// belong to the user, not to a session, and must stay on the server. The error is
// of class ErrSessionKeyStale where none is known, so that the client logs in and
// fetches its data again, or ErrStoreUnavailable.
func (a *Auth) SessionKeys(ctx context.Context, id Identity) (SessionKeys, error) {
	record, err := a.loadSubject(ctx, id.AppID, id.Subject)
	if err != nil {
		return SessionKeys{}, err
	}
	if record.current.key == "" {
		return SessionKeys{}, fmt.Errorf("%w: none is known", ErrSessionKeyStale)
	}
	return SessionKeys{
		Current:     NewSecret(record.current.key),
		Previous:    NewSecret(record.previous.key),
		ExchangedAt: time.UnixMilli(record.current.at),
	}, nil
}

// KeepSessionKey stores a session_key that WeChat gave the user (id.AppID,
// id.Subject) outside a login, as a reset does: it is the current one from now on,
// and the one before it the previous. The error is of class ErrBadRequest, where the
// key is empty or longer than 128 bytes or there is no Subject, or
// ErrStoreUnavailable.
func (a *Auth) KeepSessionKey(ctx context.Context, id Identity, key Secret) error {
	if id.Subject == "" || key.IsZero() || len(key.Reveal()) > maxIDLen {
		return fmt.Errorf("%w: no user or no session_key", ErrBadRequest)
	}
	record, err := a.loadSubject(ctx, id.AppID, id.Subject)
	if err != nil {
		return err
	}
	account := accountOf(id)
	if record.present {
		account = record.account
	}
	return a.saveSubject(ctx, id, record, account, exchangedKey{key.Reveal(), a.now().UnixMilli()})
}

const (
	subjectVersion = 1
	// maxSubjectTries bounds the swaps that lose to other logins of one user.
	maxSubjectTries = 16
)

// subject is what is known of one user of one app beyond any session.
type subject struct {
	account           accountID // whose sessions hold this user's latest login
	current, previous exchangedKey

	storeKey string
	raw      []byte // what the store holds now, nil for nothing
	present  bool   // whether raw could be read
}

// exchangedKey is a session_key and when WeChat answered with it.
type exchangedKey struct {
	key string
	at  int64 // Unix milliseconds
}

func subjectKey(appID, subjectID string) string {
	d := digest("subject", appID, subjectID)
	return "subject:" + keyText.EncodeToString(d[:])
}

func (a *Auth) loadSubject(ctx context.Context, appID, subjectID string) (subject, error) {
	s := subject{storeKey: subjectKey(appID, subjectID)}
	raw, err := a.store.Get(ctx, s.storeKey)
	if errors.Is(err, store.ErrNotFound) {
		return s, nil
	}
	if err != nil {
		return subject{}, storeError("read session_keys", err)
	}
	s.raw = raw
	if plain, ok := a.keys.open(s.storeKey, raw); ok {
		s.present = s.decode(string(plain)) == nil
	}
	return s, nil
}

// accounts are those that a login of the user is expected to end up with.
func (s *subject) accounts(id Identity) []accountID {
	if s.present {
		return []accountID{subjectAccount(id), s.account}
	}
	return []accountID{subjectAccount(id)}
}

func (s *subject) encode() []byte {
	var w recordWriter
	w.byte(subjectVersion)
	w.buf = append(w.buf, s.account[:]...)
	for _, k := range []exchangedKey{s.current, s.previous} {
		w.text(k.key)
		if k.key != "" {
			w.millis(k.at)
		}
	}
	return w.buf
}

// decode leaves s without keys where plain cannot be read.
func (s *subject) decode(plain string) error {
	r := recordReader{rest: plain}
	if r.byte() != subjectVersion {
		return errUnreadable
	}
	var account accountID
	copy(account[:], r.take(sha256.Size))
	var keys [2]exchangedKey
	for i := range keys {
		if keys[i].key = r.text(); keys[i].key != "" {
			keys[i].at = r.millis()
		}
	}
	if err := r.done(); err != nil {
		return err
	}
	s.account, s.current, s.previous = account, keys[0], keys[1]
	return nil
}

// add puts an exchanged key in its place by the time of the exchange, whatever
// order the logins of several instances are written in. An exchange that returned
// a key that is known already replaces none.
func (s *subject) add(k exchangedKey) {
	switch {
	case k.key == "":
	case k.key == s.current.key:
		s.current.at = max(s.current.at, k.at)
	case s.current.key == "" || k.at >= s.current.at:
		s.previous, s.current = s.current, k
	case k.key == s.previous.key:
		s.previous.at = max(s.previous.at, k.at)
	case s.previous.key == "" || k.at > s.previous.at:
		s.previous = k
	}
}

// saveSubject adds what a login learned to the record that was read as s, or to
// what took its place meanwhile.
func (a *Auth) saveSubject(ctx context.Context, id Identity, s subject, account accountID, k exchangedKey) error {
	for range maxSubjectTries {
		s.account = account
		s.add(k)
		written, err := a.swapSubject(ctx, &s)
		if written {
			return nil
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return storeError("save session_keys", err)
		}
		if s, err = a.loadSubject(ctx, id.AppID, id.Subject); err != nil {
			return err
		}
	}
	return storeError("save session_keys", errors.New("too many logins of one user at once"))
}

// swapSubject writes s where the store still holds what s was read from.
func (a *Auth) swapSubject(ctx context.Context, s *subject) (bool, error) {
	sealed := a.keys.seal(s.storeKey, s.encode())
	if s.raw == nil {
		return a.store.Add(ctx, s.storeKey, sealed, a.lifetime)
	}
	return a.store.Swap(ctx, s.storeKey, s.raw, sealed, a.lifetime)
}
