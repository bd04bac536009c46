package redisstore

import "time"

// recent is a map that forgets by itself: what was put into it is dropped, without
// a look at each, some time between one and two spans later.
type recent[V any] struct {
	young, old map[string]V
	begun      time.Duration // when young was
}

func (r *recent[V]) get(key string) (V, bool) {
	if v, ok := r.young[key]; ok {
		return v, true
	}
	v, ok := r.old[key]
	return v, ok
}

func (r *recent[V]) put(key string, v V) {
	if r.young == nil {
		r.young = make(map[string]V)
	}
	r.young[key] = v
}

func (r *recent[V]) delete(key string) {
	delete(r.young, key)
	delete(r.old, key)
}

// turn drops what is old once a span has passed, or, where room is positive, once
// the half of it is taken by what is young.
func (r *recent[V]) turn(now, span time.Duration, room int) {
	age := now - r.begun
	full := room > 0 && len(r.young) >= (room+1)/2
	if age < span && !full {
		return
	}
	r.old = r.young
	if age >= 2*span {
		r.old = nil
	}
	r.young, r.begun = nil, now
}
