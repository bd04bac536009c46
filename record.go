package wxlogin

import (
	"encoding/binary"
	"errors"
	"time"
)

// What the store holds is written by hand: a version byte, then numbers as
// varints and texts with their length in front. It is read on every request, and
// a session of a hundred bytes is what lets a million of them fit in memory.

var errUnreadable = errors.New("unreadable record")

type recordWriter struct{ buf []byte }

func (w *recordWriter) byte(b byte)      { w.buf = append(w.buf, b) }
func (w *recordWriter) text(s string)    { w.number(int64(len(s))); w.buf = append(w.buf, s...) }
func (w *recordWriter) number(n int64)   { w.buf = binary.AppendVarint(w.buf, n) }
func (w *recordWriter) time(t time.Time) { w.number(t.UnixMilli()) }

// recordReader reads what recordWriter wrote. After a fault every further read
// gives the zero value, so that callers check once, with done.
type recordReader struct {
	rest   string
	failed bool
}

func (r *recordReader) take(n int64) string {
	if r.failed || n < 0 || n > int64(len(r.rest)) {
		r.failed = true
		return ""
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

func (r *recordReader) number() int64 {
	var u uint64
	for shift := 0; shift < 64; shift += 7 {
		b := r.byte()
		u |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return int64(u>>1) ^ -int64(u&1)
		}
	}
	r.failed = true
	return 0
}

func (r *recordReader) text() string    { return r.take(r.number()) }
func (r *recordReader) time() time.Time { return time.UnixMilli(r.number()) }

// done reports a fault, or something left over.
func (r *recordReader) done() error {
	if r.failed || r.rest != "" {
		return errUnreadable
	}
	return nil
}
