package engine

import (
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kgo"
)

// sent is a record on its way.
type sent struct {
	slab    *slab
	env     *taskEnv
	log     *changelog // where it counts as written
	node    string
	topic   *outTopic
	record  kgo.Record
	promise func(*kgo.Record, error) // done, made once
	source  *Source                  // what led to it; kept for the next one
	asked   bool                     // somebody will ask about source
}

// A slab is the memory of records that were sent one after the other, and of their bytes. The outlet's worker fills it; when
// franz-go has called back for all of its records nobody reads any of it, and it serves again.
type slab struct {
	out   *outlet
	sent  [slabRecords]sent
	next  int    // the worker's: the first that is not used
	bytes []byte // the worker's: keys, values and headers of those that are
	done  atomic.Int32
	kept  atomic.Bool // a failure has some of the bytes
}

const (
	slabRecords  = 128
	slabBytes    = 16 << 10  // of a new one
	slabBytesMax = 128 << 10 // records that are larger than an eighth have bytes of their own
)

var slabs sync.Pool // of *slab

func newSlab() *slab {
	if s, ok := slabs.Get().(*slab); ok {
		return s
	}
	s := &slab{bytes: make([]byte, 0, slabBytes)}
	for i := range s.sent {
		one := &s.sent[i]
		one.slab, one.promise = s, one.done
	}
	return s
}

// take gives the next record to fill. With the last one of a slab the outlet lets go of it: once that is sent and called back
// for, the slab is another outlet's.
func (o *outlet) take() *sent {
	if o.slab == nil {
		o.slab = newSlab()
		o.slab.out = o
	}
	s := &o.slab.sent[o.slab.next]
	if o.slab.next++; o.slab.next == slabRecords {
		o.slab = nil
	}
	return s
}

// copy keeps bytes beyond the call.
func (s *slab) copy(b []byte) []byte {
	switch {
	case b == nil:
		return nil
	case len(b) == 0:
		return []byte{}
	case len(b) > slabBytesMax/8:
		return append([]byte(nil), b...)
	case cap(s.bytes)-len(s.bytes) < len(b): // those that are used stay where they are
		s.bytes = make([]byte, 0, min(slabBytesMax, max(2*cap(s.bytes), slabBytes)))
	}
	n := len(s.bytes)
	s.bytes = append(s.bytes, b...)
	return s.bytes[n:len(s.bytes):len(s.bytes)]
}

// done is called when the record is written, or will not be.
func (s *sent) done(r *kgo.Record, err error) {
	if err != nil {
		s.failed(r, err)
	} else {
		if s.log != nil {
			s.log.next.Store(r.Offset + 1)
		}
		if out := s.slab.out; !out.acked.Load() {
			out.acked.Store(true)
		}
		s.topic.met.produced.Inc()
		s.topic.met.producedBytes.Add(float64(len(r.Key) + len(r.Value)))
	}
	if s.slab.done.Add(1) == slabRecords {
		s.slab.free()
	}
}

func (s *sent) failed(r *kgo.Record, err error) {
	o := s.slab.out
	f := ProduceFailure{
		Err: err, Task: s.env.id, Node: s.node, Topic: r.Topic, Partition: r.Partition, Key: r.Key, Value: r.Value,
		Changelog: s.log != nil, Source: Source{Partition: -1, Offset: -1, Time: -1},
	}
	if s.asked {
		f.Source = *s.source
	}
	s.slab.kept.Store(true)
	o.mu.Lock()
	o.failed = append(o.failed, f)
	o.mu.Unlock()
	o.broken.Store(true)
}

// free gives the slab back. What its records point to besides lives until they are used again, or the pool lets go of them.
func (s *slab) free() {
	if s.kept.Load() {
		return
	}
	s.out, s.next, s.bytes = nil, 0, s.bytes[:0]
	s.done.Store(0)
	for i := range s.sent {
		s.sent[i].env, s.sent[i].log, s.sent[i].topic = nil, nil, nil
	}
	slabs.Put(s)
}

// outTopic is a topic that an outlet has written to.
type outTopic struct {
	out        *outlet
	name       string
	met        *topicSeries
	partitions int    // 0: not asked for yet
	wrote      []bool // by partition, in the transaction that is open
}

// write notes that the open transaction writes to a partition.
func (t *outTopic) write(partition int32) {
	for int(partition) >= len(t.wrote) {
		t.wrote = append(t.wrote, false)
	}
	t.wrote[partition] = true
}

// topic is what the outlet knows of the topic of a record; the record remembers it for the next one that is made of it.
func (o *outlet) topic(out *Out) *outTopic {
	if t := out.to; t != nil && t.out == o && t.name == out.Topic {
		return t
	}
	t := o.topics[out.Topic]
	if t == nil {
		t = &outTopic{out: o, name: out.Topic, met: o.app.met.topic(out.Topic)}
		o.topics[out.Topic] = t
	}
	out.to = t
	return t
}
