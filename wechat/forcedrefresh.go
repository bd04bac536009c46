package wechat

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ginwx/wxlogin"
)

// WeChat takes 20 forced refreshes a day, 30 seconds apart, and leaves the token as
// it is for one more. When its day begins is not documented, so each of the 20
// counts for 24 hours, and all instances together keep to both limits.
const (
	forcesPerDay  = 20
	forceInterval = 35 * time.Second
	forceDay      = 24 * time.Hour

	forceName = "forced refresh"

	// awaitInterval is how often an instance looks for the token that another one
	// is fetching.
	awaitInterval = 100 * time.Millisecond
)

// force gets another token where WeChat refuses the stale one and yet answers with
// it in normal mode. One instance does it; the others wait for what it got.
//
// While the store is down nobody can count, and nobody forces.
func (s *stableSource) force(ctx context.Context, stale wxlogin.Secret) (token, error) {
	claimed, err := s.shared.add(ctx, forceName, wxlogin.NewSecret(s.owner+" "+stale.Reveal()), forceInterval)
	if err != nil {
		return token{}, err
	}
	if !claimed {
		return s.await(ctx, stale)
	}
	if t, ok := s.load(ctx, stale); ok { // somebody was faster than WeChat's answer to us
		return t, nil
	}
	if err := s.countForce(ctx); err != nil {
		return token{}, err
	}
	t, err := s.client.stableToken(ctx, s.appID, s.app, true)
	if err == nil && t.secret.Equal(stale) {
		err = errRationed()
	}
	return t, err
}

// countForce takes one of the day's refreshes.
func (s *stableSource) countForce(ctx context.Context) error {
	for n := range forcesPerDay {
		free, err := s.shared.add(ctx, fmt.Sprintf("%s %d", forceName, n+1), wxlogin.NewSecret(s.owner), forceDay)
		if err != nil || free {
			return err
		}
	}
	return errRationed()
}

// await waits for the token that another instance gets in the place of the same
// stale one.
func (s *stableSource) await(ctx context.Context, stale wxlogin.Secret) (token, error) {
	claim, ok, err := s.shared.get(ctx, forceName)
	if err != nil {
		return token{}, err
	}
	owner, replaced, _ := strings.Cut(claim.Reveal(), " ")
	if !ok || owner == s.owner || replaced != stale.Reveal() {
		return token{}, errRationed()
	}
	tick := time.NewTicker(awaitInterval)
	defer tick.Stop()
	for {
		if t, ok := s.load(ctx, stale); ok {
			return t, nil
		}
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return token{}, left(stableTokenAPI())
			}
			return token{}, errRationed()
		case <-tick.C:
		}
	}
}

func errRationed() error {
	return fmt.Errorf("%w: stable_token: no forced refresh is free: WeChat takes %d a day, 30 seconds apart",
		wxlogin.ErrRateLimited, forcesPerDay)
}
