package wechat

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/ginwx/wxlogin"
)

// stableSource is the TokenSource of one app that asks stable_token, once for all
// callers of this process, and shares what it gets with other instances. It is
// safe for concurrent use; make one with newStableSource.
type stableSource struct {
	appID  string
	app    *secrets
	client *client
	shared ledger
	owner  string // of this instance's claims; see force
	limit  time.Duration

	mu      sync.Mutex
	current token
	flight  *tokenFlight // the fetch that runs, if any
	failure tokenFailure // the last one, if no fetch has worked since
	closed  bool
	running sync.WaitGroup
}

// tokenFlight is one fetch. Once done is closed, token or err is set.
type tokenFlight struct {
	stale  wxlogin.Secret
	cancel context.CancelFunc
	done   chan struct{}
	token  token
	err    error
}

// tokenFailure keeps WeChat from being asked again too soon.
type tokenFailure struct {
	err    error
	until  time.Time
	streak int
}

// fetchAttempts bounds a fetch, in time-outs of one attempt.
const fetchAttempts = 2

// maxRounds is how often a caller waits for a fetch before it takes what there is:
// one that another caller began may bring the very token that is stale.
const maxRounds = 2

// AccessToken returns the current token if it lives and is not stale. Near its end
// it still serves, and another one is fetched meanwhile. See TokenSource.
func (s *stableSource) AccessToken(ctx context.Context, stale wxlogin.Secret) (wxlogin.Secret, error) {
	for round := 1; ; round++ {
		token, flight, err := s.take(stale)
		if flight == nil {
			return token, err
		}
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return wxlogin.Secret{}, left(stableTokenAPI())
			}
			return wxlogin.Secret{}, timedOut(stableTokenAPI(), ctx.Err().Error())
		case <-flight.done:
		}
		switch {
		case flight.err != nil:
			return wxlogin.Secret{}, flight.err
		case round == maxRounds || !flight.token.secret.Equal(stale):
			return flight.token.secret, nil
		}
	}
}

// take returns the current token, or the fetch to wait for.
func (s *stableSource) take(stale wxlogin.Secret) (wxlogin.Secret, *tokenFlight, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return wxlogin.Secret{}, nil, fmt.Errorf("%w: access_token", wxlogin.ErrClosed)
	}
	now := time.Now()
	serves := s.current.serves(now, stale)
	if serves && now.Before(s.current.renew) {
		return s.current.secret, nil, nil
	}
	if s.flight == nil && (!serves || !now.Before(s.failure.until)) {
		s.start(stale)
	}
	if serves {
		return s.current.secret, nil, nil
	}
	return wxlogin.Secret{}, s.flight, nil
}

// start begins a fetch, which outlives the caller that needed it first.
func (s *stableSource) start(stale wxlogin.Secret) {
	ctx, cancel := context.WithTimeout(context.Background(), s.limit)
	f := &tokenFlight{stale: stale, cancel: cancel, done: make(chan struct{})}
	s.flight = f
	current, failure := s.current, s.failure
	s.running.Go(func() {
		defer cancel()
		t, failure, err := s.fetch(ctx, current, failure, stale)
		s.land(f, t, failure, err)
	})
}

// land ends a fetch. A failure leaves the current token as it is: it serves to its
// end.
func (s *stableSource) land(f *tokenFlight, t token, failure tokenFailure, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer close(f.done)
	s.flight, s.failure = nil, failure
	if err == nil {
		s.current = t
	} else if s.closed {
		err = fmt.Errorf("%w: access_token", wxlogin.ErrClosed)
	}
	f.token, f.err = t, err
}

// fetch gets a token from whoever has one: another instance, WeChat, and WeChat by
// force where it says that the stale one is still right.
func (s *stableSource) fetch(ctx context.Context, current token, failure tokenFailure, stale wxlogin.Secret) (t token, next tokenFailure, err error) {
	defer func() {
		if p := recover(); p != nil { // of the caller's http.Client or store
			err = fmt.Errorf("%w: stable_token: the call panicked", wxlogin.ErrInternal)
			t, next = token{}, failure.after(err)
		}
	}()
	if t, ok := s.load(ctx, stale); ok && t.ends.After(current.liveEnd(stale)) {
		return t, tokenFailure{}, nil
	}
	if time.Now().Before(failure.until) {
		return token{}, failure, failure.err
	}
	if current.serves(time.Now(), stale) && !s.claimRenewal(ctx) {
		current.renew = time.Now().Add(renewalClaim)
		return current, failure, nil
	}
	t, err = s.client.stableToken(ctx, s.appID, s.app, false)
	if err == nil && !stale.IsZero() && t.secret.Equal(stale) {
		t, err = s.force(ctx, stale)
	}
	if err != nil {
		return token{}, failure.after(err), err
	}
	s.save(ctx, t)
	return t, tokenFailure{}, nil
}

// liveEnd is when a token that is not stale ends.
func (t token) liveEnd(stale wxlogin.Secret) time.Time {
	if t.secret.Equal(stale) {
		return time.Time{}
	}
	return t.ends
}

const (
	tokenName   = "access_token"
	renewalName = "renewal"

	// renewalClaim is how long the others leave the renewal to one instance.
	renewalClaim = 15 * time.Second
)

// claimRenewal reports whether this instance renews the token that still serves
// them all. While the store is down each renews its own.
func (s *stableSource) claimRenewal(ctx context.Context) bool {
	claimed, err := s.shared.add(ctx, renewalName, wxlogin.NewSecret(s.owner), renewalClaim)
	return claimed || err != nil
}

// load returns the shared token if it serves. While the store is down there is
// none, and each instance asks WeChat for itself: in normal mode all get the same.
func (s *stableSource) load(ctx context.Context, stale wxlogin.Secret) (token, bool) {
	text, ok, err := s.shared.get(ctx, tokenName)
	if err != nil || !ok {
		return token{}, false
	}
	t := decodeToken(text)
	return t, t.serves(time.Now(), stale)
}

// save shares a token. Where that fails the others get theirs from WeChat.
func (s *stableSource) save(ctx context.Context, t token) {
	if left := time.Until(t.ends); left > 0 {
		_ = s.shared.set(ctx, tokenName, t.encode(), left)
	}
}

// after is the failure that follows upon another. The pause doubles up to half a
// minute, with chance in it so that instances do not return together; after a
// spent quota it is as long as the quota asks for.
func (f tokenFailure) after(err error) tokenFailure {
	const (
		shortest, longest = time.Second, 30 * time.Second
		minute, day       = time.Minute, 10 * time.Minute
	)
	next := tokenFailure{err: err, streak: f.streak + 1}
	pause := longest
	if f.streak < 5 {
		pause = min(shortest<<f.streak, longest)
	}
	switch {
	case hasCode(err, []int{45011}):
		pause = minute
	case hasCode(err, []int{45009}):
		pause = day // the quota comes back at midnight, or when an operator clears it
	}
	next.until = time.Now().Add(pause + rand.N(pause/2))
	return next
}

// Close ends the fetch that runs, waits for it, and lets no other begin.
func (s *stableSource) Close() {
	s.mu.Lock()
	s.closed = true
	if s.flight != nil {
		s.flight.cancel()
	}
	s.mu.Unlock()
	s.running.Wait()
}
