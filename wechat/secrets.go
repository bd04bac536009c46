package wechat

import (
	"errors"
	"sync/atomic"

	"github.com/ginwx/wxlogin"
)

// WithNextSecret names a second AppSecret, for the time in which it is being
// replaced: deploy the new one beside the one in force, reset it in WeChat's
// console, and drop the old one with a later deploy. Which of the two is which
// does not matter.
//
// A call that WeChat refuses for its AppSecret (errcode 40125; 40001 from
// stable_token; 10001003 in a multi-terminal app) is made once more with the
// other one, which comes first from then on if it works. A code is sent a second
// time then: this builds on WeChat judging the AppSecret before it takes the
// code, which is not documented. Where it is otherwise the second answer is
// wxlogin.ErrInvalidCode, and the client's next login works.
func WithNextSecret(secret string) Option {
	return func(o *options) error {
		o.nextSecret = wxlogin.NewSecret(secret)
		return checkSecret("WithNextSecret: the AppSecret", o.nextSecret)
	}
}

// secrets are an app's AppSecret and, during a rotation, another one. They are
// safe for concurrent use.
type secrets struct {
	all   []wxlogin.Secret
	first atomic.Int32 // of all, the one that works
}

func newSecrets(secret, next wxlogin.Secret) *secrets {
	s := &secrets{all: []wxlogin.Secret{secret}}
	if !next.IsZero() && !next.Equal(secret) {
		s.all = append(s.all, next)
	}
	return s
}

// use makes a call with the secret that works, or at least worked last. refused
// are the errcodes that say that the secret is wrong.
func (s *secrets) use(refused []int, call func(secret wxlogin.Secret) error) error {
	first := s.first.Load()
	err := call(s.all[first])
	if len(s.all) == 1 || !hasCode(err, refused) {
		return err
	}
	other := 1 - first
	second := call(s.all[other])
	if hasCode(second, refused) {
		return err
	}
	if second == nil || errors.Is(second, wxlogin.ErrInvalidCode) || errors.Is(second, wxlogin.ErrUserBlocked) {
		s.first.Store(other)
	}
	return second
}

// hasCode reports whether err is a refusal by WeChat with one of the errcodes.
func hasCode(err error, codes []int) bool {
	var refusal *Error
	if !errors.As(err, &refusal) {
		return false
	}
	for _, code := range codes {
		if refusal.Code == code {
			return true
		}
	}
	return false
}
