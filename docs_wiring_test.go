package wxlogin_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/redis/rueidis"

	"github.com/ginwx/wxlogin"
	wxmiddleware "github.com/ginwx/wxlogin/middleware"
	"github.com/ginwx/wxlogin/store"
	"github.com/ginwx/wxlogin/store/redisstore"
	"github.com/ginwx/wxlogin/store/sqlstore"
)

// More of the Go code of the pages in docs: web-views, cloud hosting, stores, and a
// provider of one's own.

func docsWebView(r gin.IRouter, auth *wxlogin.Auth, settings *wxmiddleware.Settings) gin.IRouter {
	r.POST("/h5/enter", func(c *gin.Context) {
		id, ok := tickets.Take(c.PostForm("ticket")) // yours; made behind Required
		if !ok {
			c.Status(http.StatusUnauthorized)
			return
		}
		result, err := auth.Issue(c.Request.Context(), id)
		if err != nil {
			settings.Fail(c, err)
			return
		}
		http.SetCookie(c.Writer, &http.Cookie{
			Name: "__Host-token", Value: result.Token.Reveal(), Path: "/",
			Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode,
		})
		c.Status(http.StatusNoContent)
	})
	pages := r.Group("/h5/api", wxmiddleware.Required(auth, wxmiddleware.WithToken(wxmiddleware.FromCookie("__Host-token"))))
	return pages
}

func docsCloudHosting(r *gin.Engine, sessions store.Store, keys [][]byte, onLogin func(context.Context, *wxlogin.LoginEvent) error, fromGateway func(*http.Request) bool) gin.IRouter {
	auth, err := wxlogin.New(wxlogin.Config{Apps: []string{appID}, Store: sessions, Keys: keys, OnLogin: onLogin})
	if err != nil {
		log.Fatal(err)
	}
	api := r.Group("/api", wxmiddleware.TrustCloudHostingHeaders(auth, fromGateway), wxmiddleware.Required(auth))
	return api
}

func docsPublicAccessIsOff() func(*http.Request) bool {
	publicAccessIsOff := os.Getenv("WX_PUBLIC_ACCESS") == "off"
	fromGateway := func(*http.Request) bool { return publicAccessIsOff }
	return fromGateway
}

func docsProof() func(*http.Request) bool {
	proof := wxlogin.NewSecret(os.Getenv("INGRESS_PROOF"))
	fromGateway := func(r *http.Request) bool {
		return !proof.IsZero() && proof.Equal(wxlogin.NewSecret(r.Header.Get("X-Ingress-Proof")))
	}
	return fromGateway
}

func docsListener(r http.Handler) (*http.Server, func(*http.Request) bool) {
	type inside struct{}

	gateway := &http.Server{Addr: ":8081", Handler: r, BaseContext: func(net.Listener) context.Context {
		return context.WithValue(context.Background(), inside{}, true)
	}}
	fromGateway := func(r *http.Request) bool { return r.Context().Value(inside{}) == true }
	return gateway, fromGateway
}

func TestTheTrustFunctionsOfThePageTrustTheGatewayAlone(t *testing.T) {
	plain := httptest.NewRequest("GET", "/api/me", nil)
	if docsPublicAccessIsOff()(plain) || docsProof()(plain) {
		t.Error("a request was trusted although nothing is configured")
	}
	t.Setenv("WX_PUBLIC_ACCESS", "off")
	t.Setenv("INGRESS_PROOF", "not-a-real-proof")
	if !docsPublicAccessIsOff()(plain) || docsProof()(plain) {
		t.Error("public access is off: not trusted; or trusted without a proof")
	}
	proven := plain.Clone(plain.Context())
	proven.Header.Set("X-Ingress-Proof", "not-a-real-proof")
	if !docsProof()(proven) {
		t.Error("the proof was not taken")
	}
	gateway, fromGateway := docsListener(nil)
	if fromGateway(plain) || !fromGateway(plain.WithContext(gateway.BaseContext(nil))) {
		t.Error("the listeners are not told apart")
	}
}

func docsRedis(providers []wxlogin.Provider, keys [][]byte) (*wxlogin.Auth, error) {
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{"10.0.0.1:6379"}})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	auth, err := wxlogin.New(wxlogin.Config{Providers: providers, Keys: keys, Store: redisstore.New(client)})
	return auth, err
}

func docsSQL(ctx context.Context, db *sql.DB, providers []wxlogin.Provider, keys [][]byte) (*wxlogin.Auth, error) {
	sessions, err := sqlstore.New(db, sqlstore.PostgreSQL)
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	if err := sessions.Migrate(ctx); err != nil {
		log.Fatal(err)
	}
	auth, err := wxlogin.New(wxlogin.Config{Providers: providers, Keys: keys, Store: sessions})
	return auth, err
}

type gatewayProvider struct {
	appID  string
	secret wxlogin.Secret
	url    string
	client *http.Client
}

func (p *gatewayProvider) AppID() string { return p.appID }

func (p *gatewayProvider) Exchange(ctx context.Context, code string) (wxlogin.Account, error) {
	body, err := json.Marshal(map[string]string{"app": p.appID, "secret": p.secret.Reveal(), "code": code})
	if err != nil {
		return wxlogin.Account{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return wxlogin.Account{}, fmt.Errorf("%w: gateway: the address is malformed", wxlogin.ErrMisconfigured)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := p.client.Do(req)
	if failed := (*url.Error)(nil); errors.As(err, &failed) {
		err = failed.Err // the text of a url.Error has the whole URL
	}
	if err != nil {
		return wxlogin.Account{}, fmt.Errorf("%w: gateway: %w", wxlogin.ErrUpstreamUnavailable, err)
	}
	defer resp.Body.Close()
	var answer struct {
		User  string `json:"user"`
		Error string `json:"error"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&answer); err != nil {
		return wxlogin.Account{}, fmt.Errorf("%w: gateway: the answer is no JSON", wxlogin.ErrUpstreamUnavailable)
	}
	switch {
	case answer.Error == "bad_code":
		return wxlogin.Account{}, fmt.Errorf("%w: gateway", wxlogin.ErrInvalidCode)
	case answer.Error == "bad_secret":
		return wxlogin.Account{}, fmt.Errorf("%w: gateway: the secret is wrong", wxlogin.ErrMisconfigured)
	case answer.Error != "" || answer.User == "":
		return wxlogin.Account{}, fmt.Errorf("%w: gateway", wxlogin.ErrUpstreamUnavailable)
	}
	return wxlogin.Account{Subject: answer.User}, nil
}

type tokenProvider struct {
	gatewayProvider
	vault atomic.Pointer[wxlogin.Vault]
}

func (p *tokenProvider) Validate() error {
	if p.secret.IsZero() {
		return errors.New("the gateway's secret is empty")
	}
	return nil
}

func (p *tokenProvider) UseVault(vault *wxlogin.Vault) { p.vault.Store(vault) } // an atomic.Pointer

func (p *tokenProvider) Close() error {
	p.client.CloseIdleConnections()
	return nil
}

var _ interface {
	wxlogin.Provider
	wxlogin.VaultUser
} = (*tokenProvider)(nil)

func TestTheProviderOfThePageTellsItsErrorsApart(t *testing.T) {
	for answer, class := range map[string]error{
		`{"user":"u1"}`:          nil,
		`{"error":"bad_code"}`:   wxlogin.ErrInvalidCode,
		`{"error":"bad_secret"}`: wxlogin.ErrMisconfigured,
		`{"error":"other"}`:      wxlogin.ErrUpstreamUnavailable,
		`<html>`:                 wxlogin.ErrUpstreamUnavailable,
	} {
		gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, answer) }))
		provider := &gatewayProvider{appID: "app", secret: wxlogin.NewSecret("not-a-real-secret"), url: gateway.URL, client: gateway.Client()}
		_, err := provider.Exchange(t.Context(), "code")
		if !errors.Is(err, class) || strings.Contains(fmt.Sprint(err), "not-a-real-secret") {
			t.Errorf("%s: got %v, want %v", answer, err, class)
		}
		gateway.Close()
	}
	unset := &tokenProvider{}
	if _, err := wxlogin.New(wxlogin.Config{Providers: []wxlogin.Provider{unset}}); !errors.Is(err, wxlogin.ErrMisconfigured) {
		t.Errorf("a provider without a secret: got %v", err)
	}
}

func docsLocalCache() store.Store {
	cache := redisstore.NewLocalCache(10*time.Second, 100_000) // maxStaleness, sessions
	client, err := rueidis.NewClient(cache.Listen(rueidis.ClientOption{InitAddress: []string{"10.0.0.1:6379"}}))
	if err != nil {
		log.Fatal(err)
	}
	sessions := redisstore.New(client, redisstore.WithLocalCache(cache))
	return sessions
}
