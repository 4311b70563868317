package streams

import (
	"fmt"
	"sync"

	"github.com/twmb/avro"
)

// Avro writes and reads values in Avro's binary encoding by one schema, without any frame: all that is in the topic must
// have been written with this very schema. Fields of structs are found by their avro tag, else by name; the mapping of
// types is that of github.com/twmb/avro. A schema that does not parse is an error of the topology. For schemas that change
// and are kept in a registry see [RegisteredAvro].
func Avro[T any](schema string) Serde[T] {
	s, err := avro.Parse(schema)
	if err != nil {
		err = fmt.Errorf("the Avro schema for %s: %w", typeName[T](), err)
	}
	return &avroSerde[T]{schema: s, err: err}
}

type avroSerde[T any] struct {
	schema *avro.Schema
	err    error
	pool   pointers[T]
}

func (s *avroSerde[T]) check() error { return s.err }

func (s *avroSerde[T]) Append(dst []byte, topic string, _ *Headers, v T) ([]byte, error) {
	if s.err != nil {
		return dst, cannotWrite(typeName[T](), topic, s.err)
	}
	longer, err := appendAvro(&s.pool, s.schema, dst, v)
	if err != nil {
		return dst, cannotWrite(typeName[T]()+" as Avro", topic, err)
	}
	return longer, nil
}

func (s *avroSerde[T]) Decode(b []byte, topic string, _ Headers) (T, error) {
	if s.err != nil {
		var zero T
		return zero, cannotRead(typeName[T](), topic, "%w", s.err)
	}
	v, err := decodeAvro[T](s.schema, b)
	if err != nil {
		return v, cannotRead(typeName[T]()+" as Avro", topic, "%w", err)
	}
	return v, nil
}

// pointers are values on the heap for reflection, used again.
type pointers[T any] struct{ pool sync.Pool }

func appendAvro[T any](pointers *pointers[T], schema *avro.Schema, dst []byte, v T) ([]byte, error) {
	p, ok := pointers.pool.Get().(*T)
	if !ok {
		p = new(T)
	}
	*p = v
	longer, err := schema.AppendEncode(dst, p)
	var zero T
	*p = zero // keeps nothing of a record alive
	pointers.pool.Put(p)
	return longer, err
}

// decodeAvro reads into a fresh value: what a decoder leaves in one that is used again could come back in a later record.
func decodeAvro[T any](schema *avro.Schema, b []byte) (v T, err error) {
	p := new(T)
	rest, err := schema.Decode(b, p)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%d bytes are left behind the value", len(rest))
	}
	if err != nil {
		return v, err
	}
	return *p, nil
}
