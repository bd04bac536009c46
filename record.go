package wxlogin

import (
	"encoding/binary"
	"errors"
)

// What the store holds is written by hand: a version byte, times in milliseconds,
// texts with their length in front. It is read on every request, and a session of
// a hundred bytes is what lets a million of them fit in memory.

var errUnreadable = errors.New("unreadable record")

const (
	millisLen = 6    // bytes; enough until the year 10889
	longText  = 0x80 // marks a length of two bytes, of texts up to 32 KiB
)

type recordWriter struct{ buf []byte }

func (w *recordWriter) byte(b byte) { w.buf = append(w.buf, b) }

func (w *recordWriter) text(s string) {
	if n := len(s); n < longText {
		w.buf = append(w.buf, byte(n))
	} else {
		w.buf = append(w.buf, longText|byte(n>>8), byte(n))
	}
	w.buf = append(w.buf, s...)
}

func (w *recordWriter) millis(ms int64) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(ms))
	w.buf = append(w.buf, b[8-millisLen:]...)
}

// recordReader reads what recordWriter wrote. After a fault every further read
// gives the zero value, so that callers check once, with done.
type recordReader struct {
	rest   string
	failed bool
}

func (r *recordReader) fail() string {
	r.rest, r.failed = "", true
	return ""
}

func (r *recordReader) take(n int) string {
	if n > len(r.rest) {
		return r.fail()
	}
	s := r.rest[:n]
	r.rest = r.rest[n:]
	return s
}

func (r *recordReader) byte() byte {
	if s := r.take(1); s != "" {
		return s[0]
	}
	return 0
}

func (r *recordReader) text() (s string) {
	r.texts(&s)
	return s
}

// texts reads one text after the other. One call for many is what a session, read
// on every request, gains by.
func (r *recordReader) texts(fields ...*string) {
	rest := r.rest
	for _, field := range fields {
		n, skip := 0, 1
		if len(rest) > 0 {
			n = int(rest[0])
		}
		if n >= longText && len(rest) > 1 {
			n, skip = (n&^longText)<<8|int(rest[1]), 2
		}
		if skip+n > len(rest) {
			r.fail()
			return
		}
		*field = rest[skip : skip+n]
		rest = rest[skip+n:]
	}
	r.rest = rest
}

func (r *recordReader) millis() int64 {
	if s := r.take(millisLen); s != "" {
		return millisAt(s)
	}
	return 0
}

func millisAt(s string) int64 {
	_ = s[millisLen-1]
	return int64(s[0])<<40 | int64(s[1])<<32 | int64(s[2])<<24 | int64(s[3])<<16 | int64(s[4])<<8 | int64(s[5])
}

// done reports a fault, or something left over.
func (r *recordReader) done() error {
	if r.failed || r.rest != "" {
		return errUnreadable
	}
	return nil
}
