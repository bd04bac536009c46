package wxlogin

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/gorilla/securecookie"
)

func testCodec(t testing.TB, names ...string) *tokenCodec {
	t.Helper()
	var keys [][]byte
	for _, name := range names {
		keys = append(keys, testKey(name))
	}
	ring, err := newKeyring(keys)
	if err != nil {
		t.Fatal(err)
	}
	return newTokenCodec(ring)
}

func mustIssue(t testing.TB, c *tokenCodec) (string, string) {
	t.Helper()
	token, key, err := c.issue()
	if err != nil {
		t.Fatal(err)
	}
	return token.Reveal(), key
}

func TestATokenOpensToTheKeyItWasIssuedFor(t *testing.T) {
	c := testCodec(t, "current")
	token, key := mustIssue(t, c)
	for _, when := range []string{"first", "remembered"} {
		if got, err := c.open(token); err != nil || got != key {
			t.Errorf("%s: got %q, %v; want %q", when, got, err, key)
		}
	}
	if strings.Trim(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		t.Errorf("the token is not URL-safe text")
	}
	if !isSessionKey(key) {
		t.Errorf("got key %q, want the form of a store key", key)
	}
}

func TestNoTwoTokensAreAlike(t *testing.T) {
	c := testCodec(t, "current")
	tokens, keys := make(map[string]bool), make(map[string]bool)
	for range 1000 {
		token, key := mustIssue(t, c)
		tokens[token], keys[key] = true, true
	}
	if len(tokens) != 1000 || len(keys) != 1000 {
		t.Errorf("got %d tokens and %d keys of 1000", len(tokens), len(keys))
	}
}

func TestNoTextButTheIssuedOneOpens(t *testing.T) {
	c := testCodec(t, "current")
	token, _ := mustIssue(t, c)
	last := token[len(token)-1]
	alphabet := "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	trailing := alphabet[strings.IndexByte(alphabet, last)^1]
	unsigned := base64.RawURLEncoding.EncodeToString([]byte("1700000000|AQ==|"))
	for rule, text := range map[string]string{
		"padding":            token + "==",
		"stray trailing bit": token[:len(token)-1] + string(trailing),
		"line feed inside":   token[:20] + "\n" + token[20:],
		"CRLF inside":        token[:20] + "\r\n" + token[20:],
		"CRLF at the end":    token + "\r\n",
		"leading space":      " " + token,
		"standard alphabet":  strings.ReplaceAll(strings.ReplaceAll(token, "-", "+"), "_", "/") + "+",
		"cut short":          token[:len(token)-4],
		"twice":              token + token,
		"too long":           strings.Repeat("A", maxTokenLen+1),
		"no signature":       unsigned,
		"not base64":         "???",
		"one byte":           "A",
	} {
		if _, err := c.open(text); !errors.Is(err, ErrInvalidToken) {
			t.Errorf("%s: got %v, want %v", rule, err, ErrInvalidToken)
		}
	}
	if _, err := c.open(""); !errors.Is(err, ErrMissingToken) {
		t.Errorf("empty: got %v, want %v", err, ErrMissingToken)
	}
}

func TestATokenWithAnyBitFlippedIsRefused(t *testing.T) {
	c := testCodec(t, "current")
	token, _ := mustIssue(t, c)
	for i := range token {
		for bit := range 8 {
			flipped := []byte(token)
			flipped[i] ^= 1 << bit
			if _, err := c.open(string(flipped)); !errors.Is(err, ErrInvalidToken) {
				t.Fatalf("byte %d, bit %d: got %v, want %v", i, bit, err, ErrInvalidToken)
			}
		}
	}
}

func TestASignedValueOfAnotherShapeOrPurposeIsRefused(t *testing.T) {
	c := testCodec(t, "current")
	ring, _ := newKeyring([][]byte{testKey("current")})
	sign := func(purpose string, payload []byte) string {
		codec := securecookie.New(ring.signing[0], nil).MaxAge(0).SetSerializer(securecookie.NopEncoder{})
		text, err := codec.Encode(purpose, payload)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimRight(text, "=")
	}
	good := append([]byte{tokenVersion}, make([]byte, tokenIDLen)...)
	if _, err := c.open(sign(tokenPurpose, good)); err != nil {
		t.Fatalf("the control: %v", err)
	}
	for rule, text := range map[string]string{
		"other purpose": sign("another", good),
		"other version": sign(tokenPurpose, append([]byte{tokenVersion + 1}, good[1:]...)),
		"short id":      sign(tokenPurpose, good[:tokenIDLen]),
		"long id":       sign(tokenPurpose, append(good, 0)),
		"one byte":      sign(tokenPurpose, []byte{tokenVersion}),
	} {
		if _, err := c.open(text); !errors.Is(err, ErrInvalidToken) {
			t.Errorf("%s: got %v, want %v", rule, err, ErrInvalidToken)
		}
	}
}

func TestKeysRotateInThreeSteps(t *testing.T) {
	before := testCodec(t, "old")
	first, second, last := testCodec(t, "old", "new"), testCodec(t, "new", "old"), testCodec(t, "new")
	oldToken, oldKey := mustIssue(t, before)
	newToken, newKey := mustIssue(t, second)
	for _, c := range []struct {
		rule  string
		codec *tokenCodec
		token string
		want  string
	}{
		{"before reads its own", before, oldToken, oldKey},
		{"{old,new} reads old", first, oldToken, oldKey},
		{"{old,new} reads what {new,old} signed", first, newToken, newKey},
		{"{new,old} reads old", second, oldToken, oldKey},
		{"{new} reads new", last, newToken, newKey},
		{"{new} refuses old", last, oldToken, ""},
		{"before refuses new", before, newToken, ""},
	} {
		got, err := c.codec.open(c.token)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: got %q, %v; want %q", c.rule, got, err, c.want)
		}
	}
	signedByOld, _ := mustIssue(t, first)
	if _, err := before.open(signedByOld); err != nil {
		t.Errorf("{old,new} must still sign with old: %v", err)
	}
}

func TestWhatRemembersOpenedTokensIsBoundedAndHoldsNoToken(t *testing.T) {
	c := testCodec(t, "current")
	for range 100 {
		token, key := mustIssue(t, c)
		if _, err := c.open(token); err != nil {
			t.Fatal(err)
		}
		for i := range c.opened.slots {
			if o := c.opened.slots[i].Load(); o != nil && strings.Contains(string(o.digest[:])+o.key, token) {
				t.Fatal("a token is remembered in clear")
			}
		}
		_ = key
	}
	var remembered int
	for i := range c.opened.slots {
		if c.opened.slots[i].Load() != nil {
			remembered++
		}
	}
	if remembered == 0 || remembered > 100 {
		t.Errorf("got %d tokens remembered of 100", remembered)
	}
}

func TestARefusedTokenIsNotRemembered(t *testing.T) {
	c := testCodec(t, "current")
	forged := make([]byte, 88)
	_, _ = rand.Read(forged)
	if _, err := c.open(base64.RawURLEncoding.EncodeToString(forged)); !errors.Is(err, ErrInvalidToken) {
		t.Fatal(err)
	}
	for i := range c.opened.slots {
		if c.opened.slots[i].Load() != nil {
			t.Fatal("a forged token took a slot")
		}
	}
}

func FuzzTokenOpen(f *testing.F) {
	// A token of a test's key, fixed because the fuzzer works in several processes.
	const (
		token = "MTc5NTIyOTY2MHxBV0sxWXpNcHpxQ1RWMzQyNEF2dlpyUDA5aWR1VVFwbGFCU0ozcTF2Z0JXd3xlHql_IGb8gYT5VSLN2FB_X6Q7OdkqBE2TMF6LtqL_Vw"
		key   = "session:5038o0tpv2p5nhgkjlgiepssncsr9eq8np19gp3bjpbcsoqla330"
	)
	c := testCodec(f, "current")
	if got, err := c.open(token); err != nil || got != key {
		f.Fatalf("the genuine token: got %q, %v", got, err)
	}
	f.Add(token)
	f.Add(token + "=")
	f.Add("")
	f.Add(strings.Repeat("_", 118))
	f.Fuzz(func(t *testing.T, text string) {
		got, err := c.open(text)
		if (err == nil) != (text == token) || err == nil && got != key {
			t.Errorf("%q: got %q, %v", text, got, err)
		}
	})
}
