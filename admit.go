package wxlogin

import (
	"context"
	"errors"
	"fmt"
)

// Admit returns the identity of a user whom the caller vouches for on this very
// request, without a token: a gateway that the caller trusts has authenticated the
// user. The first request of a user goes through OnLogin and begins a session as a
// login does; the next ones find that session, until it reaches a limit or
// RevokeUser, Forget or EndSession end it, and then OnLogin decides anew. There is
// no token for it.
//
// It takes AppID, Device, ClientIP, UserAgent and Fields of req. Anybody can become
// anybody through a careless call: pass on only what the trusted party has proved.
// The errors are of the classes of Login and of Authenticate, without
// ErrMissingToken and ErrSessionExpired.
func (a *Auth) Admit(ctx context.Context, account Account, req LoginRequest) (Identity, error) {
	if err := a.mustServe(ctx, req.AppID); err != nil {
		return Identity{}, err
	}
	req.Token = Secret{}
	e := newEntrance(account, req)
	if err := e.bounded(); err != nil {
		return Identity{}, fmt.Errorf("%w: %w", ErrBadRequest, err)
	}
	e.key = admittedKey(e.id)
	var id Identity
	err := a.resume(ctx, e.key, &id)
	if errors.Is(err, ErrInvalidToken) || errors.Is(err, ErrSessionExpired) {
		var result LoginResult
		result, err = a.flights.join(ctx, a.loginTimeout, e.key, func(ctx context.Context) (LoginResult, error) {
			return a.admit(ctx, e)
		})
		id = result.Identity
	}
	if err != nil {
		return Identity{}, err
	}
	if account.UnionID != "" {
		id.UnionID = account.UnionID // it may appear later than the session
	}
	return id, nil
}

// admit is the one flight of an admitted user.
func (a *Auth) admit(ctx context.Context, e entrance) (result LoginResult, err error) {
	defer a.recovered(ctx, &err)
	// What has expired lingers for a while, at the key that the new one needs.
	if err := a.store.Delete(ctx, e.key); err != nil {
		return LoginResult{}, storeError("end session", err)
	}
	result, err = a.enter(ctx, e)
	if errors.Is(err, errSessionTaken) { // by another instance, for the same user
		err = a.resume(ctx, e.key, &result.Identity)
	}
	return result, err
}

// admittedKey is where the session of a user without token lives. It is no token's
// key: those are hashes of random bytes.
func admittedKey(id Identity) string {
	d := digest("admitted", id.AppID, id.Subject)
	return sessionPrefix + keyText.EncodeToString(d[:])
}
