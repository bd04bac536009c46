package wechattest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// maxMint is how many codes one request to CodeHandler may ask for.
const maxMint = 10000

// CodeHandler lets a page or a load test call wx.login() over HTTP, where it is mounted (it looks at no path):
//
//	POST ?user=alice            {"code":"…"}
//	POST ?user=alice&app=wx…    the same in another app than the first
//	POST ?user=alice&kind=phone {"code":"…"}, of the phone button ([App.PhoneCode])
//	POST ?n=1000                {"codes":["…",…]}
//
// Without user, each code belongs to a user of its own; with user, all n are the one user's. n is at most
// 10000. The parameters may come as a form as well. Anything else is answered 400 or 405 with {"error":"…"}.
// Anybody who reaches it can be any user: it belongs in development only.
func (e *Emulator) CodeHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			reject(w, http.StatusMethodNotAllowed, "use POST")
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		if err := r.ParseForm(); err != nil {
			reject(w, http.StatusBadRequest, "the parameters are malformed")
			return
		}
		e.mintOverHTTP(w, r)
	})
}

func (e *Emulator) mintOverHTTP(w http.ResponseWriter, r *http.Request) {
	appID := r.Form.Get("app")
	if appID == "" {
		appID = e.order[0]
	}
	if !slices.Contains(e.order, appID) {
		reject(w, http.StatusBadRequest, "app is not one of the emulated apps")
		return
	}
	user := r.Form.Get("user")
	if user != "" && !validUser(user) {
		reject(w, http.StatusBadRequest, "user must be at most 64 bytes of printable text")
		return
	}
	mint := e.App(appID).Code
	switch r.Form.Get("kind") {
	case "", "login":
	case "phone":
		mint = e.App(appID).PhoneCode
	default:
		reject(w, http.StatusBadRequest, "kind must be login or phone")
		return
	}
	next := func() string {
		if user == "" {
			return mint(fmt.Sprintf("user-%d", e.nextUser.Add(1)))
		}
		return mint(user)
	}
	if !r.Form.Has("n") {
		reply(w, map[string]string{"code": next()})
		return
	}
	n, err := strconv.Atoi(r.Form.Get("n"))
	if err != nil || n < 1 || n > maxMint {
		reject(w, http.StatusBadRequest, "n must be a number from 1 to 10000")
		return
	}
	codes := make([]string, n)
	for i := range codes {
		codes[i] = next()
	}
	reply(w, map[string][]string{"codes": codes})
}

// validUser bounds the names that come from outside.
func validUser(name string) bool {
	if name == "" || len(name) > 64 || !utf8.ValidString(name) {
		return false
	}
	for _, c := range name {
		if !unicode.IsPrint(c) {
			return false
		}
	}
	return true
}

func reject(w http.ResponseWriter, status int, why string) {
	w.WriteHeader(status)
	reply(w, map[string]string{"error": why})
}

func reply(w http.ResponseWriter, body any) {
	_ = json.NewEncoder(w).Encode(body) // a client that has gone needs no answer
}
