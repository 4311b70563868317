package transport

import (
	"container/list"
	"context"
	"net/netip"
	"sync"
	"time"
)

// Budget bounds the bytes of request frames held in memory by all connections together.
//
// One address may hold three quarters of it, and those who wait are served by address in turns, of one address in the
// order they came: whoever claims large frames and does not send them keeps others waiting only from the same address.
// A large frame is not starved by small ones: the address whose turn it is keeps it until there is room.
type Budget struct {
	size, share int64
	// stuck, if set, is called every checkInterval by those who wait.
	stuck func()

	mu      sync.Mutex
	used    int64
	waited  int64
	holders map[netip.Prefix]*holder
	turns   *list.List // of *holder, those with waiters; the front is next
}

// holder is an address with frames in memory, or waiting for it.
type holder struct {
	used    int64
	waiting list.List     // of *waiter
	turn    *list.Element // in turns; nil without waiters
}

type waiter struct {
	n       int64
	granted chan struct{}
}

// checkInterval is how often those who wait look for what keeps them waiting.
const checkInterval = 250 * time.Millisecond

// NewBudget returns a budget of size bytes.
func NewBudget(size int64) *Budget {
	return &Budget{size: size, share: max(1, size-size/4), holders: map[netip.Prefix]*holder{}, turns: list.New()}
}

// network is what counts as one address: of IPv6, what a provider gives one customer at least.
func network(ip netip.Addr) netip.Prefix {
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	p, _ := ip.Prefix(bits)
	return p
}

// Acquire waits for n bytes and returns what to release; a frame larger than the address's share takes all of that.
func (b *Budget) Acquire(ctx context.Context, ip netip.Addr, n int64) (int64, error) {
	if n = min(n, b.share); n == 0 {
		return 0, nil // without queueing behind those who wait
	}
	key := network(ip)
	b.mu.Lock()
	h := b.holders[key]
	if h == nil {
		h = &holder{}
		b.holders[key] = h
	}
	if b.turns.Len() == 0 && b.fits(h, n) {
		b.take(h, n)
		b.mu.Unlock()
		return n, nil
	}
	b.waited++
	w := &waiter{n: n, granted: make(chan struct{})}
	place := h.waiting.PushBack(w)
	if h.turn == nil {
		h.turn = b.turns.PushBack(h)
	}
	b.grant() // the others may wait for their share only
	b.mu.Unlock()
	if err := b.await(ctx, w); err == nil {
		return n, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-w.granted: // in the last moment
		b.give(key, h, n)
	default:
		h.waiting.Remove(place)
		b.settle(key, h)
		b.grant()
	}
	return 0, ctx.Err()
}

func (b *Budget) await(ctx context.Context, w *waiter) error {
	t := time.NewTimer(checkInterval)
	defer t.Stop()
	for {
		select {
		case <-w.granted:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
			if b.stuck != nil {
				b.stuck()
			}
			t.Reset(checkInterval)
		}
	}
}

// fits tells whether n bytes are free, for the holder too. mu is held, as for what follows.
func (b *Budget) fits(h *holder, n int64) bool { return b.used+n <= b.size && h.used+n <= b.share }

func (b *Budget) take(h *holder, n int64) {
	b.used += n
	h.used += n
}

func (b *Budget) give(key netip.Prefix, h *holder, n int64) {
	b.used -= n
	h.used -= n
	b.settle(key, h)
	b.grant()
}

// settle forgets a holder with nothing, and takes one without waiters out of the turns.
func (b *Budget) settle(key netip.Prefix, h *holder) {
	if h.waiting.Len() > 0 {
		return
	}
	if h.turn != nil {
		b.turns.Remove(h.turn)
		h.turn = nil
	}
	if h.used == 0 {
		delete(b.holders, key)
	}
}

// grant serves waiters in turns until the next has to wait for room. One whose own share is used up is passed over.
func (b *Budget) grant() {
	for e := b.turns.Front(); e != nil; {
		h := e.Value.(*holder)
		w := h.waiting.Front().Value.(*waiter)
		next := e.Next()
		switch {
		case h.used+w.n > b.share:
			e = next
			continue
		case b.used+w.n > b.size:
			return
		}
		b.take(h, w.n)
		close(w.granted)
		h.waiting.Remove(h.waiting.Front())
		if h.waiting.Len() == 0 {
			b.turns.Remove(e)
			h.turn = nil
		} else {
			b.turns.MoveToBack(e)
		}
		e = b.turns.Front()
	}
}

// Release gives n bytes back that were acquired for the address.
func (b *Budget) Release(ip netip.Addr, n int64) {
	if n == 0 {
		return
	}
	key := network(ip)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.give(key, b.holders[key], n)
}

// InUse is the number of bytes reserved now, Waits how often a frame had to wait for room.
func (b *Budget) InUse() int64 { b.mu.Lock(); defer b.mu.Unlock(); return b.used }
func (b *Budget) Waits() int64 { b.mu.Lock(); defer b.mu.Unlock(); return b.waited }
