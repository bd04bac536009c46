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

const indexTTL = 60 * 24 * time.Hour // longer than MaxLifetime and IdleTimeout together

// Store keeps entries as "owner\nvalue", and the keys of an owner in a sorted set
// by when they were added. Make the client with ContextTimeoutEnabled, so that calls
// end in time, and MaxRetries -1, so that an Add is not repeated and then told false.
type Store struct{ Client redis.UniversalClient }

var swap = redis.NewScript(`
local v = redis.call('GET', KEYS[1])
if not v then return -1 end local n = string.find(v, '\n', 1, true)
if string.sub(v, n + 1) ~= ARGV[1] then return 0 end
return redis.call('SET', KEYS[1], string.sub(v, 1, n) .. ARGV[2], 'PX', ARGV[3]) and 1`)

var deleteOwned = redis.NewScript(`
local v = redis.call('GET', KEYS[1]) or ''
return string.sub(v, 1, #ARGV[1]) == ARGV[1] and redis.call('DEL', KEYS[1]) or 0`)

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
	p := s.Client.TxPipeline()
	p.ZAdd(ctx, "wxowner:"+owner, redis.Z{Score: float64(time.Now().Unix()), Member: key})
	p.Expire(ctx, "wxowner:"+owner, indexTTL)
	if _, err := p.Exec(ctx); err != nil {
		return false, err
	}
	return s.add(ctx, owner, key, value, ttl)
}

func (s Store) ListFor(ctx context.Context, owner string) (list []store.Entry, err error) {
	send := func(p redis.Pipeliner, key string) redis.Cmder { return p.Get(ctx, "wx:"+key) }
	err = s.each(ctx, owner, send, func(key string, reply redis.Cmder) (gone bool) {
		if v, ok := strings.CutPrefix(reply.(*redis.StringCmd).Val(), owner+"\n"); ok {
			list = append(list, store.Entry{Key: key, Value: []byte(v)})
		}
		return false
	})
	return list, err
}

func (s Store) DeleteFor(ctx context.Context, owner string) error {
	send := func(p redis.Pipeliner, key string) redis.Cmder {
		return deleteOwned.Eval(ctx, p, []string{"wx:" + key}, owner+"\n")
	}
	return s.each(ctx, owner, send, func(_ string, reply redis.Cmder) (gone bool) { return reply.(*redis.Cmd).Val() == int64(1) })
}

// each sends a command for every key of the owner, and takes off the index what is
// gone: by what see says, or because there is no entry a minute after AddFor.
func (s Store) each(ctx context.Context, owner string, send func(redis.Pipeliner, string) redis.Cmder, see func(string, redis.Cmder) bool) error {
	keys, err := s.Client.ZRangeWithScores(ctx, "wxowner:"+owner, 0, -1).Result()
	p, replies, off := s.Client.Pipeline(), make([]redis.Cmder, len(keys)), []any(nil)
	for i, z := range keys {
		replies[i] = send(p, z.Member.(string))
	}
	_, _ = p.Exec(ctx) // its error may be a miss that hides a failure: look at each
	for i, reply := range replies {
		missing := errors.Is(reply.Err(), redis.Nil)
		if reply.Err() != nil && !missing {
			return reply.Err()
		}
		if see(keys[i].Member.(string), reply) || missing && time.Since(time.Unix(int64(keys[i].Score), 0)) > time.Minute {
			off = append(off, keys[i].Member)
		}
	}
	if err != nil || len(off) == 0 {
		return err
	}
	return s.Client.ZRem(ctx, "wxowner:"+owner, off...).Err()
}
