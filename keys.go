package wxlogin

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
)

// One info string per purpose: a key derived for one can never serve another.
const (
	infoToken = "wxlogin token v1"
	infoSeal  = "wxlogin seal v1"
)

// keyring holds what Config.Keys expand to, in their order.
type keyring struct {
	signing [][]byte
	sealing []cipher.AEAD
}

func newKeyring(keys [][]byte) (*keyring, error) {
	ring := &keyring{}
	for i, key := range keys {
		signing, err := hkdf.Key(sha256.New, key, nil, infoToken, sha256.Size)
		if err != nil {
			return nil, fmt.Errorf("%w: Config.Keys[%d]: %w", ErrMisconfigured, i, err)
		}
		sealing, err := newSealer(key)
		if err != nil {
			return nil, fmt.Errorf("%w: Config.Keys[%d]: %w", ErrMisconfigured, i, err)
		}
		ring.signing = append(ring.signing, signing)
		ring.sealing = append(ring.sealing, sealing)
	}
	return ring, nil
}

func newSealer(key []byte) (cipher.AEAD, error) {
	derived, err := hkdf.Key(sha256.New, key, nil, infoSeal, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// seal encrypts plain for the place storeKey: moved to another key it opens no
// more.
func (r *keyring) seal(storeKey string, plain []byte) []byte {
	return r.sealing[0].Seal(nil, nil, plain, []byte(storeKey))
}

// open reports false where no key opens the value, which then counts as absent:
// its key has been rotated out.
func (r *keyring) open(storeKey string, sealed []byte) ([]byte, bool) {
	for _, aead := range r.sealing {
		if plain, err := aead.Open(nil, nil, sealed, []byte(storeKey)); err == nil {
			return plain, true
		}
	}
	return nil, false
}
