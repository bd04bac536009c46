package redisstore

import (
	"context"
	"math/bits"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/ginwx/wxlogin/store"
)

const (
	// indexSlack is what an index outlives its entries by, beside a quarter of
	// their time to live: within it an entry can be made to live longer without
	// a call for the index.
	indexSlack = 2 * time.Minute

	// pendingGrace is for how long a listed key may be without an entry because
	// somebody is about to write it.
	pendingGrace = time.Minute

	// chunk bounds how many commands are sent at a time.
	chunk = 256

	// pruneFrom is the number of listed keys from which an AddFor looks, each
	// time the number has doubled, whether their entries are still there. It is
	// for accounts that nobody lists.
	pruneFrom = 64
)

// cover is for how long an index is made to live, in milliseconds, when an entry
// lives for px.
func cover(px int64) int64 { return px + px/4 + indexSlack.Milliseconds() }

// AddFor implements [store.AccountStore].
func (s *Store) AddFor(ctx context.Context, owner, key string, value []byte, ttl time.Duration) (bool, error) {
	px, err := millis(ttl)
	if err != nil {
		return false, failed("add for", err)
	}
	limited := s.limit(ctx)
	defer limited.release()
	ctx = limited
	defer s.changes(key)()
	id := ownerID(owner)
	add := s.addBoth
	if s.oneKey {
		add = s.addInTurn
	}
	added, listed, err := add(ctx, id, key, value, px)
	if err != nil {
		return false, err
	}
	if added && listed >= pruneFrom && bits.OnesCount64(uint64(listed)) == 1 {
		_, _ = s.listOwned(ctx, id) // for its tidying alone; the entry is written
	}
	return added, nil
}

// addBoth writes the index and the entry by one script.
func (s *Store) addBoth(ctx context.Context, id, key string, value []byte, px int64) (added bool, listed int64, err error) {
	listed, err = addScript.Exec(ctx, s.client,
		[]string{s.indexKey(id), s.prefix + key},
		[]string{key, number(cover(px)), ownedHead + id, string(value), number(px)}).ToInt64()
	if err != nil {
		return false, 0, failed("add for", err)
	}
	return listed > 0, listed, nil
}

// addInTurn writes the index first, so that a crash in between leaves no entry
// that the index does not list. An index that lists a key for nothing is tidied
// by the next listing, and ends with its last entry at the latest.
func (s *Store) addInTurn(ctx context.Context, id, key string, value []byte, px int64) (added bool, listed int64, err error) {
	covered, listed, err := s.indexAdd(ctx, id, key, cover(px))
	if err != nil {
		return false, 0, failed("add for", err)
	}
	added, err = s.setAbsent(ctx, "add for", key, ownedHead+id+covered+string(value), px)
	return added, listed, err
}

// indexAdd lists a key and returns until when the index lives for certain.
func (s *Store) indexAdd(ctx context.Context, id, key string, coverMillis int64) (covered string, listed int64, err error) {
	reply, err := indexScript.Exec(ctx, s.client, []string{s.indexKey(id)}, []string{key, number(coverMillis)}).ToArray()
	if err != nil {
		return "", 0, err
	}
	if len(reply) != 2 {
		return "", 0, errReply
	}
	if covered, err = reply[0].ToString(); err != nil || len(covered) != coveredLen {
		return "", 0, errReply
	}
	if listed, err = reply[1].ToInt64(); err != nil {
		return "", 0, errReply
	}
	return covered, listed, nil
}

// ListFor implements [store.AccountStore].
func (s *Store) ListFor(ctx context.Context, owner string) ([]store.Entry, error) {
	limited := s.limit(ctx)
	defer limited.release()
	ctx = limited
	return s.listOwned(ctx, ownerID(owner))
}

func (s *Store) listOwned(ctx context.Context, id string) ([]store.Entry, error) {
	listed, err := s.listings(ctx, id)
	if err != nil {
		return nil, failed("list for", err)
	}
	list := make([]store.Entry, 0, len(listed))
	var stale []unlisting
	for len(listed) > 0 {
		part := listed[:min(chunk, len(listed))]
		listed = listed[len(part):]
		reads := make([]rueidis.LuaExec, 0, len(part))
		for _, l := range part {
			reads = append(reads, rueidis.LuaExec{Keys: []string{s.prefix + l.Member}})
		}
		for i, reply := range readEachScript.ExecMulti(ctx, s.client, reads...) {
			value, err := ownedValue(reply, id)
			if err != nil {
				return nil, failed("list for", err)
			}
			if value == nil {
				stale = append(stale, unlisting{part[i], pendingGrace})
				continue
			}
			list = append(list, store.Entry{Key: part[i].Member, Value: value})
		}
	}
	// The list is right either way.
	_ = s.unlist(ctx, id, stale)
	return list, nil
}

// ownedValue returns the value of an entry of the owner, not nil, or nil if there
// is none.
func ownedValue(reply rueidis.RedisResult, id string) ([]byte, error) {
	raw, err := reply.AsBytes()
	if rueidis.IsRedisNil(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	e, err := decode(raw)
	if err != nil || e.owner != id {
		return nil, err
	}
	return e.value, nil
}

// DeleteFor implements [store.AccountStore].
func (s *Store) DeleteFor(ctx context.Context, owner string) error {
	limited := s.limit(ctx)
	defer limited.release()
	ctx = limited
	id := ownerID(owner)
	listed, err := s.listings(ctx, id)
	if err != nil {
		return failed("delete for", err)
	}
	keys := make([]string, 0, len(listed))
	for _, l := range listed {
		keys = append(keys, l.Member)
	}
	defer s.changes(keys...)()
	for len(listed) > 0 {
		part := listed[:min(chunk, len(listed))]
		listed = listed[len(part):]
		if err := s.deleteOwned(ctx, id, part); err != nil {
			return failed("delete for", err)
		}
	}
	return nil
}

func (s *Store) deleteOwned(ctx context.Context, id string, part []rueidis.ZScore) error {
	runs := make([]rueidis.LuaExec, 0, len(part))
	for _, l := range part {
		runs = append(runs, rueidis.LuaExec{Keys: []string{s.prefix + l.Member}, Args: []string{id}})
	}
	gone := make([]unlisting, 0, len(part))
	for i, reply := range deleteOwnedScript.ExecMulti(ctx, s.client, runs...) {
		deleted, err := reply.ToInt64()
		if err != nil {
			return err
		}
		// Where an entry is written by the script that lists it, this one was there,
		// so nobody is about to write it. In single-key mode it may have been an
		// older one than the listing.
		grace := pendingGrace
		if deleted == 1 && !s.oneKey {
			grace = 0
		}
		gone = append(gone, unlisting{part[i], grace})
	}
	// The entries are deleted; what is still listed is tidied by the next listing.
	_ = s.unlist(ctx, id, gone)
	return nil
}

func (s *Store) listings(ctx context.Context, id string) ([]rueidis.ZScore, error) {
	reply := listScript.Exec(ctx, s.client, []string{s.indexKey(id)}, nil)
	if pairs, err := reply.ToArray(); err == nil && len(pairs)%2 != 0 {
		return nil, errReply // the client would leave out the last one
	}
	return reply.AsZScores()
}

// unlisting is a key to be removed from an index unless it was listed anew.
type unlisting struct {
	rueidis.ZScore
	grace time.Duration // for how long it must have been listed
}

func (s *Store) unlist(ctx context.Context, id string, gone []unlisting) error {
	for len(gone) > 0 {
		part := gone[:min(chunk, len(gone))]
		gone = gone[len(part):]
		args := make([]string, 0, 3*len(part))
		for _, u := range part {
			args = append(args, u.Member, strconv.FormatFloat(u.Score, 'f', 0, 64), number(u.grace.Microseconds()))
		}
		if err := unlistScript.Exec(ctx, s.client, []string{s.indexKey(id)}, args).Error(); err != nil {
			return err
		}
	}
	return nil
}
