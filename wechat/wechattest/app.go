package wechattest

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"time"
)

// maxUsers bounds what one app remembers. Beyond it the user seen first is forgotten: openid and unionid are
// derived and stay, only the session_key goes, as WeChat's expire too.
const maxUsers = 1 << 17

// MockUser is the user behind the developer tools' code "the code is a mock one"; see [WithDevCodes].
const MockUser = "mock"

// App is one mini program: what its users do on their phones, and what its operator sets in WeChat's console.
// Get one from [Emulator.App]. Users need no registration; any name is one.
//
// It is safe for concurrent use.
type App struct {
	e           *Emulator
	id          string
	credentials *credentials

	// All below is guarded by e.mu.
	platform string
	users    map[string]*member // by openid
	queue    []string           // openids, first seen first
	blocked  map[string]bool    // by name
	hidden   map[string]bool    // by name
	phones   map[string]phone   // by name, where the test set one
}

// member is what the app remembers of a user who was there.
type member struct {
	name    string
	openID  string
	key     string // session_key, base64 text
	rotated time.Time
	keyDies time.Time // zero: never
	minute  time.Time // the quota's window
	calls   int
}

func newApp(e *Emulator, id, secret string) *App {
	return &App{
		e: e, id: id, credentials: e.addCredentials(id, secret),
		users:   make(map[string]*member),
		blocked: make(map[string]bool),
		hidden:  make(map[string]bool),
		phones:  make(map[string]phone),
	}
}

// ID is the app's id.
func (a *App) ID() string { return a.id }

// Format prints the app's id and nothing secret, whatever the verb.
func (a *App) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "wechattest.App(%s)", a.id) }

// Code is wx.login() on the user's phone: a new code of 32 letters and digits, good for [CodeTTL], once, in
// this app. As the documents say of wx.login, it may replace the user's session_key; [WithRotation] decides.
// The code stays tied to the key of its own wx.login (unconfirmed for codes that are exchanged out of order).
func (a *App) Code(user string) string {
	a.e.mu.Lock()
	defer a.e.mu.Unlock()
	now := a.e.now()
	m := a.login(user, now)
	return a.e.codes.mint(now, codeEntry{appID: a.id, user: user, key: m.key})
}

// OpenID is the user's openid in this app: 28 characters beginning with o, always the same for the same app id
// and user, also across runs.
func (a *App) OpenID(user string) string { return derive("openid", a.id, user) }

// UnionID is the user's unionid as an exchange would give it now: empty unless the app is bound to an Open
// Platform account; the same in all apps of that account.
func (a *App) UnionID(user string) string {
	a.e.mu.Lock()
	defer a.e.mu.Unlock()
	return a.unionID(user)
}

func (a *App) unionID(user string) string {
	if a.platform == "" || a.hidden[user] {
		return ""
	}
	return derive("unionid", a.platform, user)
}

// SessionKey is the one session_key that WeChat holds valid for the user now, as base64 text; empty before the
// first wx.login and when the key has expired.
func (a *App) SessionKey(user string) string {
	a.e.mu.Lock()
	defer a.e.mu.Unlock()
	if m, ok := a.users[a.OpenID(user)]; ok && m.keyLives(a.e.now()) {
		return m.key
	}
	return ""
}

// RotateKey replaces the user's session_key at once, whatever [WithRotation] says, and returns the new one.
func (a *App) RotateKey(user string) string {
	a.e.mu.Lock()
	defer a.e.mu.Unlock()
	m := a.member(user)
	m.rotate(a.e.now(), a.e.keyLifetime)
	return m.key
}

// ExpireKey ends the user's session_key without a successor, as when a user stayed away for long: checks of it
// are answered 87007 until the next wx.login.
func (a *App) ExpireKey(user string) {
	a.e.mu.Lock()
	defer a.e.mu.Unlock()
	a.member(user).keyDies = a.e.now()
}

// Block puts users on the list of WeChat's risk control: their exchanges are answered 40226.
func (a *App) Block(users ...string) { a.set(a.blocked, true, users) }

// Unblock takes users off the list of [App.Block].
func (a *App) Unblock(users ...string) { a.set(a.blocked, false, users) }

// HideUnionID withholds the unionid of these users although the app is bound, as it was before 2021 for users
// who had not authorised a sibling account.
func (a *App) HideUnionID(users ...string) { a.set(a.hidden, true, users) }

// ShowUnionID undoes [App.HideUnionID].
func (a *App) ShowUnionID(users ...string) { a.set(a.hidden, false, users) }

func (a *App) set(list map[string]bool, on bool, users []string) {
	a.e.mu.Lock()
	defer a.e.mu.Unlock()
	for _, u := range users {
		if on {
			list[u] = true
		} else {
			delete(list, u)
		}
	}
}

// BindOpenPlatform binds the app to another Open Platform account from now on, so that a unionid appears (or
// changes) for users whose openid is known already; the empty account unbinds it.
func (a *App) BindOpenPlatform(account string) {
	a.e.mu.Lock()
	defer a.e.mu.Unlock()
	a.platform = account
}

// login is what wx.login() does to the user's session_key.
func (a *App) login(user string, now time.Time) *member {
	m := a.member(user)
	if !m.keyLives(now) || a.e.rotation.due(now.Sub(m.rotated)) {
		m.rotate(now, a.e.keyLifetime)
	}
	return m
}

func (a *App) member(user string) *member {
	id := a.OpenID(user)
	if m, ok := a.users[id]; ok {
		return m
	}
	for len(a.queue) >= maxUsers {
		delete(a.users, a.queue[0])
		a.queue = a.queue[1:]
	}
	m := &member{name: user, openID: id}
	a.users[id] = m
	a.queue = append(a.queue, id)
	return m
}

// overQuota counts an exchange and says whether it is one too many in its minute.
func (m *member) overQuota(limit int, now time.Time) bool {
	if limit <= 0 {
		return false
	}
	if minute := now.Truncate(time.Minute); !minute.Equal(m.minute) {
		m.minute, m.calls = minute, 0
	}
	m.calls++
	return m.calls > limit
}

func (m *member) keyLives(now time.Time) bool {
	return m.key != "" && (m.keyDies.IsZero() || now.Before(m.keyDies))
}

// rotate is a new key with a new life; resetting is a new key in the old one's life.
func (m *member) rotate(now time.Time, lifetime time.Duration) {
	m.key, m.rotated, m.keyDies = newSessionKey(), now, time.Time{}
	if lifetime > 0 {
		m.keyDies = now.Add(lifetime)
	}
}

func newSessionKey() string {
	var raw [16]byte
	rand.Read(raw[:]) // never fails
	return base64.StdEncoding.EncodeToString(raw[:])
}

// derive makes an id in the shape of WeChat's: "o" and 27 characters of [0-9A-Za-z_-].
func derive(kind, scope, user string) string {
	sum := digest(kind, scope, user)
	return "o" + base64.RawURLEncoding.EncodeToString(sum[:])[:27]
}
