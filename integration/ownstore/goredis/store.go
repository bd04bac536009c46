// Package goredis is a store of one's own over go-redis, all of it.
package goredis

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ginwx/wxlogin/store"
)

// Store keeps entries as "owner\nvalue", and the keys of an owner in a sorted set by
// the server's time when they were added. Make the client with ContextTimeoutEnabled,
// so that calls end in time, and MaxRetries -1, so that no Add is repeated and told false.
type Store struct{ Client redis.UniversalClient }

var swap = redis.NewScript(`
local v = redis.call('GET', KEYS[1])
if not v then return -1 end
local n = string.find(v, '\n', 1, true)
if string.sub(v, n + 1) ~= ARGV[1] then return 0 end
return redis.call('SET', KEYS[1], string.sub(v, 1, n) .. ARGV[2], 'PX', ARGV[3]) and 1`)

// owned returns the value of an entry of the owner, and deletes it if told to.
var owned = redis.NewScript(`
local v = redis.call('GET', KEYS[1]) or ''
if string.sub(v, 1, #ARGV[1]) ~= ARGV[1] then return false end
return (ARGV[2] == 'list' or redis.call('DEL', KEYS[1])) and string.sub(v, #ARGV[1] + 1)`)

var index = redis.NewScript(`
return redis.call('ZADD', KEYS[1], redis.call('TIME')[1], ARGV[1]) and redis.call('EXPIRE', KEYS[1], ARGV[2])`)

// tidy takes keys without an entry off an index, but not within a minute of AddFor,
// whose entry may be on its way: an AddFor of the same key starts the minute anew.
var tidy = redis.NewScript(`
local now = redis.call('TIME')[1]
for _, key in ipairs(ARGV) do
	if now - (redis.call('ZSCORE', KEYS[1], key) or now) > 60 then redis.call('ZREM', KEYS[1], key) end
end
return 1`)

func (s Store) Get(ctx context.Context, key string) ([]byte, error) {
	v, err := s.Client.Get(ctx, "wx:"+key).Result()
	if errors.Is(err, redis.Nil) {
		return nil, store.ErrNotFound
	}
	_, value, _ := strings.Cut(v, "\n")
	return []byte(value), err
}

func (s Store) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	return s.Client.Set(ctx, "wx:"+key, "\n"+string(value), max(ttl, time.Millisecond)).Err()
}

func (s Store) Add(ctx context.Context, key string, value []byte, ttl time.Duration) (bool, error) {
	return s.add(ctx, "", key, value, ttl)
}
func (s Store) add(ctx context.Context, owner, key string, value []byte, ttl time.Duration) (bool, error) {
	err := s.Client.SetArgs(ctx, "wx:"+key, owner+"\n"+string(value), redis.SetArgs{Mode: "NX", TTL: max(ttl, time.Millisecond)}).Err()
	if errors.Is(err, redis.Nil) { // there is one
		return false, nil
	}
	return err == nil, err
}

func (s Store) Swap(ctx context.Context, key string, old, new []byte, ttl time.Duration) (bool, error) {
	n, err := swap.Run(ctx, s.Client, []string{"wx:" + key}, old, new, max(ttl, time.Millisecond).Milliseconds()).Int()
	if err == nil && n < 0 {
		err = store.ErrNotFound
	}
	return n == 1, err
}

func (s Store) Delete(ctx context.Context, key string) error {
	return s.Client.Del(ctx, "wx:"+key).Err()
}

// AddFor writes the index first, so that a crash leaves no entry that is not in it.
func (s Store) AddFor(ctx context.Context, owner, key string, value []byte, ttl time.Duration) (bool, error) {
	const seconds = 60 * 24 * 3600 // longer than MaxLifetime and IdleTimeout together
	if err := index.Run(ctx, s.Client, []string{"wxowner:" + owner}, key, seconds).Err(); err != nil {
		return false, err
	}
	return s.add(ctx, owner, key, value, ttl)
}

func (s Store) ListFor(ctx context.Context, owner string) ([]store.Entry, error) {
	return s.each(ctx, owner, "list")
}

func (s Store) DeleteFor(ctx context.Context, owner string) error {
	_, err := s.each(ctx, owner, "delete")
	return err
}

// each lists or deletes all entries of the owner, and tidies the index.
func (s Store) each(ctx context.Context, owner, verb string) (list []store.Entry, err error) {
	keys, err := s.Client.ZRange(ctx, "wxowner:"+owner, 0, -1).Result()
	p, replies, off := s.Client.Pipeline(), make([]*redis.Cmd, len(keys)), []any(nil)
	for i, key := range keys {
		replies[i] = owned.Eval(ctx, p, []string{"wx:" + key}, owner+"\n", verb)
	}
	_, _ = p.Exec(ctx) // its error may be a miss that hides a failure: look at each
	for i, reply := range replies {
		if value, err := reply.Text(); err == nil {
			list = append(list, store.Entry{Key: keys[i], Value: []byte(value)})
		} else if off = append(off, keys[i]); !errors.Is(err, redis.Nil) {
			return nil, err
		}
	}
	if len(off) > 0 {
		err = tidy.Run(ctx, s.Client, []string{"wxowner:" + owner}, off...).Err()
	}
	return list, err
}
