package wxlogin

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ginwx/wxlogin/store"
)

// RevokeUser ends every session of id's account, in all apps, those of logins in
// flight included. Give the identity that FromContext or Authenticate returned,
// or one with UserID, or, for users without one, with AppID and Subject. The
// session_keys stay; see Forget. The error is of class ErrNoAccountIndex or
// ErrStoreUnavailable; after either, sessions may live on.
func (a *Auth) RevokeUser(ctx context.Context, id Identity) error {
	if a.accounts == nil {
		return ErrNoAccountIndex
	}
	if err := a.revoke(ctx, accountOf(id)); err != nil {
		return err
	}
	a.log.LogAttrs(ctx, slog.LevelInfo, "wxlogin: account revoked", slog.String("app", id.AppID))
	return nil
}

// Forget removes everything that is kept of one user of one app: the sessions,
// their index, the session_keys. Use it when a user withdraws consent. Sessions of
// the same account in other apps stay. A login in flight is undone; what it takes
// to notice one, a random mark under a hash, is gone a minute and a login's time
// later. The error is of class ErrNoAccountIndex, where the session_keys are gone
// but sessions may live on until their limits, or ErrStoreUnavailable; call again.
func (a *Auth) Forget(ctx context.Context, appID, subjectID string) error {
	id := Identity{AppID: appID, Subject: subjectID}
	record, err := a.loadSubject(ctx, appID, subjectID)
	if err != nil {
		return err
	}
	own := accountOf(id)
	if a.accounts != nil {
		if err := a.revoke(ctx, own); err != nil {
			return err
		}
		if record.present && record.account != own {
			if err := a.leaveAccount(ctx, record.account, id); err != nil {
				return err
			}
		}
	}
	if err := a.store.Delete(ctx, record.storeKey); err != nil {
		return storeError("forget session_keys", err)
	}
	if a.accounts == nil {
		return ErrNoAccountIndex
	}
	a.log.LogAttrs(ctx, slog.LevelInfo, "wxlogin: user forgotten", slog.String("app", appID))
	return nil
}

// revoke marks the account, then ends its sessions.
func (a *Auth) revoke(ctx context.Context, account accountID) error {
	if err := a.markRevoked(ctx, account); err != nil {
		return err
	}
	if err := a.accounts.DeleteFor(ctx, account.indexKey()); err != nil {
		return storeError("revoke account", err)
	}
	return nil
}

// leaveAccount ends the user's sessions under an account that joins several users.
func (a *Auth) leaveAccount(ctx context.Context, account accountID, id Identity) error {
	list, err := a.listSessions(ctx, account, anySession)
	for i := 0; i < len(list) && err == nil; i++ {
		if list[i].AppID == id.AppID && list[i].Subject == id.Subject {
			err = a.deleteSession(ctx, list[i].key)
		}
	}
	return err
}

// A revocation must also catch a login that is in flight: one whose OnLogin found
// the user in order just before, and whose session is saved just after. So a
// revocation leaves a mark, and a login compares the marks from before OnLogin
// with those after its session was saved. No clock is compared with another.

const markLen = 16

// markTTL outlives any login that could have read its user before the mark.
func (a *Auth) markTTL() time.Duration { return a.loginTimeout + time.Minute }

func (a *Auth) markRevoked(ctx context.Context, account accountID) error {
	mark := make([]byte, markLen)
	_, _ = rand.Read(mark) // never fails
	if err := a.store.Set(ctx, account.markKey(), mark, a.markTTL()); err != nil {
		return storeError("mark account", err)
	}
	return nil
}

// marks are the revocation marks of some accounts at one time; "" for none.
type marks map[accountID]string

func (a *Auth) readMarks(ctx context.Context, accounts ...accountID) (marks, error) {
	found := make(marks, len(accounts))
	for _, account := range accounts {
		if _, done := found[account]; done {
			continue
		}
		mark, err := a.store.Get(ctx, account.markKey())
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, storeError("read mark", err)
		}
		found[account] = string(mark)
	}
	return found, nil
}

// checkMarks undoes the session under key if the user or the account was revoked
// since the marks in seen were read. An account that the login did not expect was
// not looked at then, so any mark of it counts: a user who is new to an account
// that was revoked within the last minute logs in once more.
func (a *Auth) checkMarks(ctx context.Context, id Identity, seen marks, key string) error {
	user, account := subjectAccount(id), accountOf(id)
	now, err := a.readMarks(ctx, user, account)
	if err != nil {
		return a.undo(ctx, err, key)
	}
	revoked := func(who accountID) bool { return now[who] != "" && now[who] != seen[who] }
	err = fmt.Errorf("%w: the account was revoked during the login", ErrInvalidCode)
	switch {
	case revoked(user): // and maybe forgotten, so nothing of this login may stay
		return a.undo(ctx, err, key, subjectKey(id.AppID, id.Subject))
	case revoked(account):
		return a.undo(ctx, err, key)
	}
	return nil
}

// undo takes back what a login wrote and returns the reason, or the outage that
// kept it from doing so.
func (a *Auth) undo(ctx context.Context, reason error, keys ...string) error {
	for _, key := range keys {
		if err := a.store.Delete(ctx, key); err != nil {
			return storeError("undo login", err)
		}
	}
	return reason
}
