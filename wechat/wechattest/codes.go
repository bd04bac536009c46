package wechattest

import (
	"crypto/rand"
	"time"
)

// CodeTTL is how long a code lives: of wx.login(), of the phone button, of a multi-terminal login.
const CodeTTL = 5 * time.Minute

// maxCodes bounds a codeBook. Beyond it the oldest codes become unknown before their time: 3000 logins each
// second must run for minutes to come there.
const maxCodes = 1 << 19

const (
	alphanumerics = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	hexDigits     = "0123456789abcdef"
)

// codeBook holds the codes of one kind. Used codes stay until they expire, because a replay is answered
// differently (40163) from a code that never was (40029).
type codeBook struct {
	alphabet string
	length   int
	keep     time.Duration // how long a code is told from one that never was
	entries  map[string]*codeEntry
	queue    []*codeEntry // oldest first
}

type codeEntry struct {
	code   string
	appID  string
	user   string
	key    string    // wx.login: the session_key that goes with the code
	login  LoginType // multi-terminal login
	minted time.Time
	used   bool
}

func newCodeBook(alphabet string, length int, keep time.Duration) codeBook {
	return codeBook{alphabet: alphabet, length: length, keep: keep, entries: make(map[string]*codeEntry)}
}

func (b *codeBook) mint(now time.Time, entry codeEntry) string {
	b.drop(now)
	entry.code, entry.minted = randomText(b.alphabet, b.length), now
	b.entries[entry.code] = &entry
	b.queue = append(b.queue, &entry)
	return entry.code
}

// find returns what is known of the code. The caller still checks whose it is and whether it is alive.
func (b *codeBook) find(now time.Time, code string) (*codeEntry, bool) {
	b.drop(now)
	entry, ok := b.entries[code]
	return entry, ok
}

func (b *codeBook) drop(now time.Time) {
	for len(b.queue) > 0 && (len(b.queue) >= maxCodes || now.Sub(b.queue[0].minted) >= b.keep) {
		delete(b.entries, b.queue[0].code)
		b.queue[0] = nil
		b.queue = b.queue[1:]
	}
}

func (c *codeEntry) expired(now time.Time) bool {
	return now.Sub(c.minted) >= CodeTTL
}

// randomText draws each character evenly: bytes past the last whole multiple of the alphabet are thrown away.
func randomText(alphabet string, length int) string {
	limit := 256 - 256%len(alphabet)
	out := make([]byte, 0, length)
	var buf [64]byte
	for {
		rand.Read(buf[:]) // never fails
		for _, b := range buf {
			if int(b) >= limit {
				continue
			}
			if out = append(out, alphabet[int(b)%len(alphabet)]); len(out) == length {
				return string(out)
			}
		}
	}
}
