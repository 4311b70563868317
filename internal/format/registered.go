package format

import (
	"encoding/binary"
	"errors"
	"fmt"

	"leat.dev/internal/registry/schema"
	"leat.dev/internal/row"
)

// Schemas finds registered schemas. A registry's client behind it caches; an id always means the same schema.
type Schemas interface {
	// ByID gives the schema with this id, with the texts it refers to.
	ByID(id int32) (schema.Source, error)
}

// Registered is a schema with its id in a registry: what a row is written with.
type Registered struct {
	ID     int32
	Schema schema.Source
}

// Wire format of registered schemas: a zero byte, the id in four bytes, big-endian, then the datum.
const (
	magicByte  = 0
	prefixSize = 5
)

var (
	errMagic = errors.New("Unknown magic byte!") //nolint:staticcheck // Confluent's text
	errShort = errors.New("the message is shorter than the five bytes of a schema id")
)

// cutPrefix takes the schema id off a message.
func cutPrefix(data []byte) (id int32, rest []byte, err error) {
	switch {
	case len(data) > 0 && data[0] != magicByte:
		return 0, nil, errMagic
	case len(data) < prefixSize:
		return 0, nil, errShort
	}
	return int32(binary.BigEndian.Uint32(data[1:])), data[prefixSize:], nil //nolint:gosec // the bits
}

// appendPrefix puts it in front.
func appendPrefix(dst []byte, id int32) []byte {
	return binary.BigEndian.AppendUint32(append(dst, magicByte), uint32(id)) //nolint:gosec // the bits
}

// maxPlans is how many writers' schemas a decoder keeps plans for. Topics have few; beyond it all are made again.
const maxPlans = 1_000

// plans are what a decoder has worked out for each writer's schema it met.
type plans[P any] struct {
	byID   map[int32]planned[P]
	lastID int32
	last   P
	known  bool
}

// planned is a plan, or why there is none: a schema that cannot be used is not looked at again for each of its records.
type planned[P any] struct {
	plan P
	err  error
}

// get gives the plan for an id, making it the first time.
func (p *plans[P]) get(id int32, schemas Schemas, compile func(schema.Source) (P, error)) (P, error) {
	if p.known && p.lastID == id {
		return p.last, nil
	}
	found, ok := p.byID[id]
	if !ok {
		src, err := schemas.ByID(id)
		if err != nil { // the registry may know it, or be there, the next time
			return found.plan, fmt.Errorf("schema %d: %w", id, err)
		}
		if found.plan, err = compile(src); err != nil {
			found.err = fmt.Errorf("schema %d: %w", id, err)
		}
		if p.byID == nil || len(p.byID) >= maxPlans {
			p.byID = map[int32]planned[P]{}
		}
		p.byID[id] = found
	}
	if found.err != nil {
		return found.plan, found.err
	}
	p.lastID, p.last, p.known = id, found.plan, true
	return found.plan, nil
}

// cannotRead and cannotWrite are the outer errors of formats with registered schemas.
func (s *Side) cannotRead(err error) error {
	return fmt.Errorf("Error deserializing message from topic: %s: %w", s.Topic, err)
}

func (s *Side) cannotWrite(err error) error {
	return fmt.Errorf("Error serializing message to topic: %s. %w", s.Topic, err)
}

// target is the type of all of a side: of its bare column, or of all columns together.
func (s *Side) target() (*row.Type, error) {
	switch {
	case !s.Unwrap:
		return asStruct(s.Columns), nil
	case len(s.Columns) != 1:
		return nil, errNoBare
	}
	return s.Columns[0].Type, nil
}

// row is a value of target's type as a row; NULL is a NULL row.
func (s *Side) row(a *row.Arena, v row.Value) row.Row {
	switch {
	case v.IsNull():
		return nil
	case s.Unwrap:
		r := a.Row(1)
		r[0] = v
		return r
	}
	return v.Fields()
}

// asStruct is the type of all columns together.
func asStruct(columns []row.Column) *row.Type {
	fields := make([]row.Field, len(columns))
	for i, c := range columns {
		fields[i] = row.Field(c)
	}
	return row.StructType(fields...)
}
