package handler_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ginwx/wxlogin"
)

// strictProvider fails the test where a code reaches it that must not.
type strictProvider struct{ t testing.TB }

func (strictProvider) AppID() string { return testApp }

func (p strictProvider) Exchange(_ context.Context, code string) (wxlogin.Account, error) {
	if len(code) == 0 || len(code) > wxlogin.MaxCodeLen || strings.ContainsFunc(code, func(r rune) bool { return r < ' ' || r > '~' }) {
		p.t.Errorf("a code reached the provider that is empty, too long or not printable ASCII: %d bytes", len(code))
	}
	if strings.HasPrefix(code, "ok:") {
		return wxlogin.Account{Subject: "alice", OpenID: "alice"}, nil
	}
	return wxlogin.Account{}, wxlogin.ErrInvalidCode
}

// hostile returns a request with parts that no well-meaning client sends, which
// httptest.NewRequest would not parse.
func hostile(method, query, contentType, authorization, body string) *http.Request {
	r := httptest.NewRequest(method, "/", strings.NewReader(body))
	r.URL.RawQuery = query
	r.Header["Content-Type"] = []string{contentType}
	r.Header["Authorization"] = []string{authorization}
	return r
}

func FuzzLogin(f *testing.F) {
	auth := newAuth(f, wxlogin.Config{Providers: []wxlogin.Provider{strictProvider{f}}})
	engine := mounted(auth)
	f.Add(false, "code=ok:1", "", "", "")
	f.Add(true, "", jsonType, "Bearer x", `{"code":"ok:1","app":"wx-test-app","device":"d","n":[1,{"a":null}]}`)
	f.Add(true, "a=b", formType, "", "code=ok%3A1&x=%zz")
	f.Add(true, "code=a&code=b", "application/json; charset", "Bearer", `{"code":`)
	f.Add(true, "%", "text/plain", "\x00", "\xff")
	f.Add(true, "", "", "", `{"code":"ok:1","code":"ok:2"}`)
	f.Fuzz(func(t *testing.T, post bool, query, contentType, authorization, body string) {
		method := http.MethodGet
		if post {
			method = http.MethodPost
		}
		r := hostile(method, query, contentType, authorization, body)
		r.URL.Path = "/wx/login"
		w := httptest.NewRecorder()
		engine.ServeHTTP(w, r)
		reply := decode(t, w)
		wantNoStore(t, w)
		switch w.Code {
		case http.StatusOK:
			token, _ := reply["token"].(string)
			if id, err := auth.Authenticate(t.Context(), token); err != nil || id.OpenID != "alice" {
				t.Errorf("Authenticate: got %q, %v, want alice", id.OpenID, err)
			}
		case http.StatusBadRequest, http.StatusUnauthorized:
		default:
			t.Errorf("status: got %d %s, want 200, 400 or 401", w.Code, w.Body)
		}
	})
}

func FuzzLogout(f *testing.F) {
	auth := newAuth(f, wxlogin.Config{})
	engine := mounted(auth)
	f.Add("all=1", jsonType, "", "")
	f.Add("", jsonType, "Bearer x", `{"all":true}`)
	f.Add("", formType, "bearer  ", "all=0&all=1")
	f.Fuzz(func(t *testing.T, query, contentType, authorization, body string) {
		r := hostile(http.MethodPost, query, contentType, authorization, body)
		r.URL.Path = "/wx/logout"
		w := httptest.NewRecorder()
		engine.ServeHTTP(w, r)
		wantNoStore(t, w)
		if w.Code != http.StatusBadRequest && w.Code != http.StatusUnauthorized {
			t.Errorf("status without a genuine token: got %d %s, want 400 or 401", w.Code, w.Body)
		}
	})
}
