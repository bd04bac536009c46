package wechattest

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultAppID and DefaultSecret are the app of an emulator that was given no [WithApp]. They have the look of
// WeChat's own and belong to nobody.
const (
	DefaultAppID  = "wx0123456789abcdef"
	DefaultSecret = "wechattest-not-a-real-app-secret"
)

// maxBody is how much of a request's body is read. WeChat's own requests need a few hundred bytes.
const maxBody = 64 << 10

// Emulator plays WeChat: an [http.Handler] for its paths, and methods for what happens on the phones and in the
// consoles. Make one with [New], or with [NewServer] together with a server on 127.0.0.1.
//
// It is safe for concurrent use. It needs no Close: it starts nothing, and a delayed answer ends with its
// request's context.
type Emulator struct {
	now            func() time.Time
	rotation       Rotation
	keyLifetime    time.Duration
	tokenLifetime  time.Duration
	devCodes       bool
	noRID          bool
	numericCountry bool
	userQuota      int
	latency        time.Duration
	order          []string // app ids as configured; the first one is the app of Code and OpenID
	apps           map[string]*App
	terminals      map[string]*MultiTerminalApp
	clients        map[string]*credentials // of both kinds of app

	mu            sync.Mutex
	codes         codeBook
	phoneCodes    codeBook
	terminalCodes codeBook
	tokens        tokenBook
	faults        faultPlan
	record        record

	nextUser atomic.Uint64
}

// New makes an emulator; [NewServer] makes one that listens. Without [WithApp] it has one app, [DefaultAppID]
// with [DefaultSecret], not bound to an Open Platform account.
//
// New panics on options that contradict each other (an app configured twice, failure rates above 1): that is a
// mistake in the test, and the earliest place to see it.
func New(opts ...Option) *Emulator {
	e := &Emulator{
		now:           time.Now,
		tokenLifetime: 2 * time.Hour,
		apps:          make(map[string]*App),
		terminals:     make(map[string]*MultiTerminalApp),
		clients:       make(map[string]*credentials),
		codes:         newCodeBook(alphanumerics, 32, CodeTTL),
		phoneCodes:    newCodeBook(hexDigits, 64, CodeTTL),
		terminalCodes: newCodeBook(alphanumerics, 32, terminalCodeMemory),
		tokens:        tokenBook{byText: make(map[string]*accessToken)},
		faults:        faultPlan{rng: newRand(1)},
		record:        record{limit: 1024, counts: make(map[string]int)},
	}
	for _, opt := range opts {
		opt(e)
	}
	if len(e.order) == 0 {
		WithApp(DefaultAppID, DefaultSecret)(e)
	}
	for _, m := range e.terminals {
		m.resolveLink()
	}
	return e
}

// App is the app with this id. It panics if the emulator was not given it, because only the test itself can
// have got the id wrong.
func (e *Emulator) App(appID string) *App {
	a, ok := e.apps[appID]
	if !ok {
		panic(fmt.Sprintf("wechattest: app %q is not configured; pass WithApp(%q, secret)", appID, appID))
	}
	return a
}

// AppIDs lists the configured mini programs in the order of their options.
func (e *Emulator) AppIDs() []string {
	return append([]string(nil), e.order...)
}

// Code is wx.login() on the phone of a user of the first app; see [App.Code].
func (e *Emulator) Code(user string) string { return e.App(e.order[0]).Code(user) }

// OpenID is the user's openid in the first app; see [App.OpenID].
func (e *Emulator) OpenID(user string) string { return e.App(e.order[0]).OpenID(user) }

// Format prints the apps and nothing secret, whatever the verb.
func (e *Emulator) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "wechattest.Emulator%q", e.order)
}

// call is a request as the endpoints see it.
type call struct {
	method string
	query  url.Values
	body   []byte
	now    time.Time
}

// ServeHTTP answers as WeChat, unless a fault is in force. Paths that are not emulated get HTTP 404 and a text
// that says so (what WeChat answers there is unconfirmed).
func (e *Emulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := readBody(w, r)
	ep, known := endpointAt(r.URL.Path)

	e.mu.Lock()
	entry := e.record.add(newRequest(r, body, e.now()), known)
	var f Fault
	if known {
		f = e.faults.take(r.URL.Path)
	}
	e.record.label(entry, f.label)
	e.mu.Unlock()

	if !known {
		e.settle(entry, http.StatusNotFound, 0)
		http.Error(w, "wechattest: this path is not emulated", http.StatusNotFound)
		return
	}

	var a answer
	handle := func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		a = ep.handle(e, call{method: r.Method, query: r.URL.Query(), body: body, now: e.now()})
	}
	if f.consume {
		handle()
	}
	if !wait(r.Context(), f.delay) {
		cut(w)
		return
	}
	if f.usesAnswer() && !f.consume {
		handle()
	}
	if !wait(r.Context(), e.latency) {
		cut(w)
		return
	}
	if f.code != 0 {
		a = answer{code: f.code, msg: f.msg, verbatim: f.verbatim}
	}
	out := e.seal(ep, a)
	if f.strike == nil {
		out.write(w)
	} else {
		f.strike(w, r, &out)
	}
	e.settle(entry, out.status, out.code)
}

func (e *Emulator) settle(entry *Request, status, code int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	entry.Status, entry.ErrCode = status, code
}

// readBody reads what maxBody allows. It gives up when the request's context ends, so that a client which
// never finishes its body cannot hold up a server that is closing.
func readBody(w http.ResponseWriter, r *http.Request) []byte {
	if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 {
		return nil
	}
	stop := context.AfterFunc(r.Context(), func() {
		_ = http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0))
	})
	defer stop()
	body, _ := io.ReadAll(io.LimitReader(r.Body, maxBody)) // what is cut off fails as malformed further on
	return body
}

// wait holds a request back and reports whether it is still there afterwards.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, seed)) }
