package wechattest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// endlessLimit ends an endless body that nobody hangs up on.
const endlessLimit = 64 << 20

// Fault is something that goes wrong with one request. Make it with one of the functions below, refine it with
// its methods, and hand it to [Emulator.Next], [Emulator.Always] or [WithFailureRate]. A Fault is a value: the
// methods return a changed copy.
//
// Unless it says otherwise, a fault strikes before WeChat has looked at the request, so the code in it stays
// good; [Fault.Consuming] changes that. Whether a real failure (-1, a time-out) uses up the code is unconfirmed:
// a client must be right in both cases.
type Fault struct {
	label    string
	path     string
	consume  bool
	reshapes bool // needs the true answer
	delay    time.Duration
	code     int
	msg      string
	verbatim bool
	strike   func(http.ResponseWriter, *http.Request, *wireReply)
}

// On limits the fault to requests for one path, such as [PathCode2Session].
func (f Fault) On(path string) Fault { f.path = path; return f }

// Consuming makes the fault strike after the request was handled: the code is used up and nobody learns what
// for.
func (f Fault) Consuming() Fault { f.consume = true; return f }

// Delayed makes the fault wait for d of real time before it strikes, and after the request was handled if it
// is Consuming. The wait ends with the request's context; the connection is then closed without an answer.
func (f Fault) Delayed(d time.Duration) Fault { f.delay = d; return f }

func (f Fault) usesAnswer() bool {
	return f.reshapes || (f.strike == nil && f.code == 0)
}

// Pass is a request that nothing happens to, for the places in a script between two faults.
func Pass() Fault { return Fault{label: "pass"} }

// ErrCode is an API error: HTTP 200, the errmsg that is documented for the code, and a request id.
func ErrCode(code int) Fault {
	return Fault{label: "errcode " + strconv.Itoa(code), code: code}
}

// ErrMsg is an API error with this errmsg and nothing behind it, for instance one with the suffix of an earlier
// year: ErrMsg(40029, "invalid code, hints: [ req_id: N37KMa0605th21 ]").
func ErrMsg(code int, msg string) Fault {
	return Fault{label: "errcode " + strconv.Itoa(code), code: code, msg: msg, verbatim: true}
}

// Slow is an answer that takes d longer. The request is handled at the end of the wait, unless its client has
// gone by then; Slow(d).Consuming() handles it at the beginning.
func Slow(d time.Duration) Fault {
	f := Pass().Delayed(d)
	f.label = "slow"
	return f
}

// Cut closes the connection without an answer, on a fresh and on a reused connection alike. On a reused one
// Go's own transport sends a GET again by itself; Cut().Consuming() shows what that does to a code.
func Cut() Fault {
	return Fault{label: "cut", strike: func(w http.ResponseWriter, _ *http.Request, out *wireReply) {
		out.status, out.code = 0, 0
		cut(w)
	}}
}

// CutBody answers truly, with the true Content-Length, and closes the connection half way.
func CutBody() Fault {
	return Fault{label: "cut body", reshapes: true, strike: func(w http.ResponseWriter, _ *http.Request, out *wireReply) {
		body := out.body()
		w.Header().Set("Content-Type", out.contentType)
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(out.status)
		_, _ = w.Write(body[:len(body)/2]) // net/http closes a connection whose body fell short
	}}
}

// Redirect answers 302 to another place, a URL or a path of this server. A client that followed it would hand
// the secret to whoever is there, in the Referer at least.
func Redirect(location string) Fault {
	return Fault{label: "redirect", strike: func(w http.ResponseWriter, _ *http.Request, out *wireReply) {
		out.status, out.code = http.StatusFound, 0
		w.Header().Set("Location", location)
		w.WriteHeader(http.StatusFound)
	}}
}

// Reply answers with exactly this.
func Reply(status int, contentType, body string) Fault {
	return Fault{label: "reply " + strconv.Itoa(status), strike: func(w http.ResponseWriter, _ *http.Request, out *wireReply) {
		out.status, out.code = status, 0
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}}
}

// BadGateway is the 502 of a proxy between the application and WeChat.
func BadGateway() Fault {
	return Reply(http.StatusBadGateway, "text/html",
		"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n")
}

// HTML is a page with status 200, as captive portals and misrouted proxies send it.
func HTML() Fault {
	return Reply(http.StatusOK, "text/html; charset=utf-8", "<!DOCTYPE html><html><body><p>Please log in to the network.</p></body></html>")
}

// Truncated is the true answer with its second half missing: HTTP is satisfied, JSON is not.
func Truncated() Fault {
	return Fault{label: "truncated", reshapes: true, strike: func(w http.ResponseWriter, _ *http.Request, out *wireReply) {
		body := out.body()
		w.Header().Set("Content-Type", out.contentType)
		w.WriteHeader(out.status)
		_, _ = w.Write(body[:len(body)/2])
	}}
}

// Endless is the true answer with a last field that does not stop until the client hangs up. After 64 MiB it
// does stop, in good order, so that a client without a bound shows itself by succeeding.
func Endless() Fault {
	return Fault{label: "endless", reshapes: true, strike: streamEndless}
}

// NumbersAsStrings is the true answer with each number in quotes ("errcode":"40029"), as one official sample
// has it.
func NumbersAsStrings() Fault {
	return Fault{label: "numbers as strings", reshapes: true, strike: func(w http.ResponseWriter, _ *http.Request, out *wireReply) {
		out.format.quoted = true
		out.write(w)
	}}
}

// ExplicitOK is the true answer, with "errcode":0,"errmsg":"ok" behind the fields of a success that lacks
// them, as the official sample has it and the wire has not.
func ExplicitOK() Fault {
	return Fault{label: "explicit ok", reshapes: true, strike: func(w http.ResponseWriter, _ *http.Request, out *wireReply) {
		if !has(out.fields, "errcode") {
			out.fields = append(out.fields, field{"errcode", 0}, field{"errmsg", "ok"})
		}
		out.write(w)
	}}
}

func has(fields []field, key string) bool {
	for _, f := range fields {
		if f.key == key {
			return true
		}
	}
	return false
}

// cut drops the connection. What cannot be hijacked (HTTP/2, a recorder) is aborted the way net/http provides.
func cut(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_ = conn.Close()
}

func streamEndless(w http.ResponseWriter, r *http.Request, out *wireReply) {
	// A client that neither reads nor hangs up must not hold a closing server.
	stop := context.AfterFunc(r.Context(), func() {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Unix(1, 0))
	})
	defer stop()
	body := out.body()
	w.Header().Set("Content-Type", out.contentType)
	w.WriteHeader(out.status)
	head := append(body[:len(body)-1:len(body)-1], `,"padding":"`...)
	if _, err := w.Write(head); err != nil {
		return
	}
	chunk := []byte(strings.Repeat("A", 32<<10))
	for sent := 0; sent < endlessLimit && r.Context().Err() == nil; sent += len(chunk) {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
	_, _ = w.Write([]byte(`"}`))
}

// Next puts faults at the end of the script: each strikes one request, in order, then all is well again. A
// fault that is limited to a path waits for its path and lets others behind it go first.
func (e *Emulator) Next(faults ...Fault) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.faults.script = append(e.faults.script, faults...)
}

// Always replaces the standing faults, which strike every request that the script of [Emulator.Next] leaves
// alone; of several the first whose path fits. Always() ends them.
func (e *Emulator) Always(faults ...Fault) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.faults.standing = append([]Fault(nil), faults...)
}

// ClearFaults ends the script and the standing faults. Failure rates stay.
func (e *Emulator) ClearFaults() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.faults.script, e.faults.standing = nil, nil
}

// faultPlan decides which fault a request meets.
type faultPlan struct {
	script   []Fault
	standing []Fault
	rates    []ratedFault
	rng      *rand.Rand
}

type ratedFault struct {
	share float64
	fault Fault
}

func (p *faultPlan) addRate(share float64, f Fault) {
	total := share
	for _, r := range p.rates {
		total += r.share
	}
	if !(share >= 0 && total <= 1+1e-9) {
		panic(fmt.Sprintf("wechattest: failure rates must lie between 0 and 1 and add up to at most 1, got %v in all", total))
	}
	p.rates = append(p.rates, ratedFault{share, f})
}

// take returns the fault for a request to path; the zero Fault leaves it alone.
func (p *faultPlan) take(path string) Fault {
	for i, f := range p.script {
		if f.fits(path) {
			p.script = append(p.script[:i:i], p.script[i+1:]...)
			return f
		}
	}
	for _, f := range p.standing {
		if f.fits(path) {
			return f
		}
	}
	if len(p.rates) == 0 {
		return Fault{}
	}
	draw := p.rng.Float64()
	for _, r := range p.rates {
		if !r.fault.fits(path) {
			continue
		}
		if draw < r.share {
			return r.fault
		}
		draw -= r.share
	}
	return Fault{}
}

func (f Fault) fits(path string) bool { return f.path == "" || f.path == path }
