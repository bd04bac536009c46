package store

import (
	"errors"
	"time"
)

var (
	errKey   = errors.New("wxlogin/store: a key or owner must be 1 to 128 bytes of 0-9, a-z and colons")
	errValue = errors.New("wxlogin/store: value is longer than 16 KiB")
	errTTL   = errors.New("wxlogin/store: time to live must be positive")
)

// CheckKey reports a key or an owner that wxlogin would never use. A store may
// refuse those with its error, which does not hold the key.
func CheckKey(key string) error {
	if len(key) == 0 || len(key) > MaxKeyLen {
		return errKey
	}
	for i := range len(key) {
		// '0' to '9' and ':' are neighbours.
		if c := key[i]; (c < '0' || c > ':') && (c < 'a' || c > 'z') {
			return errKey
		}
	}
	return nil
}

// CheckEntry is CheckKey for a write: it reports a value and a time to live outside
// the limits as well.
func CheckEntry(key string, value []byte, ttl time.Duration) error {
	if len(value) > MaxValueLen {
		return errValue
	}
	if ttl <= 0 {
		return errTTL
	}
	return CheckKey(key)
}
