package wechattest

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// endpoint is one of WeChat's interfaces.
type endpoint struct {
	contentType string
	comma       bool // errmsg and rid are parted by a comma
	handle      func(*Emulator, call) answer
}

func endpointAt(path string) (endpoint, bool) {
	switch path {
	case PathCode2Session:
		return endpoint{contentType: "text/plain", comma: true, handle: (*Emulator).code2Session}, true
	}
	return endpoint{}, false
}

// answer is what an endpoint says, before it is put on the wire.
type answer struct {
	code     int
	msg      string // instead of the documented text
	verbatim bool   // msg goes out without a request id
	fields   []field
}

func refuse(code int) answer { return answer{code: code} }

// field is a key and a string, int, int64, bool or []field. A list keeps the order of the keys, which is part of
// being faithful and which a map would lose.
type field struct {
	key   string
	value any
}

// wireReply is an answer on its way out; faults reshape it.
type wireReply struct {
	status      int
	contentType string
	code        int
	fields      []field
	quoted      bool // numbers as strings
}

// seal completes an answer with what depends on the endpoint.
func (e *Emulator) seal(ep endpoint, a answer) wireReply {
	out := wireReply{status: http.StatusOK, contentType: ep.contentType, code: a.code, fields: a.fields}
	if a.code == 0 {
		return out
	}
	msg := a.msg
	if msg == "" {
		msg = errText(a.code)
	}
	if !a.verbatim && !e.noRID {
		msg += requestID(e.clock(), ep.comma)
	}
	out.fields = []field{{"errcode", a.code}, {"errmsg", msg}}
	return out
}

func (e *Emulator) clock() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.now()
}

// requestID is the suffix by which WeChat's support finds a request; its first group is the time.
func requestID(now time.Time, comma bool) string {
	sep := " rid: "
	if comma {
		sep = ", rid: "
	}
	return fmt.Sprintf("%s%08x-%08x-%08x", sep, uint32(now.Unix()), rand.Uint32(), rand.Uint32())
}

func (out *wireReply) body() []byte { return appendObject(nil, out.fields, out.quoted) }

func (out *wireReply) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", out.contentType)
	w.WriteHeader(out.status)
	_, _ = w.Write(out.body()) // a client that has gone needs no answer
}

func appendObject(b []byte, fields []field, quoted bool) []byte {
	b = append(b, '{')
	for i, f := range fields {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, f.key), ':')
		switch v := f.value.(type) {
		case string:
			b = appendString(b, v)
		case bool:
			b = strconv.AppendBool(b, v)
		case int:
			b = appendNumber(b, int64(v), quoted)
		case int64:
			b = appendNumber(b, v, quoted)
		case []field:
			b = appendObject(b, v, quoted)
		}
	}
	return append(b, '}')
}

func appendNumber(b []byte, n int64, quoted bool) []byte {
	if !quoted {
		return strconv.AppendInt(b, n, 10)
	}
	b = strconv.AppendInt(append(b, '"'), n, 10)
	return append(b, '"')
}

// appendString writes JSON as WeChat does: the slash escaped, everything beyond ASCII as it is.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\' || c == '/':
			b = append(b, '\\', c)
		case c < 0x20:
			b = fmt.Appendf(b, `\u%04x`, c)
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}
