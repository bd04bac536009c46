package sqlstore

import (
	"errors"
	"time"

	"github.com/ginwx/wxlogin/store"
)

var (
	errKey   = errors.New("wxlogin/sqlstore: key must be 1 to 128 bytes of 0-9, a-z and colons")
	errOwner = errors.New("wxlogin/sqlstore: owner must be 1 to 128 bytes of 0-9, a-z and colons")
	errValue = errors.New("wxlogin/sqlstore: value is longer than 16 KiB")
	errTTL   = errors.New("wxlogin/sqlstore: time to live must be positive")
)

func checkKey(key string) error {
	if !wellFormed(key) {
		return errKey
	}
	return nil
}

func checkOwner(owner string) error {
	if !wellFormed(owner) {
		return errOwner
	}
	return nil
}

func checkEntry(key string, value []byte, ttl time.Duration) error {
	if len(value) > store.MaxValueLen {
		return errValue
	}
	if ttl <= 0 {
		return errTTL
	}
	return checkKey(key)
}

func wellFormed(key string) bool {
	if len(key) == 0 || len(key) > store.MaxKeyLen {
		return false
	}
	for i := range len(key) {
		// '0' to '9' and ':' are neighbours.
		if c := key[i]; (c < '0' || c > ':') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

// maxTTL keeps the arithmetic far from its limits.
const maxTTL = 100 * 365 * 24 * time.Hour

func milliseconds(ttl time.Duration) int64 {
	return max(1, min(ttl, maxTTL).Milliseconds())
}
