package handler_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/handler"
	"github.com/ginwx/wxlogin/wechat"
)

// strictPhones fails the test where a phone code reaches it that must not.
type strictPhones struct {
	*provider
	t testing.TB
}

func (p strictPhones) PhoneNumber(_ context.Context, openID string, phoneCode wxlogin.Secret) (wechat.Phone, error) {
	if openID != "alice" || phoneCode.IsZero() {
		p.t.Errorf("a phone code of %d bytes reached the provider for %q", len(phoneCode.Reveal()), openID)
	}
	if phoneCode.Reveal() != "good" {
		return wechat.Phone{}, wxlogin.ErrInvalidCode
	}
	return wechat.Phone{PureNumber: "13800001234", CountryCode: "86"}, nil
}

func FuzzPhone(f *testing.F) {
	auth := newAuth(f, wxlogin.Config{Providers: []wxlogin.Provider{strictPhones{newProvider(testApp), f}}})
	engine := gin.New()
	handler.Mount(engine.Group("/wx"), auth)
	engine.Any("/phone", handler.Phone(auth, func(context.Context, wxlogin.Identity, wechat.Phone) (any, error) { return nil, nil }))
	token := logIn(f, engine, "code=ok:alice")
	f.Add("", jsonType, `{"code":"good"}`)
	f.Add("code=good", "", "")
	f.Add("", formType, "code=good&openid=bob")
	f.Add("code=good", formType, "code=good")
	f.Add("%", "text/plain", "\xff")
	f.Add("", jsonType, `{"code":"good","code":"good"}`)
	f.Fuzz(func(t *testing.T, query, contentType, body string) {
		r := hostile(http.MethodPost, query, contentType, "Bearer "+token, body)
		r.URL.Path = "/phone"
		w := httptest.NewRecorder()
		engine.ServeHTTP(w, r)
		wantNoStore(t, w)
		switch w.Code {
		case http.StatusOK:
			if w.Body.String() != `{"phone":"138****1234"}` {
				t.Errorf("got %s", w.Body)
			}
		case http.StatusBadRequest, http.StatusUnauthorized:
		default:
			t.Errorf("status: got %d %s, want 200, 400 or 401", w.Code, w.Body)
		}
	})
}
