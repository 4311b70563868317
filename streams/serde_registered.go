package streams

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/twmb/avro"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// RegisteredAvro writes values in Avro by a schema that is kept in a registry, in Confluent's frame: a zero byte, the
// schema's id in four bytes, big-endian, the value. What is read may have been written with any schema that the given one
// can read; the writer's is asked from the registry the first time its id is met. Names of schemas in a record's header
// (Confluent's HeaderSchemaIdSerializer) are read as well.
//
// The schema is registered under the subject <topic>-value at the first write to a topic; for stores that is their
// changelog. Serdes of keys are made with the option SchemaOfKey. Without a schema the serde only reads, and fields are
// those of the writer.
func RegisteredAvro[T any](r SchemaRegistry, schema string, o ...SchemaOption) Serde[T] {
	s := &registeredAvro[T]{frame: newFrame(r, "AVRO", schema, o)}
	if schema == "" {
		return s
	}
	if s.reader, s.err = avro.Parse(schema); s.err != nil {
		s.err = fmt.Errorf("the Avro schema for %s: %w", typeName[T](), s.err)
	}
	return s
}

// RegisteredJSON writes values as JSON in Confluent's frame, with the id of a JSON schema. Values are not held against the
// schema. About registration see [RegisteredAvro], about JSON see [JSON].
func RegisteredJSON[T any](r SchemaRegistry, schema string, o ...SchemaOption) Serde[T] {
	return &registered[T]{frame: newFrame(r, "JSON", schema, o), inner: JSON[T]()}
}

// RegisteredProto writes messages in Confluent's frame with the id of a .proto file's text, which must be the one that the
// message's type was generated from; between the id and the message stands where in the file its type is. When reading,
// that place is skipped and not compared, as in Confluent's serdes for generated types. About registration see
// [RegisteredAvro].
func RegisteredProto[T any, P interface{ *T }](r SchemaRegistry, schema string, o ...SchemaOption) Serde[P] {
	s := &registered[P]{frame: newFrame(r, "PROTOBUF", schema, o), inner: Proto[T, P](), placed: true}
	if m, ok := any(P(new(T))).(proto.Message); ok {
		s.place = appendPlace(nil, m.ProtoReflect().Descriptor())
	}
	return s
}

// SchemaOption refines a serde of registered schemas.
type SchemaOption struct{ set func(*schemaFrame) }

// SchemaOfKey makes a serde for keys: the subject is <topic>-key.
func SchemaOfKey() SchemaOption { return SchemaOption{func(f *schemaFrame) { f.key = true }} }

// SchemaSubject names the subject of a topic in place of <topic>-key or <topic>-value.
func SchemaSubject(name func(topic string) string) SchemaOption {
	return SchemaOption{func(f *schemaFrame) { f.subject = name }}
}

// SchemaMustExist never registers a schema: one that is not under its subject is an error at the first write.
func SchemaMustExist() SchemaOption { return SchemaOption{func(f *schemaFrame) { f.mustExist = true }} }

// SchemaReferences are the registered schemas that the schema's text refers to.
func SchemaReferences(refs ...SchemaReference) SchemaOption {
	return SchemaOption{func(f *schemaFrame) { f.schema.References = refs }}
}

// registered is a serde that does not need the writer's schema.
type registered[T any] struct {
	frame  *schemaFrame
	inner  Serde[T]
	placed bool   // a place stands before the value
	place  []byte // the one that is written
}

func (s *registered[T]) check() error { return errors.Join(s.frame.check(), serdeMistake(s.inner)) }

func (s *registered[T]) Append(dst []byte, topic string, h *Headers, v T) ([]byte, error) {
	longer, err := s.frame.append(dst, topic)
	if err != nil {
		return dst, cannotWrite(typeName[T](), topic, err)
	}
	return s.inner.Append(append(longer, s.place...), topic, h, v)
}

func (s *registered[T]) Decode(b []byte, topic string, h Headers) (T, error) {
	_, framed, rest, err := s.frame.cut(b, h)
	if err == nil && s.placed && framed { // else the place is in the header too
		rest, err = cutPlace(rest)
	}
	if err != nil {
		var zero T
		return zero, cannotRead(typeName[T](), topic, "%w", err)
	}
	return s.inner.Decode(rest, topic, h)
}

// appendPlace appends where in its file a message's type is: how many numbers follow and the number of the type on each
// level from the file down, all as zig-zag varints; the very common single 0 is the byte 0.
func appendPlace(dst []byte, d protoreflect.Descriptor) []byte {
	var path []int
	for ; ; d = d.Parent() {
		if _, ok := d.(protoreflect.MessageDescriptor); !ok {
			break
		}
		path = append(path, d.Index())
	}
	if len(path) == 1 && path[0] == 0 {
		return append(dst, 0)
	}
	dst = binary.AppendVarint(dst, int64(len(path)))
	for i := len(path) - 1; i >= 0; i-- {
		dst = binary.AppendVarint(dst, int64(path[i]))
	}
	return dst
}

func cutPlace(b []byte) ([]byte, error) {
	n, size := binary.Varint(b)
	if size <= 0 || n < 0 || n > int64(len(b)) {
		return nil, errors.New("the place of the message's type in its file is malformed")
	}
	for b = b[size:]; n > 0; n-- {
		if _, size = binary.Varint(b); size <= 0 {
			return nil, errors.New("the place of the message's type in its file is cut short")
		}
		b = b[size:]
	}
	return b, nil
}

// registeredAvro reads by the writer's schema and its own.
type registeredAvro[T any] struct {
	frame   *schemaFrame
	reader  *avro.Schema // nil: the writer's
	err     error
	pool    pointers[T]
	writers remembered[schemaName, writerSchema]
}

// writerSchema reads what a writer wrote, or says why it cannot be read: that does not change, and is not tried again.
type writerSchema struct {
	schema *avro.Schema
	err    error
}

func (s *registeredAvro[T]) check() error { return errors.Join(s.frame.check(), s.err) }

func (s *registeredAvro[T]) Append(dst []byte, topic string, _ *Headers, v T) ([]byte, error) {
	longer, err := dst, s.err
	if err == nil {
		longer, err = s.frame.append(dst, topic)
	}
	if err == nil {
		longer, err = appendAvro(&s.pool, s.reader, longer, v)
	}
	if err != nil {
		return dst, cannotWrite(typeName[T]()+" as Avro", topic, err)
	}
	return longer, nil
}

func (s *registeredAvro[T]) Decode(b []byte, topic string, h Headers) (v T, err error) {
	name, _, rest, err := s.frame.cut(b, h)
	if err == nil {
		var schema *avro.Schema
		if schema, err = s.writer(name); err == nil {
			v, err = decodeAvro[T](schema, rest)
		}
	}
	if err != nil {
		return v, cannotRead(typeName[T]()+" as Avro", topic, "%w", err)
	}
	return v, nil
}

// writer gives what reads values that were written with a schema.
func (s *registeredAvro[T]) writer(name schemaName) (*avro.Schema, error) {
	known, ok := s.writers.get(name)
	if ok {
		return known.schema, known.err
	}
	if s.err != nil {
		return nil, s.err
	}
	found, err := name.find(s.frame.registry)
	if err != nil {
		return nil, fmt.Errorf("schema %s: %w", name, err) // the registry may know it, or be there, the next time
	}
	known.schema, known.err = s.resolve(found)
	if known.err != nil {
		known.err = fmt.Errorf("schema %s: %w", name, known.err)
	}
	s.writers.put(name, known)
	return known.schema, known.err
}

func (s *registeredAvro[T]) resolve(found Schema) (*avro.Schema, error) {
	if found.Type != "" && found.Type != "AVRO" {
		return nil, fmt.Errorf("it is %s, not AVRO", found.Type)
	}
	writer, err := avro.Parse(found.Text)
	if err != nil || s.reader == nil {
		return writer, err
	}
	return avro.Resolve(writer, s.reader)
}
