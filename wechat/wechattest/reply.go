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
	suffix      suffix
	handle      func(*Emulator, call) answer
}

// suffix is how an interface puts its request id behind errmsg.
type suffix int

const (
	commaRID suffix = iota // "invalid code, rid: …"
	plainRID               // "invalid credential … rid: …"
	hintRID                // "invalid code hint: […] rid: …"
)

// The Content-Type is known from header dumps for sns and cgi-bin; for wxa and donut it is unconfirmed. So is
// the suffix of checksession, resetusersessionkey and stable_token.
const jsonType = "application/json; encoding=utf-8"

func endpointAt(path string) (endpoint, bool) {
	switch path {
	case PathCode2Session:
		return endpoint{"text/plain", commaRID, (*Emulator).code2Session}, true
	case PathToken:
		return endpoint{jsonType, plainRID, (*Emulator).token}, true
	case PathStableToken:
		return endpoint{jsonType, plainRID, (*Emulator).stableToken}, true
	case PathCheckSession:
		return endpoint{jsonType, plainRID, (*Emulator).checkSession}, true
	case PathResetSessionKey:
		return endpoint{jsonType, plainRID, (*Emulator).resetSessionKey}, true
	case PathPhoneNumber:
		return endpoint{jsonType, hintRID, (*Emulator).phoneNumber}, true
	case PathCode2VerifyInfo:
		return endpoint{jsonType, plainRID, (*Emulator).code2VerifyInfo}, true
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

// okFields begins a success in the interfaces that say so; code2Session does not.
func okFields(more ...field) []field {
	return append([]field{{"errcode", 0}, {"errmsg", "ok"}}, more...)
}

// field is a key and a string, int, int64, bool, []field (an object) or [][]field (a list of objects). Unlike a
// map it keeps the order of the keys, which is part of being faithful.
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
	format      format
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
		msg += requestID(e.clock(), ep.suffix)
	}
	out.fields = []field{{"errcode", a.code}, {"errmsg", msg}}
	return out
}

func (e *Emulator) clock() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.now()
}

// requestID is what WeChat's support finds a request by; its first group is the time.
func requestID(now time.Time, style suffix) string {
	lead := ""
	switch style {
	case commaRID:
		lead = ","
	case hintRID:
		lead = " hint: [" + randomText(alphanumerics, 16) + "]"
	}
	return fmt.Sprintf("%s rid: %08x-%08x-%08x", lead, uint32(now.Unix()), rand.Uint32(), rand.Uint32())
}

func (out *wireReply) body() []byte { return out.format.object(nil, out.fields) }

func (out *wireReply) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", out.contentType)
	w.WriteHeader(out.status)
	_, _ = w.Write(out.body()) // a client that has gone needs no answer
}

// format says how JSON is spelled: everything beyond ASCII as it is, in answers with the slash escaped.
type format struct {
	plainSlash bool
	quoted     bool // numbers as strings
}

func (f format) object(b []byte, fields []field) []byte {
	b = append(b, '{')
	for i, field := range fields {
		if i > 0 {
			b = append(b, ',')
		}
		b = f.value(append(f.text(b, field.key), ':'), field.value)
	}
	return append(b, '}')
}

func (f format) value(b []byte, value any) []byte {
	switch v := value.(type) {
	case string:
		return f.text(b, v)
	case bool:
		return strconv.AppendBool(b, v)
	case int:
		return f.number(b, int64(v))
	case int64:
		return f.number(b, v)
	case []field:
		return f.object(b, v)
	case [][]field:
		b = append(b, '[')
		for i, object := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = f.object(b, object)
		}
		return append(b, ']')
	}
	panic(fmt.Sprintf("wechattest: a field cannot be a %T", value))
}

func (f format) number(b []byte, n int64) []byte {
	if !f.quoted {
		return strconv.AppendInt(b, n, 10)
	}
	b = strconv.AppendInt(append(b, '"'), n, 10)
	return append(b, '"')
}

func (f format) text(b []byte, s string) []byte {
	b = append(b, '"')
	for _, c := range []byte(s) {
		switch {
		case c == '"' || c == '\\' || c == '/' && !f.plainSlash:
			b = append(b, '\\', c)
		case c < 0x20:
			b = fmt.Appendf(b, `\u%04x`, c)
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}
