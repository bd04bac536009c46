package killtest

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Ledger counts what was answered, and what was answered wrongly.
type Ledger struct {
	Logins, Requests, Logouts atomic.Int64 // answered as they should be
	Unavailable               atomic.Int64 // 503, or no answer at all

	Lost        atomic.Int64 // tokens of logins that were answered 200 which do not work at the end
	Revived     atomic.Int64 // tokens that worked after their logout was answered 204
	Refused     atomic.Int64 // tokens that were refused while they were live
	SomeoneElse atomic.Int64 // the answer is for another user
	Odd         atomic.Int64 // an answer that fits nothing, or a 503 without a Retry-After
	Unlisted    atomic.Int64 // a token that outlived the revocation of its account

	Slowest atomic.Int64 // the longest answer, in nanoseconds

	EngineKills, InstanceKills int // after each of which it was started again
	// Outages are, for every kill, or kill of both at the same time, the time until
	// the last failure.
	Outages []time.Duration

	lastFailure atomic.Int64
	mu          sync.Mutex
	tokens      []*token
	oddity      []string
}

// String has all counts in one line.
func (l *Ledger) String() string {
	return fmt.Sprintf("logins %d, requests %d, logouts %d, unavailable %d | lost %d, revived %d, refused %d, someone else's %d, odd %d, unlisted %d | kills of the engine %d, of an instance %d, longest outage %v, slowest answer %v",
		l.Logins.Load(), l.Requests.Load(), l.Logouts.Load(), l.Unavailable.Load(),
		l.Lost.Load(), l.Revived.Load(), l.Refused.Load(), l.SomeoneElse.Load(), l.Odd.Load(), l.Unlisted.Load(),
		l.EngineKills, l.InstanceKills, slices.Max(l.Outages).Round(time.Millisecond), time.Duration(l.Slowest.Load()).Round(time.Millisecond))
}

// Broken returns how many tokens were lost, revived, refused or unlisted, each of
// them once, even if more than one of that happened to it.
func (l *Ledger) Broken() int64 {
	var n int64
	for _, tok := range l.all() {
		if tok.lost.Load() || tok.revived.Load() || tok.refused.Load() || tok.unlisted.Load() {
			n++
		}
	}
	return n
}

// Check fails the test if anything broke, or if too little happened to tell.
func (l *Ledger) Check(t *testing.T) {
	t.Helper()
	for name, n := range map[string]int64{
		"lost tokens": l.Lost.Load(), "revived tokens": l.Revived.Load(), "refusals of live sessions": l.Refused.Load(),
		"unlisted sessions": l.Unlisted.Load(),
	} {
		if n != 0 {
			t.Errorf("%d %s, want none", n, name)
		}
	}
	l.CheckIdentities(t)
}

// CheckIdentities fails the test only for what no failover excuses.
func (l *Ledger) CheckIdentities(t *testing.T) {
	t.Helper()
	if n := l.SomeoneElse.Load(); n != 0 {
		t.Errorf("%d answers were for someone else", n)
	}
	if n := l.Odd.Load(); n != 0 {
		t.Errorf("%d answers fit nothing, such as:\n%s", n, strings.Join(l.oddity, "\n"))
	}
	if l.InstanceKills == 0 || l.Logins.Load() < 100 || l.Requests.Load() < 100 || l.Logouts.Load() < 50 || l.Unavailable.Load() == 0 {
		t.Error("too little happened: the test proves nothing")
	}
}

// token is one login that was answered 200.
type token struct {
	text, user string
	leaving    atomic.Bool  // a logout was sent
	outAt      atomic.Int64 // when a logout was first answered, 0 for not yet

	lost, revived, refused, unlisted atomic.Bool
}

// once counts a token in n unless flag says that it was.
func once(n *atomic.Int64, flag *atomic.Bool) {
	if flag.CompareAndSwap(false, true) {
		n.Add(1)
	}
}

// outFor reports whether a logout was answered longer ago than d.
func (t *token) outFor(d time.Duration) bool {
	at := t.outAt.Load()
	return at != 0 && time.Now().UnixNano()-at > int64(d)
}

func (l *Ledger) add(t *token) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tokens = append(l.tokens, t)
}

// pick returns any token, mostly one of the newest, or nil.
func (l *Ledger) pick() *token {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.tokens)
	if n == 0 {
		return nil
	}
	if newest := min(n, 50); rand.IntN(4) > 0 {
		return l.tokens[n-1-rand.IntN(newest)]
	}
	return l.tokens[rand.IntN(n)]
}

func (l *Ledger) all() []*token {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tokens[:len(l.tokens):len(l.tokens)]
}

func (l *Ledger) unavailable() {
	l.Unavailable.Add(1)
	l.lastFailure.Store(time.Now().UnixNano())
}

func (l *Ledger) slow(took time.Duration) {
	for most := l.Slowest.Load(); int64(took) > most && !l.Slowest.CompareAndSwap(most, int64(took)); {
		most = l.Slowest.Load()
	}
}

func (l *Ledger) odd(what string, status int, body string) {
	l.Odd.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.oddity) < 10 {
		l.oddity = append(l.oddity, fmt.Sprintf("%s: %d %s", what, status, body))
	}
}

// expectedOutage reports whether an answer is one that an outage excuses.
func expectedOutage(status int, err error) bool {
	return err != nil || status == http.StatusServiceUnavailable
}
