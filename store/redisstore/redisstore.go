package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/ginwx/wxlogin/store"
)

// Defaults of [New].
const (
	DefaultPrefix      = "wxlogin:"
	DefaultCallTimeout = 2 * time.Second
)

// Store is a [store.AccountStore] on a Redis server or cluster. Make one with
// [New]; the zero Store is not usable. It is safe for concurrent use, has no
// goroutine and nothing to close: the client stays the caller's.
//
// Its errors are [store.ErrNotFound], which means a real miss and nothing else,
// and plain errors that wrap the client's. None of them holds a key or a value.
// An error of a write says that nobody knows whether it happened.
type Store struct {
	client  rueidis.Client
	prefix  string
	timeout time.Duration
	oneKey  bool // no command may touch two keys
	cache   *LocalCache
}

var _ store.AccountStore = (*Store)(nil)

// Option changes a default of [New].
type Option func(*Store)

// WithPrefix puts prefix instead of [DefaultPrefix] in front of every key, so
// that several applications can share a server. Instances that share sessions
// need the same one. Any text of at most 64 bytes will do; one with braces in it
// is a hash tag, which puts all keys on one node of a cluster. A longer one
// panics.
func WithPrefix(prefix string) Option {
	if len(prefix) > 64 {
		panic("wxlogin/redisstore: WithPrefix: more than 64 bytes")
	}
	return func(s *Store) { s.prefix = prefix }
}

// WithCallTimeout limits every call of the store to d instead of
// [DefaultCallTimeout]; an earlier end of the caller's context counts. A d that is
// not positive panics.
func WithCallTimeout(d time.Duration) Option {
	if d <= 0 {
		panic("wxlogin/redisstore: WithCallTimeout: d must be positive")
	}
	return func(s *Store) { s.timeout = d }
}

// WithSingleKeyCommands keeps to commands and scripts of one key, as the store
// does by itself with a cluster client. It is needed where a proxy makes a
// cluster look like one server; a login then takes one round trip more.
func WithSingleKeyCommands() Option {
	return func(s *Store) { s.oneKey = true }
}

// WithLocalCache answers reads of sessions from c where it can. It is off by
// default; see the package documentation for what it buys and costs.
func WithLocalCache(c *LocalCache) Option {
	if c == nil {
		panic("wxlogin/redisstore: WithLocalCache: c is nil")
	}
	return func(s *Store) { s.cache = c }
}

// New returns a store on client, which stays the caller's to close. It sends
// nothing: a server that is down shows at the first call. A nil client panics, and
// so does a local cache without [LocalCache.Listen].
func New(client rueidis.Client, opts ...Option) *Store {
	if client == nil {
		panic("wxlogin/redisstore: New: client is nil")
	}
	s := &Store{
		client:  client,
		prefix:  DefaultPrefix,
		timeout: DefaultCallTimeout,
		oneKey:  client.Mode() == rueidis.ClientModeCluster,
	}
	for _, opt := range opts {
		opt(s)
	}
	if s.cache != nil && !s.cache.listens.Load() {
		panic("wxlogin/redisstore: New: the client was not made with the Listen of its local cache")
	}
	return s
}

// Get implements [store.Store].
func (s *Store) Get(ctx context.Context, key string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, failed("get", err) // no cache would look
	}
	isSession := strings.HasPrefix(key, sessionPrefix)
	key = s.prefix + key
	if isSession && s.cache != nil {
		if value, ok := s.cache.get(key); ok {
			return []byte(value), nil
		}
	}
	limited := s.limit(ctx)
	defer limited.release()
	if isSession {
		if value, err := s.getSession(limited, key); !errors.Is(err, store.ErrNotFound) {
			return value, err
		}
	}
	return valueOf(readScript.Exec(limited, s.client, []string{key}, nil))
}

func (s *Store) getSession(ctx context.Context, key string) ([]byte, error) {
	if s.cache != nil {
		return s.getToCache(ctx, key)
	}
	return s.get(ctx, key)
}

// get is GET of the server. The client repeats reads over another connection where
// one breaks, and then recycles the command, which the goroutine that writes to the
// first connection may still look at; so reads are pinned. Writes and scripts are
// never repeated.
func (s *Store) get(ctx context.Context, key string) ([]byte, error) {
	return valueOf(s.client.Do(ctx, s.client.B().Get().Key(key).Build().Pin()))
}

// sessionPrefix is of the keys that are read on every request. They alone are
// cached: the mark that a revocation leaves must be seen at once by a login that is
// under way, and what is read to be swapped must be what is there. And they are
// there as a rule, so they are read by a plain GET; neither it nor the cache can say
// that one is gone, which a second look confirms. Other keys often are not there,
// and are read by the script at once.
const sessionPrefix = "session:"

// valueOf reads the reply to a GET.
func valueOf(reply rueidis.RedisResult) ([]byte, error) {
	raw, err := reply.AsBytes()
	if rueidis.IsRedisNil(err) {
		return nil, store.ErrNotFound
	}
	if err != nil {
		return nil, failed("get", err)
	}
	e, err := decode(raw)
	if err != nil {
		return nil, failed("get", err)
	}
	return e.value, nil
}

// Set implements [store.Store]. A live entry keeps its owner.
func (s *Store) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	_, err := s.write(ctx, "set", key, nil, value, ttl)
	return err
}

// Add implements [store.Store].
func (s *Store) Add(ctx context.Context, key string, value []byte, ttl time.Duration) (bool, error) {
	px, err := millis(ttl)
	if err != nil {
		return false, failed("add", err)
	}
	limited := s.limit(ctx)
	defer limited.release()
	ctx = limited
	defer s.changes(key)()
	return s.setAbsent(ctx, "add", key, plainHead+string(value), px)
}

func (s *Store) setAbsent(ctx context.Context, op, key, raw string, px int64) (bool, error) {
	// The client sends a write once: where the answer is lost, that is an error,
	// never a false "was there already".
	reply, err := s.client.Do(ctx, s.client.B().Set().Key(s.prefix+key).Value(raw).Nx().PxMilliseconds(px).Build()).ToString()
	switch {
	case rueidis.IsRedisNil(err):
		return false, nil
	case err != nil:
		return false, failed(op, err)
	case reply != "OK":
		return false, failed(op, errReply)
	}
	return true, nil
}

// Swap implements [store.Store].
func (s *Store) Swap(ctx context.Context, key string, old, new []byte, ttl time.Duration) (bool, error) {
	if old == nil {
		old = []byte{}
	}
	return s.write(ctx, "swap", key, old, new, ttl)
}

// write is Set where old is nil, and Swap where it is not.
func (s *Store) write(ctx context.Context, op, key string, old, new []byte, ttl time.Duration) (bool, error) {
	px, err := millis(ttl)
	if err != nil {
		return false, failed(op, err)
	}
	limited := s.limit(ctx)
	defer limited.release()
	ctx = limited
	defer s.changes(key)()

	args := []string{number(px), string(new), opSet, "", "", ""}
	if old != nil {
		args[2], args[3] = opSwap, string(old)
	}
	for range maxWriteTries {
		reply := writeScript.Exec(ctx, s.client, []string{s.prefix + key}, args)
		if err := reply.Error(); err != nil {
			return false, failed(op, err)
		}
		if n, err := reply.ToInt64(); err == nil {
			return written(op, n)
		}
		// The entry would outlive its account's index, so the index goes first.
		owner, err := reply.ToString()
		if err != nil || len(owner) != ownerIDLen {
			return false, failed(op, errReply)
		}
		covered, _, err := s.indexAdd(ctx, owner, key, cover(px))
		if err != nil {
			return false, failed(op, err)
		}
		args[4], args[5] = owner, covered
	}
	return false, failed(op, errors.New("the entry changed hands again and again"))
}

func written(op string, reply int64) (bool, error) {
	switch reply {
	case replyDone:
		return true, nil
	case replyOther:
		return false, nil
	case replyAbsent:
		return false, store.ErrNotFound
	}
	return false, failed(op, errReply)
}

// Delete implements [store.Store].
func (s *Store) Delete(ctx context.Context, key string) error {
	limited := s.limit(ctx)
	defer limited.release()
	ctx = limited
	defer s.changes(key)()
	_, err := s.client.Do(ctx, s.client.B().Del().Key(s.prefix+key).Build()).ToInt64()
	if err != nil {
		return failed("delete", err)
	}
	return nil
}

var errReply = errors.New("unexpected reply")

// failed marks an outage. Nothing that it wraps is a miss.
func failed(op string, err error) error {
	return fmt.Errorf("wxlogin/redisstore: %s: %w", op, err)
}

const (
	minTTL = time.Millisecond
	maxTTL = 100 * 365 * 24 * time.Hour // a larger one would overflow in the server
)

var errTTL = errors.New("time to live must be positive")

func millis(ttl time.Duration) (int64, error) {
	if ttl <= 0 {
		return 0, errTTL
	}
	return min(max(ttl, minTTL), maxTTL).Milliseconds(), nil
}
