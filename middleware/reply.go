package middleware

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"
)

// Reply is what a route has to say, before an [Encoder] gives it its form.
type Reply struct {
	Status int // the HTTP status that fits

	// Body is what a success carries, nil for nothing. That of a login is a
	// map[string]any with token, token_type and expires_in and what OnLogin
	// added.
	Body any

	Code    string // what went wrong, for programs; empty for a success
	Reason  string // the application's own code, where OnLogin refused
	Message string // what went wrong, for people; safe to show

	// RetryAfter says when a client may try again; 0 for no advice. It is in
	// the Retry-After header already.
	RetryAfter time.Duration

	// Level is how grave the failure is for an operator.
	Level slog.Level

	challenge string
}

// Format writes status and code alone, because the Body of a login has the token.
func (r Reply) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, r.mask()) }

// LogValue returns status and code alone.
func (r Reply) LogValue() slog.Value { return slog.StringValue(r.mask()) }

// MarshalText returns status and code alone: a Reply is for an Encoder to write.
func (r Reply) MarshalText() ([]byte, error) { return []byte(r.mask()), nil }

func (r Reply) mask() string {
	if r.Code == "" {
		return fmt.Sprintf("[reply %d]", r.Status)
	}
	return fmt.Sprintf("[reply %d %s]", r.Status, r.Code)
}

func (r Reply) setHeaders(h http.Header) {
	h.Set("Cache-Control", "no-store")
	if r.challenge != "" {
		h.Set("WWW-Authenticate", r.challenge)
	}
	if r.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64(r.RetryAfter/time.Second), 10))
	}
}

// Encoder writes a reply. Cache-Control: no-store, WWW-Authenticate and
// Retry-After are set when it is called. It must be safe for concurrent use. An
// error that it returns goes to c.Error; if nothing is written by then, the client
// gets EncodeJSON's reply to an internal error.
//
// Write one by changing the reply and handing it on, or from scratch:
//
//	func tokenInHeader(w http.ResponseWriter, r *http.Request, reply middleware.Reply) error {
//		if body, ok := reply.Body.(map[string]any); ok {
//			if token, ok := body["token"].(string); ok {
//				w.Header().Set("X-Token", token)
//				delete(body, "token")
//			}
//		}
//		return middleware.EncodeJSON(w, r, reply)
//	}
type Encoder func(w http.ResponseWriter, r *http.Request, reply Reply) error

// failure is how a failed reply looks.
type failure struct {
	Code    string `json:"code"`
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message"`
}

// EncodeJSON is the default Encoder: a success is its body as JSON, a failure is
//
//	{"error":{"code":"invalid_token","message":"Your login is not valid. Please log in again."}}
//
// with "reason" beside "code" where OnLogin refused with a code of its own. The
// status is the reply's.
func EncodeJSON(w http.ResponseWriter, _ *http.Request, reply Reply) error {
	if reply.Code != "" {
		return writeJSON(w, reply.Status, struct {
			Error failure `json:"error"`
		}{failure{reply.Code, reply.Reason, reply.Message}})
	}
	if reply.Body == nil {
		w.WriteHeader(reply.Status)
		return nil
	}
	return writeJSON(w, reply.Status, reply.Body)
}

// EncodeEnvelope is an Encoder for clients that expect the status 200 and a code
// in the body, as many existing mini programs do: a success is
//
//	{"code":0,"data":{…}}
//
// and a failure has the HTTP status that it would have had as its code, and the
// name that EncodeJSON gives it as its error:
//
//	{"code":401,"error":"invalid_token","message":"Your login is not valid. Please log in again."}
//
// The price is that proxies, load balancers and dashboards, which know the status
// alone, see no failure.
func EncodeEnvelope(w http.ResponseWriter, _ *http.Request, reply Reply) error {
	if reply.Code != "" {
		return writeJSON(w, http.StatusOK, struct {
			Code    int    `json:"code"`
			Error   string `json:"error"`
			Reason  string `json:"reason,omitempty"`
			Message string `json:"message"`
		}{reply.Status, reply.Code, reply.Reason, reply.Message})
	}
	return writeJSON(w, http.StatusOK, struct {
		Code int `json:"code"`
		Data any `json:"data"`
	}{0, reply.Body})
}

// writeJSON encodes first, so that a body which is no JSON leaves w untouched.
func writeJSON(w http.ResponseWriter, status int, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, err = w.Write(text)
	return err
}
