package wechat

import (
	"encoding/json"
	"errors"
	"strconv"
)

// number is a whole number that WeChat sends as a number or as a string.
type number int

var errNotNumber = errors.New("not a whole number")

func (n *number) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	text := string(data)
	if data[0] == '"' {
		if err := json.Unmarshal(data, &text); err != nil {
			return errNotNumber
		}
	}
	v, err := strconv.Atoi(text)
	if err != nil {
		return errNotNumber
	}
	*n = number(v)
	return nil
}

// text is a string, or nothing where WeChat sends something else in its place.
type text string

func (t *text) UnmarshalJSON(data []byte) error {
	var s string
	if json.Unmarshal(data, &s) == nil {
		*t = text(s)
	}
	return nil
}

// head is the part that all of WeChat's answers share. Both are absent from many
// good answers.
type head struct {
	code int
	msg  string
}

// decodeHead reports false if body is not one JSON object or its errcode is not
// a number.
func decodeHead(body []byte) (head, bool) {
	var raw struct {
		Code number `json:"errcode"`
		Msg  text   `json:"errmsg"`
	}
	if !decode(body, &raw) {
		return head{}, false
	}
	return head{code: int(raw.Code), msg: string(raw.Msg)}, true
}

// decode reports whether body is one JSON object that fits into the struct that
// into points to. Unknown keys are ignored. The decoder's error is dropped: it
// quotes the body.
func decode(body []byte, into any) bool {
	for _, c := range body {
		switch c {
		case ' ', '\t', '\r', '\n':
			continue
		}
		// null and nothing else would decode into a struct without an error.
		return c == '{' && json.Unmarshal(body, into) == nil
	}
	return false
}

// digits is text that WeChat sends as a string or as a number: the documents have
// a country code both ways.
type digits string

func (d *digits) UnmarshalJSON(data []byte) error {
	var s string
	switch {
	case string(data) == "null":
		return nil
	case data[0] == '"':
		if err := json.Unmarshal(data, &s); err != nil {
			return err
		}
		*d = digits(s)
		return nil
	}
	var n number
	if err := n.UnmarshalJSON(data); err != nil {
		return err
	}
	*d = digits(data)
	return nil
}
