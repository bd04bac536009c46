package wechattest_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ginwx/wxlogin/wechat/wechattest"
)

func TestCodeHandlerMintsCodes(t *testing.T) {
	srv := newServer(t, wechattest.WithApp(wechattest.DefaultAppID, wechattest.DefaultSecret), wechattest.WithApp("wxb", "s"))
	rows := []struct {
		name, target, form string
		app                string
		codes              int
		user               string // whose codes they are; empty: each another's
	}{
		{"one code of a user", "/?user=alice", "", wechattest.DefaultAppID, 1, "alice"},
		{"in another app", "/?user=alice&app=wxb", "", "wxb", 1, "alice"},
		{"as a form", "/", "user=alice&app=wxb", "wxb", 1, "alice"},
		{"many codes of one user", "/?user=alice&n=10", "", wechattest.DefaultAppID, 10, "alice"},
		{"many codes of many users", "/?n=10", "", wechattest.DefaultAppID, 10, ""},
		{"nobody in particular", "/", "", wechattest.DefaultAppID, 1, ""},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			w := mint(srv.Emulator, "POST", row.target, row.form)
			if w.Code != 200 || w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Cache-Control") != "no-store" {
				t.Fatalf("got %d %v", w.Code, w.Header())
			}
			var got struct {
				Code  string
				Codes []string
			}
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			if got.Code != "" {
				got.Codes = append(got.Codes, got.Code)
			}
			if len(got.Codes) != row.codes {
				t.Fatalf("got %d codes, want %d", len(got.Codes), row.codes)
			}
			secret := map[string]string{wechattest.DefaultAppID: wechattest.DefaultSecret, "wxb": "s"}[row.app]
			openids := make(map[string]bool)
			for _, code := range got.Codes {
				q := with(with(exchangeQuery(code), "appid", row.app), "secret", secret)
				openids[get(t, srv, wechattest.PathCode2Session, q).text(t, "openid")] = true
			}
			if row.user != "" && (len(openids) != 1 || !openids[srv.App(row.app).OpenID(row.user)]) {
				t.Errorf("got openids %v, want those of %s alone", openids, row.user)
			}
			if row.user == "" && (len(openids) != row.codes || openids[""]) {
				t.Errorf("got %d openids, want %d different ones", len(openids), row.codes)
			}
		})
	}
}

func TestCodeHandlerRefuses(t *testing.T) {
	e := wechattest.New()
	rows := []struct {
		name, method, target, form string
		want                       int
	}{
		{"GET", "GET", "/?user=alice", "", 405},
		{"an app that is not there", "POST", "/?app=wxnobody", "", 400},
		{"n that is no number", "POST", "/?n=many", "", 400},
		{"n empty", "POST", "/?n=", "", 400},
		{"n zero", "POST", "/?n=0", "", 400},
		{"n negative", "POST", "/?n=-1", "", 400},
		{"n beyond the bound", "POST", "/?n=10001", "", 400},
		{"a kind that is none", "POST", "/?kind=fax", "", 400},
		{"a long name", "POST", "/?user=" + strings.Repeat("x", 65), "", 400},
		{"a name with a line break", "POST", "/?user=a%0Ab", "", 400},
		{"a name that is not UTF-8", "POST", "/?user=%FF", "", 400},
		{"a malformed query", "POST", "/?user=%zz", "", 400},
		{"a body beyond 64 KiB", "POST", "/", "user=" + strings.Repeat("x", 65<<10), 400},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			w := mint(e, row.method, row.target, row.form)
			var got struct{ Error string }
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.Error == "" {
				t.Errorf("got body %s", w.Body)
			}
			if w.Code != row.want {
				t.Errorf("got status %d, want %d", w.Code, row.want)
			}
		})
	}
}

func mint(e *wechattest.Emulator, method, target, form string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(form))
	if form != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	http.Handler(e.CodeHandler()).ServeHTTP(w, r)
	return w
}

func TestCodeHandlerMintsPhoneCodes(t *testing.T) {
	srv := newServer(t)
	app := srv.App(wechattest.DefaultAppID)
	var got struct{ Code string }
	w := mint(srv.Emulator, "POST", "/?user=alice&kind=phone", "")
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	wantErrcode(t, askPhone(t, srv, app.AccessToken(), phoneBody(got.Code, app.OpenID("alice"))), 0)
}
