package streams

import (
	"bytes"
	"fmt"
	"slices"

	"leat.dev/streams/internal/topology"
)

// sliceMerge is the function of Slices, nil if it is not given or does not fit.
func sliceMerge[A any](b *Builder, operator string, w Windows, s *settings) func(A, A) A {
	if s.merge == nil {
		return nil
	}
	merge, ok := s.merge.(func(A, A) A)
	if !ok {
		b.mistake(operator, fmt.Sprintf("the function of Slices is a %T", s.merge), fmt.Sprintf("it must be a %T", merge))
	}
	if w.kind != timeWindows || w.advance < 1 || w.advance > w.size {
		b.mistake(operator, "Slices is given for other windows than hopping ones", "leave it out")
		return nil
	}
	return merge
}

// slicedAggregate keeps one value for each slice of time, as long as the greatest common divisor of size and advance, in
// place of one for each window. A window's value is merged of those of its slices when it is sent or read.
//
// It gives what windows of their own would give. A record that is late for some windows of its slice only must not be in
// what is still to be sent of those: what is pending of them is sent before.
type slicedAggregate[K, V, A any] struct {
	*windowAggregate[K, V, A]
	*slicing[A]
}

// slicing is how windows are made of slices.
type slicing[A any] struct {
	merge                func(A, A) A
	length, every, slice Time // of a window, from one to the next, of a slice
}

func aggregateSlices[K, V, A any](g *windowAggregate[K, V, A], merge func(A, A) A) *WTable[K, A] {
	sl := &slicedAggregate[K, V, A]{g, &slicing[A]{merge, g.size, g.advance, gcd(g.size, g.advance)}}
	g.add(processor(sl.open), func() topology.Store {
		// With old values every update is sent at once: what a window was at the last flush is not known.
		spec := specOf(g.store, g.settings, true)
		spec.cached = spec.cached && (g.final || !*g.old)
		spec.timeFirst = g.final
		return windowStoreOf(spec, g.from.ks, g.as, sl.slice, g.retention, sl.slicing)
	})
	return g.windowsOf(&viewer[Windowed[K], A]{
		need: func() {}, stores: func() []string { return []string{g.store} },
		open: func(x *opening) (view[Windowed[K], A], error) {
			s := x.store(g.store).(*windowStore[K, A])
			return view[Windowed[K], A]{get: func(w Windowed[K]) (A, Time, bool, error) { return readSlices(s, w.Key, w.Start) }}, nil
		},
	})
}

func gcd(a, b Time) Time {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// part is the value of one or more slices.
type part[A any] struct {
	v  A
	at Time
	ok bool
}

// joined is a part followed by another. It calls the merge of the program.
func (g *slicing[A]) joined(a, b part[A]) (part[A], error) {
	switch {
	case !a.ok:
		return b, nil
	case !b.ok:
		return a, nil
	}
	v, err := call2(g.merge, a.v, b.v)
	return part[A]{v, max(a.at, b.at), true}, err
}

// readSlices gives a window.
func readSlices[K, A any](s *windowStore[K, A], k K, start Time) (v A, at Time, ok bool, err error) {
	var all part[A]
	rows := s.scan(k, start, start+s.slicing.length-1, false)
	for err == nil && rows.next() {
		all, err = s.slicing.joined(all, part[A]{rows.value, rows.at, true})
	}
	if closeErr := rows.close(); err == nil {
		err = closeErr
	}
	return all.v, all.at, all.ok, err
}

// slicedNode runs the aggregate.
type slicedNode[K, V, A any] struct {
	*windowNode[K, V, A]
	*slicedAggregate[K, V, A]
	around  []sliceAround[A] // the slices around a record, from the time of from on
	from    Time
	closing map[string]int // positions in windows, by key
	windows []closingWindow[K, A]
	late    map[lateSlice]Time // slices that hold records too late for some windows: what had closed before
	key     []byte
}

// sliceAround is what there is of a slice; dirty: its last put is still to be flushed.
type sliceAround[A any] struct {
	part[A]
	dirty bool
}

type closingWindow[K, A any] struct {
	key   []byte
	k     K
	value part[A]
}

type lateSlice struct {
	key   string
	start Time
}

func (g *slicedAggregate[K, V, A]) open(x *opening, next sink[Windowed[K], change[A]]) (sink[K, V], error) {
	n := &slicedNode[K, V, A]{slicedAggregate: g, closing: map[string]int{}, late: map[lateSlice]Time{}}
	w := &windowNode[K, V, A]{
		opening: x, windowAggregate: g.windowAggregate, kept: x.store(g.store).(*windowStore[K, A]), add: g.fold.open(x.node), next: next, nulls: g.fold.nulls,
	}
	w.clock = newCloser(x.node, w.kept.storeBase, g.clockName(), g.final, g.idle)
	n.windowNode = w
	if !g.final {
		w.direct = !w.kept.onFlush(n.flushed, false)
	}
	w.clock.whenIdle(func(now Time) error { return n.closeSlices(now-w.grace, true, nil) })
	return n.process, nil
}

func (n *slicedNode[K, V, A]) process(r *Record[K, V]) error {
	w := n.windowNode
	if r.NullKey {
		w.drop()
		return nil
	}
	closeTime := w.clock.observe(r.Time) - w.grace
	if err := beyondTime(r.Time, w.size, w.advance); err != nil {
		return w.failed(err)
	}
	first := firstWindow(r.Time, w.size, w.advance)
	late := first+w.size <= closeTime
	if w.final {
		if err := n.closeSlices(closeTime, late || w.endangered(r.Time), r.Headers); err != nil {
			return err
		}
	}
	if r.NullValue && !w.nulls {
		w.drop()
		return nil
	}
	for ; first <= r.Time && first+w.size <= closeTime; first += w.advance {
		w.drop()
	}
	if first > r.Time {
		return nil
	}
	start := r.Time / n.slice * n.slice
	if late && !w.final && !w.direct {
		if err := w.kept.flush(); err != nil {
			return err
		}
		if err := n.noteLate(r.Key, start, closeTime); err != nil {
			return err
		}
	}
	if err := w.hold(r); err != nil {
		return err
	}
	acc, at, has, err := w.kept.get(startsAt(w.key, start))
	if err != nil {
		return err
	}
	before := part[A]{acc, at, has}
	if !has {
		at = r.Time
		if acc, has, err = w.start(); err != nil {
			return w.failed(err)
		}
	} else if w.direct && *w.old {
		if before.v, _, _, err = w.kept.get(startsAt(w.key, start)); err != nil { // the callback may change acc
			return err
		}
	}
	v, keep, err := w.add(acc, has, r)
	if err != nil {
		return w.failed(err)
	}
	at = max(at, r.Time)
	key := startsAt(w.key, start)
	w.kept.under.put(key[:len(key)-8], int64(start))
	if err := w.kept.cells.put(key, Windowed[K]{r.Key, start, start + n.slice}, v, at, keep, r.Headers); err != nil || !w.direct {
		return err
	}
	return n.sendAround(r, start, first, before)
}

// sendAround sends the windows, from the first one on, that hold the slice that was just put.
func (n *slicedNode[K, V, A]) sendAround(r *Record[K, V], start, first Time, before part[A]) error {
	w := n.windowNode
	if err := n.gather(r.Key, w.key, first, r.Time+w.size); err != nil {
		return err
	}
	now := n.at(start).part
	for s := first; s <= r.Time; s += w.advance {
		value, was, failed := n.window(s, start, now, before)
		if failed != nil {
			return w.failed(failed)
		}
		w.out = Record[Windowed[K], change[A]]{
			Key: Windowed[K]{r.Key, s, s + w.size}, Time: value.at, Headers: r.Headers,
			Value: change[A]{New: value.v, HasNew: value.ok, Latest: true},
		}
		if !value.ok {
			w.out.Time = r.Time
		}
		if *w.old {
			w.out.Value.Old, w.out.Value.HasOld = was.v, was.ok
		}
		w.clock.meter.Emitted++
		if err := forward(w.task, w.next, &w.out); err != nil {
			return err
		}
	}
	return nil
}

// gather reads the slices of a key that begin in [from, to). The key of one of them is changed.
func (n *slicedNode[K, V, A]) gather(k K, key []byte, from, to Time) error {
	kept := n.windowNode.kept
	clear(n.around)
	n.from, n.around = from, slices.Grow(n.around[:0], int((to-from+n.slice-1)/n.slice))
	n.around = n.around[:(to-from+n.slice-1)/n.slice]
	clear(n.around)
	if starts, ok := kept.under.newest.between(key[:len(key)-8], int64(from), int64(to)); ok {
		for _, start := range starts {
			a := n.at(Time(start))
			var err error
			if a.v, a.at, a.ok, a.dirty, err = kept.part(startsAt(key, Time(start))); err != nil {
				return err
			}
		}
		return nil
	}
	rows := kept.scan(k, from, to-1, false)
	for rows.next() {
		n.at(rows.key.Start).part = part[A]{rows.value, rows.at, true}
	}
	if err := rows.close(); err != nil {
		return err
	}
	for i := range n.around {
		n.around[i].dirty = kept.dirty(startsAt(key, from+Time(i)*n.slice))
	}
	return nil
}

// at is one of the slices that were gathered.
func (n *slicedNode[K, V, A]) at(start Time) *sliceAround[A] {
	return &n.around[(start-n.from)/n.slice]
}

// window merges the slices of the window that begins at s, once with what the changed slice is and once with what it was.
func (n *slicedNode[K, V, A]) window(s, changed Time, now, before part[A]) (value, was part[A], err error) {
	w := n.windowNode
	for at := s; at < s+w.size; at += n.slice {
		p := n.at(at).part
		if at == changed {
			p = now
		}
		if value, err = n.joined(value, p); err != nil {
			return value, was, err
		}
		if !*w.old {
			continue
		}
		if at == changed {
			p = before
		}
		if was, err = n.joined(was, p); err != nil {
			return value, was, err
		}
	}
	return value, was, nil
}

// noteLate remembers what had closed when a slice took in a late record.
func (n *slicedNode[K, V, A]) noteLate(k K, start, closeTime Time) (err error) {
	if n.key, err = n.windowNode.kept.prefix(n.key[:0], k); err != nil {
		return err
	}
	n.late[lateSlice{string(n.key[:len(n.key)-8]), start}] = closeTime
	return nil
}

// flushed turns the flush of a slice into updates of the windows that hold it: of each window once, with the last of its
// slices.
func (n *slicedNode[K, V, A]) flushed(r *Record[Windowed[K], change[A]]) (err error) {
	w := n.windowNode
	k, start := r.Key.Key, r.Key.Start
	closed := Time(-1)
	if n.key, err = w.kept.prefix(n.key[:0], k); err != nil {
		return err
	}
	if len(n.late) > 0 {
		late := lateSlice{string(n.key[:len(n.key)-8]), start}
		if at, ok := n.late[late]; ok {
			closed = at
			delete(n.late, late)
		}
	}
	first := firstWindow(start+n.slice-1, w.size, w.advance)
	if err := n.gather(k, n.key, first, start+w.size); err != nil {
		return err
	}
	at, headers := r.Time, r.Headers
	for s := first; s <= start; s += w.advance {
		if s+w.size <= closed {
			continue
		}
		if n.sentLater(s, start) {
			continue
		}
		value, _, failed := n.window(s, -1, part[A]{}, part[A]{})
		if failed != nil {
			if err := w.failed(failed); err != nil {
				return err
			}
			continue
		}
		w.out = Record[Windowed[K], change[A]]{
			Key: Windowed[K]{k, s, s + w.size}, Time: value.at, Headers: headers,
			Value: change[A]{New: value.v, HasNew: value.ok, Latest: true},
		}
		if !value.ok {
			w.out.Time = at
		}
		if err := forward(w.task, w.next, &w.out); err != nil {
			return err
		}
	}
	return nil
}

// sentLater tells that another slice of a window is still to be flushed.
func (n *slicedNode[K, V, A]) sentLater(s, but Time) bool {
	for at := s; at < s+n.windowNode.size; at += n.slice {
		if at != but && n.at(at).dirty {
			return true
		}
	}
	return false
}

// closeSlices sends the windows that closed since it did so last, in order of start and key.
func (n *slicedNode[K, V, A]) closeSlices(closeTime Time, force bool, h Headers) error {
	w := n.windowNode
	from, to, any := w.closed(closeTime)
	if !any || !w.clock.due(closeTime, force) {
		return nil
	}
	// Windows without a slice are passed over: there may be years between two records.
	for s := (from + w.advance - 1) / w.advance * w.advance; s <= to; s += w.advance {
		next, err := n.collect(s, to)
		if err != nil {
			return err
		}
		if next > s {
			s = next - w.advance
			continue
		}
		if err := n.sendCollected(s, h); err != nil {
			return err
		}
	}
	w.clock.done(closeTime)
	return nil
}

// collect merges the slices of the window that begins at s, by key. If it has none, it gives the first window after it
// that has: at most one behind to.
func (n *slicedNode[K, V, A]) collect(s, to Time) (next Time, err error) {
	w := n.windowNode
	clear(n.closing)
	n.windows = n.windows[:0]
	next = s
	rows := w.kept.scanAll(s, to+w.size-1)
	for err == nil && rows.next() {
		if rows.key.Start >= s+w.size {
			if len(n.windows) == 0 {
				next = max(s, firstWindow(rows.key.Start+n.slice-1, w.size, w.advance))
			}
			break
		}
		if n.key, err = w.from.ks.Append(n.key[:0], "", nil, rows.key.Key); err != nil {
			break
		}
		i, ok := n.closing[string(n.key)]
		if !ok {
			i = len(n.windows)
			n.windows = append(n.windows, closingWindow[K, A]{key: bytes.Clone(n.key), k: rows.key.Key})
			n.closing[string(n.key)] = i
		}
		var failed error
		if n.windows[i].value, failed = n.joined(n.windows[i].value, part[A]{rows.value, rows.at, true}); failed != nil {
			err = w.failed(failed)
		}
	}
	if closeErr := rows.close(); err == nil {
		err = closeErr
	}
	if len(n.windows) == 0 && next == s {
		next = to + w.advance
	}
	return next, err
}

func (n *slicedNode[K, V, A]) sendCollected(s Time, h Headers) error {
	w := n.windowNode
	slices.SortFunc(n.windows, func(a, b closingWindow[K, A]) int { return bytes.Compare(a.key, b.key) })
	for i := range n.windows {
		c := &n.windows[i]
		w.out = Record[Windowed[K], change[A]]{
			Key: Windowed[K]{c.k, s, s + w.size}, Time: c.value.at, Headers: h,
			Value: change[A]{New: c.value.v, HasNew: true, Latest: true},
		}
		if err := forward(w.task, w.next, &w.out); err != nil {
			return err
		}
	}
	return nil
}

// dirty tells that a window was put since the store was flushed.
func (s *windowStore[K, V]) dirty(key []byte) bool {
	e := s.find(key)
	return e != nil && e.dirty != nil
}
