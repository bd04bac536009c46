package wechat

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/ginwx/wxlogin"
)

// Error is a refusal by WeChat. Find it with errors.As to log its parts; tell
// what to do by its class, with errors.Is:
//
//	errors.Is(err, wxlogin.ErrInvalidCode)
//
// Its texts are for logs and never for a client. They hold nothing that the call
// sent in confidence, even where WeChat sent it back.
type Error struct {
	// API names the call: "code2Session".
	API string

	// Code is WeChat's errcode, never 0.
	Code int

	// Msg is WeChat's errmsg without control characters and cut to 200 bytes. Its
	// wording changes, so do not compare it.
	Msg string

	// RID is the id of the request, which WeChat's support asks for: the rid, or
	// the hint of older answers. It may be empty.
	RID string

	class error
}

const (
	maxMsg = 200

	// maxForeignText bounds a text from outside before it is searched.
	maxForeignText = 1024
)

func newError(in call, code int, msg string) *Error {
	msg = scrub(msg, in.hidden)
	return &Error{API: in.api.name, Code: code, Msg: cut(msg, maxMsg), RID: requestID(msg), class: in.api.class(code)}
}

// Error returns the class and WeChat's errcode, errmsg and request id.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Unwrap().Error())
	if e.API != "" {
		b.WriteString(": " + e.API)
	}
	b.WriteString(": errcode " + strconv.Itoa(e.Code))
	if e.Msg != "" {
		b.WriteString(": " + e.Msg)
	}
	if e.RID != "" && !strings.Contains(e.Msg, e.RID) {
		b.WriteString(" rid: " + e.RID)
	}
	return b.String()
}

// Unwrap returns the class: wxlogin.ErrInvalidCode, ErrUserBlocked,
// ErrRateLimited, ErrMisconfigured, ErrSessionKeyStale or ErrBadRequest, as the
// call's comment says, and wxlogin.ErrUpstreamUnavailable for every errcode that
// is none of these.
func (e *Error) Unwrap() error {
	if e.class == nil {
		return wxlogin.ErrUpstreamUnavailable
	}
	return e.class
}

// requestIDs are the forms in which errmsg has carried an id, newest first:
//
//	invalid code, rid: 617833f5-4d39a245-36d3a896
//	invalid credential hint: [M5_jKa0125vr22]
//	invalid code, hints: [ req_id: N37KMa0605th21 ]
var requestIDs = [...]*regexp.Regexp{
	regexp.MustCompile(`\brid: ?([0-9a-f]+(?:-[0-9a-f]+)*)`),
	regexp.MustCompile(`\bhint: ?\[ ?([0-9A-Za-z_-]+) ?\]`),
	regexp.MustCompile(`\breq_id: ?([0-9A-Za-z_-]+)`),
}

func requestID(msg string) string {
	for _, pattern := range requestIDs {
		if m := pattern.FindStringSubmatch(msg); m != nil {
			return cut(m[1], maxMsg)
		}
	}
	return ""
}

// unavailable is the error of a call that WeChat did not answer as it should.
func unavailable(a api, detail string) error {
	return fmt.Errorf("%w: %s: %s", wxlogin.ErrUpstreamUnavailable, a.name, detail)
}

// unreadable is the error for an answer that is not what the api answers. It
// tells the size alone, because the answer may hold a session_key.
func unreadable(a api, body []byte) error {
	return unavailable(a, fmt.Sprintf("unreadable answer of %d bytes", len(body)))
}

// timedOut is the error of a call that ran out of time.
func timedOut(a api, detail string) error {
	if detail == context.DeadlineExceeded.Error() {
		detail = "no answer in time"
	}
	return fmt.Errorf("%w: %w", unavailable(a, detail), context.DeadlineExceeded)
}

// left is the error of a call whose caller cancelled it. That says nothing about
// WeChat, so the error has no class.
func left(a api) error { return fmt.Errorf("wxlogin: %s: %w", a.name, context.Canceled) }

// describe returns the text of a network error. The error itself is not wrapped:
// *url.Error prints the URL, and a RoundTripper's error can hold anything.
func describe(in call, err error) string {
	return cut(scrub(withoutURL(err).Error(), in.hidden), maxMsg)
}

func isTimeout(err error) bool {
	err = withoutURL(err) // whose Timeout does not look below a wrapping
	var t interface{ Timeout() bool }
	return errors.Is(err, context.DeadlineExceeded) || (errors.As(err, &t) && t.Timeout())
}

// withoutURL returns what the innermost *url.Error of err wraps.
func withoutURL(err error) error {
	var u *url.Error
	for errors.As(err, &u) && u.Err != nil {
		err = u.Err
	}
	return err
}
