package wechattest

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// maxRecordBytes bounds the record whatever its requests carry.
const maxRecordBytes = 16 << 20

// Request is a request as it arrived, and what became of it. It holds secrets and codes, for tests to compare;
// printed, logged or marshalled it shows none of them.
type Request struct {
	Time       time.Time // by the emulator's clock
	Method     string
	Path       string
	Query      url.Values // as decoded by WeChat's side: what a client failed to escape shows as further keys
	RawQuery   string
	Header     http.Header
	Body       []byte // at most 64 KiB
	RemoteAddr string // one address, one connection

	Status  int    // of the answer; 0 while there is none, and for good if the connection was cut
	ErrCode int    // of the answer
	Fault   string // the fault that it met, if any
}

// String is method, path and parameters, with all values masked but those that are no secret.
func (r Request) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %.128q", r.Method, r.Path)
	keys := make([]string, 0, len(r.Query))
	for key := range r.Query {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		for _, value := range r.Query[key] {
			b.WriteString(" " + maskedParameter(key, value))
		}
	}
	if len(r.Body) > 0 {
		fmt.Fprintf(&b, " body(%d bytes)", len(r.Body))
	}
	fmt.Fprintf(&b, " -> %d errcode %d", r.Status, r.ErrCode)
	if r.Fault != "" {
		fmt.Fprintf(&b, " (%s)", r.Fault)
	}
	return b.String()
}

// maskedParameter masks unknown keys as well: they may be the tail of a code that was not escaped.
func maskedParameter(key, value string) string {
	switch key {
	case "appid", "grant_type", "sig_method":
		return fmt.Sprintf("%s=%.64q", key, value)
	case "secret", "appsecret", "js_code", "code", "access_token", "openid", "signature":
		return key + "=***"
	}
	return "***=***"
}

// Format prints [Request.String], whatever the verb.
func (r Request) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(r.String())) }

// LogValue is [Request.String] for slog.
func (r Request) LogValue() slog.Value { return slog.StringValue(r.String()) }

// MarshalText is [Request.String] for JSON and others.
func (r Request) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

func newRequest(r *http.Request, body []byte, now time.Time) *Request {
	return &Request{
		Time: now, Method: r.Method, Path: r.URL.Path, Query: r.URL.Query(), RawQuery: r.URL.RawQuery,
		Header: r.Header.Clone(), Body: body, RemoteAddr: r.RemoteAddr,
	}
}

// weight is about what the request occupies.
func (r *Request) weight() int {
	n := 512 + len(r.Path) + 2*len(r.RawQuery) + len(r.Body)
	for key, values := range r.Header {
		n += len(key)
		for _, v := range values {
			n += len(v)
		}
	}
	return n
}

// carries says whether the request brought this code, in whatever parameter codes travel.
func (r *Request) carries(code string) bool {
	if slices.Contains(r.Query["js_code"], code) || slices.Contains(r.Query["code"], code) {
		return true
	}
	var body struct {
		Code string `json:"code"`
	}
	return len(r.Body) > 0 && json.Unmarshal(r.Body, &body) == nil && body.Code == code
}

// record remembers the last requests within its bounds.
type record struct {
	limit   int
	bytes   int
	entries []*Request // oldest first
	counts  map[string]int
}

// add remembers a request. Only known paths are counted, or a scanner could grow the map.
func (rec *record) add(r *Request, known bool) *Request {
	if known {
		rec.counts[r.Path]++
	}
	rec.entries = append(rec.entries, r)
	rec.bytes += r.weight()
	for len(rec.entries) > rec.limit || rec.bytes > maxRecordBytes {
		rec.bytes -= rec.entries[0].weight()
		rec.entries[0] = nil
		rec.entries = rec.entries[1:]
	}
	return r
}

func (rec *record) label(r *Request, fault string) { r.Fault = fault }

// Requests returns what arrived, oldest first, as far as the record reaches back ([WithRecord]). The values are
// copies, except that Query, Header and Body are shared and must not be changed.
func (e *Emulator) Requests() []Request {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := make([]Request, len(e.record.entries))
	for i, r := range e.record.entries {
		out[i] = *r
	}
	return out
}

// ClearRequests empties the record and sets all counts to zero.
func (e *Emulator) ClearRequests() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.record.entries, e.record.bytes = nil, 0
	clear(e.record.counts)
}

// Count is how many requests came for an emulated path, also those that met a fault and those that the record
// no longer holds.
func (e *Emulator) Count(path string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.record.counts[path]
}

// Arrivals is how many requests of the record brought this code. More than one means that a client, or Go's
// transport behind its back, sent it again.
func (e *Emulator) Arrivals(code string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for _, r := range e.record.entries {
		if r.carries(code) {
			n++
		}
	}
	return n
}
