package streams

// flush writes every dirty entry through, in the order of their last puts: it is put into the state, logged, and forwarded
// as one change from what was there before its first put. What downstream nodes put meanwhile into this very store is
// flushed too.
func (c *cells[K, V]) flush() error {
	for c.first != nil {
		if err := c.flushFrom(c.first); err != nil {
			return err
		}
	}
	c.expire()
	return nil
}

// expire forgets objects that nobody is shown any more. Windows come to the end of their tier about in the order of time.
func (c *cells[K, V]) expire() {
	for e := c.lru[tierObjects].oldest; e != nil && !c.state.visible(bytesOf(e.key)); e = c.lru[tierObjects].oldest {
		c.drop(e)
	}
}

// flushFrom writes through one entry, and then all others that are dirty now.
func (c *cells[K, V]) flushFrom(d *dirt[K, V]) error {
	c.busy++
	defer func() { c.busy-- }()
	limit := c.seq
	if err := c.flushOne(d); err != nil {
		return err
	}
	for c.first != nil && c.first.seq <= limit {
		if err := c.flushOne(c.first); err != nil {
			return err
		}
	}
	return nil
}

func (c *cells[K, V]) flushOne(d *dirt[K, V]) error {
	e := d.e
	c.unlink(d)
	e.dirty = nil
	if c.ordered != nil {
		c.ordered.Delete(e.key)
	}
	c.hasMissed = false
	saved := c.task.rc
	c.task.rc = d.record.context(d.at, d.headers)
	err := c.write(e, d)
	c.task.rc = saved
	if e.dirty == nil && !e.ok && c.entries[e.key] == e {
		c.drop(e)
	}
	c.recycle(d)
	return err
}

func (c *cells[K, V]) write(e *entry[K, V], d *dirt[K, V]) error {
	key := bytesOf(e.key)
	needOld := c.forward != nil && (c.sendOld || !e.ok)
	if needOld && !d.known {
		b, ok, err := c.state.read(key)
		if err != nil {
			return err
		}
		if ok {
			if err := c.load(&d.old, b); err != nil {
				return err
			}
		}
		d.old.ok = ok
	}
	if c.forward != nil && !e.ok && !d.old.ok {
		return nil // nothing was there, nothing is: nobody needs to know
	}
	var full []byte
	var plain int
	if e.ok {
		var err error
		full, plain, err = c.encode(&e.v, e.raw, e.at, e.headers)
		if err != nil {
			return c.unwritable(e, err)
		}
		c.resize(e, len(full))
	}
	if _, err := c.state.write(key, full); err != nil {
		return err
	}
	if c.logged {
		if err := c.state.log(key, full[plain:], e.at, e.headers); err != nil {
			return err
		}
	}
	if c.forward == nil {
		return nil
	}
	return c.send(e, d)
}

// unwritable asks the processing handler about a value that its serde refuses. If it is to be skipped, the store keeps
// what it had before.
func (c *cells[K, V]) unwritable(e *entry[K, V], err error) error {
	if err := c.task.processingFailed(c.meta.Name, err); err != nil {
		return err
	}
	if c.entries[e.key] == e {
		c.drop(e)
	}
	return nil
}

// send forwards the change. The record is one of a stack of records: a sink must not keep it, and may come back here.
func (c *cells[K, V]) send(e *entry[K, V], d *dirt[K, V]) error {
	depth := c.busy - 1
	for len(c.records) <= depth {
		c.records = append(c.records, &Record[K, change[V]]{})
	}
	r := c.records[depth]
	*r = Record[K, change[V]]{Key: d.key, Time: e.at, Headers: d.headers, Value: change[V]{HasNew: e.ok, Latest: true}}
	var err error
	if !c.keys {
		if r.Key, err = c.state.decode(bytesOf(e.key)); err != nil {
			return err
		}
	}
	if e.ok {
		if r.Value.New, err = c.value(&e.cell); err != nil {
			return err
		}
	}
	if c.sendOld && d.old.ok {
		r.Value.HasOld = true
		if r.Value.Old, err = c.value(&d.old); err != nil {
			return err
		}
	}
	if c.endTime != nil {
		r.Time = c.endTime(r.Key)
	}
	return c.forward(r)
}

func (c *cells[K, V]) recycle(d *dirt[K, V]) {
	var noKey K
	c.task.releaseRecord(d.record)
	raw := d.old.raw[:0]
	d.old = cell[V]{raw: raw}
	d.e, d.record, d.headers, d.key, d.known = nil, nil, nil, noKey, false
	d.next = c.pool
	c.pool = d
}

// resize corrects the counted size of an entry once its serialized size is known.
func (c *cells[K, V]) resize(e *entry[K, V], n int) {
	by := int32(n) - e.valueSize //nolint:gosec // below MaxValueBytes
	e.valueSize += by
	if e.tier == tierRecords {
		e.size += by
		c.budget.records.used += int64(by)
	}
}
