package streams

import (
	"math"

	"leat.dev/streams/internal/codec"
)

// What the testing kit shows of a store as a whole: the entries that reads show, in the store's order.

// A time of -1 is that of a store which keeps none.

func listed[K, V any](r *rows[K, V], timed bool, add func(key, value any, at Time)) error {
	for r.next() {
		at := r.at
		if !timed {
			at = -1
		}
		add(r.key, r.value, at)
	}
	return r.close()
}

func (s *tableStore[K, V]) listRows(add func(key, value any, at Time)) error {
	return listed(s.scan(nil, nil, false), true, add)
}

func (s *kvStore[K, V]) listRows(add func(key, value any, at Time)) error {
	return listed(s.scan(nil, nil, false), false, add)
}

func (s *windowStore[K, V]) listRows(add func(key, value any, at Time)) error {
	return listed(s.scanAll(0, math.MaxInt64-1), s.format.stamped, add)
}

func (s *sessionStore[K, V]) listRows(add func(key, value any, at Time)) error {
	return listed(s.all(false), false, add)
}

func (s *outerStore[K, L, R]) listRows(add func(key, value any, at Time)) error {
	r := s.scan()
	for r.next() {
		if r.side == codec.Left {
			add(r.key, r.left, r.at)
		} else {
			add(r.key, r.right, r.at)
		}
	}
	return r.close()
}
