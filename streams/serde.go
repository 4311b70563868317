package streams

import (
	"fmt"
	"reflect"
)

// Serde turns values of one type into bytes and back.
//
// Null is not a serde's business: a null key or value is written and read as null without asking one, so Append is never
// called with a nil pointer, slice or map, and Decode never with nil. (An empty b is not null: it is the empty string.)
// What null looks like to a program is said at [Record].
//
// One value of a serde serves all tasks at once: it must be safe for concurrent use. The serdes of this package are.
type Serde[T any] interface {
	// Append appends the bytes of v to dst and returns the longer slice, as the built-in append does; it must not keep dst.
	// Topic is where the bytes are going to: for what is kept in a store, its changelog. The record's headers may be read and
	// extended; h is nil where a record has none, as in stores.
	Append(dst []byte, topic string, h *Headers, v T) ([]byte, error)
	// Decode gives the value of the bytes b; it must not keep b nor return a value that shares its memory. An error goes to
	// the handler of decoding errors together with the record.
	Decode(b []byte, topic string, h Headers) (T, error)
}

// A checkedSerde can be wrong as it was declared (a schema that does not parse). It says so once, when the topology is
// built, and not for each record.
type checkedSerde interface{ check() error }

// serdeMistake gives what is wrong with a serde as it was declared.
func serdeMistake(s any) error {
	if c, ok := s.(checkedSerde); ok {
		return c.check()
	}
	return nil
}

// cannotRead is the error of bytes that are not what a serde reads.
func cannotRead(what, topic, problem string, args ...any) error {
	return fmt.Errorf("cannot read %s of topic %s: %w", what, topic, fmt.Errorf(problem, args...))
}

// cannotWrite is the error of a value that a serde has no bytes for.
func cannotWrite(what, topic string, err error) error {
	return fmt.Errorf("cannot write %s for topic %s: %w", what, topic, err)
}

// typeName is a type as errors show it.
func typeName[T any]() string { return reflect.TypeFor[T]().String() }

// SerdeFunc makes a serde of two functions that need neither topic nor headers. Encode appends; decode must copy what it
// keeps of its argument. Both may run on many goroutines at once.
func SerdeFunc[T any](encode func(dst []byte, v T) ([]byte, error), decode func(b []byte) (T, error)) Serde[T] {
	return serdeFunc[T]{encode, decode}
}

type serdeFunc[T any] struct {
	encode func([]byte, T) ([]byte, error)
	decode func([]byte) (T, error)
}

func (s serdeFunc[T]) Append(dst []byte, topic string, _ *Headers, v T) ([]byte, error) {
	out, err := s.encode(dst, v)
	if err != nil {
		return dst, cannotWrite(typeName[T](), topic, err)
	}
	return out, nil
}

func (s serdeFunc[T]) Decode(b []byte, topic string, _ Headers) (T, error) {
	v, err := s.decode(b)
	if err != nil {
		return v, cannotRead(typeName[T](), topic, "%w", err)
	}
	return v, nil
}

func (s serdeFunc[T]) check() error {
	if s.encode == nil || s.decode == nil {
		return fmt.Errorf("the serde for %s lacks a function", typeName[T]())
	}
	return nil
}

// Optional is a serde for pointers: nil is null, and what is pointed to has the bytes of the other serde.
func Optional[T any](of Serde[T]) Serde[*T] { return optionalSerde[T]{of} }

type optionalSerde[T any] struct{ of Serde[T] }

func (s optionalSerde[T]) Append(dst []byte, topic string, h *Headers, v *T) ([]byte, error) {
	return s.of.Append(dst, topic, h, *v)
}

func (s optionalSerde[T]) Decode(b []byte, topic string, h Headers) (*T, error) {
	v, err := s.of.Decode(b, topic, h)
	if err != nil {
		return nil, err
	}
	return &v, nil
}

func (s optionalSerde[T]) check() error { return serdeMistake(s.of) }

// fixedSize is that of the values themselves.
func (s optionalSerde[T]) fixedSize() int { return fixedSizeOf(s.of) }
