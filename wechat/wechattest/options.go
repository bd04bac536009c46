package wechattest

import "time"

// Option sets up an emulator; see [New].
type Option func(*Emulator)

// AppOption sets up one app; see [WithApp].
type AppOption func(*App)

// WithApp adds an app. Several apps may be given; the first is the one of [Emulator.Code].
func WithApp(appID, secret string, opts ...AppOption) Option {
	return func(e *Emulator) {
		a := newApp(e, appID, secret)
		for _, opt := range opts {
			opt(a)
		}
		e.apps[appID] = a
		e.order = append(e.order, appID)
	}
}

// OpenPlatform binds the app to a WeChat Open Platform account, any name: its users then have a unionid, the
// same in all apps of that account. Without it, as for a real unbound app, no answer carries a unionid.
func OpenPlatform(account string) AppOption {
	return func(a *App) { a.platform = account }
}

// WithClock sets the clock that codes, keys and request ids go by; [time.Now] by default. It is called under
// the emulator's lock and must not call back into it. Delays ([Slow], [WithLatency]) use real time.
func WithClock(now func() time.Time) Option {
	return func(e *Emulator) { e.now = now }
}

// Rotation says when wx.login() replaces a user's session_key. Values above zero are a shortest period: a key
// younger than that stays.
type Rotation time.Duration

// The documents say that wx.login may replace the key and that a guard against short periods exists, without
// a figure. RotateAlways is the case that tests an application hardest, and the default.
const (
	RotateAlways Rotation = 0
	RotateNever  Rotation = -1
)

// RotateAfter replaces a key that is at least d old.
func RotateAfter(d time.Duration) Rotation { return Rotation(d) }

func (r Rotation) due(age time.Duration) bool {
	return r >= 0 && age >= time.Duration(r)
}

// WithRotation sets when wx.login() replaces the session_key; [RotateAlways] by default.
func WithRotation(r Rotation) Option {
	return func(e *Emulator) { e.rotation = r }
}

// WithKeyLifetime sets how long a session_key lives after the wx.login that made it. By default it does not
// expire: WeChat publishes no figure, and the three days that are sometimes named are unconfirmed.
func WithKeyLifetime(d time.Duration) Option {
	return func(e *Emulator) { e.keyLifetime = d }
}

// WithTokenLifetime sets the expires_in of access tokens, two hours by default. stable_token hands out a new
// token in the last five minutes, with a shorter lifetime therefore on every call.
func WithTokenLifetime(d time.Duration) Option {
	return func(e *Emulator) { e.tokenLifetime = max(d, time.Second) }
}

// WithNumericCountryCode sends the country code of a phone number as the number 86, as the official sample
// does, instead of the text "86", as the official table says.
func WithNumericCountryCode() Option {
	return func(e *Emulator) { e.numericCountry = true }
}

// WithDevCodes makes two kinds of code work that nobody minted: "the code is a mock one", which WeChat's
// developer tools send when they have no AppID, is the one user [MockUser]; "dev:<name>" is user name. They
// can be used again and again, each use being a wx.login() of its own, and in every app. WeChat itself accepts
// neither.
func WithDevCodes() Option {
	return func(e *Emulator) { e.devCodes = true }
}

// WithoutRID leaves the request id out of errmsg.
func WithoutRID() Option {
	return func(e *Emulator) { e.noRID = true }
}

// WithUserQuota answers 45011 to more than perMinute exchanges of one user in one app in a minute. Off by
// default; an older official page gave the figure 100.
func WithUserQuota(perMinute int) Option {
	return func(e *Emulator) { e.userQuota = perMinute }
}

// WithLatency holds every answer back by d, after the request was handled: a client that gives up in the
// meantime has used up its code.
func WithLatency(d time.Duration) Option {
	return func(e *Emulator) { e.latency = d }
}

// WithFailureRate makes a share of the requests, 0 to 1, meet the fault: WithFailureRate(0.01, ErrCode(45011)).
// It may be given several times as long as the shares add up to at most 1. Which requests are hit is decided by
// [WithSeed], so a run can be repeated. [Emulator.Next] and [Emulator.Always] go first.
func WithFailureRate(rate float64, f Fault) Option {
	return func(e *Emulator) { e.faults.addRate(rate, f) }
}

// WithSeed sets what [WithFailureRate] draws from; 1 by default.
func WithSeed(seed uint64) Option {
	return func(e *Emulator) { e.faults.rng = newRand(seed) }
}

// WithRecord sets how many requests [Emulator.Requests] remembers; 1024 by default, 0 for none. Whatever n is,
// the record is held to 16 MiB.
func WithRecord(n int) Option {
	return func(e *Emulator) { e.record.limit = max(n, 0) }
}
