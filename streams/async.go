package streams

import (
	"context"
	"fmt"
	"slices"

	"leat.dev/streams/internal/plan"
)

// MapAsync replaces the value by what f makes of it, for up to n records of a task at once: for lookups over the network and
// other work that waits. Results keep the order of the records. f runs in goroutines of its own and must not touch what
// belongs to the task; its context ends when the task closes. A commit waits for all that is under way, so no result is
// lost; with at-least-once f may see a record again after a crash. An error goes the way of a Try form's. Null values
// pass by f unless V is nilable. Options: Named.
//
// Records of one key may run at the same time. See [Stream.MapByKey] where they may not, and where a slow record should only
// hold up those of its own key.
func (s *Stream[K, V]) MapAsync[W any](n int, f func(context.Context, V) (W, error), o ...Option) *Stream[K, W] {
	call := func(ctx context.Context, _ K, v V) (W, error) { return f(ctx, v) }
	return mapAsync(s, "MapAsync", "KSTREAM-MAPASYNC-", n, call, nil, o)
}

// MapByKey is MapAsync with order by key: records of different keys run at the same time, up to n in a task, and results are
// sent as they are ready; those of one key run one after the other, and keep their order. It is for work that waits and for
// work that takes much of a processor, where what f remembers of a key, in a place of its own, or asks of a service must see the
// key's records in order. Records without a key have none to keep, and run as those of one key.
//
// What follows sees the records of different keys in another order than they were read, each with its own time: stream time has
// then gone on already to that of records read later, which is as if the partition had had them out of order. Windows that
// follow may so find a record late: give them a grace of at least what f may take, in the time of records; and nothing that is
// committed is ever before its results: commits wait for all that is under way, with at-least-once and with exactly-once. In
// package streamstest all that is under way is waited for after each record, and order is that of the input.
//
// What is under way is bounded by n, and by 16 MiB of keys and values as they were read. Options: Named.
func (s *Stream[K, V]) MapByKey[W any](n int, f func(context.Context, K, V) (W, error), o ...Option) *Stream[K, W] {
	return mapAsync(s, "MapByKey", "KSTREAM-MAPBYKEY-", n, f, s.ks, o)
}

// asyncBytesMax bounds what an asynchronous step has under way, in bytes of records as they were read. One record may be larger.
const asyncBytesMax = 16 << 20

// mapAsync is MapAsync, and with a serde of keys MapByKey.
func mapAsync[K, V, W any](s *Stream[K, V], operator, prefix string, n int, f func(context.Context, K, V) (W, error), byKey Serde[K], o []Option) *Stream[K, W] {
	set := s.b.settings(operator, o, "Named")
	if n < 1 {
		s.b.mistake(operatorOf(operator, set.name), fmt.Sprintf("%d records at once", n), "allow at least one")
	}
	if operator == "MapByKey" {
		byKey = need(s.b, byKey, operator, "key")
	}
	made := &plan.Node{Name: s.b.nodeName(set.name, prefix), ValueChanging: true}
	step(s.port, made, func(x *opening, next sink[K, W]) (sink[K, V], error) {
		a := &async[K, V, W]{node: x.node, f: f, limit: n, next: next, in: newNilTest[V](), out: newNilTest[W]()}
		if byKey != nil {
			a.lanes = &asyncLanes[K, V, W]{ks: byKey, last: map[string]*asyncCall[K, V, W]{}, ready: make(chan struct{}, 1)}
		}
		x.task.async = append(x.task.async, a.deliver)
		return a.take, nil
	})
	return &Stream[K, W]{port[K, W]{b: s.b, n: made, ks: s.ks, vs: serdeFor[W](s.b, s.vs), rekeyed: s.rekeyed, sources: s.sources}}
}

// async is the node of MapAsync and MapByKey. Its goroutines, at most limit of them, each run one call of f and end with it; all
// else is the task's owner's, who takes results when a record arrives, when it punctuates, and before a commit.
//
// MapAsync gives results in order of arrival. With lanes a call begins when the one before it in its lane, of the same key, has
// ended, and results are given when they are there, in order within each lane.
type async[K, V, W any] struct {
	*node
	f       func(context.Context, K, V) (W, error)
	limit   int
	next    sink[K, W]
	in      nilTest[V]
	out     nilTest[W]
	waiting []*asyncCall[K, V, W] // in order of arrival
	bytes   int64
	lanes   *asyncLanes[K, V, W] // nil: MapAsync
}

type asyncCall[K, V, W any] struct {
	record Record[K, W]
	value  V
	rc     recordContext
	err    error
	bytes  int64
	done   chan struct{}

	key    string              // of the lane
	before *asyncCall[K, V, W] // in the lane, and not sent yet
}

// asyncLanes knows the last call of each key.
type asyncLanes[K, V, W any] struct {
	ks    Serde[K]
	key   []byte
	last  map[string]*asyncCall[K, V, W]
	ready chan struct{} // something ended since it was read last
}

func (a *async[K, V, W]) take(r *Record[K, V]) error {
	size := int64(len(a.task.rc.key) + len(a.task.rc.value))
	for len(a.waiting) >= a.limit || len(a.waiting) > 0 && a.bytes+size > asyncBytesMax {
		a.await()
		if _, err := a.deliver(false); err != nil {
			return err
		}
	}
	c := &asyncCall[K, V, W]{rc: a.task.rc, done: make(chan struct{}), bytes: size}
	carry(r, &c.record)
	if a.lanes != nil {
		if err := a.lanes.enter(c, r.Key, r.NullKey); err != nil {
			return a.failed(err)
		}
	}
	a.waiting = append(a.waiting, c)
	a.bytes += size
	if !a.in.seen(r.NullValue) {
		c.record.NullValue = true
		a.run(c, nil)
	} else {
		c.value = r.Value
		a.run(c, a.f)
	}
	_, err := a.deliver(false)
	return err
}

// enter puts a call behind the last one of its key.
func (l *asyncLanes[K, V, W]) enter(c *asyncCall[K, V, W], k K, null bool) error {
	l.key = append(l.key[:0], 0)
	if !null {
		l.key[0] = 1
		key, err := l.ks.Append(l.key, "", nil, k)
		if err != nil {
			return err
		}
		l.key = key
	}
	c.before = l.last[viewOf(l.key)]
	c.key = string(l.key)
	l.last[c.key] = c
	return nil
}

// run makes a call when the one before it has ended; without f it only keeps its place.
func (a *async[K, V, W]) run(c *asyncCall[K, V, W], f func(context.Context, K, V) (W, error)) {
	before, ctx := c.before, a.task.context
	if before == nil && f == nil {
		close(c.done)
		return
	}
	var tell chan struct{}
	if a.lanes != nil {
		tell = a.lanes.ready
	}
	go func() {
		if before != nil {
			<-before.done
		}
		if f != nil {
			c.record.Value, c.err = callTry3(f, ctx, c.record.Key, c.value)
			c.record.NullValue = a.out.null(&c.record.Value)
		}
		close(c.done)
		if tell != nil {
			select {
			case tell <- struct{}{}:
			default: // it knows that something ended
			}
		}
	}()
}

// await waits until there may be a result to give.
func (a *async[K, V, W]) await() {
	if a.lanes == nil {
		<-a.waiting[0].done
		return
	}
	for _, c := range a.waiting {
		if a.given(c) {
			return
		}
	}
	<-a.lanes.ready
}

// given tells that the result of a call is there, and those before it in its lane are sent.
func (a *async[K, V, W]) given(c *asyncCall[K, V, W]) bool {
	if c.before != nil {
		return false
	}
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// deliver sends the results that are there, in order; all of them, if it shall wait.
func (a *async[K, V, W]) deliver(wait bool) (any bool, err error) {
	for len(a.waiting) > 0 {
		sent, err := a.sendGiven()
		any = any || sent
		if err != nil || len(a.waiting) == 0 || !sent && !wait {
			return any, err
		}
		if !sent {
			a.await()
		}
	}
	return any, nil
}

// sendGiven sends what is there now: of MapAsync no more than what nothing before is missing of.
func (a *async[K, V, W]) sendGiven() (sent bool, err error) {
	for i := 0; i < len(a.waiting); {
		c := a.waiting[i]
		if !a.given(c) {
			if a.lanes == nil {
				return sent, nil
			}
			i++
			continue
		}
		a.waiting = slices.Delete(a.waiting, i, i+1)
		a.bytes -= c.bytes
		sent = true
		if a.lanes != nil {
			a.lanes.leave(c, a.waiting[i:])
		}
		err := a.task.withContext(c.rc, func() error {
			if c.err != nil {
				return a.failed(c.err)
			}
			return a.next(&c.record)
		})
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}

// leave lets the next one of the lane, which came later, be given.
func (l *asyncLanes[K, V, W]) leave(c *asyncCall[K, V, W], later []*asyncCall[K, V, W]) {
	if l.last[c.key] == c {
		delete(l.last, c.key)
		return
	}
	for _, o := range later {
		if o.before == c {
			o.before = nil
			return
		}
	}
}
