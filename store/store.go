// Package store holds the contract between wxlogin and whatever keeps its
// sessions, and the in-memory store that wxlogin uses by default.
//
// A store is a small key-value cache with expiry. wxlogin decides what the keys
// and values are; a store never looks into them. Write your own by implementing
// [Store] and, where the engine can list the entries of an owner, [AccountStore];
// package storetest proves the result.
package store

import (
	"context"
	"errors"
	"time"
)

// Limits that wxlogin keeps and a store may rely on.
const (
	MaxKeyLen   = 128      // bytes; every key and owner matches [0-9a-z:]+
	MaxValueLen = 16 << 10 // bytes; a value may be empty and may hold any byte
)

// ErrNotFound says that a key holds no live value: it was never set, was
// deleted, or has expired. Every other error of a store means that the store
// could not answer, and wxlogin treats it as an outage, never as an absence.
var ErrNotFound = errors.New("wxlogin/store: not found")

// Store keeps values under keys for a limited time.
//
// Implementations must be safe for concurrent use by multiple goroutines. They
// must not keep or change a byte slice they were given, and must return slices
// that the caller may change. A ttl is always positive and an expired entry
// behaves, for every method, exactly like one that was never set; precision of a
// millisecond is enough. A context that is done before the call starts is an
// error, and the entry stays as it was.
type Store interface {
	// Get returns the value of key, or ErrNotFound.
	Get(ctx context.Context, key string) ([]byte, error)

	// Set writes the value of key, whether or not there was one before. wxlogin
	// never sets a key that it added with AddFor; whether that would keep its
	// owner is for the store to say.
	Set(ctx context.Context, key string, value []byte, ttl time.Duration) error

	// Add writes the value of key only where there is none, and reports whether
	// it did. Of any number of parallel calls exactly one may report true.
	Add(ctx context.Context, key string, value []byte, ttl time.Duration) (bool, error)

	// Swap replaces the value of key by new, and its time to live by ttl, only
	// if the present value equals old byte for byte, and reports whether it did.
	// Where key holds no live value the error is ErrNotFound: a Swap can never
	// bring back what was deleted. An entry added with AddFor keeps its owner.
	Swap(ctx context.Context, key string, old, new []byte, ttl time.Duration) (bool, error)

	// Delete removes key. Deleting a key that is not there is no error.
	Delete(ctx context.Context, key string) error
}

// AccountStore is a Store that also finds entries by their owner. wxlogin uses
// it to list the sessions of an account, to cap their number, and to end them
// all. The index must never be read by a scan over all keys.
type AccountStore interface {
	Store

	// AddFor is Add for an entry that belongs to owner from now on. An
	// implementation that needs two writes makes the index entry first, so that
	// a crash in between leaves an index entry without a value, never a live
	// value that ListFor and DeleteFor cannot find.
	AddFor(ctx context.Context, owner, key string, value []byte, ttl time.Duration) (bool, error)

	// ListFor returns the live entries of owner in no particular order; none is
	// an empty list and no error. It may miss an entry that is being added
	// while it runs.
	ListFor(ctx context.Context, owner string) ([]Entry, error)

	// DeleteFor removes every entry of owner that was added before the call
	// started. An owner without entries is no error.
	DeleteFor(ctx context.Context, owner string) error
}

// Entry is one live key with its value.
type Entry struct {
	Key   string
	Value []byte
}
