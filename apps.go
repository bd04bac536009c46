package wxlogin

import (
	"context"
	"fmt"
	"slices"
)

// Serves reports whether tokens of the app may be honoured here. With
// Config.Resolve that is decided at each request, so every app may.
func (a *Auth) Serves(appID string) bool {
	return a.resolve != nil || slices.Contains(a.apps, appID)
}

// Provider returns the provider of an app, for what it can do beyond Exchange. The
// appID may be empty where there is one provider; an app is never found by trying.
// The errors are of class ErrBadRequest for an app without provider, ErrMisconfigured
// where the Auth only validates tokens, or those of Config.Resolve.
func (a *Auth) Provider(ctx context.Context, appID string) (Provider, error) {
	if appID == "" && len(a.providers) == 1 && a.resolve == nil {
		for _, p := range a.providers {
			return p, nil
		}
	}
	if p, ok := a.providers[appID]; ok {
		return p, nil
	}
	if len(a.providers) == 0 && a.resolve == nil {
		return nil, fmt.Errorf("%w: no provider: this Auth only validates tokens", ErrMisconfigured)
	}
	p, err := a.resolved(ctx, appID)
	if err != nil {
		return nil, err
	}
	if p == nil {
		return nil, errNoApp
	}
	return p, nil
}

var errNoApp = fmt.Errorf("%w: no such app", ErrBadRequest)

// serves is Serves for one request. The usual case costs a comparison.
func (a *Auth) serves(ctx context.Context, appID string) (bool, error) {
	if slices.Contains(a.apps, appID) {
		return true, nil
	}
	p, err := a.resolved(ctx, appID)
	return p != nil, err
}

func (a *Auth) mustServe(ctx context.Context, appID string) error {
	served, err := a.serves(ctx, appID)
	if err == nil && !served {
		err = errNoApp
	}
	return err
}

// resolved asks Config.Resolve for an app that is not named in the Config; nil
// where there is no such app.
func (a *Auth) resolved(ctx context.Context, appID string) (Provider, error) {
	if a.resolve == nil || appID == "" || len(appID) > maxIDLen {
		return nil, nil
	}
	p, err := a.resolve(ctx, appID)
	if err != nil {
		if classOf(err) == nil {
			err = storeError("resolve app", err)
		}
		return nil, err
	}
	if p == nil {
		return nil, nil
	}
	if err := checkProvider(p); err != nil {
		return nil, fmt.Errorf("%w: Config.Resolve: %w", ErrMisconfigured, err)
	}
	if p.AppID() != appID {
		return nil, fmt.Errorf("%w: Config.Resolve returned a provider of another app", ErrMisconfigured)
	}
	a.equip(p)
	return p, nil
}
