package streams

import (
	"encoding/json/jsontext"
	"encoding/json/v2"
	"reflect"
	"sync"
	"unsafe"

	"leat.dev/streams/internal/plainjson"
)

// JSON writes and reads values by encoding/json/v2. Keys of maps are written in order, so that equal values have equal
// bytes: they may be keys themselves, and joins compare them. Pointers to structs are fine; nil is null, and so is the
// text null when it is read.
//
// Options are those of encoding/json/v2, whose defaults are strict: names differ by case (json.MatchCaseInsensitiveNames
// changes it), a name that comes twice and invalid UTF-8 are errors; unknown members are ignored
// (json.RejectUnknownMembers), and nil slices and maps in a value are written as [] and {} (json.FormatNilSliceAsNull).
// Numbers keep the precision of the Go type they are read into; for any that is float64.
//
// Structs of plain fields (numbers, strings, booleans, structs, pointers and slices of them; no maps, interfaces, times and
// types with methods of their own for JSON) are read and written several times as fast, with the same result, as long as
// no options are given.
func JSON[T any](options ...json.Options) Serde[T] {
	o := append([]json.Options{json.Deterministic(true)}, options...)
	s := &jsonSerde[T]{options: json.JoinOptions(o...)}
	if len(options) == 0 {
		s.plain = plainjson.For(reflect.TypeFor[T]())
	}
	return s
}

type jsonSerde[T any] struct {
	options json.Options
	plain   *plainjson.Codec // nil: T is not plain, or there are options
	pool    sync.Pool        // of *jsonWork[T]
}

// jsonWork is what one call needs on the heap; it is used again.
type jsonWork[T any] struct {
	out   []byte
	value T
}

// Write appends to what is being written. The encoder calls it with its whole text.
func (w *jsonWork[T]) Write(b []byte) (int, error) {
	w.out = append(w.out, b...)
	return len(b), nil
}

func (s *jsonSerde[T]) work() *jsonWork[T] {
	if w, ok := s.pool.Get().(*jsonWork[T]); ok {
		return w
	}
	return new(jsonWork[T])
}

// done keeps nothing of a record alive.
func (s *jsonSerde[T]) done(w *jsonWork[T]) {
	*w = jsonWork[T]{}
	s.pool.Put(w)
}

func (s *jsonSerde[T]) Append(dst []byte, topic string, _ *Headers, v T) ([]byte, error) {
	w := s.work()
	defer s.done(w)
	w.out, w.value = dst, v
	if s.plain != nil {
		if out, ok := s.plain.Append(dst, unsafe.Pointer(&w.value)); ok {
			return out, nil
		}
	}
	if err := json.MarshalWrite(w, &w.value, s.options); err != nil {
		return dst, cannotWrite(typeName[T]()+" as JSON", topic, err)
	}
	return w.out, nil
}

func (s *jsonSerde[T]) Decode(b []byte, topic string, _ Headers) (T, error) {
	w := s.work()
	defer s.done(w)
	if s.plain != nil {
		if s.plain.Decode(b, unsafe.Pointer(&w.value)) {
			return w.value, nil
		}
		var zero T
		w.value = zero
	}
	if err := json.Unmarshal(b, &w.value, s.options); err != nil {
		var zero T
		return zero, cannotRead(typeName[T]()+" as JSON", topic, "%w", err)
	}
	return w.value, nil
}

// Raw JSON is a value like any other: it is written as it is, compacted.
var _ Serde[jsontext.Value] = (*jsonSerde[jsontext.Value])(nil)
