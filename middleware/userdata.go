package middleware

import (
	"errors"
	"time"
)

// WithUserDataAge sets how old the user data that handler.UserData takes may be, by
// the watermark in what was encrypted. It must be positive. Default: 24 hours.
func WithUserDataAge(limit time.Duration) Option {
	return optionFunc(func(s *Settings) error {
		if limit <= 0 {
			return errors.New("WithUserDataAge: the limit must be positive; leave it out for 24 hours")
		}
		s.userDataAge = limit
		return nil
	})
}

// UserDataAge returns the limit of WithUserDataAge, 0 for the default.
func (s *Settings) UserDataAge() time.Duration { return s.userDataAge }
