package wechat

import (
	"cmp"
	"net/http"
	"testing"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/wechat/wechattest"
)

const (
	terminalAppID  = "wx00000000000000dd"
	terminalSecret = "synthetic-canary-terminal-secret-987654"
)

// world is the emulator with a provider of each kind, in one bubble.
type world struct {
	*wechattest.Emulator
	mini     *MiniProgramProvider
	terminal *MultiTerminalProvider
	network  *pipes
}

type worldOption func(*worldSetup)

type worldSetup struct {
	emulator       []wechattest.Option
	mini, terminal []Option
	wrap           func(http.Handler) http.Handler
	tokens         bool   // the emulator wants one from the multi-terminal app
	rotated        string // the AppSecret of both apps at WeChat, if not the one the providers know
}

// withTerminalToken has the multi-terminal app send an access_token.
func withTerminalToken(s *worldSetup) {
	s.terminal, s.tokens = append(s.terminal, WithAccessToken()), true
}

func newWorld(t *testing.T, opts ...worldOption) *world {
	t.Helper()
	s := worldSetup{wrap: func(h http.Handler) http.Handler { return h }}
	for _, opt := range opts {
		opt(&s)
	}
	var terminal []wechattest.MultiTerminalOption
	if s.tokens {
		terminal = append(terminal, wechattest.RequireAccessToken())
	}
	e := wechattest.New(append([]wechattest.Option{
		wechattest.WithApp(testAppID, cmp.Or(s.rotated, testSecret), wechattest.OpenPlatform("group")),
		wechattest.WithMultiTerminal(terminalAppID, cmp.Or(s.rotated, terminalSecret), terminal...),
	}, s.emulator...)...)
	p, network := overPipes(t, s.wrap(e), s.mini...)
	m := MultiTerminal(terminalAppID, terminalSecret, append([]Option{WithBaseURL("http://wechat.test")}, s.terminal...)...)
	if err := m.Validate(); err != nil {
		t.Fatal(err)
	}
	m.client.gate.dial, m.client.own.Proxy = network.dial, nil
	t.Cleanup(func() { _, _ = p.Close(), m.Close() })
	return &world{Emulator: e, mini: p, terminal: m, network: network}
}

// keyOf logs the user in, and returns the session_key.
func (w *world) keyOf(user string) wxlogin.Secret {
	app := w.App(testAppID)
	app.Code(user)
	return wxlogin.NewSecret(app.SessionKey(user))
}

// withTokens adds the apps' access_tokens.
func (w *world) withTokens(secrets []string) []string {
	return append(secrets, w.App(testAppID).AccessToken(), w.MultiTerminal(terminalAppID).AccessToken())
}

func (w *world) source(name string) TokenSource {
	if name == "code2Verifyinfo" {
		return w.terminal
	}
	return w.mini
}
