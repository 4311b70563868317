package format

import (
	"errors"
	"fmt"

	"leat.dev/internal/registry/schema"
	"leat.dev/internal/registry/schema/avro"
	"leat.dev/internal/row"
)

// avroDecoder reads registered Avro.
type avroDecoder struct {
	side    Side
	target  *row.Type
	schemas Schemas
	plans   plans[*avroPlan]
	reader  avroReader
}

var errNoBare = errors.New("a bare value needs exactly one column")

// NewAvroDecoder reads Avro in the registry's wire format.
//
// Each datum is read by the schema it was written with. A record's fields are found by their exact name, else by their
// name in upper case; unknown ones are skipped, missing ones NULL. INTEGER, DATE and TIME read Avro's int, BIGINT and
// TIMESTAMP int and long, DOUBLE float and double, STRING strings, enums, numbers and booleans; a logical time is its
// number; decimals must fit without rounding; a union of several types is a STRUCT with a field for each, named by type.
// Bytes after the datum are ignored, as upstream does.
func NewAvroDecoder(side Side, schemas Schemas) (Decoder, error) {
	target, err := side.target()
	if err != nil {
		return nil, err
	}
	return &avroDecoder{side: side, schemas: schemas, target: target}, checkAvroKeys(side.Columns)
}

func checkAvroKeys(columns []row.Column) error {
	for _, c := range columns {
		if !stringKeys(c.Type) {
			return errors.New("Avro only supports MAPs with STRING keys") //nolint:staticcheck // ksqlDB's text
		}
	}
	return nil
}

func (d *avroDecoder) compile(src schema.Source) (*avroPlan, error) {
	s, err := parseAvro(src)
	if err != nil {
		return nil, err
	}
	c := new(avroCompiler)
	p := c.compile(s.Root, d.target, "")
	if c.seen > maxCompiled {
		return nil, errCompiled
	}
	return p, nil
}

func parseAvro(src schema.Source) (*avro.Schema, error) {
	if src.Type != "" && src.Type != schema.Avro {
		return nil, fmt.Errorf("it is a schema of type %s, not AVRO", src.Type)
	}
	return avro.Parse(src.Text, src.Dependencies, false)
}

func (d *avroDecoder) Decode(a *row.Arena, data []byte) (row.Row, error) {
	if data == nil {
		return nil, nil
	}
	r, err := d.decode(a, data)
	if err != nil {
		return nil, d.side.cannotRead(err)
	}
	return r, nil
}

func (d *avroDecoder) decode(a *row.Arena, data []byte) (row.Row, error) {
	id, data, err := cutPrefix(data)
	if err != nil {
		return nil, err
	}
	plan, err := d.plans.get(id, d.schemas, d.compile)
	if err != nil {
		return nil, err
	}
	r := &d.reader
	r.data, r.pos, r.depth, r.empty, r.room, r.arena = data, 0, 0, 0, room(data), a
	r.stack, r.pairs = r.stack[:0], r.pairs[:0]
	var v row.Value
	if err := r.read(plan, &v); err != nil {
		return nil, err
	}
	return d.side.row(a, v), nil
}

// avroEncoder writes registered Avro.
type avroEncoder struct {
	side Side
	id   int32
	plan *avroWrite
}

// NewAvroEncoder writes Avro in the registry's wire format, with a schema that [DeriveAvro] gave for the columns, or with
// any other that has a place for each of them: fields are found by their exact name, else by their name in upper case.
// Fields of the schema without a column get their default.
func NewAvroEncoder(side Side, s Registered) (Encoder, error) {
	target, err := side.target()
	if err != nil {
		return nil, err
	}
	if err := checkAvroKeys(side.Columns); err != nil {
		return nil, err
	}
	parsed, err := parseAvro(s.Schema)
	if err != nil {
		return nil, err
	}
	plan, err := compileAvroWrite(parsed.Root, target, "")
	if err != nil {
		return nil, err
	}
	return &avroEncoder{side, s.ID, plan}, nil
}

func (e *avroEncoder) Encode(dst []byte, r row.Row) ([]byte, error) {
	if r == nil {
		return nil, nil
	}
	if err := e.side.checkCount("serialization", len(r)); err != nil {
		return nil, err
	}
	v := row.OfStruct(r)
	if e.side.Unwrap {
		if v = r[0]; v.IsNull() {
			return nil, nil
		}
	}
	dst, err := e.plan.append(appendPrefix(dst, e.id), v)
	if err != nil {
		return nil, e.side.cannotWrite(err)
	}
	return dst, nil
}
