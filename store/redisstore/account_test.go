package redisstore

import (
	"testing"

	"github.com/ginwx/wxlogin/store"
)

func TestAListThatNobodyWroteIsAnOutage(t *testing.T) {
	for name, reply := range map[string]string{
		"a key without a score":        "*1\r\n$9\r\nsession:a\r\n",
		"a second key without a score": "*3\r\n$9\r\nsession:a\r\n$1\r\n1\r\n$9\r\nsession:b\r\n",
		"a score that is no number":    "*2\r\n$9\r\nsession:a\r\n$1\r\nx\r\n",
		"no list":                      "$-1\r\n",
	} {
		s, _ := newScripted(t, func(command []string) string {
			if command[0] == "EVALSHA" {
				return reply
			}
			return "_\r\n"
		})
		for verb, call := range map[string]func() ([]store.Entry, error){
			"ListFor":   func() ([]store.Entry, error) { return s.ListFor(testContext, "account:a") },
			"DeleteFor": func() ([]store.Entry, error) { return nil, s.DeleteFor(testContext, "account:a") },
		} {
			if list, err := call(); err == nil {
				t.Errorf("%s answered %s: %d entries and no error", verb, name, len(list))
			}
		}
	}
}
