package streams

import "slices"

// slidingNode runs an aggregate into sliding windows (KStreamSlidingWindowAggregate). Each record has a window that ends
// with it, its left window, and one that begins right behind it, its right window, as soon as other records are in it. A
// window is kept with the time of its last record.
type slidingNode[K, V, A any] struct {
	*windowNode[K, V, A]
	starts []Time // of the windows that were found for a record
}

// slidingWindow is what is known of a window while a record is taken in.
type slidingWindow[A any] struct {
	v     A
	at    Time // its last record
	start Time
	found bool
}

func (n *slidingNode[K, V, A]) process(r *Record[K, V]) error {
	if r.NullKey || r.NullValue {
		n.drop()
		return nil
	}
	closeTime := n.clock.observe(r.Time) - n.grace
	if r.Time+n.size < closeTime {
		n.drop()
		return nil
	}
	if err := n.hold(r); err != nil {
		return err
	}
	if r.Time < n.size {
		return n.early(r, closeTime)
	}
	if n.final {
		if err := n.closeWindows(closeTime, n.endangered(r.Time), r.Headers); err != nil {
			return err
		}
	}
	return n.late(r, closeTime)
}

// late takes in a record whose left window begins at zero or later, going back from its right window.
func (n *slidingNode[K, V, A]) late(r *Record[K, V], closeTime Time) error {
	var left, right slidingWindow[A] // what the windows that the record may need begin with
	leftThere, rightThere := false, false
	before, hasBefore := Time(0), false // the record before
	n.starts = n.starts[:0]
	stop, known := false, false
	rows := n.kept.scan(r.Key, max(0, r.Time-2*n.size), r.Time+1, true)
	err := func() error {
		for !stop && rows.next() {
			start, last := rows.key.Start, rows.at
			end := start + n.size
			n.starts = append(n.starts, start)
			switch {
			case start == r.Time+1:
				rightThere = true
			case end > r.Time:
				if !right.found {
					var err error
					if right, err = n.own(r.Key, start, rows.value, last); err != nil {
						return err
					}
				}
				if err := n.take(r, closeTime, start, rows.value, last, true); err != nil {
					return err
				}
			case end == r.Time:
				leftThere = true
				if err := n.take(r, closeTime, start, rows.value, last, true); err != nil {
					return err
				}
				if last >= r.Time { // a record of that time was there: all its windows are
					stop, known = true, true
					break
				}
				before, hasBefore = last, true
			default:
				left = slidingWindow[A]{rows.value, last, start, true}
				before, hasBefore, stop = last, true, true
			}
		}
		return nil
	}()
	if closeErr := rows.close(); err == nil {
		err = closeErr
	}
	if err != nil || known {
		return err
	}
	if hasBefore && !slices.Contains(n.starts, before+1) && before+1+n.size >= r.Time {
		if err := n.begin(r, closeTime, before+1); err != nil {
			return err
		}
	}
	if !leftThere {
		if hasBefore && r.Time-n.size <= before {
			err = n.seed(r, closeTime, &left)
		} else {
			err = n.begin(r, closeTime, r.Time-n.size)
		}
		if err != nil {
			return err
		}
	}
	if !rightThere {
		return n.copyRight(r, &right)
	}
	return nil
}

// seed makes the record's left window from the latest window before it. In Kafka that one's value is what the update replaces.
func (n *slidingNode[K, V, A]) seed(r *Record[K, V], closeTime Time, from *slidingWindow[A]) error {
	start := r.Time - n.size
	if !from.found || start+n.size < closeTime {
		return n.take(r, closeTime, start, from.v, r.Time, false)
	}
	old := from.v
	if n.again && n.direct && *n.old {
		var err error
		if old, _, _, err = n.kept.fetch(r.Key, from.start); err != nil {
			return err
		}
	}
	v, keep, err := n.add(from.v, true, r)
	if err != nil {
		return n.failed(err)
	}
	return n.put(r, start, start+n.size, v, r.Time, keep, old, true)
}

// early takes in a record that is closer to zero than a window is long: the window that begins at zero is its left one.
func (n *slidingNode[K, V, A]) early(r *Record[K, V], closeTime Time) error {
	var first, right slidingWindow[A]
	rightThere := false
	before, hasBefore := Time(0), false
	n.starts = n.starts[:0]
	rows := n.kept.scan(r.Key, 0, r.Time+1, false)
	err := func() error {
		for rows.next() {
			start, last := rows.key.Start, rows.at
			n.starts = append(n.starts, start)
			var err error
			switch {
			case start == 0:
				first = slidingWindow[A]{rows.value, last, start, true}
				if last < r.Time {
					before, hasBefore = last, true
				}
			case start <= r.Time:
				if right, err = n.own(r.Key, start, rows.value, last); err != nil {
					return err
				}
				err = n.take(r, closeTime, start, rows.value, last, true)
			default:
				rightThere = true
			}
			if err != nil {
				return err
			}
		}
		return nil
	}()
	if closeErr := rows.close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	if !right.found && first.found && first.at > r.Time {
		if right, err = n.own(r.Key, 0, first.v, first.at); err != nil {
			return err
		}
	}
	if !rightThere {
		if err := n.copyRight(r, &right); err != nil {
			return err
		}
	}
	if hasBefore && !slices.Contains(n.starts, before+1) {
		if err := n.begin(r, closeTime, before+1); err != nil {
			return err
		}
	}
	if !first.found {
		return n.begin(r, closeTime, 0)
	}
	return n.take(r, closeTime, 0, first.v, first.at, true)
}

// own is a window's value, to be kept while the callback may change the one that was read.
func (n *slidingNode[K, V, A]) own(k K, start Time, v A, at Time) (w slidingWindow[A], err error) {
	w = slidingWindow[A]{v, at, start, true}
	if n.again {
		w.v, _, _, err = n.kept.fetch(k, start)
	}
	return w, err
}

// begin makes a window with the record alone.
func (n *slidingNode[K, V, A]) begin(r *Record[K, V], closeTime, start Time) error {
	v, ok, err := n.start()
	if err != nil {
		return n.failed(err)
	}
	if start+n.size < closeTime {
		n.drop()
		return nil
	}
	old := v
	if n.again && ok && n.direct && *n.old {
		if old, _, err = n.start(); err != nil {
			return n.failed(err)
		}
	}
	v, keep, err := n.add(v, ok, r)
	if err != nil {
		return n.failed(err)
	}
	return n.put(r, start, start+n.size, v, r.Time, keep, old, ok)
}

// take takes the record into a window, unless that has closed.
func (n *slidingNode[K, V, A]) take(r *Record[K, V], closeTime, start Time, v A, last Time, has bool) error {
	if start+n.size < closeTime {
		n.drop()
		return nil
	}
	if !has {
		last = r.Time
	}
	return n.fold(r, start, start+n.size, v, last, has)
}

// copyRight makes the record's right window, of what is behind the record, if there is something.
func (n *slidingNode[K, V, A]) copyRight(r *Record[K, V], from *slidingWindow[A]) error {
	if !from.found || from.at <= r.Time {
		return nil
	}
	var none A
	return n.put(r, r.Time+1, r.Time+1+n.size, from.v, from.at, true, none, false)
}
