package wxlogin

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// masked is what every rendering of a non-empty Secret shows.
const masked = "[secret]"

// Secret holds text that must not be printed: a login token, a session_key, an
// AppSecret, a code. Its text leaves by Reveal alone; fmt verbs, slog,
// encoding/json and everything else that honours the standard interfaces see a
// mask. The text sits behind a pointer, so that fmt shows an address and not the
// text where a Secret is an unexported field of another struct.
//
// The zero Secret is empty. Secrets are immutable and safe for concurrent use.
// Compare them with Equal; == compares addresses.
type Secret struct{ text *string }

// NewSecret returns a Secret that holds text.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{text: &text}
}

// Reveal returns the text. What you do with it is no longer masked.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero reports whether the text is empty.
func (s Secret) IsZero() bool { return s.text == nil }

// Equal reports whether both hold the same text, in a time that depends on its
// length alone.
func (s Secret) Equal(other Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// String returns a mask, or "" for an empty Secret.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return masked
}

// GoString returns a mask.
func (s Secret) GoString() string { return fmt.Sprintf("wxlogin.Secret(%q)", s.String()) }

// Format writes a mask for every verb.
func (s Secret) Format(f fmt.State, verb rune) {
	if verb == 'v' && f.Flag('#') {
		_, _ = io.WriteString(f, s.GoString())
		return
	}
	_, _ = io.WriteString(f, s.String())
}

// LogValue returns a mask.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText returns a mask, never an error.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
