package middleware

import (
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
)

// TokenExtractor finds the token in a request, or returns "" where there is none
// at its place. It must be safe for concurrent use, and must find the same token
// however often it is asked. It takes the *http.Request, not Gin's context, so that
// it serves a WebSocket upgrade or a plain http.Handler as well.
//
// What it returns is unverified. Auth refuses more than 512 bytes before any other
// work.
type TokenExtractor func(r *http.Request) string

// FromBearer reads "Authorization: Bearer <token>" (RFC 6750 section 2.1). Another
// scheme, or the bare word Bearer, counts as no token. Where the header is given
// more than once, its values are joined as RFC 9110 section 5.3 has it, which is no
// token that could be genuine: nobody has to guess which one a proxy looked at.
func FromBearer() TokenExtractor {
	return func(r *http.Request) string {
		values := r.Header["Authorization"]
		if len(values) != 1 {
			return single(values)
		}
		const scheme = "Bearer "
		value := values[0]
		if len(value) < len(scheme) || value[:len(scheme)] != scheme && !strings.EqualFold(value[:len(scheme)], scheme) {
			return ""
		}
		return strings.TrimLeft(value[len(scheme):], " ")
	}
}

// FromHeader reads a header that holds the token alone. One given more than once
// is refused, as in FromBearer. It panics where name is empty.
func FromHeader(name string) TokenExtractor {
	mustName("FromHeader", name)
	key := textproto.CanonicalMIMEHeaderKey(name)
	return func(r *http.Request) string { return single(r.Header[key]) }
}

// FromCookie reads a cookie; one given more than once is refused. It panics where
// name is empty.
//
// A browser sends a cookie by itself, also from a page of another site, so set it
// with SameSite, Secure and HttpOnly, under a name that begins with "__Host-".
// Mini programs keep no cookies: wx.request has no cookie jar.
func FromCookie(name string) TokenExtractor {
	mustName("FromCookie", name)
	return func(r *http.Request) string {
		cookies := r.CookiesNamed(name)
		values := make([]string, len(cookies))
		for i, cookie := range cookies {
			values[i] = cookie.Value
		}
		return single(values)
	}
}

// FromQuery reads a parameter of the URL's query; one given more than once is
// refused. It panics where name is empty.
//
// URLs end up in access logs, histories and Referer headers, and whoever reads
// them there has the token: OWASP ASVS 5.0 14.2.1 forbids it, and RFC 6750 section
// 2.3 advises against it. It is for requests that cannot carry a header, such as
// those of WeChat's data pre-fetch, and for nothing else: wx.request,
// wx.uploadFile and wx.connectSocket all send headers.
func FromQuery(name string) TokenExtractor {
	mustName("FromQuery", name)
	return func(r *http.Request) string {
		if r.URL.RawQuery == "" {
			return ""
		}
		query, _ := url.ParseQuery(r.URL.RawQuery) // what can be read counts
		return single(query[name])
	}
}

// single returns the only one of values. Several become one text that no token
// is: the separator is outside a token's alphabet.
func single(values []string) string { return strings.Join(values, ", ") }

func mustName(function, name string) {
	if name == "" {
		panic("middleware." + function + ": the name is empty")
	}
}
