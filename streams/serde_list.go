package streams

import (
	"leat.dev/streams/internal/codec"
)

// List is a serde for slices, in the bytes of Kafka's ListSerde. Elements of nilable types may be nil: they are null.
//
// Elements of Int16, Int32, Int64, Float32, Float64 and UUID have no lengths of their own; others stand behind theirs.
// What is read may have either form, but a null element is an error where T has no nil: use List(Optional(...)).
func List[T any](of Serde[T]) Serde[[]T] {
	return listSerde[T]{of: of, nils: newNilTest[T](), fixed: fixedSizeOf(of)}
}

type listSerde[T any] struct {
	of    Serde[T]
	nils  nilTest[T]
	fixed int
}

// fixedSizeOf is the size of every value of a serde whose lists have Kafka's fixed form, else 0.
func fixedSizeOf(s any) int {
	if f, ok := s.(interface{ fixedSize() int }); ok {
		return f.fixedSize()
	}
	return 0
}

func (s listSerde[T]) check() error { return serdeMistake(s.of) }

func (s listSerde[T]) Append(dst []byte, topic string, h *Headers, v []T) ([]byte, error) {
	if s.fixed > 0 {
		return s.appendFixed(dst, topic, h, v)
	}
	dst = codec.AppendListHead(dst, len(v))
	for i := range v {
		if s.nils.null(&v[i]) {
			dst = codec.AppendListElement(dst, nil)
			continue
		}
		mark := len(dst)
		longer, err := s.of.Append(codec.BeginListElement(dst), topic, h, v[i])
		if err != nil {
			return dst, err
		}
		dst = codec.EndListElement(longer, mark)
	}
	return dst, nil
}

func (s listSerde[T]) appendFixed(dst []byte, topic string, h *Headers, v []T) ([]byte, error) {
	var nulls []int32
	for i := range v {
		if s.nils.null(&v[i]) {
			nulls = append(nulls, int32(i)) //nolint:gosec // the head refuses more
		}
	}
	dst = codec.AppendFixedListHead(dst, len(v), nulls)
	for i := range v {
		if s.nils.null(&v[i]) {
			continue
		}
		longer, err := s.of.Append(dst, topic, h, v[i])
		if err != nil {
			return dst, err
		}
		dst = longer
	}
	return dst, nil
}

func (s listSerde[T]) Decode(b []byte, topic string, h Headers) ([]T, error) {
	r, err := codec.ReadList(b, s.fixed)
	if err != nil {
		return nil, s.failed(topic, err)
	}
	v := make([]T, r.Count)
	for i := range v {
		element := r.Element()
		if !r.Good() {
			break
		}
		if element == nil {
			if !s.nils.nilable {
				return nil, cannotRead("a list of "+typeName[T](), topic, "element %d is null, which the type cannot be", i)
			}
			continue
		}
		if v[i], err = s.of.Decode(element, topic, h); err != nil {
			return nil, err
		}
	}
	if err := r.Err(); err != nil {
		return nil, s.failed(topic, err)
	}
	return v, nil
}

func (s listSerde[T]) failed(topic string, err error) error {
	return cannotRead("a list of "+typeName[T](), topic, "%w", err)
}
