package middleware_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ginwx/wxlogin/middleware"
)

func TestExtractors(t *testing.T) {
	header, cookie, query := middleware.FromHeader("x-token"), middleware.FromCookie("token"), middleware.FromQuery("token")
	for _, tt := range []struct {
		name    string
		extract middleware.TokenExtractor
		target  string
		headers []string
		want    string
	}{
		{"bearer", middleware.FromBearer(), "/", []string{"Authorization", "Bearer abc"}, "abc"},
		{"bearer, any case", middleware.FromBearer(), "/", []string{"Authorization", "bEaReR abc"}, "abc"},
		{"bearer, several spaces", middleware.FromBearer(), "/", []string{"Authorization", "Bearer   abc"}, "abc"},
		{"bearer, absent", middleware.FromBearer(), "/", nil, ""},
		{"bearer, empty", middleware.FromBearer(), "/", []string{"Authorization", ""}, ""},
		{"bearer, no space", middleware.FromBearer(), "/", []string{"Authorization", "Bearerabc"}, ""},
		{"bearer, another scheme", middleware.FromBearer(), "/", []string{"Authorization", "Digest abc"}, ""},
		{"bearer, twice", middleware.FromBearer(), "/",
			[]string{"Authorization", "Bearer abc", "Authorization", "Bearer abc"}, "Bearer abc, Bearer abc"},
		{"header", header, "/", []string{"X-TOKEN", "abc"}, "abc"},
		{"header, absent", header, "/", []string{"Authorization", "Bearer abc"}, ""},
		{"header, twice", header, "/", []string{"X-Token", "abc", "X-Token", "def"}, "abc, def"},
		{"cookie", cookie, "/", []string{"Cookie", "a=b; token=abc"}, "abc"},
		{"cookie, absent", cookie, "/", []string{"Cookie", "Token=abc"}, ""},
		{"cookie, twice", cookie, "/", []string{"Cookie", "token=abc; token=def"}, "abc, def"},
		{"query", query, "/?a=b&token=abc", nil, "abc"},
		{"query, absent", query, "/?a=b", nil, ""},
		{"query, none", query, "/", nil, ""},
		{"query, twice", query, "/?token=abc&token=abc", nil, "abc, abc"},
		{"query, another part malformed", query, "/?a=%zz&token=abc", nil, "abc"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", tt.target, nil)
			for i := 0; i < len(tt.headers); i += 2 {
				r.Header.Add(tt.headers[i], tt.headers[i+1])
			}
			if got := tt.extract(r); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestWithToken(t *testing.T) {
	auth, token := issued(t)
	engine := guarded(middleware.Required(auth,
		middleware.WithToken(middleware.FromHeader("X-Token"), middleware.FromCookie("token"), middleware.FromQuery("token"))))
	for name, w := range map[string]*httptest.ResponseRecorder{
		"first":                 get(engine, "/me", "X-Token", token),
		"second":                get(engine, "/me", "Cookie", "token="+token),
		"third":                 get(engine, "/me?token="+token),
		"empty ones are passed": get(engine, "/me?token="+token, "X-Token", "", "Cookie", "token="),
		"the first counts":      get(engine, "/me?token=forged", "X-Token", token),
	} {
		t.Run(name, func(t *testing.T) { wantOpenID(t, w, "alice") })
	}
	wantFailure(t, get(engine, "/me", bearer(token)...), 401, "missing_token")
	wantFailure(t, get(engine, "/me?token="+token, "X-Token", "forged"), 401, "invalid_token")
	wantFailure(t, get(engine, "/me?token="+token+"&token="+token), 401, "invalid_token")
	wantFailure(t, get(engine, "/me", "Cookie", "token="+token+"; token="+token), 401, "invalid_token")
}

func TestExtractorsWithoutANamePanicAtOnce(t *testing.T) {
	for name, make := range map[string]func(string) middleware.TokenExtractor{
		"FromHeader": middleware.FromHeader, "FromCookie": middleware.FromCookie, "FromQuery": middleware.FromQuery,
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if p := fmt.Sprint(recover()); !strings.Contains(p, "middleware."+name) {
					t.Errorf("panic: got %q, want one that names %s", p, name)
				}
			}()
			make("")
		})
	}
}
