package wxlogin

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ginwx/wxlogin/internal/carrier"
	"github.com/ginwx/wxlogin/store"
)

func TestACodeThatCannotBeOneNeverReachesTheProvider(t *testing.T) {
	provider := &fakeProvider{app: testApp, exchange: func(context.Context, string) (Account, error) {
		return Account{Subject: "o-alice"}, nil
	}}
	a, _ := newTestAuth(t, func(cfg *Config) { cfg.Providers = []Provider{provider} })
	for rule, code := range map[string]string{
		"empty": "", "257 bytes": strings.Repeat("a", 257), "not ASCII": "codé", "newline": "a\nb",
		"NUL": "a\x00b", "DEL": "a\x7f", "tab": "a\tb",
	} {
		_, err := a.Login(t.Context(), LoginRequest{Code: NewSecret(code)})
		wantClass(t, rule, err, ErrBadRequest)
	}
	if got := provider.calls.Load(); got != 0 {
		t.Errorf("the provider was asked %d times, want never", got)
	}
	mustLogin(t, a, strings.Repeat("~", 256))
}

func TestTheAppIsNamedOrTheOnlyOneAndNeverFoundByTrying(t *testing.T) {
	one, two := &fakeProvider{app: "one"}, &fakeProvider{app: "two"}
	a, _ := newTestAuth(t, func(cfg *Config) { cfg.Providers, cfg.Apps = []Provider{one, two}, []string{"three"} })
	for app, want := range map[string]error{"": ErrBadRequest, "three": ErrBadRequest, "four": ErrBadRequest, "two": nil} {
		result, err := a.Login(t.Context(), LoginRequest{AppID: app, Code: NewSecret("alice")})
		if !errors.Is(err, want) || err == nil && result.Identity.AppID != app {
			t.Errorf("app %q: got %q, %v; want %v", app, result.Identity.AppID, err, want)
		}
	}
	if one.calls.Load() != 0 || two.calls.Load() != 1 {
		t.Errorf("got %d and %d exchanges, want 0 and 1", one.calls.Load(), two.calls.Load())
	}
}

func TestParallelLoginsWithOneCodeAreOneLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var decisions atomic.Int64
		provider := &fakeProvider{app: testApp, exchange: func(ctx context.Context, code string) (Account, error) {
			sleep(time.Second)
			return testAccount(code), nil
		}}
		a, err := New(Config{Providers: []Provider{provider}, OnLogin: func(_ context.Context, e *LoginEvent) error {
			decisions.Add(1)
			e.Reply = map[string]any{"new": true}
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		var wg sync.WaitGroup
		tokens := make([]string, 32)
		for i := range tokens {
			wg.Go(func() {
				result, err := a.Login(t.Context(), LoginRequest{Code: NewSecret("alice")})
				if err != nil {
					t.Errorf("Login: %v", err)
				}
				tokens[i] = result.Token.Reveal()
				result.Reply["mine"] = i // must be this caller's own map
			})
		}
		wg.Wait()
		for _, token := range tokens {
			if token == "" || token != tokens[0] {
				t.Fatal("callers that shared a login got different tokens")
			}
		}
		if provider.calls.Load() != 1 || decisions.Load() != 1 {
			t.Errorf("got %d exchanges and %d decisions, want one each", provider.calls.Load(), decisions.Load())
		}
		if list, err := a.Sessions(t.Context(), Identity{AppID: testApp, Subject: "o-alice"}); err != nil || len(list) != 1 {
			t.Errorf("got %d sessions, %v; want 1", len(list), err)
		}
		mustLogin(t, a, "alice")
		if provider.calls.Load() != 2 {
			t.Error("a completed code was answered without asking the platform")
		}
	})
}

func TestALoginOutlivesTheCallerThatStartedIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		provider := &fakeProvider{app: testApp, exchange: func(ctx context.Context, code string) (Account, error) {
			select {
			case <-time.After(time.Second):
				return testAccount(code), nil
			case <-ctx.Done():
				return Account{}, ctx.Err()
			}
		}}
		a, err := New(Config{Providers: []Provider{provider}})
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		first, hangUp := context.WithCancel(context.WithValue(t.Context(), testValue{}, "kept"))
		var firstErr, secondErr error
		go func() { _, firstErr = a.Login(first, LoginRequest{Code: NewSecret("alice")}) }()
		synctest.Wait()
		go func() { _, secondErr = a.Login(t.Context(), LoginRequest{Code: NewSecret("alice")}) }()
		synctest.Wait()
		hangUp()
		synctest.Wait()
		if !errors.Is(firstErr, context.Canceled) {
			t.Errorf("the caller that hung up: got %v, want %v", firstErr, context.Canceled)
		}
		sleep(time.Second)
		synctest.Wait()
		if secondErr != nil || provider.calls.Load() != 1 {
			t.Errorf("the caller that stayed: got %v after %d exchanges, want a login after one", secondErr, provider.calls.Load())
		}
	})
}

type testValue struct{}

func TestAWholeLoginIsBoundedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		a, err := New(Config{Providers: []Provider{&fakeProvider{app: testApp}}, OnLogin: func(context.Context, *LoginEvent) error {
			<-hang // deaf to its context
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		_, err = a.Login(t.Context(), LoginRequest{Code: NewSecret("alice")})
		wantClass(t, "Login", err, context.DeadlineExceeded)
		if took := time.Since(start); took != DefaultLoginTimeout {
			t.Errorf("took %v, want %v", took, DefaultLoginTimeout)
		}
		close(hang)
		_ = a.Close()
		if list, err := a.accounts.ListFor(context.Background(), accountOf(Identity{AppID: testApp, Subject: "o-alice"}).indexKey()); len(list) != 0 {
			t.Errorf("a hook that came back too late still made a session: %d, %v", len(list), err)
		}
	})
}

func TestADetachedLoginKeepsValuesButNoGinContext(t *testing.T) {
	request := context.WithValue(t.Context(), testValue{}, "kept")
	if got := detached(request).Value(testValue{}); got != "kept" {
		t.Errorf("got %v, want the request's value", got)
	}
	//lint:ignore SA1029 gin's own key is a string
	onGin := context.WithValue(request, carrier.GinContext, "a gin context")
	if got := detached(onGin).Value(testValue{}); got != nil {
		t.Errorf("got %v, want nothing of a context that is reused", got)
	}
}

func TestAPanicInALoginIsAnErrorWithoutItsText(t *testing.T) {
	for _, where := range []string{"provider", "OnLogin"} {
		var log logBuffer
		a, _ := newTestAuth(t, log.attach, func(cfg *Config) {
			if where == "provider" {
				cfg.Providers = []Provider{&fakeProvider{app: testApp, exchange: func(_ context.Context, code string) (Account, error) {
					panic("secret text " + code)
				}}}
			} else {
				cfg.OnLogin = func(context.Context, *LoginEvent) error { panic("secret text") }
			}
		})
		_, err := a.Login(t.Context(), LoginRequest{Code: NewSecret("alice")})
		wantClass(t, where, err, ErrInternal)
		if !log.contains("login panicked") || log.contains("secret text") || contains(err.Error(), "secret text") {
			t.Errorf("%s: want the panic logged without its text, got %v and %s", where, err, log.text())
		}
	}
}

func TestAProvidersErrorKeepsItsClassOrIsAnOutage(t *testing.T) {
	plain := errors.New("boom")
	for _, c := range []struct {
		err  error
		want error
	}{
		{fmt.Errorf("x: %w", ErrInvalidCode), ErrInvalidCode},
		{fmt.Errorf("x: %w", ErrUserBlocked), ErrUserBlocked},
		{ErrRateLimited, ErrRateLimited},
		{ErrMisconfigured, ErrMisconfigured},
		{plain, ErrUpstreamUnavailable},
		{context.DeadlineExceeded, ErrUpstreamUnavailable},
		{&url.Error{Op: "Get", URL: "https://host/?secret=hidden", Err: plain}, ErrUpstreamUnavailable},
		{fmt.Errorf("%w: %w", ErrMisconfigured, &url.Error{Op: "Get", URL: "https://host/?secret=hidden", Err: plain}), ErrMisconfigured},
	} {
		a, _ := newTestAuth(t, func(cfg *Config) {
			cfg.Providers = []Provider{&fakeProvider{app: testApp, exchange: func(context.Context, string) (Account, error) {
				return Account{Subject: "o-alice"}, c.err
			}}}
		})
		result, err := a.Login(t.Context(), LoginRequest{Code: NewSecret("alice")})
		wantClass(t, fmt.Sprintf("%T", c.err), err, c.want)
		if contains(err.Error(), "hidden") {
			t.Errorf("the URL is in the error: %v", err)
		}
		if !result.Token.IsZero() || result.Identity.Subject != "" {
			t.Error("a result came with the error")
		}
	}
}

func TestAnAccountThatNamesNobodyIsAnOutage(t *testing.T) {
	long := strings.Repeat("x", maxIDLen+1)
	for rule, account := range map[string]Account{
		"no subject": {OpenID: "o"}, "nothing": {}, "long subject": {Subject: long}, "long unionid": {Subject: "o", UnionID: long},
		"long session_key": {Subject: "o", SessionKey: NewSecret(long)},
	} {
		a, _ := newTestAuth(t, func(cfg *Config) {
			cfg.Providers = []Provider{&fakeProvider{app: testApp, exchange: func(context.Context, string) (Account, error) { return account, nil }}}
		})
		_, err := a.Login(t.Context(), LoginRequest{Code: NewSecret("alice")})
		wantClass(t, rule, err, ErrUpstreamUnavailable)
	}
}

func TestOnLoginLearnsAllAndDecides(t *testing.T) {
	type details struct{ phone string }
	var got LoginEvent
	a, _ := newTestAuth(t, func(cfg *Config) {
		cfg.Providers = []Provider{&fakeProvider{app: testApp, exchange: func(context.Context, string) (Account, error) {
			return Account{Subject: "s", OpenID: "o", UnionID: "u", SessionKey: NewSecret("k"), Details: details{"1"}}, nil
		}}}
		cfg.OnLogin = func(_ context.Context, e *LoginEvent) error {
			got = *e
			e.UserID, e.Data, e.Reply = "42", map[string]string{"role": "admin"}, map[string]any{"nickname": "Alice"}
			return nil
		}
	})
	result, err := a.Login(t.Context(), LoginRequest{
		Code: NewSecret("c"), ClientIP: "192.0.2.1", UserAgent: "agent", Device: strings.Repeat("名", 100),
		Fields: Fields{"inviter": "bob"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got.AppID != testApp || got.Subject != "s" || got.OpenID != "o" || got.UnionID != "u" || got.Details != (details{"1"}) ||
		got.ClientIP != "192.0.2.1" || got.UserAgent != "agent" || got.Fields.Text("inviter") != "bob" {
		t.Errorf("OnLogin got %+v", got)
	}
	if got.Device != strings.Repeat("名", maxLabelLen/3) {
		t.Errorf("got a device of %d bytes, want it cut between characters", len(got.Device))
	}
	id, err := a.Authenticate(t.Context(), result.Token.Reveal())
	if err != nil || id.UserID != "42" || string(id.Data) != `{"role":"admin"}` || id.Device != got.Device {
		t.Errorf("got %+v, %v; want what OnLogin set", id, err)
	}
	if result.Reply["nickname"] != "Alice" {
		t.Errorf("got reply %v", result.Reply)
	}
}

func TestOnLoginRefusesOrFails(t *testing.T) {
	for _, c := range []struct {
		rule string
		hook func(*LoginEvent) error
		want error
	}{
		{"refusal", func(*LoginEvent) error { return Refuse("banned", "You are banned") }, ErrLoginRefused},
		{"wrapped refusal", func(*LoginEvent) error { return fmt.Errorf("x: %w", Refuse("banned", "")) }, ErrLoginRefused},
		{"failure", func(*LoginEvent) error { return errors.New("database is down") }, ErrInternal},
		{"a class of ours", func(*LoginEvent) error { return fmt.Errorf("phone: %w", ErrRateLimited) }, ErrRateLimited},
		{"data that is no JSON", func(e *LoginEvent) error { e.Data = make(chan int); return nil }, ErrInternal},
		{"data too large", func(e *LoginEvent) error { e.Data = strings.Repeat("x", maxDataLen); return nil }, ErrInternal},
		{"user id too long", func(e *LoginEvent) error { e.UserID = strings.Repeat("x", maxIDLen+1); return nil }, ErrInternal},
	} {
		spy := newCountingStore(t)
		a, _ := newTestAuth(t, withStore(spy), func(cfg *Config) {
			cfg.OnLogin = func(_ context.Context, e *LoginEvent) error { return c.hook(e) }
		})
		_, err := a.Login(t.Context(), LoginRequest{Code: NewSecret("alice")})
		wantClass(t, c.rule, err, c.want)
		if n := len(spy.written()); n != 0 {
			t.Errorf("%s: got %d writes, want none", c.rule, n)
		}
	}
	var refused *RefusedError
	if err := fmt.Errorf("x: %w", Refuse("banned", "You are banned")); !errors.As(err, &refused) || refused.Code != "banned" {
		t.Errorf("got %v, want the refusal's own code", err)
	}
}

func TestALoginFailsBeforeATokenIsHandedOutThatWasNotSaved(t *testing.T) {
	for _, verb := range []string{"Get", "Add", "AddFor"} {
		down := newCountingStore(t)
		a, _ := newTestAuth(t, withStore(down))
		down.fail(verb, errors.New("connection refused"))
		result, err := a.Login(t.Context(), LoginRequest{Code: NewSecret("alice/1")})
		wantClass(t, verb+" fails", err, ErrStoreUnavailable)
		if !result.Token.IsZero() {
			t.Errorf("%s fails: a token was handed out", verb)
		}
		down.fail(verb, nil)
		wantLive(t, a, mustLogin(t, a, "alice/2").Token, "after the outage")
	}
	// The mark cannot be read once the session is written: it is taken back.
	down := newCountingStore(t)
	a, _ := newTestAuth(t, withStore(down))
	down.before("AddFor", func() { down.fail("Get", errors.New("connection refused")) })
	_, err := a.Login(t.Context(), LoginRequest{Code: NewSecret("alice")})
	wantClass(t, "the mark cannot be read", err, ErrStoreUnavailable)
	down.fail("Get", nil)
	if list, err := a.Sessions(t.Context(), Identity{AppID: testApp, Subject: "o-alice"}); err != nil || len(list) != 0 {
		t.Errorf("got %d sessions, %v; want the login undone", len(list), err)
	}
}

func TestIssueBeginsASessionForAnIdentityThatTheCallerVouchesFor(t *testing.T) {
	a, _ := newTestAuth(t)
	for rule, id := range map[string]Identity{
		"openid alone":        {OpenID: "o-alice"},
		"subject and app":     {AppID: testApp, Subject: "sms:1"},
		"user id alone":       {UserID: "42"},
		"everything":          {AppID: testApp, Subject: "s", OpenID: "o", UnionID: "u", UserID: "43", Data: []byte(`[1]`), Device: "d"},
		"a forged session id": {OpenID: "o-bob", SessionID: "x", ExpiresAt: testStart.Add(1e6 * time.Hour)},
	} {
		result, err := a.Issue(t.Context(), id)
		if err != nil {
			t.Errorf("%s: %v", rule, err)
			continue
		}
		got, err := a.Authenticate(t.Context(), result.Token.Reveal())
		if err != nil || got.OpenID != id.OpenID || got.UserID != id.UserID || string(got.Data) != string(id.Data) ||
			got.ExpiresAt.After(testStart.Add(DefaultIdleTimeout)) {
			t.Errorf("%s: got %+v, %v", rule, got, err)
		}
	}
	for rule, id := range map[string]Identity{
		"nobody": {}, "unknown app": {AppID: "other", OpenID: "o"}, "data that is no JSON": {OpenID: "o", Data: []byte("{")},
		"too long": {OpenID: strings.Repeat("x", maxIDLen+1)},
	} {
		_, err := a.Issue(t.Context(), id)
		wantClass(t, rule, err, ErrBadRequest)
	}
}

func TestIssueIsCaughtByARevocationToo(t *testing.T) {
	racing := newCountingStore(t)
	a, _ := newTestAuth(t, withStore(racing))
	id := Identity{AppID: testApp, UserID: "42"}
	racing.before("AddFor", func() {
		if err := a.RevokeUser(t.Context(), id); err != nil {
			t.Error(err)
		}
	})
	_, err := a.Issue(t.Context(), id)
	wantClass(t, "Issue", err, ErrInvalidCode)
}

func TestALoginLeavesNothingRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // fails by itself if a goroutine is left
		a, err := New(Config{Providers: []Provider{&fakeProvider{app: testApp}}})
		if err != nil {
			t.Fatal(err)
		}
		mustLogin(t, a, "alice")
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

var _ store.Store = plainStore{}
