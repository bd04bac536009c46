package wxlogin_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/ginwx/wxlogin"
	wxhandler "github.com/ginwx/wxlogin/handler"
	wxmiddleware "github.com/ginwx/wxlogin/middleware"
	"github.com/ginwx/wxlogin/store"
	"github.com/ginwx/wxlogin/wechat"
)

// The Go code of the pages in docs stands here and in docs_wiring_test.go again,
// where it compiles.

var goBlock = regexp.MustCompile("(?s)```go\n(.*?)```")

func TestTheGoCodeOfThePagesIsTheCodeOfTheTests(t *testing.T) {
	compiled := make(map[string]bool)
	for _, name := range []string{"docs_test.go", "docs_wiring_test.go"} {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(source)) {
			compiled[codeOf(line)] = true
		}
	}
	for _, page := range pages(t) {
		var codes []string
		for _, name := range []string{filepath.Join("docs", page), filepath.Join("docs", "zh-CN", page)} {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			var code []string
			for _, block := range goBlock.FindAllStringSubmatch(string(text), -1) {
				for line := range strings.Lines(block[1]) {
					code = append(code, codeOf(line))
					if !compiled[codeOf(line)] {
						t.Errorf("%s: compiled nowhere: %s", name, codeOf(line))
					}
				}
			}
			codes = append(codes, strings.Join(code, "\n"))
		}
		if codes[0] != codes[1] {
			t.Errorf("%s: the two languages have different code", page)
		}
	}
}

func TestEveryPageIsThereInBothLanguagesAndLinksSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	var names []string
	for _, page := range pages(t) {
		names = append(names, filepath.Join("docs", page), filepath.Join("docs", "zh-CN", page))
	}
	for _, name := range append(names, "README.md", "README.zh-CN.md") {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(name), found[1])); err != nil {
				t.Errorf("%s: the link to %s leads nowhere", name, found[1])
			}
		}
	}
}

func pages(t *testing.T) (names []string) {
	t.Helper()
	files, err := filepath.Glob("docs/*.md")
	if err != nil || len(files) < 11 {
		t.Fatalf("got %d pages, %v, want at least 11", len(files), err)
	}
	for _, file := range files {
		names = append(names, filepath.Base(file))
	}
	return names
}

// What compiles is enough for these.
var _ = []any{
	docsUserData, docsOpenUserData, docsPhone, docsPhoneAtLogin, docsSessionKeys, docsTokenService, docsMultiTerminal,
	docsMountPoints, docsApps, forget, docsWebView, docsCloudHosting, docsRedis, docsLocalCache, docsSQL,
}

// docsUsers stands for what an application has of its own.
type docsUsers struct{}

func (docsUsers) Save(context.Context, ...any) error                   { return nil }
func (docsUsers) Delete(_ context.Context, _, _ string) error          { return nil }
func (docsUsers) FindOrCreate(context.Context, ...any) (string, error) { return "42", nil }
func (docsUsers) Join(context.Context, ...string) (string, error)      { return "42", nil }
func (docsUsers) Get(context.Context, ...string) (string, error)       { return "", nil }
func (docsUsers) Take(string) (wxlogin.Identity, bool)                 { return wxlogin.Identity{}, false }

var people, names, phones, tickets, tokenService docsUsers

var terminalID, terminalSecret, miniID, miniSecret, shopID, staffID, nextSecret string

func docsUserData(r gin.IRouter, auth *wxlogin.Auth) {
	r.POST("/wx/profile", wxhandler.UserData(auth, func(ctx context.Context, id wxlogin.Identity, data wechat.UserData) (any, error) {
		info, err := data.UserInfo()
		if err != nil {
			return nil, err // answered as 422
		}
		return nil, names.Save(ctx, id, info.NickName)
	}))
	r.POST("/wx/steps", wxhandler.UserData(auth, func(_ context.Context, _ wxlogin.Identity, data wechat.UserData) (any, error) {
		var run struct {
			Steps []struct {
				Timestamp int64 `json:"timestamp"`
				Step      int   `json:"step"`
			} `json:"stepInfoList"`
		}
		if err := data.Decode(&run); err != nil {
			return nil, err
		}
		return run.Steps, nil
	}))
}

func docsOpenUserData(ctx context.Context, auth *wxlogin.Auth, id wxlogin.Identity, rawData, signature, encryptedData, iv string) (wechat.UserData, error) {
	keys, err := auth.SessionKeys(ctx, id)
	if err != nil {
		return wechat.UserData{}, err
	}
	return wechat.OpenUserData(keys, wechat.UserDataRules{AppID: id.AppID}, wechat.SealedUserData{
		RawData: rawData, Signature: signature, EncryptedData: encryptedData, IV: iv,
	})
}

func docsPhone(r gin.IRouter, auth *wxlogin.Auth) {
	r.POST("/wx/phone", wxhandler.Phone(auth, func(ctx context.Context, id wxlogin.Identity, phone wechat.Phone) (any, error) {
		return nil, phones.Save(ctx, id.UserID, phone.CountryCode, phone.PureNumber)
	}))
	r.POST("/wx/phone/old", wxhandler.UserData(auth, func(ctx context.Context, id wxlogin.Identity, data wechat.UserData) (any, error) {
		phone, err := data.Phone()
		if err != nil {
			return nil, err // answered as 422
		}
		return gin.H{"phone": phone.Masked()}, phones.Save(ctx, id.UserID, phone.CountryCode, phone.PureNumber)
	}))
}

func docsPhoneAtLogin(mini *wechat.MiniProgramProvider) wxlogin.Config {
	return wxlogin.Config{
		OnLogin: func(ctx context.Context, e *wxlogin.LoginEvent) error {
			var number string
			if phoneCode := e.Fields.Text("phone_code"); phoneCode != "" {
				phone, err := mini.PhoneNumber(ctx, e.OpenID, wxlogin.NewSecret(phoneCode))
				if errors.Is(err, wxlogin.ErrInvalidCode) {
					return wxlogin.Refuse("phone_code", "Please tap the button again")
				}
				if err != nil {
					return err
				}
				number = phone.PureNumber
			}
			userID, err := phones.FindOrCreate(ctx, e.AppID, e.OpenID, number)
			e.UserID = userID
			return err
		},
	}
}

func docsSessionKeys(ctx context.Context, auth *wxlogin.Auth, id wxlogin.Identity) error {
	keys, err := auth.SessionKeys(ctx, id)
	if errors.Is(err, wxlogin.ErrSessionKeyStale) {
		return err // none is known: answered as 409, the client logs in
	}
	mini := wechat.MiniProgram(appID, secret) // the one in Config.Providers
	valid, err := mini.CheckSessionKey(ctx, id.OpenID, keys.Current)
	if valid || err != nil {
		return err
	}
	fresh, err := mini.ResetUserSessionKey(ctx, id.OpenID, keys.Current)
	if err != nil {
		return err
	}
	return auth.KeepSessionKey(ctx, id, fresh)
}

func call(ctx context.Context, tokens wechat.TokenSource, send func(accessToken string) (errcode int, err error)) error {
	token, err := tokens.AccessToken(ctx, wxlogin.Secret{})
	if err != nil {
		return err
	}
	errcode, err := send(token.Reveal())
	if errcode == 40001 || errcode == 40014 || errcode == 42001 {
		fresh, tokenErr := tokens.AccessToken(ctx, token) // the refused one, so that another comes
		if tokenErr != nil {
			return tokenErr
		}
		errcode, err = send(fresh.Reveal())
	}
	if err == nil && errcode != 0 {
		err = fmt.Errorf("WeChat answered errcode %d", errcode)
	}
	return err
}

func TestACallOfOnesOwnIsRepeatedOnceWithAnotherToken(t *testing.T) {
	var asked, sent []string
	central := wechat.TokenSourceFunc(func(_ context.Context, stale wxlogin.Secret) (wxlogin.Secret, error) {
		asked = append(asked, stale.Reveal())
		return wxlogin.NewSecret(fmt.Sprint("token ", len(asked))), nil
	})
	err := call(t.Context(), central, func(accessToken string) (int, error) {
		sent = append(sent, accessToken)
		return 42001, nil
	})
	if err == nil || strings.Join(asked, ",") != ",token 1" || strings.Join(sent, ",") != "token 1,token 2" {
		t.Errorf("got %v after asking with %q and sending %q", err, asked, sent)
	}
}

func docsTokenService() wxlogin.Provider {
	central := wechat.TokenSourceFunc(func(ctx context.Context, stale wxlogin.Secret) (wxlogin.Secret, error) {
		text, err := tokenService.Get(ctx, appID, stale.Reveal())
		return wxlogin.NewSecret(text), err
	})
	provider := wechat.MiniProgram(appID, secret, wechat.WithTokenSource(central))
	return provider
}

func docsMultiTerminal() (*wxlogin.Auth, error) {
	auth, err := wxlogin.New(wxlogin.Config{
		Providers: []wxlogin.Provider{
			wechat.MultiTerminal(terminalID, terminalSecret),
			wechat.MiniProgram(miniID, miniSecret),
		},
		OnLogin: func(ctx context.Context, e *wxlogin.LoginEvent) error {
			var phone string
			if info, ok := e.Details.(*wechat.VerifyInfo); ok && info.Phone != nil {
				phone = info.Phone.Phone
			}
			userID, err := people.Join(ctx, e.AppID, e.Subject, e.UnionID, phone)
			e.UserID = userID
			return err
		},
	})
	terminal := wechat.MultiTerminal(terminalID, terminalSecret, wechat.WithAccessToken())
	return auth, errors.Join(err, terminal.Validate())
}

func docsMountPoints(r gin.IRouter, auth *wxlogin.Auth) []gin.IRouter {
	shop := wxmiddleware.WithApps(shopID)
	wxhandler.Mount(r.Group("/shop/wx"), auth, shop)
	shopAPI := r.Group("/shop/api", wxmiddleware.Required(auth, shop))

	staff := wxmiddleware.WithApps(staffID)
	wxhandler.Mount(r.Group("/staff/wx"), auth, staff)
	staffAPI := r.Group("/staff/api", wxmiddleware.Required(auth, staff))
	return []gin.IRouter{shopAPI, staffAPI}
}

type tenants struct {
	mu   sync.RWMutex
	apps map[string]wxlogin.Provider
}

func (t *tenants) Resolve(_ context.Context, appID string) (wxlogin.Provider, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.apps[appID], nil // nil: there is no such app
}

func (t *tenants) Add(provider wxlogin.Provider) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.apps[provider.AppID()] = provider
}

func docsApps(known *tenants, sessions store.Store, keys [][]byte) {
	{
		auth, err := wxlogin.New(wxlogin.Config{Resolve: known.Resolve, Store: sessions, Keys: keys})
		_, _ = auth, err
	}
	{
		auth, err := wxlogin.New(wxlogin.Config{Apps: []string{shopID, staffID}, Store: sessions, Keys: keys})
		_, _ = auth, err
	}
	mini := wechat.MiniProgram(appID, secret, wechat.WithNextSecret(nextSecret))
	known.Add(mini)
	_ = wxlogin.Config{
		OnLogin: func(ctx context.Context, e *wxlogin.LoginEvent) error {
			userID, err := people.Join(ctx, e.AppID, e.Subject, e.UnionID, "")
			e.UserID = userID
			return err
		},
	}
}

func forget(ctx context.Context, auth *wxlogin.Auth, appID, openID string) error {
	if err := auth.Forget(ctx, appID, openID); err != nil {
		return err // call again: it can be repeated
	}
	return people.Delete(ctx, appID, openID) // what your own tables hold
}
