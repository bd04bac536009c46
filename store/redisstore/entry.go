package redisstore

import (
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"strconv"
	"strings"
)

// What the server holds under a key is a head and then the value. The head of an
// entry without an owner is one byte. The head of an entry with one goes on with
// the owner's id, by which an entry that was deleted and added again is told from
// the one in the index, and with the time until which the index is certain to
// exist, in seconds since 1970 by the server's clock: an entry never lives longer.
const (
	plainHead = "\x01"
	ownedHead = "\x02"

	ownerIDLen   = 16 // 128 bits of SHA-256 tell owners apart, also chosen ones
	coveredLen   = 5  // bytes, most significant first
	ownedHeadLen = len(ownedHead) + ownerIDLen + coveredLen
)

type entry struct {
	owner string // the owner's id, or ""
	value []byte
}

var errUnreadable = errors.New("unreadable entry")

// decode reads what the server holds. The entry shares raw's memory.
func decode(raw []byte) (entry, error) {
	switch {
	case len(raw) >= len(plainHead) && string(raw[:1]) == plainHead:
		return entry{value: raw[1:len(raw):len(raw)]}, nil
	case len(raw) >= ownedHeadLen && string(raw[:1]) == ownedHead:
		return entry{
			owner: string(raw[1:][:ownerIDLen]),
			value: raw[ownedHeadLen:len(raw):len(raw)],
		}, nil
	}
	return entry{}, errUnreadable
}

func ownerID(owner string) string {
	sum := sha256.Sum256([]byte(owner))
	return string(sum[:ownerIDLen])
}

var indexText = base32.StdEncoding.WithPadding(base32.NoPadding)

// indexKey is where the keys of an owner are listed. No entry can have its name,
// because no key has a slash.
func (s *Store) indexKey(ownerID string) string {
	return s.prefix + "index/" + strings.ToLower(indexText.EncodeToString([]byte(ownerID)))
}

func number(n int64) string { return strconv.FormatInt(n, 10) }
