package streams

// sessionNode runs an aggregate into sessions (KStreamSessionWindowAggregate).
type sessionNode[K, V, A any] struct {
	*opening
	*sessionAggregate[K, V, A]
	clock  *closer
	kept   *sessionStore[K, A]
	add    func(acc A, has bool, r *Record[K, V]) (A, bool, error)
	join   merger[K, A]
	next   sink[Windowed[K], change[A]]
	direct bool
	found  []foundSession[K, A]
	out    Record[Windowed[K], change[A]]
}

type foundSession[K, A any] struct {
	w Windowed[K]
	v A
}

func (g *sessionAggregate[K, V, A]) open(x *opening, next sink[Windowed[K], change[A]]) (sink[K, V], error) {
	n := &sessionNode[K, V, A]{
		opening: x, sessionAggregate: g, kept: x.store(g.store).(*sessionStore[K, A]), add: g.fold.open(x.node), join: g.merge(x.node), next: next,
	}
	n.clock = newCloser(x.node, n.kept.storeBase, g.clockName(), g.final, g.idle)
	if !g.final {
		n.direct = !n.kept.onFlush(next, *g.old)
	}
	n.clock.whenIdle(func(now Time) error { return n.closeSessions(now-g.grace-g.gap, true, nil) })
	return n.process, nil
}

func (n *sessionNode[K, V, A]) process(r *Record[K, V]) error {
	if r.NullKey {
		n.drop()
		return nil
	}
	closeTime := n.clock.observe(r.Time) - n.grace - n.gap
	if n.final {
		if err := n.closeSessions(closeTime, n.endangered(r.Time), r.Headers); err != nil {
			return err
		}
	}
	if r.NullValue && !n.fold.nulls {
		n.drop()
		return nil
	}
	merged, acc, has, failed, err := n.find(r)
	if err != nil {
		return err
	}
	if failed != nil {
		return n.failed(failed)
	}
	if merged.End < closeTime {
		n.drop()
		return nil
	}
	v, keep, failed := n.add(acc, has, r)
	if failed != nil {
		return n.failed(failed)
	}
	if merged.Start != r.Time || merged.End != r.Time {
		for i := range n.found {
			f := &n.found[i]
			if err := n.put(f.w, r, f.v, true, f.v, false); err != nil {
				return err
			}
		}
	}
	var none A
	return n.put(merged, r, none, false, v, keep)
}

// endangered tells that the store will forget sessions that closed and were not sent, once a record of that time is in it.
func (n *sessionNode[K, V, A]) endangered(at Time) bool {
	gone := at - n.retention
	if !n.settings.inMemory {
		gone = gone / Time(n.kept.interval) * Time(n.kept.interval)
	}
	return gone > Time(*n.clock.emitted)
}

// find gives the session that a record is in, and what the sessions that it consists of come to.
func (n *sessionNode[K, V, A]) find(r *Record[K, V]) (merged Windowed[K], acc A, has bool, failed, err error) {
	merged = Windowed[K]{r.Key, r.Time, r.Time}
	n.found = n.found[:0]
	if acc, has, failed = n.start(); failed != nil {
		return merged, acc, has, failed, nil
	}
	rows := n.kept.find(r.Key, r.Time-n.gap, r.Time+n.gap)
	for rows.next() {
		n.found = append(n.found, foundSession[K, A]{rows.key, rows.value})
	}
	if err := rows.close(); err != nil {
		return merged, acc, has, nil, err
	}
	for i := range n.found {
		f := &n.found[i]
		merged.Start, merged.End = min(merged.Start, f.w.Start), max(merged.End, f.w.End)
		if !has && n.reduces {
			acc, has = f.v, true
		} else if acc, has, failed = n.join(r.Key, acc, f.v); failed != nil {
			break
		}
	}
	return merged, acc, has, failed, nil
}

// put keeps a session's value, or removes it, and sends the update.
func (n *sessionNode[K, V, A]) put(w Windowed[K], r *Record[K, V], old A, hadOld bool, v A, keep bool) error {
	if err := n.kept.put(w, v, r.Time, keep, r.Headers); err != nil || !n.direct {
		return err
	}
	n.out = Record[Windowed[K], change[A]]{Key: w, Time: w.End, Value: change[A]{HasNew: keep, Latest: true}}
	if keep {
		n.out.Value.New = v
	}
	if *n.old {
		n.out.Value.Old, n.out.Value.HasOld = old, hadOld
	}
	return forward(n.task, n.next, &n.out)
}

// closeSessions sends the results of sessions that closed since it did so last, in order of their ends. As with windows,
// it looks before the record in hand is put.
func (n *sessionNode[K, V, A]) closeSessions(closeTime Time, force bool, h Headers) (err error) {
	if closeTime < 1 || !n.clock.due(closeTime, force) {
		return nil
	}
	rows := n.kept.closing(max(0, Time(*n.clock.emitted)), closeTime-1)
	defer func() {
		if closeErr := rows.close(); err == nil {
			err = closeErr
		}
	}()
	for rows.next() {
		n.out = Record[Windowed[K], change[A]]{Key: rows.key, Time: rows.key.End, Headers: h, Value: change[A]{New: rows.value, HasNew: true, Latest: true}}
		n.clock.meter.Emitted++
		if err := forward(n.task, n.next, &n.out); err != nil {
			return err
		}
	}
	n.clock.done(closeTime)
	return nil
}
