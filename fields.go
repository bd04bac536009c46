package wxlogin

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// Fields are a request's own fields beside the ones that wxlogin reads, with the
// types of encoding/json. They are user input and may hold a secret, such as the
// code of a phone button, so no rendering shows them.
type Fields map[string]any

// Text returns the field if it is a string, else "".
func (f Fields) Text(name string) string {
	text, _ := f[name].(string)
	return text
}

// Format writes the number of fields alone.
func (f Fields) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, f.mask()) }

// LogValue returns the number of fields alone.
func (f Fields) LogValue() slog.Value { return slog.StringValue(f.mask()) }

// MarshalText returns the number of fields alone.
func (f Fields) MarshalText() ([]byte, error) { return []byte(f.mask()), nil }

func (f Fields) mask() string { return fmt.Sprintf("[%d fields]", len(f)) }

// cut shortens s to at most limit bytes of valid UTF-8.
func cut(s string, limit int) string {
	if len(s) > limit {
		s = s[:limit]
	}
	return strings.ToValidUTF8(s, "")
}
