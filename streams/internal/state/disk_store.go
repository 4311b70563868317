package state

import (
	"bytes"
	"errors"

	"github.com/cockroachdb/pebble/v2"
)

type (
	diskRead = pebble.Reader // the task's pending batch over the database, or a snapshot
	diskIter = *pebble.Iterator
)

// release lets go of the value of the last Get.
func (s *Store) release() {
	if s.held != nil {
		_ = s.held.Close() // the read is over: there is nothing left that could fail it
		s.held = nil
	}
}

func (s *Store) diskGet(key []byte) (value []byte, ok bool, err error) {
	s.release()
	if s.unsorted != nil {
		if v, deleted, known := s.unsorted.get(key); known {
			return v, !deleted, nil
		}
	}
	err = s.guard("get", func() error {
		if err := s.settle(); err != nil {
			return err
		}
		from := s.disk
		if t := s.task; t != nil && t.disk.batch.Empty() {
			from = s.db.pdb // which is cheaper
		}
		v, held, err := from.Get(key)
		if errors.Is(err, pebble.ErrNotFound) {
			return nil
		}
		value, ok, s.held = v, err == nil, held
		return err
	})
	return value, ok, err
}

func (s *Store) diskPut(key, value []byte) error {
	s.release()
	if ok, err := s.collects(len(key) + len(value)); err != nil || ok {
		if err == nil {
			s.unsorted.set(key, value, false)
		}
		return err
	}
	return s.guard("put", func() error {
		if b := s.task.disk.bulk; b != nil {
			if b.len()+len(key)+len(value) < bulkMaxBytes {
				b.put(key, value, false)
				return nil
			}
			if err := s.settle(); err != nil {
				return err
			}
		}
		return s.task.disk.batch.Set(key, value, nil)
	})
}

func (s *Store) diskDelete(key []byte) error {
	s.release()
	if ok, err := s.collects(len(key)); err != nil || ok {
		if err == nil {
			s.unsorted.set(key, nil, true)
		}
		return err
	}
	return s.guard("delete", func() error {
		if b := s.task.disk.bulk; b != nil {
			if b.len()+len(key) < bulkMaxBytes {
				b.put(key, nil, true)
				return nil
			}
			if err := s.settle(); err != nil {
				return err
			}
		}
		return s.task.disk.batch.Delete(key, nil)
	})
}

func (s *Store) diskDeleteRange(lo, hi []byte) error {
	s.release()
	return s.guard("delete range", func() error {
		if err := errors.Join(s.settle(), s.settleUnsorted()); err != nil {
			return err
		}
		return s.task.disk.batch.DeleteRange(lo, hi, nil)
	})
}

// settle ends what Collect collects, before a read or a write that needs the order.
func (s *Store) settle() error {
	if s.task == nil || s.task.disk.bulk == nil {
		return nil
	}
	return s.task.endBulk()
}

// diskScan gives the iterator a Pebble iterator: the one of the task that is
// at rest, since making one costs far more than giving it other bounds.
func (s *Store) diskScan(it *Iterator) error {
	s.release()
	o := &it.options
	o.LowerBound, o.UpperBound = it.lo, nil
	if !it.openHi {
		o.UpperBound = it.hi
	}
	return s.guard("scan", func() (err error) {
		if s.task == nil {
			it.disk, err = s.disk.NewIter(o)
			return err
		}
		if f := s.unsorted; f != nil && len(f.entries) < unsortedRest {
			s.scanned = true
		}
		if err := errors.Join(s.settle(), s.settleUnsorted()); err != nil {
			return err
		}
		d := &s.task.disk
		if it.disk, d.idle = d.idle, nil; it.disk != nil {
			it.disk.SetOptions(o)
		} else if it.disk, err = s.disk.NewIter(o); err != nil {
			return err
		}
		it.place = len(d.open)
		d.open = append(d.open, it)
		return nil
	})
}

func (it *Iterator) diskNext() bool {
	var ok bool
	err := it.s.guard("scan", func() error {
		switch {
		case it.started && it.reverse:
			ok = it.disk.Prev()
		case it.started:
			ok = it.disk.Next()
		case it.reverse:
			ok = it.disk.Last()
		default:
			ok = it.disk.First()
		}
		it.started = true
		if !ok {
			return it.disk.Error()
		}
		it.key = it.disk.Key()
		var err error
		it.value, err = it.disk.ValueAndErr()
		return err
	})
	switch {
	case err != nil:
		it.err = err
	case !ok:
		it.err = errEnd
	}
	return it.err == nil
}

func (it *Iterator) diskSeek(key []byte) (value []byte, ok bool, err error) {
	err = it.s.guard("scan", func() error {
		if !it.disk.SeekGE(key) || !bytes.Equal(it.disk.Key(), key) {
			return it.disk.Error()
		}
		ok = true
		var err error
		value, err = it.disk.ValueAndErr()
		return err
	})
	it.err = err
	return value, ok && err == nil, err
}

// diskClose puts the Pebble iterator to rest for the next scan, or closes it.
func (it *Iterator) diskClose() {
	p := it.disk
	it.disk = nil
	if p == nil {
		return
	}
	if t := it.s.task; t != nil {
		if it.epoch != t.epoch {
			return // closed by the commit
		}
		d := &t.disk
		last := len(d.open) - 1
		d.open[it.place], d.open[last] = d.open[last], nil
		if it.place < last {
			d.open[it.place].place = it.place
		}
		d.open = d.open[:last]
		if p.Error() == nil {
			p, d.idle = d.idle, p
		}
	}
	if p != nil {
		_ = p.Close() // its error was Err's
	}
}

// expireReads ends what was read from the batch that is about to change hands.
func (t *Task) expireReads() {
	for _, s := range t.order {
		s.release()
	}
	for _, it := range t.disk.open {
		_ = it.disk.Close()
		it.disk = nil
	}
	t.disk.open = t.disk.open[:0]
	t.disk.rest()
}

func (d *diskTask) rest() {
	if d.idle != nil {
		_ = d.idle.Close()
		d.idle = nil
	}
}
