package wechattest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// The paths of the two interfaces that give out access tokens.
const (
	PathToken       = "/cgi-bin/token"
	PathStableToken = "/cgi-bin/stable_token"
)

const (
	tokenOverlap   = 5 * time.Minute  // a replaced token of /cgi-bin/token lives on
	stableRenewal  = 5 * time.Minute  // stable_token gives a new one this long before expiry
	forcedInterval = 30 * time.Second // between two forced refreshes
	forcedPerDay   = 20
	maxTokens      = 1 << 14 // beyond it the oldest are forgotten, and answered 40014
)

// chinaTime is where a day of forced refreshes begins at midnight (unconfirmed).
func chinaTime(t time.Time) time.Time { return t.In(time.FixedZone("CST", 8*60*60)) }

// credentials is an app as the token interfaces know it, a mini program or a multi-terminal app.
type credentials struct {
	id, secret string

	latest    *accessToken // of /cgi-bin/token
	stable    *accessToken // of stable_token; the two do not touch each other
	forced    time.Time    // the last forced refresh
	forcedDay string
	forcedN   int // on that day
}

type accessToken struct {
	text    string
	owner   *credentials
	expires time.Time
	dies    time.Time // once replaced: the end of the overlap
}

// tokenBook holds the tokens that were issued, dead ones too, because each death has its own errcode.
type tokenBook struct {
	byText map[string]*accessToken
	queue  []*accessToken
}

func (e *Emulator) addCredentials(id, secret string) *credentials {
	if id == "" || secret == "" {
		panic("wechattest: an app needs an id and a secret")
	}
	if _, twice := e.clients[id]; twice {
		panic(fmt.Sprintf("wechattest: app %q is configured twice", id))
	}
	c := &credentials{id: id, secret: secret}
	e.clients[id] = c
	return c
}

// issue makes a token. Its length and look are unconfirmed; the documents only ask for 512 characters of room.
func (e *Emulator) issue(owner *credentials, now time.Time) *accessToken {
	t := &accessToken{text: "90_" + randomText(alphanumerics, 133), owner: owner, expires: now.Add(e.tokenLifetime)}
	b := &e.tokens
	for len(b.queue) >= maxTokens {
		delete(b.byText, b.queue[0].text)
		b.queue[0] = nil
		b.queue = b.queue[1:]
	}
	b.byText[t.text] = t
	b.queue = append(b.queue, t)
	return t
}

func (t *accessToken) replaced(at time.Time) {
	if t != nil && t.dies.IsZero() {
		t.dies = at
	}
}

func (t *accessToken) answer(now time.Time) answer {
	return answer{fields: []field{{"access_token", t.text}, {"expires_in", int64(t.expires.Sub(now) / time.Second)}}}
}

// token is getAccessToken: every call gives a new token and lets the former one live five minutes more.
//
// The order of the checks, and 43001 for POST, are unconfirmed. A wrong secret is answered 40125, as the newer
// pages have it; older ones give 40001.
func (e *Emulator) token(c call) answer {
	if c.method != http.MethodGet {
		return refuse(43001)
	}
	owner, code := e.client(c.query.Get("grant_type"), c.query.Get("appid"), c.query.Get("secret"))
	if code != 0 {
		return refuse(code)
	}
	owner.latest.replaced(c.now.Add(tokenOverlap))
	owner.latest = e.issue(owner, c.now)
	return owner.latest.answer(c.now)
}

// stableToken is getStableAccessToken. In normal mode it repeats its token until five minutes before the end;
// the old one then lives its life out beside the new one. A forced refresh kills the old token at once, but is
// ignored within 30 seconds of the last one and after 20 on a day (that the 21st is ignored rather than refused
// is unconfirmed). The body is read as JSON whatever the Content-Type says (unconfirmed).
func (e *Emulator) stableToken(c call) answer {
	if c.method != http.MethodPost {
		return refuse(43002)
	}
	body, ok := parseBody(c.body)
	if !ok {
		return refuse(47001)
	}
	force, ok := body.boolean("force_refresh")
	if !ok {
		return refuse(47001)
	}
	owner, code := e.client(body.text("grant_type"), body.text("appid"), body.text("secret"))
	if code != 0 {
		return refuse(code)
	}
	if force && owner.mayForce(c.now) {
		owner.stable.replaced(c.now)
		owner.stable = nil
	}
	return e.currentStable(owner, c.now).answer(c.now)
}

func (e *Emulator) currentStable(owner *credentials, now time.Time) *accessToken {
	if owner.stable == nil || owner.stable.expires.Sub(now) < stableRenewal {
		owner.stable = e.issue(owner, now)
	}
	return owner.stable
}

func (o *credentials) mayForce(now time.Time) bool {
	day := chinaTime(now).Format(time.DateOnly)
	if day != o.forcedDay {
		o.forcedDay, o.forcedN = day, 0
	}
	if o.forcedN >= forcedPerDay || (!o.forced.IsZero() && now.Sub(o.forced) < forcedInterval) {
		return false
	}
	o.forced = now
	o.forcedN++
	return true
}

// client checks what both interfaces ask for.
func (e *Emulator) client(grantType, id, secret string) (*credentials, int) {
	switch {
	case id == "":
		return nil, 41002
	case secret == "":
		return nil, 41004
	case grantType != "client_credential":
		return nil, 40002
	}
	owner, ok := e.clients[id]
	switch {
	case !ok:
		return nil, 40013
	case owner.secret != secret:
		return nil, 40125
	}
	return owner, 0
}

// authorize finds whose access token a request brings, or the errcode for it. That a token which never existed
// gives 40014 while a replaced one gives 40001 is the reading of the general list; real answers vary.
func (e *Emulator) authorize(c call) (*credentials, int) {
	text := c.query.Get("access_token")
	if text == "" {
		return nil, 41001
	}
	t, ok := e.tokens.byText[text]
	switch {
	case !ok:
		return nil, 40014
	case !c.now.Before(t.expires):
		return nil, 42001
	case !t.dies.IsZero() && !c.now.Before(t.dies):
		return nil, 40001
	}
	return t.owner, 0
}

// AccessToken is the token that stable_token would give the app now, without a request.
func (a *App) AccessToken() string { return a.e.stableTokenOf(a.credentials) }

func (e *Emulator) stableTokenOf(owner *credentials) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.currentStable(owner, e.now()).text
}

// RevokeToken makes an access token invalid at once, as somebody else's refresh does: calls with it are
// answered 40001, and stable_token gives a new one. It panics on a token that was not issued here.
func (e *Emulator) RevokeToken(token string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := e.issued(token)
	t.dies = e.now()
	if t.owner.stable == t {
		t.owner.stable = nil
	}
}

// ExpireToken ends the life of an access token now: calls with it are answered 42001, and stable_token gives a
// new one. It panics on a token that was not issued here.
func (e *Emulator) ExpireToken(token string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.issued(token).expires = e.now()
}

func (e *Emulator) issued(token string) *accessToken {
	t, ok := e.tokens.byText[token]
	if !ok {
		panic("wechattest: this access token was not issued by this emulator")
	}
	return t
}

// jsonBody is a JSON object. Unlike a struct it takes a key for itself only in the right case, as WeChat does.
type jsonBody map[string]json.RawMessage

func parseBody(raw []byte) (jsonBody, bool) {
	var b jsonBody
	err := json.Unmarshal(raw, &b)
	return b, err == nil && b != nil
}

// text is a string of the body; empty where it is absent or no string.
func (b jsonBody) text(key string) string {
	var s string
	_ = json.Unmarshal(b[key], &s)
	return s
}

// boolean is a switch of the body, off where it is absent; false in ok where it is neither true nor false.
func (b jsonBody) boolean(key string) (on, ok bool) {
	raw, there := b[key]
	if !there {
		return false, true
	}
	return on, json.Unmarshal(raw, &on) == nil
}
