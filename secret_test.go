package wxlogin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// The canaries: no rendering of anything may show one of them.
const (
	canaryCode       = "canary-code"
	canarySessionKey = "canary-session-key"
	canaryToken      = "canary-token"
	canaryKey        = "canary-key-of-32-or-more-bytes-long"
	canaryField      = "canary-phone-code"
)

var canaries = []string{canaryCode, canarySessionKey, canaryToken, canaryKey, canaryField}

// renderings shows v in every way that a program prints things by.
func renderings(t testing.TB, v any) string {
	t.Helper()
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+"\n", v)
	}
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("value", "v", v)
	}
	if text, err := json.Marshal(v); err == nil {
		out.Write(text)
	}
	return out.String()
}

func wantNoCanary(t testing.TB, what, text string, more ...string) {
	t.Helper()
	for _, canary := range append(canaries, more...) {
		for form, canary := range map[string]string{"clear": canary, "hex": fmt.Sprintf("%x", canary), "bytes": strings.Trim(fmt.Sprint([]byte(canary)), "[]")} {
			if canary != "" && strings.Contains(text, canary) {
				t.Errorf("%s shows a secret in %s", what, form)
			}
		}
	}
}

type holder struct {
	hidden Secret
	Shown  Secret
	inner  *struct{ deep Secret }
}

func TestASecretShowsNowhere(t *testing.T) {
	s := NewSecret(canaryToken)
	h := holder{hidden: s, Shown: s, inner: &struct{ deep Secret }{s}}
	for what, v := range map[string]any{
		"the secret": s, "a pointer to it": &s, "a struct of it": h, "a pointer to that": &h, "a slice": []Secret{s},
		"a map": map[string]Secret{"k": s}, "an error": fmt.Errorf("x: %v %s", s, s),
	} {
		wantNoCanary(t, what, renderings(t, v))
	}
	if s.Reveal() != canaryToken || !s.Equal(NewSecret(canaryToken)) || s.Equal(NewSecret("other")) || s.Equal(Secret{}) {
		t.Error("Reveal and Equal must see the text")
	}
	if empty := NewSecret(""); !empty.IsZero() || empty.String() != "" || empty.Reveal() != "" || s.IsZero() {
		t.Error("an empty secret must look empty")
	}
}

func TestNoExportedTypeShowsASecret(t *testing.T) {
	cfg := Config{
		Providers: []Provider{&fakeProvider{app: testApp, exchange: func(context.Context, string) (Account, error) {
			return Account{Subject: "o-alice", OpenID: "o-alice", SessionKey: NewSecret(canarySessionKey)}, nil
		}}},
		Keys: [][]byte{[]byte(canaryKey)},
	}
	var event *LoginEvent
	cfg.OnLogin = func(_ context.Context, e *LoginEvent) error { event = e; return nil }
	a, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	req := LoginRequest{Code: NewSecret(canaryCode), Token: NewSecret(canaryToken), Fields: Fields{"phone_code": canaryField}}
	result, err := a.Login(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := a.SessionKeys(t.Context(), result.Identity)
	if err != nil {
		t.Fatal(err)
	}
	account, _ := cfg.Providers[0].Exchange(t.Context(), canaryCode)
	sessions, err := a.Sessions(t.Context(), result.Identity)
	if err != nil {
		t.Fatal(err)
	}
	for what, v := range map[string]any{
		"Config": cfg, "*Config": &cfg, "*Auth": a, "struct of *Auth": struct{ a *Auth }{a}, "LoginRequest": req, "*LoginRequest": &req,
		"LoginEvent": *event, "*LoginEvent": event, "LoginResult": result, "*LoginResult": &result, "Identity": result.Identity,
		"SessionKeys": keys, "Account": account, "Sessions": sessions, "Fields": req.Fields, "RefusedError": Refuse("a", "b"),
	} {
		wantNoCanary(t, what, renderings(t, v), result.Token.Reveal())
	}
}

func TestNoFailureShowsASecret(t *testing.T) {
	failing := errors.New("failing on purpose")
	for _, step := range []string{"none", "Exchange", "OnLogin", "panic", "Get", "Add", "AddFor", "Delete", "DeleteFor", "ListFor", "Set", "Swap"} {
		var log logBuffer
		down := newCountingStore(t)
		a, clock := newTestAuth(t, withStore(down), log.attach, func(cfg *Config) {
			cfg.Keys = [][]byte{[]byte(canaryKey)}
			cfg.Providers = []Provider{&fakeProvider{app: testApp, exchange: func(_ context.Context, code string) (Account, error) {
				if step == "Exchange" {
					return Account{}, failing
				}
				return Account{Subject: "o-alice", SessionKey: NewSecret(canarySessionKey)}, nil
			}}}
			cfg.OnLogin = func(_ context.Context, e *LoginEvent) error {
				switch step {
				case "OnLogin":
					return failing
				case "panic":
					panic(e.Fields["phone_code"])
				}
				return nil
			}
		})
		issued, err := a.Issue(t.Context(), Identity{OpenID: "o-alice"})
		if err != nil {
			t.Fatal(err)
		}
		clock.advance(a.touch)
		down.fail(step, failing)
		var errs []any
		keep := func(err error) { errs = append(errs, err) }
		_, err = a.Login(t.Context(), LoginRequest{Code: NewSecret(canaryCode), Token: issued.Token, Fields: Fields{"phone_code": canaryField}})
		keep(err)
		_, err = a.Authenticate(t.Context(), issued.Token.Reveal())
		keep(err)
		_, err = a.Authenticate(t.Context(), canaryToken)
		keep(err)
		_, err = a.SessionKeys(t.Context(), issued.Identity)
		keep(err)
		_, err = a.Sessions(t.Context(), issued.Identity)
		keep(err)
		_, err = a.Issue(t.Context(), issued.Identity)
		keep(err)
		keep(a.EndSession(t.Context(), issued.Identity, issued.Identity.SessionID))
		keep(a.RevokeUser(t.Context(), issued.Identity))
		keep(a.Logout(t.Context(), issued.Token.Reveal()))
		keep(a.Logout(t.Context(), canaryToken))
		for _, err := range errs {
			wantNoCanary(t, step+": an error", renderings(t, err), issued.Token.Reveal())
		}
		wantNoCanary(t, step+": the log", log.text(), issued.Token.Reveal())
	}
}
