package middleware

import (
	"errors"
	"fmt"
	"slices"
)

// Option changes how a route reads requests or writes replies. The same options
// go to Required, Optional, handler.Mount and every handler of package handler;
// one that has no meaning for a route is ignored there. Given twice, the later
// one counts. A wrong option is an error of [NewSettings] and a panic of the
// functions that return none, at wiring time.
type Option interface {
	apply(*Settings) error
}

type optionFunc func(*Settings) error

func (f optionFunc) apply(s *Settings) error { return f(s) }

// WithToken says where the token is read. The extractors are asked in order and
// the first that finds something counts, good or bad. Default: [FromBearer].
func WithToken(extractors ...TokenExtractor) Option {
	extractors = slices.Clone(extractors)
	return optionFunc(func(s *Settings) error {
		if len(extractors) == 0 {
			return errors.New("WithToken names no extractor; leave it out for FromBearer")
		}
		for i, extract := range extractors {
			if extract == nil {
				return fmt.Errorf("WithToken: extractor %d is nil", i)
			}
		}
		s.extractors = extractors
		return nil
	})
}

// WithCode says where the login route reads the code. A login that brings codes
// in two of the places is refused. Default: CodeField("code").
func WithCode(sources ...CodeSource) Option {
	sources = slices.Clone(sources)
	return optionFunc(func(s *Settings) error {
		if len(sources) == 0 {
			return errors.New(`WithCode names no source; leave it out for CodeField("code")`)
		}
		for _, source := range sources {
			if err := source.validate(); err != nil {
				return fmt.Errorf("WithCode: %w", err)
			}
		}
		s.codes = sources
		return nil
	})
}

// WithApps says which apps a route takes; the Auth must serve them all. A token
// of another app is invalid there. A login route with one app needs no app named
// by the client; with several, the client names one of them. Default: all apps
// that the Auth serves.
func WithApps(appIDs ...string) Option {
	appIDs = slices.Clone(appIDs)
	return optionFunc(func(s *Settings) error {
		if len(appIDs) == 0 {
			return errors.New("WithApps names no app; leave it out to take all")
		}
		for _, id := range appIDs {
			if !s.auth.Serves(id) {
				return fmt.Errorf("WithApps: app %q is not served; add it to Config.Providers or Config.Apps", id)
			}
		}
		s.apps = appIDs
		return nil
	})
}

// WithLanguage sets the language of the messages in error replies. Default:
// English.
func WithLanguage(language Language) Option {
	return optionFunc(func(s *Settings) error {
		if language != English && language != Chinese {
			return fmt.Errorf("WithLanguage: no language %d; use English or Chinese", language)
		}
		s.language = language
		return nil
	})
}

// WithEncoder sets how replies are written, those of success and those of
// failure. Default: [EncodeJSON].
func WithEncoder(encode Encoder) Option {
	return optionFunc(func(s *Settings) error {
		if encode == nil {
			return errors.New("WithEncoder: the encoder is nil; leave it out for EncodeJSON")
		}
		s.encode = encode
		return nil
	})
}
