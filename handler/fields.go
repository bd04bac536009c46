package handler

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"

	"github.com/ginwx/wxlogin"
)

// maxBody bounds a request's body, and its query, in bytes.
const maxBody = 64 << 10

// readFields returns what the query and the body of a request say, with the types
// of encoding/json. A mini program is JavaScript, whose numbers are float64
// already.
//
// A field that a query or form gives more than once, or the query and the body
// both, becomes a list of all its values, so that nobody has to guess which one
// counts: where one text is wanted, a list is none. A JSON object with the same
// name twice is refused.
//
// Without a body the Content-Type is ignored, because wx.request sends one with
// every GET; a body without a Content-Type is JSON. The error is of class
// ErrBadRequest and quotes nothing of the request.
func readFields(w http.ResponseWriter, r *http.Request) (wxlogin.Fields, error) {
	fields := wxlogin.Fields{}
	if err := addValues(fields, r.URL.RawQuery, "query"); err != nil {
		return nil, err
	}
	body, err := readBody(w, r)
	if err != nil || len(body) == 0 {
		return fields, err
	}
	contentType := "application/json"
	if header := r.Header.Get("Content-Type"); header != "" {
		if contentType, _, err = mime.ParseMediaType(header); err != nil {
			return nil, badRequest("the Content-Type is malformed")
		}
	}
	switch contentType {
	case "application/json":
		err = addJSON(fields, body)
	case "application/x-www-form-urlencoded":
		err = addValues(fields, string(body), "form")
	default:
		err = badRequest("the body is neither JSON nor a form")
	}
	return fields, err
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	if r.ContentLength > maxBody {
		return nil, badRequest("the body is too long")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return nil, badRequest("the body is too long or was cut off")
	}
	return body, nil
}

func addValues(fields wxlogin.Fields, encoded, place string) error {
	if encoded == "" {
		return nil
	}
	if len(encoded) > maxBody {
		return badRequest("the " + place + " is too long")
	}
	values, err := url.ParseQuery(encoded)
	if err != nil {
		return badRequest("the " + place + " is malformed")
	}
	for name, list := range values {
		for _, value := range list {
			add(fields, name, value)
		}
	}
	return nil
}

// addJSON reads one object and nothing after it.
func addJSON(fields wxlogin.Fields, body []byte) error {
	malformed := badRequest("the body is not one JSON object")
	decoder := json.NewDecoder(bytes.NewReader(body))
	if start, err := decoder.Token(); err != nil || start != json.Delim('{') {
		return malformed
	}
	seen := make(map[string]bool)
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return malformed
		}
		key, ok := name.(string)
		if !ok || seen[key] {
			return malformed
		}
		seen[key] = true
		var value any
		if err := decoder.Decode(&value); err != nil {
			return malformed
		}
		add(fields, key, value)
	}
	if _, err := decoder.Token(); err != nil {
		return malformed
	}
	if _, err := decoder.Token(); err != io.EOF {
		return malformed
	}
	return nil
}

// add makes a list of a field that is given again. A JSON array is never found
// here as the first value, because the query is read before the body.
func add(fields wxlogin.Fields, name string, value any) {
	present, ok := fields[name]
	if !ok {
		fields[name] = value
		return
	}
	if several, ok := present.([]any); ok {
		fields[name] = append(several, value)
		return
	}
	fields[name] = []any{present, value}
}

// takeText removes a field and returns it, "" where it is absent or null.
func takeText(fields wxlogin.Fields, name string) (string, error) {
	value := fields[name]
	delete(fields, name)
	text, ok := value.(string)
	if !ok && value != nil {
		return "", badRequest(name + " is not one text")
	}
	return text, nil
}

// takeSwitch removes a field that is on or off and returns it: true, 1, "true" and
// "1" are on; absent, null, false, 0, "false", "0" and "" are off.
func takeSwitch(fields wxlogin.Fields, name string) (bool, error) {
	value := fields[name]
	delete(fields, name)
	switch value {
	case true, 1.0, "true", "1":
		return true, nil
	case nil, false, 0.0, "false", "0", "":
		return false, nil
	}
	return false, badRequest(name + " is neither true nor false")
}

func badRequest(what string) error { return fmt.Errorf("%w: %s", wxlogin.ErrBadRequest, what) }
