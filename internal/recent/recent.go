// Package recent has a map that forgets by itself.
package recent

import "time"

// Map drops what was put into it, without a look at each entry, some time between
// one and two spans later. The zero Map is empty. It is not safe for concurrent use.
type Map[V any] struct {
	young, old map[string]V
	begun      time.Duration // when young was
}

// Get returns what was put under key, if it is still there.
func (m *Map[V]) Get(key string) (V, bool) {
	if v, ok := m.young[key]; ok {
		return v, true
	}
	v, ok := m.old[key]
	return v, ok
}

// Put keeps v for a span at least, unless the map is full before.
func (m *Map[V]) Put(key string, v V) {
	if m.young == nil {
		m.young = make(map[string]V)
	}
	m.young[key] = v
}

// Delete forgets key.
func (m *Map[V]) Delete(key string) {
	delete(m.young, key)
	delete(m.old, key)
}

// Len returns how many entries are kept. One that was put again may count twice.
func (m *Map[V]) Len() int { return len(m.young) + len(m.old) }

// Turn is called before Put, with the time since whenever. Once a span has passed
// since it last did, or half of room is taken by what came since, it drops what is
// older; no room is needed where that is 0.
func (m *Map[V]) Turn(now, span time.Duration, room int) {
	age := now - m.begun
	full := room > 0 && len(m.young) >= (room+1)/2
	if age < span && !full {
		return
	}
	m.old = m.young
	if age >= 2*span {
		m.old = nil
	}
	m.young, m.begun = nil, now
}
