package wxlogin_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ginwx/wxlogin"
	wxhandler "github.com/ginwx/wxlogin/handler"
	wxmiddleware "github.com/ginwx/wxlogin/middleware"
	"github.com/ginwx/wxlogin/wechat"
	"github.com/ginwx/wxlogin/wechat/wechattest"
)

// The Go code of the READMEs stands here again, where it compiles and runs.

func TestTheGoCodeOfTheReadmesIsTheCodeOfThisFile(t *testing.T) {
	source, err := os.ReadFile("readme_test.go")
	if err != nil {
		t.Fatal(err)
	}
	compiled := make(map[string]bool)
	for line := range strings.Lines(string(source)) {
		compiled[codeOf(line)] = true
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```")
	for _, name := range []string{"README.md", "README.zh-CN.md"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		found := blocks.FindAllStringSubmatch(string(text), -1)
		if len(found) < 6 {
			t.Errorf("%s: got %d blocks of Go, want at least 6", name, len(found))
		}
		for _, block := range found {
			for line := range strings.Lines(block[1]) {
				if code := codeOf(line); !compiled[code] {
					t.Errorf("%s: not in readme_test.go: %s", name, code)
				}
			}
		}
	}
}

// codeOf drops what a translation or an alias may change: indentation, comments,
// texts for people, the aliases of the packages.
func codeOf(line string) string {
	line, _, _ = strings.Cut(line, " // ")
	if strings.HasPrefix(strings.TrimSpace(line), "// ") {
		return ""
	}
	line = regexp.MustCompile(`Refuse\("banned", ".*"\)`).ReplaceAllString(line, "Refuse")
	for _, name := range []string{"handler", "middleware"} {
		line = strings.ReplaceAll(line, "wx"+name+".", name+".")
	}
	return strings.Join(strings.Fields(line), " ")
}

var appID, secret string

func readmeFourLines() {
	auth, err := wxlogin.New(wxlogin.Config{
		Providers: []wxlogin.Provider{wechat.MiniProgram(appID, secret)},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer auth.Close()

	r := gin.Default()
	wxhandler.Mount(r.Group("/wx"), auth)
	api := r.Group("/api", wxmiddleware.Required(auth))
	api.GET("/me", func(c *gin.Context) {
		c.JSON(200, gin.H{"openid": wxlogin.OpenID(c)})
	})
}

type readmeUser struct {
	ID, Name, Role string
	Banned         bool
}

type readmeUsers map[string]readmeUser

func (u readmeUsers) FindOrCreate(_ context.Context, _, openID, _ string) (readmeUser, error) {
	return u[openID], nil
}

func readmeOnLogin(users readmeUsers) wxlogin.Config {
	return wxlogin.Config{
		OnLogin: func(ctx context.Context, e *wxlogin.LoginEvent) error {
			user, err := users.FindOrCreate(ctx, e.AppID, e.OpenID, e.UnionID)
			if err != nil {
				return err // answered as 500
			}
			if user.Banned {
				return wxlogin.Refuse("banned", "This account is closed")
			}
			e.UserID = user.ID                              // joins the user's sessions across apps
			e.Data = map[string]string{"role": user.Role}   // comes back in Identity.Data
			e.Reply = map[string]any{"nickname": user.Name} // goes to the client
			return nil
		},
	}
}

func configFromEnv() (wxlogin.Config, error) {
	cfg := wxlogin.Config{
		Providers: []wxlogin.Provider{wechat.MiniProgram(os.Getenv("WX_APPID"), os.Getenv("WX_SECRET"))},
	}
	for _, text := range strings.FieldsFunc(os.Getenv("WXLOGIN_KEYS"), func(r rune) bool { return r == ',' }) {
		key, err := base64.StdEncoding.DecodeString(text) // made with: openssl rand -base64 32
		if err != nil {
			return cfg, errors.New("WXLOGIN_KEYS: want base64, separated by commas")
		}
		cfg.Keys = append(cfg.Keys, key)
	}
	for name, limit := range map[string]*time.Duration{"WXLOGIN_IDLE": &cfg.IdleTimeout, "WXLOGIN_LIFETIME": &cfg.MaxLifetime} {
		if text := os.Getenv(name); text != "" {
			var err error
			if *limit, err = time.ParseDuration(text); err != nil {
				return cfg, fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return cfg, nil
}

func TestTheEnvironmentFillsAConfig(t *testing.T) {
	t.Setenv("WX_APPID", "wxtestapp00000001")
	t.Setenv("WX_SECRET", "not-a-real-secret")
	t.Setenv("WXLOGIN_KEYS", base64.StdEncoding.EncodeToString(make([]byte, 32))+","+base64.StdEncoding.EncodeToString(make([]byte, 33)))
	t.Setenv("WXLOGIN_IDLE", "1h")
	cfg, err := configFromEnv()
	if err != nil || len(cfg.Keys) != 2 || cfg.IdleTimeout != time.Hour {
		t.Fatalf("got %d keys and idle %v, %v", len(cfg.Keys), cfg.IdleTimeout, err)
	}
	auth, err := wxlogin.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer auth.Close()
	t.Setenv("WXLOGIN_LIFETIME", "a month")
	if _, err := configFromEnv(); err == nil {
		t.Error("a limit that is no duration: got no error")
	}
	t.Setenv("WXLOGIN_KEYS", "???")
	if _, err := configFromEnv(); err == nil || strings.Contains(err.Error(), "?") {
		t.Errorf("a key that is no base64: got %v, want an error without it", err)
	}
}

func newBackend(provider wxlogin.Provider) http.Handler {
	gin.SetMode(gin.TestMode)
	cfg := readmeOnLogin(nil)
	cfg.Providers = []wxlogin.Provider{provider}
	auth, err := wxlogin.New(cfg)
	if err != nil {
		panic(err)
	}
	r := gin.New()
	wxhandler.Mount(r.Group("/wx"), auth)
	return r
}

func post(backend http.Handler, path, code string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest("POST", path, strings.NewReader(`{"code":"`+code+`"}`))
	r.Header.Set("Content-Type", "application/json")
	backend.ServeHTTP(w, r)
	return w
}

func TestMyBackend(t *testing.T) {
	wx := wechattest.NewServer()
	defer wx.Close()
	backend := newBackend(wechat.MiniProgram(wechattest.DefaultAppID, wechattest.DefaultSecret, wechat.WithBaseURL(wx.URL)))

	reply := post(backend, "/wx/login", wx.Code("alice")) // what alice's wx.login() would have given
	wx.Next(wechattest.ErrCode(45011))                    // the next exchange meets WeChat's limit
	refused := post(backend, "/wx/login", wx.Code("bob"))
	if reply.Code != 200 || refused.Code != 429 {
		t.Errorf("got %d and %d", reply.Code, refused.Code)
	}
}

func readmeForwardAuth(r gin.IRouter, auth *wxlogin.Auth) {
	r.GET("/auth", wxmiddleware.Required(auth), func(c *gin.Context) {
		id, ok := wxlogin.FromContext(c)
		if !ok {
			c.Status(http.StatusUnauthorized)
			return
		}
		c.Header("X-Auth-App", id.AppID)
		c.Header("X-Auth-OpenID", id.OpenID)
		c.Header("X-Auth-User", id.UserID)
		c.Status(http.StatusNoContent)
	})
}

func readmeExchange(r gin.IRouter, auth *wxlogin.Auth, settings *wxmiddleware.Settings, oldJWT gin.HandlerFunc) {
	r.POST("/wx/exchange", oldJWT, func(c *gin.Context) {
		result, err := auth.Issue(c.Request.Context(), wxlogin.Identity{OpenID: c.GetString("jwt_openid"), UserID: c.GetString("jwt_user")})
		if err != nil {
			settings.Fail(c, err)
			return
		}
		settings.Succeed(c, http.StatusOK, gin.H{"token": result.Token.Reveal(), "expires_in": int(result.ExpiresIn.Seconds())})
	})
}

func TestForwardAuthAndTheExchangeOfAJWTWork(t *testing.T) {
	_ = readmeFourLines // compiles
	gin.SetMode(gin.TestMode)
	auth, err := wxlogin.New(wxlogin.Config{Apps: []string{"wxtestapp00000001"}})
	if err != nil {
		t.Fatal(err)
	}
	defer auth.Close()
	settings, err := wxmiddleware.NewSettings(auth)
	if err != nil {
		t.Fatal(err)
	}
	r := gin.New()
	readmeForwardAuth(r, auth)
	readmeExchange(r, auth, settings, func(c *gin.Context) { c.Set("jwt_openid", "o-alice"); c.Set("jwt_user", "42") })
	exchanged := answer{body: post(r, "/wx/exchange", "").Body.String()}
	w := httptest.NewRecorder()
	request := httptest.NewRequest("GET", "/auth", nil)
	request.Header.Set("Authorization", "Bearer "+exchanged.field(t, "token"))
	r.ServeHTTP(w, request)
	if w.Code != http.StatusNoContent || w.Header().Get("X-Auth-OpenID") != "o-alice" || w.Header().Get("X-Auth-User") != "42" {
		t.Errorf("got %d with %v", w.Code, w.Header())
	}
}
