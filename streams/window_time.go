package streams

import "fmt"

// windowNode runs an aggregate into tumbling, hopping or unlimited windows (KStreamWindowAggregate), and has what sliding
// ones share with them.
type windowNode[K, V, A any] struct {
	*opening
	*windowAggregate[K, V, A]
	clock  *closer
	kept   *windowStore[K, A]
	add    func(acc A, has bool, r *Record[K, V]) (A, bool, error)
	next   sink[Windowed[K], change[A]]
	direct bool // updates are sent as they happen: not by the cache, and not as final results
	out    Record[Windowed[K], change[A]]
	nulls  bool   // records without a value reach the callback
	again  bool   // a value must be read again before the callback changes it
	key    []byte // of the record in hand, with room for a window's start
}

func newWindowNode[K, V, A any](x *opening, g *windowAggregate[K, V, A], next sink[Windowed[K], change[A]]) *windowNode[K, V, A] {
	n := &windowNode[K, V, A]{
		opening: x, windowAggregate: g, kept: x.store(g.store).(*windowStore[K, A]), add: g.fold.open(x.node), next: next,
		nulls: g.fold.nulls, again: !shareable[A](),
	}
	n.clock = newCloser(x.node, n.kept.storeBase, g.clockName(), g.final, g.idle)
	if !g.final {
		n.direct = !n.kept.onFlush(next, *g.old)
	}
	n.clock.whenIdle(func(now Time) error { return n.closeWindows(now-g.grace, true, nil) })
	return n
}

func (n *windowNode[K, V, A]) process(r *Record[K, V]) error {
	if r.NullKey {
		n.drop()
		return nil
	}
	closeTime := n.clock.observe(r.Time) - n.grace
	if n.w.kind != unlimitedWindows {
		if err := beyondTime(r.Time, n.size, n.advance); err != nil {
			return n.failed(err)
		}
	}
	if n.final {
		if err := n.closeWindows(closeTime, n.endangered(r.Time), r.Headers); err != nil {
			return err
		}
	}
	if r.NullValue && !n.nulls {
		n.drop()
		return nil
	}
	if err := n.hold(r); err != nil {
		return err
	}
	if n.w.kind == unlimitedWindows {
		if r.Time < n.w.start {
			return nil
		}
		return n.update(r, n.w.start)
	}
	for start := firstWindow(r.Time, n.size, n.advance); start <= r.Time; start += n.advance {
		if start+n.size <= closeTime {
			n.drop()
			continue
		}
		if err := n.update(r, start); err != nil {
			return err
		}
	}
	return nil
}

// hold serializes the key of the record in hand, for all of its windows.
func (n *windowNode[K, V, A]) hold(r *Record[K, V]) (err error) {
	n.key, err = n.kept.prefix(n.key[:0], r.Key)
	return err
}

// beyondTime is an error for a time so far in the future that a window of it would end behind the last time there is.
func beyondTime(at, size, advance Time) error {
	if last := at / advance * advance; last > Forever-size {
		return fmt.Errorf("the window from %d on would end after the last time there is, %d", last, Forever)
	}
	return nil
}

// firstWindow is the start of the first window that holds a time.
func firstWindow(at, size, advance Time) Time { return max(0, at-size+advance) / advance * advance }

// endangered tells that the store will forget windows that closed and were not sent, once a record of that time is in it.
func (n *windowNode[K, V, A]) endangered(at Time) bool {
	if n.w.kind != slidingWindows {
		at = at / n.advance * n.advance
	}
	return at-n.retention >= Time(*n.clock.emitted)-n.size+min(n.advance, 1)
}

// update takes a record into one window.
func (n *windowNode[K, V, A]) update(r *Record[K, V], start Time) error {
	acc, at, has, err := n.kept.get(startsAt(n.key, start))
	if err != nil {
		return err
	}
	if !has {
		at = r.Time
		if acc, has, err = n.start(); err != nil {
			return n.failed(err)
		}
	}
	return n.fold(r, start, windowEnd(start, int64(n.size)), acc, at, has)
}

// fold takes a record into a window whose value is acc.
func (n *windowNode[K, V, A]) fold(r *Record[K, V], start, end Time, acc A, at Time, has bool) error {
	old, hadOld := acc, has
	if n.again && has && n.direct && *n.old {
		was, _, ok, err := n.kept.get(startsAt(n.key, start))
		if err != nil {
			return err
		}
		if ok {
			old = was
		}
	}
	v, keep, err := n.add(acc, has, r)
	if err != nil {
		return n.failed(err)
	}
	return n.put(r, start, end, v, max(at, r.Time), keep, old, hadOld)
}

// put keeps a window's value and sends the update. A window that is removed has the record's time in the store.
func (n *windowNode[K, V, A]) put(r *Record[K, V], start, end Time, v A, at Time, keep bool, old A, hadOld bool) error {
	storeAt := at
	if !keep {
		storeAt = r.Time
	}
	if err := n.kept.cells.put(startsAt(n.key, start), Windowed[K]{r.Key, start, windowEnd(start, n.kept.size)}, v, storeAt, keep, r.Headers); err != nil || !n.direct {
		return err
	}
	n.out = Record[Windowed[K], change[A]]{Key: Windowed[K]{r.Key, start, end}, Time: at, Headers: r.Headers, Value: change[A]{New: v, HasNew: keep, Latest: true}}
	if *n.old {
		n.out.Value.Old, n.out.Value.HasOld = old, hadOld
	}
	return forward(n.task, n.next, &n.out)
}

// closeWindows sends the results of windows that closed since it did so last: those that start in the range that ended by
// closeTime, in order of start and key. It looks before the record in hand is put, so that no window is forgotten before.
func (n *windowNode[K, V, A]) closeWindows(closeTime Time, force bool, h Headers) error {
	from, to, any := n.closed(closeTime)
	if !any || !n.clock.due(closeTime, force) {
		return nil
	}
	if err := n.sendClosed(from, to, h); err != nil {
		return err
	}
	n.clock.done(closeTime)
	return nil
}

// closed is the range of starts of windows that have closed and were not sent; any is false if no window can be in it.
func (n *windowNode[K, V, A]) closed(closeTime Time) (from, to Time, any bool) {
	emitted := Time(*n.clock.emitted)
	if n.w.kind == slidingWindows {
		to = closeTime - n.size - 1
		if emitted >= 0 {
			from = max(0, emitted-n.size)
		}
		return from, to, to >= from
	}
	to = closeTime - n.size
	if emitted >= 0 {
		from = max(0, emitted-n.size) + 1
	}
	return from, to, to >= 0 && to/n.advance*n.advance >= from
}

func (n *windowNode[K, V, A]) sendClosed(from, to Time, h Headers) (err error) {
	rows := n.kept.scanAll(from, to)
	defer func() {
		if closeErr := rows.close(); err == nil {
			err = closeErr
		}
	}()
	for rows.next() {
		n.out = Record[Windowed[K], change[A]]{Key: rows.key, Time: rows.at, Headers: h, Value: change[A]{New: rows.value, HasNew: true, Latest: true}}
		n.clock.meter.Emitted++
		if err := forward(n.task, n.next, &n.out); err != nil {
			return err
		}
	}
	return nil
}
