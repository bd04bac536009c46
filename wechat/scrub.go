package wechat

import (
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ginwx/wxlogin"
)

const (
	redacted = "[redacted]"

	// longestShown is how many successive characters of a hidden value may show
	// by accident. Shorter pieces tell too little, and hiding them would make
	// holes in ordinary words.
	longestShown = 7
)

// urlQuery finds the query of a URL inside a text.
var urlQuery = regexp.MustCompile(`\?[^\s"'<>]*=[^\s"'<>]*`)

// scrub makes a text that came from outside fit for a log: at most
// maxForeignText bytes, printable, on one line, without the query of a URL, and
// without any piece of a hidden value, plain or escaped.
func scrub(text string, hidden []wxlogin.Secret) string {
	text = cut(text, maxForeignText)
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(text, ""))
	return urlQuery.ReplaceAllString(redact(text, hidden), "?"+redacted)
}

// redact replaces every piece of a hidden value that is longer than
// longestShown, or the whole of a shorter one. It looks for pieces because a
// gateway may quote a value cut or in part escaped.
func redact(text string, hidden []wxlogin.Secret) string {
	lower := lowerASCII(text)
	covered := make([]bool, len(text))
	for _, h := range hidden {
		value := h.Reveal()
		for _, form := range [...]string{value, url.QueryEscape(value), url.PathEscape(value)} {
			cover(covered, lower, lowerASCII(form))
		}
	}
	var b strings.Builder
	for i := range len(text) {
		switch {
		case !covered[i]:
			b.WriteByte(text[i])
		case i == 0 || !covered[i-1]:
			b.WriteString(redacted)
		}
	}
	// A value of bytes that are not UTF-8 could match inside a character.
	return strings.ToValidUTF8(b.String(), "")
}

func cover(covered []bool, text, value string) {
	size := min(len(value), longestShown+1)
	if size == 0 {
		return
	}
	for i := 0; i+size <= len(value); i++ {
		piece := value[i : i+size]
		for from := 0; ; {
			at := strings.Index(text[from:], piece)
			if at < 0 {
				break
			}
			at += from
			for j := at; j < at+size; j++ {
				covered[j] = true
			}
			from = at + 1
		}
	}
}

// lowerASCII keeps every byte in its place, which strings.ToLower does not.
func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + ('a' - 'A')
		}
	}
	return string(b)
}

// cut returns at most size bytes of s, whole characters only.
func cut(s string, size int) string {
	if len(s) <= size {
		return s
	}
	for size > 0 && !utf8.RuneStart(s[size]) {
		size--
	}
	return s[:size]
}
