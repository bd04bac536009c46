package wxlogin

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/gorilla/securecookie"
)

const (
	tokenPurpose = "wxlogin-token" // securecookie authenticates it as the name
	tokenVersion = 1
	tokenIDLen   = 32
	maxTokenLen  = 512
)

// tokenCodec makes tokens and turns them into the store keys of their sessions.
// The id inside is random, so there is nothing to hide: it is signed, not
// encrypted.
type tokenCodec struct {
	codecs []*securecookie.SecureCookie
	opened openedTokens
}

func newTokenCodec(ring *keyring) *tokenCodec {
	c := &tokenCodec{}
	for _, key := range ring.signing {
		codec := securecookie.New(key, nil).MaxAge(0).SetSerializer(securecookie.NopEncoder{})
		c.codecs = append(c.codecs, codec)
	}
	return c
}

// issue returns a new token and the store key of its session.
func (c *tokenCodec) issue() (Secret, string, error) {
	payload := make([]byte, 1+tokenIDLen)
	payload[0] = tokenVersion
	_, _ = rand.Read(payload[1:]) // never fails
	text, err := c.codecs[0].Encode(tokenPurpose, payload)
	if err != nil {
		return Secret{}, "", fmt.Errorf("%w: sign token", ErrInternal)
	}
	return NewSecret(strings.TrimRight(text, "=")), sessionKeyOf(payload[1:]), nil
}

// open returns the store key of a genuine token's session. A token that was
// opened once does not pay for its signature again.
func (c *tokenCodec) open(token string) (string, error) {
	if token == "" {
		return "", ErrMissingToken
	}
	if len(token) > maxTokenLen {
		return "", fmt.Errorf("%w: too long", ErrInvalidToken)
	}
	digest := digestOf(token)
	if key, ok := c.opened.get(&digest); ok {
		return key, nil
	}
	id, ok := c.verify(token)
	if !ok {
		return "", fmt.Errorf("%w: not genuine", ErrInvalidToken)
	}
	key := sessionKeyOf(id)
	c.opened.put(digest, key)
	return key, nil
}

// digestOf hashes a token on the stack, where a conversion to bytes would be an
// allocation; a forged one may be longer than that.
func digestOf(token string) [sha256.Size]byte {
	var text [128]byte
	if len(token) > len(text) {
		return sha256.Sum256([]byte(token))
	}
	return sha256.Sum256(text[:copy(text[:], token)])
}

// verify refuses every text but the one that issue returned: decoders of base64
// forgive line breaks and stray bits at the end, and two texts of one token are
// one too many.
func (c *tokenCodec) verify(token string) ([]byte, bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || base64.RawURLEncoding.EncodedLen(len(raw)) != len(token) {
		return nil, false
	}
	padded := base64.URLEncoding.EncodeToString(raw)
	for _, codec := range c.codecs {
		var payload []byte
		if codec.Decode(tokenPurpose, padded, &payload) == nil {
			if len(payload) != 1+tokenIDLen || payload[0] != tokenVersion {
				return nil, false
			}
			return payload[1:], true
		}
	}
	return nil, false
}

// keyText writes digests within the alphabet of store keys.
var keyText = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

const (
	sessionPrefix = "session:"
	sessionIDLen  = 26 // characters of the digest that name a session: 130 bits
)

// sessionKeyOf hashes the id, so that a copy of the store holds no token.
func sessionKeyOf(id []byte) string {
	digest := sha256.Sum256(id)
	return sessionPrefix + keyText.EncodeToString(digest[:])
}

// isSessionKey guards against what a store lists.
func isSessionKey(key string) bool {
	return len(key) == len(sessionPrefix)+keyText.EncodedLen(sha256.Size) && strings.HasPrefix(key, sessionPrefix)
}

// sessionIDOf returns the public name of the session under a store key.
func sessionIDOf(key string) string {
	return key[len(sessionPrefix) : len(sessionPrefix)+sessionIDLen]
}

// openedTokens remembers genuine tokens by digest, without locks and in bounded
// space: a newer token takes the slot of an older one. It holds hashes alone, and
// says nothing about the session, which is asked for every time.
type openedTokens struct {
	slots [1 << 14]atomic.Pointer[openedToken]
}

type openedToken struct {
	digest [sha256.Size]byte
	key    string
}

func (o *openedTokens) slot(digest *[sha256.Size]byte) *atomic.Pointer[openedToken] {
	return &o.slots[binary.LittleEndian.Uint64(digest[:])%uint64(len(o.slots))]
}

func (o *openedTokens) get(digest *[sha256.Size]byte) (string, bool) {
	t := o.slot(digest).Load()
	if t == nil || t.digest != *digest {
		return "", false
	}
	return t.key, true
}

func (o *openedTokens) put(digest [sha256.Size]byte, key string) {
	o.slot(&digest).Store(&openedToken{digest: digest, key: key})
}
