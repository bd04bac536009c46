package middleware_test

import (
	"crypto/rand"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/middleware"
)

const base64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// variants are texts that are not the token and must not be taken for it.
func variants(token string) map[string]string {
	random := make([]byte, base64.RawURLEncoding.DecodedLen(len(token)))
	_, _ = rand.Read(random)
	last := strings.IndexByte(base64URL, token[len(token)-1])
	return map[string]string{
		"10 KiB":               strings.Repeat("A", 10<<10),
		"the token, 513 bytes": token + strings.Repeat("A", 513-len(token)),
		"random, well-formed":  base64.RawURLEncoding.EncodeToString(random),
		"CR LF inside":         token[:8] + "\r\n" + token[8:],
		"LF at the end":        token + "\n",
		"CR at the start":      "\r" + token,
		"space inside":         token[:8] + " " + token[8:],
		"space at the end":     token + " ",
		"padded":               token + "=",
		"padded twice":         token + "==",
		"one byte short":       token[:len(token)-1],
		"one byte long":        token + "A",
		"the last character's neighbour, which may decode alike": token[:len(token)-1] + string(base64URL[last^1]),
		"percent-encoded":   "%" + token,
		"zero byte":         token + "\x00",
		"not UTF-8":         token + "\xff",
		"upper case":        strings.ToUpper(token),
		"quoted":            `"` + token + `"`,
		"twice":             token + ", " + token,
		"scheme twice":      "Bearer " + token,
		"an openid":         "alice",
		"a store key":       "session:" + strings.Repeat("0", 52),
		"JSON":              `{"token":"` + token + `"}`,
		"null":              "null",
		"undefined":         "undefined",
		"dots, as in a JWT": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.",
	}
}

func TestWhatCannotBeGenuineNeverReachesTheStore(t *testing.T) {
	watched := newWatchedStore(t)
	auth := newAuth(t, wxlogin.Config{Store: watched, Keys: [][]byte{testKey}})
	token := issue(t, auth, wxlogin.Identity{OpenID: "alice"})
	required, optional := guarded(middleware.Required(auth)), guarded(middleware.Optional(auth))
	watched.reset()

	for name, variant := range variants(token) {
		t.Run(name, func(t *testing.T) {
			wantFailure(t, get(required, "/me", bearer(variant)...), 401, "invalid_token")
			wantFailure(t, get(optional, "/me", bearer(variant)...), 401, "invalid_token")
		})
	}
	t.Run("one bit flipped", func(t *testing.T) {
		for i := range token {
			for bit := range 8 {
				flipped := []byte(token)
				flipped[i] ^= 1 << bit
				wantFailure(t, get(required, "/me", bearer(string(flipped))...), 401, "invalid_token")
			}
		}
	})
	t.Run("trailing bits", func(t *testing.T) {
		for i := range base64URL {
			variant := token[:len(token)-1] + base64URL[i:i+1]
			if variant != token {
				wantFailure(t, get(required, "/me", bearer(variant)...), 401, "invalid_token")
			}
		}
	})
	t.Run("header twice", func(t *testing.T) {
		twice := append(bearer(token), bearer(token)...)
		wantFailure(t, get(required, "/me", twice...), 401, "invalid_token")
		wantFailure(t, get(optional, "/me", twice...), 401, "invalid_token")
		mixed := append([]string{"Authorization", "Basic QWxhZGRpbg=="}, bearer(token)...)
		wantFailure(t, get(optional, "/me", mixed...), 401, "invalid_token")
	})
	t.Run("none", func(t *testing.T) {
		for _, header := range []string{"", " ", "Bearer", "Bearer ", "bearer", "Basic " + token, "Bearer\t" + token, token} {
			w := get(required, "/me", "Authorization", header)
			wantFailure(t, w, 401, "missing_token")
			if got := w.Header().Get("WWW-Authenticate"); got != "Bearer" {
				t.Errorf("WWW-Authenticate: got %q, want Bearer", got)
			}
		}
		wantFailure(t, get(required, "/me"), 401, "missing_token")
		wantFailure(t, get(required, "/me?token="+token+"&access_token="+token, "Cookie", "token="+token), 401, "missing_token")
	})
	if got := watched.calls(); got != 0 {
		t.Errorf("store calls: got %d, want 0", got)
	}
	wantOpenID(t, get(required, "/me", bearer(token)...), "alice")
	wantOpenID(t, get(required, "/me", "Authorization", "bEARER   "+token), "alice")
}

func TestTokensOfOtherAppsAndKeys(t *testing.T) {
	watched := newWatchedStore(t)
	auth := newAuth(t, wxlogin.Config{Store: watched, Keys: [][]byte{testKey}, Apps: []string{testApp, otherApp}})
	token := issue(t, auth, wxlogin.Identity{AppID: testApp, OpenID: "alice"})
	bobs := issue(t, auth, wxlogin.Identity{AppID: otherApp, OpenID: "bob"})

	t.Run("an app that this route does not take", func(t *testing.T) {
		engine := guarded(middleware.Required(auth, middleware.WithApps(testApp)))
		wantOpenID(t, get(engine, "/me", bearer(token)...), "alice")
		wantFailure(t, get(engine, "/me", bearer(bobs)...), 401, "invalid_token")
		wantOpenID(t, get(guarded(middleware.Required(auth)), "/me", bearer(bobs)...), "bob")
	})
	t.Run("an app that this Auth does not serve", func(t *testing.T) {
		narrow := newAuth(t, wxlogin.Config{Store: watched, Keys: [][]byte{testKey}, Apps: []string{testApp}})
		wantFailure(t, get(guarded(middleware.Required(narrow)), "/me", bearer(bobs)...), 401, "invalid_token")
	})
	t.Run("an old key that is gone", func(t *testing.T) {
		rotated := newAuth(t, wxlogin.Config{Store: watched, Keys: [][]byte{otherKey}})
		watched.reset()
		wantFailure(t, get(guarded(middleware.Required(rotated)), "/me", bearer(token)...), 401, "invalid_token")
		if got := watched.calls(); got != 0 {
			t.Errorf("store calls: got %d, want 0", got)
		}
	})
	t.Run("an old key that is kept", func(t *testing.T) {
		rotating := newAuth(t, wxlogin.Config{Store: watched, Keys: [][]byte{otherKey, testKey}})
		wantOpenID(t, get(guarded(middleware.Required(rotating)), "/me", bearer(token)...), "alice")
	})
}
