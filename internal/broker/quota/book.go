package quota

import "container/list"

// MaxEntities bounds the entities that one book remembers; see the package comment.
const MaxEntities = 10_000

// Book keeps what each entity used lately. It has no lock of its own.
type Book[K comparable, V any] struct {
	entries map[K]*list.Element
	order   list.List // of *page[K, V], the one used last in front
}

type page[K comparable, V any] struct {
	key   K
	value V
	last  int64
}

// Get returns the entity's value, a zero one if it has none, and forgets those that were idle for longer than idle
// milliseconds.
func (b *Book[K, V]) Get(key K, now, idle int64) *V {
	for e := b.order.Back(); e != nil && now-e.Value.(*page[K, V]).last > idle; e = b.order.Back() {
		b.remove(e)
	}
	if e := b.entries[key]; e != nil {
		b.order.MoveToFront(e)
		p := e.Value.(*page[K, V])
		p.last = now
		return &p.value
	}
	if b.entries == nil {
		b.entries = map[K]*list.Element{}
	}
	if len(b.entries) >= MaxEntities {
		b.remove(b.order.Back())
	}
	p := &page[K, V]{key: key, last: now}
	b.entries[key] = b.order.PushFront(p)
	return &p.value
}

func (b *Book[K, V]) remove(e *list.Element) {
	delete(b.entries, e.Value.(*page[K, V]).key)
	b.order.Remove(e)
}

// Len is the number of entities remembered.
func (b *Book[K, V]) Len() int { return len(b.entries) }
