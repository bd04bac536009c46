package middleware_test

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/middleware"
)

func TestWrongWiringIsToldAtOnce(t *testing.T) {
	auth := newAuth(t, wxlogin.Config{})
	for _, tt := range []struct {
		name string
		auth *wxlogin.Auth
		opts []middleware.Option
		want []string // parts of the message
	}{
		{"nil auth", nil, nil, []string{"auth is nil", "wxlogin.New"}},
		{"nil option", auth, []middleware.Option{middleware.WithApps(testApp), nil}, []string{"option 1 is nil"}},
		{"no extractor", auth, []middleware.Option{middleware.WithToken()}, []string{"WithToken", "FromBearer"}},
		{"nil extractor", auth, []middleware.Option{middleware.WithToken(middleware.FromBearer(), nil)}, []string{"WithToken", "extractor 1"}},
		{"no app", auth, []middleware.Option{middleware.WithApps()}, []string{"WithApps"}},
		{"unknown app", auth, []middleware.Option{middleware.WithApps(testApp, otherApp)}, []string{"WithApps", otherApp, "Config.Apps"}},
		{"no source", auth, []middleware.Option{middleware.WithCode()}, []string{"WithCode", "CodeField"}},
		{"nameless field", auth, []middleware.Option{middleware.WithCode(middleware.CodeField(""))}, []string{"WithCode", "name"}},
		{"nameless header", auth, []middleware.Option{middleware.WithCode(middleware.CodeHeader(""))}, []string{"WithCode", "name"}},
		{"taken field", auth, []middleware.Option{middleware.WithCode(middleware.CodeField("app"))}, []string{"WithCode", `"app"`}},
		{"unknown language", auth, []middleware.Option{middleware.WithLanguage(7)}, []string{"WithLanguage", "Chinese"}},
		{"nil encoder", auth, []middleware.Option{middleware.WithEncoder(nil)}, []string{"WithEncoder", "EncodeJSON"}},
		{"no logins", auth, []middleware.Option{middleware.WithLoginLimit(0, middleware.ClientIP)}, []string{"WithLoginLimit", "positive"}},
		{"nobody to limit", auth, []middleware.Option{middleware.WithLoginLimit(1, nil)}, []string{"WithLoginLimit", "ClientIP"}},
		{"two at once", auth, []middleware.Option{middleware.WithEncoder(nil), middleware.WithLanguage(7)}, []string{"WithEncoder", "WithLanguage"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			settings, err := middleware.NewSettings(tt.auth, tt.opts...)
			if settings != nil || !errors.Is(err, wxlogin.ErrMisconfigured) {
				t.Fatalf("got %v, %v, want nil and ErrMisconfigured", settings, err)
			}
			for function, call := range map[string]func(){
				"middleware.Required": func() { middleware.Required(tt.auth, tt.opts...) },
				"middleware.Optional": func() { middleware.Optional(tt.auth, tt.opts...) },
			} {
				message := panicOf(call)
				for _, want := range append(tt.want, function) {
					if !strings.Contains(message, want) {
						t.Errorf("panic of %s: got %q, want one with %q", function, message, want)
					}
				}
			}
		})
	}
}

func panicOf(call func()) (message string) {
	defer func() { message = fmt.Sprint(recover()) }()
	call()
	return ""
}

func TestOptionsKeepNothingOfTheirCaller(t *testing.T) {
	auth := newAuth(t, wxlogin.Config{Apps: []string{testApp, otherApp}})
	apps := []string{testApp}
	settings, err := middleware.NewSettings(auth, middleware.WithApps(apps...))
	if err != nil {
		t.Fatal(err)
	}
	apps[0] = otherApp
	if !settings.Admits(testApp) || settings.Admits(otherApp) {
		t.Error("a later change of the caller's slice changed the settings")
	}
}

func TestALaterOptionCounts(t *testing.T) {
	auth := newAuth(t, wxlogin.Config{Apps: []string{testApp, otherApp}})
	settings, err := middleware.NewSettings(auth, middleware.WithApps(testApp), middleware.WithApps(otherApp))
	if err != nil {
		t.Fatal(err)
	}
	if settings.Admits(testApp) || !settings.Admits(otherApp) {
		t.Error("got the earlier option, want the later one")
	}
}

func TestLoginApp(t *testing.T) {
	auth := newAuth(t, wxlogin.Config{Apps: []string{testApp, otherApp}})
	one, both := []middleware.Option{middleware.WithApps(testApp)}, []middleware.Option{middleware.WithApps(testApp, otherApp)}
	for _, tt := range []struct {
		name  string
		opts  []middleware.Option
		named string
		want  string
		err   error
	}{
		{"all, none named", nil, "", "", nil},
		{"all, one named", nil, testApp, testApp, nil},
		{"all, an unknown one named: for Login to judge", nil, "wx-unknown", "wx-unknown", nil},
		{"one, none named", one, "", testApp, nil},
		{"one, named", one, testApp, testApp, nil},
		{"one, another named", one, otherApp, "", wxlogin.ErrBadRequest},
		{"two, none named", both, "", "", wxlogin.ErrBadRequest},
		{"two, one named", both, otherApp, otherApp, nil},
		{"two, an unknown one named", both, "wx-unknown", "", wxlogin.ErrBadRequest},
	} {
		t.Run(tt.name, func(t *testing.T) {
			settings, err := middleware.NewSettings(auth, tt.opts...)
			if err != nil {
				t.Fatal(err)
			}
			got, err := settings.LoginApp(tt.named)
			if got != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("got %q, %v, want %q, %v", got, err, tt.want, tt.err)
			}
		})
	}
}

func TestTakeCode(t *testing.T) {
	field, header := middleware.CodeField("js_code"), middleware.CodeHeader("x-wx-code")
	for _, tt := range []struct {
		name    string
		sources []middleware.CodeSource
		headers []string
		fields  wxlogin.Fields
		want    string
		err     error
	}{
		{"default", nil, nil, wxlogin.Fields{"code": "c", "js_code": "other"}, "c", nil},
		{"none", nil, nil, wxlogin.Fields{}, "", nil},
		{"null", nil, nil, wxlogin.Fields{"code": nil}, "", nil},
		{"a number", nil, nil, wxlogin.Fields{"code": 1.0}, "", wxlogin.ErrBadRequest},
		{"a list", nil, nil, wxlogin.Fields{"code": []any{"c", "c"}}, "", wxlogin.ErrBadRequest},
		{"an object", nil, nil, wxlogin.Fields{"code": map[string]any{}}, "", wxlogin.ErrBadRequest},
		{"another field", []middleware.CodeSource{field}, nil, wxlogin.Fields{"js_code": "c", "code": "other"}, "c", nil},
		{"header", []middleware.CodeSource{header}, []string{"X-WX-Code", "c"}, wxlogin.Fields{"code": "other"}, "c", nil},
		{"header absent", []middleware.CodeSource{header}, nil, wxlogin.Fields{"code": "other"}, "", nil},
		{"header twice", []middleware.CodeSource{header}, []string{"X-WX-Code", "c", "X-WX-Code", "c"}, wxlogin.Fields{}, "", wxlogin.ErrBadRequest},
		{"header or field", []middleware.CodeSource{header, field}, nil, wxlogin.Fields{"js_code": "c"}, "c", nil},
		{"header and field", []middleware.CodeSource{header, field}, []string{"X-WX-Code", "c"},
			wxlogin.Fields{"js_code": "c"}, "", wxlogin.ErrBadRequest},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var opts []middleware.Option
			if tt.sources != nil {
				opts = append(opts, middleware.WithCode(tt.sources...))
			}
			settings, err := middleware.NewSettings(newAuth(t, wxlogin.Config{}), opts...)
			if err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequest("POST", "/", nil)
			for i := 0; i < len(tt.headers); i += 2 {
				r.Header.Add(tt.headers[i], tt.headers[i+1])
			}
			code, err := settings.TakeCode(r, tt.fields)
			if code.Reveal() != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("got %q, %v, want %q, %v", code.Reveal(), err, tt.want, tt.err)
			}
			for _, value := range tt.fields {
				if tt.err == nil && value == "c" {
					t.Errorf("the code is still among the fields")
				}
			}
		})
	}
}

func TestSettingsServeAHandlerOfYourOwn(t *testing.T) {
	auth, token := issued(t)
	settings, err := middleware.NewSettings(auth)
	if err != nil {
		t.Fatal(err)
	}
	engine := gin.New()
	engine.GET("/own", func(c *gin.Context) {
		id, err := settings.Identify(c)
		if err != nil {
			settings.Fail(c, err)
			return
		}
		settings.Succeed(c, 200, gin.H{"user": id.OpenID, "same": id.OpenID == wxlogin.OpenID(c)})
	})
	wantFailure(t, get(engine, "/own"), 401, "missing_token")
	if w := get(engine, "/own", bearer(token)...); w.Body.String() != `{"same":true,"user":"alice"}` {
		t.Errorf("got %d %s, want alice", w.Code, w.Body)
	}
	if settings.Auth() != auth {
		t.Error("Auth: got another one")
	}
}
