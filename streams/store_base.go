package streams

import (
	"fmt"

	"leat.dev/streams/internal/engine"
	"leat.dev/streams/internal/state"
	"leat.dev/streams/internal/topology"
)

// storeBase is what all typed stores have of their task.
type storeBase struct {
	task   *task
	meta   *topology.Store
	logged bool   // what is put is written to a changelog
	topic  string // the changelog, which serdes see as the topic
	bytes  *state.Store
	meter  *engine.StoreMeter
	out    engine.Out // the changelog record in hand
	key    []byte     // scratch: the key in hand
	key2   []byte     // scratch: the other end of a range
	clock  *closer    // of the aggregates that send final results from it
}

func newStoreBase(t *task, s *topology.Store, p storeSpec) *storeBase {
	b := &storeBase{
		task: t, meta: s, logged: s.Logged && s.ChangelogTopic == "", topic: t.prog.changelogTopic(s),
		bytes: t.st.Store(s.Name, p.inMemory), meter: t.meter.Store(s.Name),
		key: make([]byte, 0, 64), key2: make([]byte, 0, 64), // an empty key is not nil, which would be null
	}
	b.out = engine.Out{Topic: b.topic, Partition: t.id.Partition, Node: s.Name, Changelog: true}
	if s.Logged || s.ChangelogTopic != "" {
		t.st.Bind(b.bytes, fmt.Sprintf("%s-%d", b.topic, t.id.Partition))
	}
	return b
}

func (b *storeBase) flush() error { return nil }
func (b *storeBase) close() error { return nil }

// log writes a changelog record.
func (b *storeBase) log(key, value []byte, at Time, h Headers) error {
	b.out.Time, b.out.Key, b.out.Value, b.out.Headers = int64(at), key, value, engineHeaders(h)
	return b.task.env.Send(&b.out)
}

// refused counts a put that came too late for what the store keeps.
func (b *storeBase) refused() { b.task.env.Count(engine.Dropped, b.meta.Name, 1) }

// serialize gives the bytes of a key in the store's scratch buffer.
func serialize[K any](b *storeBase, ks Serde[K], k K) ([]byte, error) {
	key, err := ks.Append(b.key[:0], b.topic, nil, k)
	if err != nil {
		return nil, err
	}
	b.key = key
	return key, nil
}

// serialize2 does so in the other one.
func serialize2[K any](b *storeBase, ks Serde[K], k K) ([]byte, error) {
	key, err := ks.Append(b.key2[:0], b.topic, nil, k)
	if err != nil {
		return nil, err
	}
	b.key2 = key
	return key, nil
}
