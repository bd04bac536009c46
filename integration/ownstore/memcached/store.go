// Package memcached is a store of one's own over a cache that knows five verbs and
// no index: memcached. Sessions work; listing and ending all sessions of an account
// does not, and says so (wxlogin.ErrNoAccountIndex). A memcached also forgets when
// it restarts or is full: users log in again then.
package memcached

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/ginwx/wxlogin/store"
)

// Store keeps entries behind their end in milliseconds since 1970, because memcached
// counts in seconds; so clocks must agree. The client's Timeout limits each call.
type Store struct{ Client *memcache.Client }

const endLen = 8

func item(key string, value []byte, ttl time.Duration) *memcache.Item {
	end := time.Now().Add(max(ttl, time.Millisecond))
	return &memcache.Item{
		Key:   "wx:" + key,
		Value: append(binary.BigEndian.AppendUint64(nil, uint64(end.UnixMilli())), value...),
		// Above 30 days memcached takes it for a date, so it always gets a date.
		Expiration: int32(min(end.Unix()+1, 1<<31-1)),
	}
}

// load returns the entry and its value, or ErrNotFound, with what has ended.
func (s Store) load(ctx context.Context, key string) (*memcache.Item, []byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	it, err := s.Client.Get("wx:" + key)
	if errors.Is(err, memcache.ErrCacheMiss) {
		return nil, nil, store.ErrNotFound
	}
	if err != nil {
		return nil, nil, err
	}
	if len(it.Value) < endLen {
		return nil, nil, errors.New("unreadable entry")
	}
	if time.Now().UnixMilli() >= int64(binary.BigEndian.Uint64(it.Value)) {
		return it, nil, store.ErrNotFound
	}
	return it, it.Value[endLen:], nil
}

func (s Store) Get(ctx context.Context, key string) ([]byte, error) {
	_, value, err := s.load(ctx, key)
	return value, err
}

func (s Store) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.Client.Set(item(key, value, ttl))
}

func (s Store) Add(ctx context.Context, key string, value []byte, ttl time.Duration) (bool, error) {
	for {
		old, _, err := s.load(ctx, key)
		if err == nil {
			return false, nil
		}
		if !errors.Is(err, store.ErrNotFound) {
			return false, err
		}
		if old == nil {
			err = s.Client.Add(item(key, value, ttl))
		} else {
			err = s.replace(old, item(key, value, ttl)) // it has ended, and is still there
		}
		if !lostRace(err) {
			return err == nil, err
		}
	}
}

func (s Store) Swap(ctx context.Context, key string, old, new []byte, ttl time.Duration) (bool, error) {
	for {
		it, value, err := s.load(ctx, key)
		if err != nil || string(value) != string(old) {
			return false, err
		}
		if err := s.replace(it, item(key, new, ttl)); !lostRace(err) {
			return err == nil, err
		}
	}
}

func (s Store) Delete(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := s.Client.Delete("wx:" + key)
	if errors.Is(err, memcache.ErrCacheMiss) {
		return nil
	}
	return err
}

// replace writes only where the entry is still the one that was read.
func (s Store) replace(old, new *memcache.Item) error {
	old.Value, old.Expiration = new.Value, new.Expiration
	return s.Client.CompareAndSwap(old)
}

// lostRace reports that somebody else wrote or deleted the entry meanwhile.
func lostRace(err error) bool {
	return errors.Is(err, memcache.ErrCASConflict) || errors.Is(err, memcache.ErrNotStored) || errors.Is(err, memcache.ErrCacheMiss)
}
