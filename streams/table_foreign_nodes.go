package streams

import (
	"bytes"
	"fmt"

	"leat.dev/streams/internal/codec"
)

// openSend tells the right rows that are referred to, or were, about a change of a left row.
func (j *foreignJoin[K, L, FK, R, O]) openSend(x *opening, next sink[[]byte, []byte]) (sink[K, change[L]], error) {
	s := &foreignSender[K, L, FK, R, O]{opening: x, foreignJoin: j, next: next, versioned: parentVersioned(j.n.send)}
	return s.take, nil
}

type foreignSender[K, L, FK, R, O any] struct {
	*opening
	*foreignJoin[K, L, FK, R, O]
	next          sink[[]byte, []byte]
	versioned     bool
	primary       []byte
	before, after foreignBytes
	hashed        []byte
	value         []byte
	out           Record[[]byte, []byte]
}

// foreignBytes is a serialized foreign key, or none.
type foreignBytes struct {
	b  []byte
	ok bool
}

func (s *foreignSender[K, L, FK, R, O]) take(r *Record[K, change[L]]) error {
	c := &r.Value
	if s.versioned && !c.Latest {
		s.drop()
		return nil
	}
	if s.isLeft && !c.HasOld && !c.HasNew {
		return nil
	}
	if err := s.refer(&s.before, r.Key, c.Old, c.HasOld); err != nil {
		return s.failed(err)
	}
	if err := s.refer(&s.after, r.Key, c.New, c.HasNew); err != nil {
		return s.failed(err)
	}
	sub := codec.Subscription{Version: 1, Partition: s.task.id.Partition, Hashed: c.HasNew}
	var err error
	if s.primary, err = s.ks.Append(s.primary[:0], s.names.primaryTopic, nil, r.Key); err != nil {
		return s.failed(err)
	}
	sub.PrimaryKey = s.primary
	if c.HasNew {
		if sub.Hash, err = hashOf(s.ls, s.names.hashTopic, &s.hashed, c.New); err != nil {
			return s.failed(err)
		}
	}
	s.out = Record[[]byte, []byte]{Time: r.Time, Headers: r.Headers}
	if s.isLeft {
		return s.tellLeft(&sub)
	}
	if c.HasNew && !s.after.ok {
		s.drop()
	}
	return s.tellInner(&sub)
}

func (s *foreignSender[K, L, FK, R, O]) refer(to *foreignBytes, k K, l L, ok bool) error {
	to.ok = false
	if !ok {
		return nil
	}
	fk, err := call2(s.key, k, l)
	if err != nil || !fk.ok || s.keys.null(&fk.key) {
		return err
	}
	to.ok = true
	to.b, err = s.fs.Append(to.b[:0], s.names.foreignTopic, nil, fk.key)
	return err
}

func (s *foreignSender[K, L, FK, R, O]) changed() bool {
	return s.before.ok != s.after.ok || !bytes.Equal(s.before.b, s.after.b)
}

func (s *foreignSender[K, L, FK, R, O]) tellLeft(sub *codec.Subscription) error {
	if s.before.ok && s.changed() {
		if err := s.tell(&s.before, sub, codec.DeleteNoPropagate); err != nil {
			return err
		}
	}
	return s.tell(&s.after, sub, codec.PropagateNull)
}

func (s *foreignSender[K, L, FK, R, O]) tellInner(sub *codec.Subscription) error {
	switch {
	case !s.after.ok && !s.before.ok:
		return nil
	case !s.after.ok:
		return s.tell(&s.before, sub, codec.DeleteAndPropagate)
	case !s.before.ok || !s.changed():
		return s.tell(&s.after, sub, codec.PropagateIfFound)
	}
	if err := s.tell(&s.before, sub, codec.DeleteNoPropagate); err != nil {
		return err
	}
	return s.tell(&s.after, sub, codec.PropagateNull)
}

func (s *foreignSender[K, L, FK, R, O]) tell(fk *foreignBytes, sub *codec.Subscription, what codec.Instruction) error {
	sub.Instruction = what
	s.value = codec.AppendSubscription(s.value[:0], sub)
	s.out.Key, s.out.NullKey, s.out.Value = nil, !fk.ok, s.value
	if fk.ok {
		s.out.Key = notNil(fk.b)
	}
	return s.next(&s.out)
}

// subscribed is a subscription that has arrived; foreign is nil for a left row that refers to nothing.
type subscribed struct {
	foreign []byte
	sub     codec.Subscription
}

// openReceive keeps subscriptions, or forgets them.
func (j *foreignJoin[K, L, FK, R, O]) openReceive(x *opening, next sink[[]byte, subscribed]) (sink[[]byte, []byte], error) {
	kept := x.store(j.names.store).(*tableStore[[]byte, []byte])
	var out Record[[]byte, subscribed]
	var key []byte
	return func(r *Record[[]byte, []byte]) error {
		if r.NullValue {
			x.drop()
			return nil
		}
		sub, err := codec.ParseSubscription(r.Value)
		if err != nil {
			return x.failed(err)
		}
		if r.NullKey && sub.Instruction != codec.PropagateNull {
			x.drop()
			return nil
		}
		if !r.NullKey {
			key = codec.AppendForeignKey(key[:0], r.Key, sub.PrimaryKey)
			keep := sub.Instruction != codec.DeleteAndPropagate && sub.Instruction != codec.DeleteNoPropagate
			if err := kept.put(key, r.Value, r.Time, keep, r.Headers); err != nil {
				return err
			}
		}
		out = Record[[]byte, subscribed]{Key: sub.PrimaryKey, Value: subscribed{r.Key, sub}, Time: r.Time, Headers: r.Headers}
		if r.NullKey {
			out.Value.foreign = nil
		}
		return next(&out)
	}, nil
}

// openJoin answers a subscription with the right row as it is.
func (j *foreignJoin[K, L, FK, R, O]) openJoin(x *opening, next sink[[]byte, foreignResponse]) (sink[[]byte, subscribed], error) {
	rows, err := j.right.view.open(x)
	if err != nil {
		return nil, err
	}
	answer := j.answerer(x, next)
	return func(r *Record[[]byte, subscribed]) error {
		s := &r.Value
		var row R
		var at Time
		var found bool
		if s.foreign != nil {
			fk, err := j.fs.Decode(s.foreign, j.names.foreignTopic, nil)
			if err != nil {
				return x.failed(err)
			}
			if row, at, found, err = rows.get(fk); err != nil {
				return x.failed(err)
			}
		}
		switch s.sub.Instruction {
		case codec.DeleteNoPropagate:
			return nil
		case codec.DeleteAndPropagate:
			if found {
				at = max(at, r.Time)
			} else {
				at = r.Time
			}
			return answer(s.sub.PrimaryKey, &s.sub, row, false, at, r.Headers)
		case codec.PropagateIfFound:
			if !found {
				return nil
			}
		case codec.PropagateNull:
		}
		if !found {
			at = r.Time
		}
		return answer(s.sub.PrimaryKey, &s.sub, row, found, max(at, r.Time), r.Headers)
	}, nil
}

// answerer sends responses.
func (j *foreignJoin[K, L, FK, R, O]) answerer(x *opening, next sink[[]byte, foreignResponse]) func(primary []byte, sub *codec.Subscription, row R, found bool, at Time, h Headers) error {
	var out Record[[]byte, foreignResponse]
	var value, packed []byte
	return func(primary []byte, sub *codec.Subscription, row R, found bool, at Time, h Headers) error {
		answer := codec.Response{Hashed: sub.Hashed, Hash: sub.Hash}
		if found {
			b, err := j.rs.Append(value[:0], j.names.responseSerdes, nil, row)
			if err != nil {
				return x.failed(err)
			}
			value, answer.Value = b, notNil(b)
		}
		packed = codec.AppendResponse(packed[:0], &answer)
		out = Record[[]byte, foreignResponse]{Key: primary, Value: foreignResponse{sub.Partition, packed}, Time: at, Headers: h}
		return next(&out)
	}
}

// openForeign answers all subscriptions to a right row that has changed.
func (j *foreignJoin[K, L, FK, R, O]) openForeign(x *opening, next sink[[]byte, foreignResponse]) (sink[FK, change[R]], error) {
	kept := x.store(j.names.store).(*tableStore[[]byte, []byte])
	answer := j.answerer(x, next)
	versioned := parentVersioned(j.n.foreign)
	var foreign, prefix []byte
	return func(r *Record[FK, change[R]]) (err error) {
		if r.NullKey || versioned && !r.Value.Latest {
			x.drop()
			return nil
		}
		if foreign, err = j.fs.Append(foreign[:0], j.names.foreignTopic, nil, r.Key); err != nil {
			return x.failed(err)
		}
		prefix = codec.AppendForeignKey(prefix[:0], foreign, nil)
		rows := kept.prefix(prefix, false)
		for err == nil && rows.next() {
			var sub codec.Subscription
			if sub, err = codec.ParseSubscription(rows.value); err == nil {
				err = answer(rows.key[len(prefix):], &sub, r.Value.New, r.Value.HasNew, r.Time, r.Headers)
			}
		}
		if closed := rows.close(); err == nil {
			err = closed
		}
		return err
	}, nil
}

// openResolver makes results of the answers to the left row as it is now.
func (j *foreignJoin[K, L, FK, R, O]) openResolver(x *opening, next sink[K, O]) (sink[[]byte, []byte], error) {
	rows, err := j.left.view.open(x)
	if err != nil {
		return nil, err
	}
	var out Record[K, O]
	var buf []byte
	return func(r *Record[[]byte, []byte]) error {
		if r.NullKey || r.NullValue {
			x.drop()
			return nil
		}
		answer, err := codec.ParseResponse(r.Value)
		if err != nil {
			return x.failed(err)
		}
		k, err := j.ks.Decode(r.Key, j.names.primaryTopic, nil)
		if err != nil {
			return x.failed(fmt.Errorf("primary key: %w", err))
		}
		row, _, has, err := rows.get(k)
		if err != nil {
			return x.failed(err)
		}
		var now codec.Hash
		if has {
			if now, err = hashOf(j.ls, j.names.hashTopic, &buf, row); err != nil {
				return x.failed(err)
			}
		}
		if has != answer.Hashed || now != answer.Hash {
			x.drop() // it answers an older value
			return nil
		}
		out = Record[K, O]{Key: k, Time: r.Time, Headers: r.Headers, NullValue: true}
		if has && (answer.Value != nil || j.isLeft) {
			var partner R
			if answer.Value != nil {
				if partner, err = j.rs.Decode(answer.Value, j.names.responseSerdes, r.Headers); err != nil {
					return x.failed(err)
				}
			}
			if out.Value, err = call3(j.f, row, partner, answer.Value != nil); err != nil {
				return x.failed(err)
			}
			out.NullValue = j.results.null(&out.Value)
		}
		return next(&out)
	}, nil
}
