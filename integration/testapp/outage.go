package testapp

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/integration/engine"
	"github.com/ginwx/wxlogin/store"
)

const (
	// recovery is how long a service may take to be back.
	recovery = 30 * time.Second

	// idle is after how long a session's slide is due.
	idle = 10 * time.Minute
)

// Answers are what an application may answer during an outage of its store: nil, as
// ever, or the error.
type Answers struct{ Authenticate, Login, Logout error }

var (
	// Down is of a store that does not answer at all.
	Down = Answers{wxlogin.ErrStoreUnavailable, wxlogin.ErrStoreUnavailable, wxlogin.ErrStoreUnavailable}
	// Readable is of one that takes no writes.
	Readable = Answers{nil, wxlogin.ErrStoreUnavailable, wxlogin.ErrStoreUnavailable}
	// Roomless is of one that can keep nothing more: sessions are served without
	// being extended, and end.
	Roomless = Answers{nil, wxlogin.ErrStoreUnavailable, nil}
)

// Site is an application whose clock can be put ahead, to take its store away from
// it. Make one with [NewSite].
type Site struct {
	Auth  *wxlogin.Auth
	ahead atomic.Int64
	bound time.Duration
}

// NewSite returns an application on s, closed at the end of the test. Every answer
// must come within bound, in which a login makes several calls of the store.
func NewSite(t testing.TB, s store.Store, bound time.Duration) *Site {
	t.Helper()
	site := &Site{bound: bound}
	site.Auth = New(t, s, func(cfg *wxlogin.Config) {
		cfg.Now = func() time.Time { return time.Now().Add(time.Duration(site.ahead.Load())) }
	})
	return site
}

// Strike has an outage begin and end, and checks what users see during it and
// afterwards.
func (s *Site) Strike(t *testing.T, begin, end func(), want Answers) {
	t.Helper()
	token, doomed := s.login(t), s.login(t)
	begin()
	for range 3 {
		// By now a slide is due, which cannot be written.
		s.ahead.Add(int64(idle))
		s.during(t, token, doomed, want)
	}
	end()
	s.recovers(t, token)
	_, err := s.Auth.Authenticate(context.Background(), doomed)
	switch gone := errors.Is(err, wxlogin.ErrInvalidToken); {
	case err != nil && !gone:
		t.Errorf("Authenticate after the outage: %v", err)
	case want.Logout == nil && !gone:
		t.Error("a token that was logged out still works")
	}
}

// login succeeds at last: the stores under test have short limits, which a busy
// machine may miss.
func (s *Site) login(t *testing.T) (token string) {
	t.Helper()
	err := engine.Poll(recovery, func(ctx context.Context) error {
		result, err := s.Auth.Login(ctx, wxlogin.LoginRequest{Code: Code("user")})
		token = result.Token.Reveal()
		return err
	})
	if err != nil {
		t.Fatalf("login: %v", err)
	}
	return token
}

func (s *Site) during(t *testing.T, token, doomed string, want Answers) {
	t.Helper()
	ctx := context.Background()
	s.answers(t, "Authenticate with a live token", want.Authenticate, func() error {
		_, err := s.Auth.Authenticate(ctx, token)
		if errors.Is(err, wxlogin.ErrInvalidToken) || errors.Is(err, wxlogin.ErrSessionExpired) {
			t.Errorf("Authenticate with a live token: %v", err)
		}
		return err
	})
	// Somebody new, of whom nothing is known that could be locked.
	late := fmt.Sprint("late", s.ahead.Load())
	s.answers(t, "Login", want.Login, func() error {
		result, err := s.Auth.Login(ctx, wxlogin.LoginRequest{Code: Code(late)})
		if err != nil && result.Token.Reveal() != "" {
			t.Error("a login that failed handed out a token")
		}
		return err
	})
	s.answers(t, "Logout", want.Logout, func() error { return s.Auth.Logout(ctx, doomed) })
}

// answers fails the test unless call returns what is wanted within the bound.
func (s *Site) answers(t *testing.T, what string, want error, call func() error) {
	t.Helper()
	start := time.Now()
	err := call()
	if took := time.Since(start); took > s.bound {
		t.Errorf("%s took %v, want at most %v", what, took, s.bound)
	}
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

// recovers waits until everything works again.
func (s *Site) recovers(t *testing.T, token string) {
	t.Helper()
	start := time.Now()
	err := engine.Poll(recovery, func(ctx context.Context) error {
		_, err := s.Auth.Authenticate(ctx, token)
		if errors.Is(err, wxlogin.ErrInvalidToken) {
			t.Fatalf("Authenticate with a live token after the outage: %v", err)
		}
		return err
	})
	if err != nil {
		t.Fatalf("the service does not come back: %v", err)
	}
	reads := time.Since(start)
	err = engine.Poll(recovery, func(ctx context.Context) error {
		result, err := s.Auth.Login(ctx, wxlogin.LoginRequest{Code: Code("after")})
		if err == nil {
			err = s.Auth.Logout(ctx, result.Token.Reveal())
		}
		return err
	})
	if err != nil {
		t.Fatalf("the service does not come back: %v", err)
	}
	t.Logf("back after the outage: reads in %v, logins and logouts in %v",
		reads.Round(time.Millisecond), time.Since(start).Round(time.Millisecond))
}
