package streams

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"sync/atomic"
)

// Confluent's frame.
const (
	frameMagic     = 0 // before an id
	frameMagicGUID = 1 // before a global id, in headers only
	frameBytes     = 1 + 4
	guidBytes      = 1 + 16
)

// Headers in which a record's schemas are named.
const (
	keySchemaHeader   = "__key_schema_id"
	valueSchemaHeader = "__value_schema_id"
)

// schemaFrame is what the serdes of registered schemas have in common.
type schemaFrame struct {
	registry  SchemaRegistry
	schema    Schema
	subject   func(topic string) string
	key       bool
	mustExist bool
	ids       remembered[string, int32] // by topic
}

func newFrame(r SchemaRegistry, kind, text string, o []SchemaOption) *schemaFrame {
	f := &schemaFrame{registry: r, schema: Schema{Type: kind, Text: text}}
	for _, option := range o {
		option.set(f)
	}
	return f
}

func (f *schemaFrame) check() error {
	if f.registry == nil {
		return errors.New("it has no schema registry")
	}
	return nil
}

var errNoSchema = errors.New("the serde was made without a schema, it can only read")

// append appends the frame of a value that goes to a topic.
func (f *schemaFrame) append(dst []byte, topic string) ([]byte, error) {
	id, ok := f.ids.get(topic)
	if !ok {
		if f.schema.Text == "" {
			return dst, errNoSchema
		}
		var err error
		if id, err = f.ask(topic); err != nil {
			return dst, err
		}
		f.ids.put(topic, id)
	}
	return binary.BigEndian.AppendUint32(append(dst, frameMagic), uint32(id)), nil //nolint:gosec // the bits
}

func (f *schemaFrame) ask(topic string) (id int32, err error) {
	subject := topic + "-value"
	switch {
	case f.subject != nil:
		subject = f.subject(topic)
	case f.key:
		subject = topic + "-key"
	}
	if f.mustExist {
		id, err = f.registry.Lookup(context.Background(), subject, f.schema)
	} else {
		id, err = f.registry.Register(context.Background(), subject, f.schema)
	}
	if err != nil {
		return 0, fmt.Errorf("schema of subject %s: %w", subject, err)
	}
	return id, nil
}

// cut tells which schema a value was written with, from the record's header (then there is no frame) or the value's frame.
func (f *schemaFrame) cut(b []byte, h Headers) (n schemaName, framed bool, rest []byte, err error) {
	name := valueSchemaHeader
	if f.key {
		name = keySchemaHeader
	}
	for i := len(h) - 1; i >= 0; i-- {
		if h[i].Key == name {
			n, _, err = cutSchemaName(h[i].Value)
			return n, false, b, err
		}
	}
	n, rest, err = cutSchemaName(b)
	if err == nil && n.guid != [16]byte{} {
		err = errUnframed
	}
	return n, true, rest, err
}

var errUnframed = errors.New("it does not begin with a zero byte and the four bytes of a schema's id")

func cutSchemaName(b []byte) (n schemaName, rest []byte, err error) {
	switch {
	case len(b) >= frameBytes && b[0] == frameMagic:
		n.id = int32(binary.BigEndian.Uint32(b[1:])) //nolint:gosec // the bits
		return n, b[frameBytes:], nil
	case len(b) >= guidBytes && b[0] == frameMagicGUID:
		return schemaName{guid: [16]byte(b[1:])}, b[guidBytes:], nil
	}
	return n, nil, errUnframed
}

// rememberedMax is how many answers of a registry a serde remembers; beyond it all are asked for again.
const rememberedMax = 1_000

// remembered is a map that is read without locks and copied to be written, which happens once per topic or schema.
type remembered[K comparable, V any] struct{ m atomic.Pointer[map[K]V] }

func (r *remembered[K, V]) get(k K) (v V, ok bool) {
	if m := r.m.Load(); m != nil {
		v, ok = (*m)[k]
	}
	return v, ok
}

func (r *remembered[K, V]) put(k K, v V) {
	for {
		old := r.m.Load()
		m := map[K]V{}
		if old != nil && len(*old) < rememberedMax {
			m = maps.Clone(*old)
		}
		m[k] = v
		if r.m.CompareAndSwap(old, &m) {
			return
		}
	}
}
