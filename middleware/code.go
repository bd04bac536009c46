package middleware

import (
	"errors"
	"fmt"
	"net/http"
	"net/textproto"

	"github.com/ginwx/wxlogin"
)

// CodeSource is a place where a login carries its code: see WithCode. Make one
// with CodeField or CodeHeader.
type CodeSource struct{ field, header string }

// CodeField is a field of the login's query, JSON or form.
func CodeField(name string) CodeSource { return CodeSource{field: name} }

// CodeHeader is a header of the login.
func CodeHeader(name string) CodeSource {
	return CodeSource{header: textproto.CanonicalMIMEHeaderKey(name)}
}

func (s CodeSource) validate() error {
	switch {
	case s == CodeSource{}:
		return errors.New("a source has no name")
	case s.field == "app" || s.field == "device":
		return fmt.Errorf("field %q has another meaning in a login; use another name", s.field)
	}
	return nil
}

// TakeCode returns the code of a login from its headers or its fields, as WithCode
// says, and removes it from fields, so that no hook sees it. The zero Secret means
// that there is none, which Auth.Login refuses. The error is of class
// ErrBadRequest: a code that is given more than once or is no text.
func (s *Settings) TakeCode(r *http.Request, fields wxlogin.Fields) (wxlogin.Secret, error) {
	var code string
	for _, source := range s.codes {
		found, err := source.take(r, fields)
		if err != nil {
			return wxlogin.Secret{}, err
		}
		if found != "" && code != "" {
			return wxlogin.Secret{}, fmt.Errorf("%w: more than one code", wxlogin.ErrBadRequest)
		}
		if found != "" {
			code = found
		}
	}
	return wxlogin.NewSecret(code), nil
}

func (s CodeSource) take(r *http.Request, fields wxlogin.Fields) (string, error) {
	if s.header != "" {
		switch values := r.Header[s.header]; len(values) {
		case 0:
			return "", nil
		case 1:
			return values[0], nil
		}
		return "", fmt.Errorf("%w: more than one code", wxlogin.ErrBadRequest)
	}
	value := fields[s.field]
	delete(fields, s.field)
	text, ok := value.(string)
	if !ok && value != nil {
		return "", fmt.Errorf("%w: the code is not one text", wxlogin.ErrBadRequest)
	}
	return text, nil
}
