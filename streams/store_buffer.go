package streams

import (
	"encoding/binary"
	"fmt"
	"math"

	"leat.dev/streams/internal/codec"
	"leat.dev/streams/internal/engine"
	"leat.dev/streams/internal/state"
)

// bufferFormat says which of the two buffers it is, and how its changelog looks.
type bufferFormat int

const (
	suppressFormat bufferFormat = iota // one value for each key; logged when the task flushes
	graceFormat                        // any number of records for each key and time, in order of arrival; logged at once
)

// bufferStore keeps bytes in order of time: what suppress and stream-table joins with grace hold back. A value is what
// codec.AppendBufferValue makes of it. Records of its changelog have no timestamp, as in Kafka.
type bufferStore struct {
	*storeBase
	format  bufferFormat
	b       *state.TimeOrdered
	seq     *int64         // of grace: the last sequence number
	dirty   map[string]int // of suppress: keys to be logged, and where in order they stand
	order   []string       // the keys, in the order in which they became dirty
	value   []byte
	headKey []byte
}

var suppressHeaders = Headers{{Key: codec.BufferHeaderKey, Value: []byte(codec.BufferHeaderValue)}}

// noTime is the time of a record that has none.
const noTime Time = -1

func openBuffer(b *storeBase, p storeSpec, f bufferFormat) (*bufferStore, error) {
	s := &bufferStore{storeBase: b, format: f, dirty: map[string]int{}}
	o := state.TimeOrderedOptions{ByKey: f == suppressFormat, Weigh: weighBuffered}
	s.b = state.NewTimeOrdered(b.bytes, o)
	if f == graceFormat {
		s.seq = b.task.meta(b.meta.Name+".seq", 0)
	}
	return s, nil
}

// weighBuffered is what Kafka counts for an entry against a limit of bytes.
func weighBuffered(key, value []byte) int64 {
	v, _, err := codec.CutBufferValue[Header](value)
	if err != nil {
		return int64(len(key) + len(value))
	}
	return codec.BufferedBytes(key, &v)
}

// get gives what is buffered for a key (of suppress): valid until the next call.
func (s *bufferStore) get(key []byte) (at Time, value []byte, ok bool, err error) {
	place, ok, err := s.b.Place(key)
	if err != nil || !ok {
		return 0, nil, false, err
	}
	value, ok, err = s.b.Get(place, key)
	return Time(place), value, ok, err
}

// put buffers a value. A key of suppress that is buffered keeps its place and its time, and gets the new value.
func (s *bufferStore) put(at Time, key, value []byte) error {
	if s.format == suppressFormat {
		_, err := s.b.Put(int64(at), key, value)
		s.touch(key)
		return err
	}
	*s.seq = (*s.seq + 1) & math.MaxInt32
	s.key = codec.AppendTimeFirst(s.key[:0], key, int64(at), int32(*s.seq)) //nolint:gosec // masked
	if _, err := s.b.Put(int64(at), s.key[graceKeyFrom:], value); err != nil || !s.logged {
		return err
	}
	s.value = appendTime(append(s.value[:0], value...), 0)
	return s.log(s.key, s.value, noTime, nil)
}

// graceKeyFrom is where the key begins behind a zero byte and the time; the sequence number follows it.
const (
	graceKeyFrom = 1 + 8
	graceSeqSize = 4
)

func (s *bufferStore) touch(key []byte) {
	if !s.logged {
		return
	}
	if _, ok := s.dirty[string(key)]; !ok {
		k := string(key)
		s.dirty[k] = len(s.order)
		s.order = append(s.order, k)
	}
}

// head gives the oldest entry: valid until the next call.
func (s *bufferStore) head() (at Time, key, value []byte, ok bool, err error) {
	least, ok, err := s.b.Min()
	if err != nil || !ok {
		return 0, nil, nil, false, err
	}
	it := s.b.Scan(least, math.MaxInt64-1, false)
	if ok = it.Next(); ok {
		at = Time(it.Time())
		s.headKey, s.value = append(s.headKey[:0], it.Key()...), append(s.value[:0], it.Value()...)
		key, value = s.headKey, s.value
		if s.format == graceFormat {
			key = key[:len(key)-graceSeqSize]
		}
	}
	return at, key, value, ok, it.Close()
}

// pop removes the oldest entry.
func (s *bufferStore) pop() error {
	_, err := s.b.PopFirst(func(at int64, key, _ []byte) error {
		if s.format == suppressFormat {
			s.touch(key)
			return nil
		}
		if !s.logged {
			return nil
		}
		s.key = append(appendTime(append(s.key[:0], 0), Time(at)), key...)
		return s.log(s.key, nil, noTime, nil)
	})
	return err
}

// count and size are how much is buffered: entries, and their bytes as Kafka counts them.
func (s *bufferStore) count() int  { return int(s.b.Len()) }
func (s *bufferStore) size() int64 { return s.b.Bytes() }

// flush logs what changed: an entry, or that it is gone.
func (s *bufferStore) flush() error {
	for _, k := range s.order {
		key := bytesOf(k)
		at, value, ok, err := s.get(key)
		if err != nil {
			return err
		}
		if ok {
			s.value = appendTime(append(s.value[:0], value...), at)
			err = s.log(key, s.value, noTime, suppressHeaders)
		} else {
			err = s.log(key, nil, noTime, nil)
		}
		if err != nil {
			return err
		}
	}
	clear(s.dirty)
	s.order = s.order[:0]
	return nil
}

// restore applies records of the changelog.
func (s *bufferStore) restore(in []engine.In) error {
	for i := range in {
		if err := s.restoreOne(&in[i]); err != nil {
			return err
		}
	}
	return nil
}

func (s *bufferStore) restoreOne(r *engine.In) error {
	n := len(r.Value) - 8
	if r.Value != nil && n < 0 {
		return fmt.Errorf("an entry of %d bytes in a buffer's changelog: %w", len(r.Value), codec.ErrCorrupt)
	}
	if s.format == graceFormat {
		_, at, seq, err := codec.TimeFirst(r.Key)
		if err != nil {
			return err
		}
		*s.seq = max(*s.seq, int64(seq))
		key := r.Key[graceKeyFrom:]
		if r.Value == nil {
			_, err = s.b.Delete(at, key)
			return err
		}
		_, err = s.b.Put(at, key, r.Value[:n])
		return err
	}
	if at, ok, err := s.b.Place(r.Key); err != nil {
		return err
	} else if ok {
		if _, err := s.b.Delete(at, r.Key); err != nil {
			return err
		}
	}
	if r.Value == nil {
		return nil
	}
	if err := suppressVersion(r.Headers); err != nil {
		return err
	}
	at := int64(binary.BigEndian.Uint64(r.Value[n:])) //nolint:gosec // the bits
	_, err := s.b.Put(at, r.Key, r.Value[:n])
	return err
}

// suppressVersion refuses entries that versions of Kafka before 2.4 wrote: they have another form.
func suppressVersion(h []engine.Header) error {
	for i := range h {
		if h[i].Key == codec.BufferHeaderKey && string(h[i].Value) == codec.BufferHeaderValue {
			return nil
		}
	}
	return fmt.Errorf("an entry of a suppress buffer without the header %s=3: %w", codec.BufferHeaderKey, codec.ErrCorrupt)
}
