package format

import (
	"fmt"
	"strings"

	"leat.dev/internal/registry/schema"
	"leat.dev/internal/row"
)

// Format is one of the eight formats by its name in SQL.
type Format string

// The formats.
const (
	JSON       Format = "JSON"          // JSON without a schema
	JSONSchema Format = "JSON_SR"       // JSON by registered schemas
	Avro       Format = "AVRO"          // registered
	Protobuf   Format = "PROTOBUF"      // registered
	ProtoPlain Format = "PROTOBUF_NOSR" // of the schema that the columns give, without a registry
	Delimited  Format = "DELIMITED"     // separated values
	Kafka      Format = "KAFKA"         // Kafka's own serializers, one column
	None       Format = "NONE"          // no columns
)

// Parse finds a format by its name, in any case.
func Parse(name string) (Format, error) {
	switch f := Format(strings.ToUpper(name)); f {
	case JSON, JSONSchema, Avro, Protobuf, ProtoPlain, Delimited, Kafka, None:
		return f, nil
	}
	return "", fmt.Errorf("Unknown format: %s", name) //nolint:staticcheck // ksqlDB's text
}

// Properties refine a format; each belongs to some formats only.
type Properties struct {
	Delimiter rune     // DELIMITED: ',' where it is 0
	FullName  string   // AVRO: of the record that is written; PROTOBUF: of the message
	Nullable  Nullable // PROTOBUF: how NULL is told from a default
}

// Registered reports whether the format's schemas are kept in a registry.
func (f Format) Registered() bool { return f == Avro || f == Protobuf || f == JSONSchema }

// Shapes says how a single column may stand: as a field of an object, or bare.
func (f Format) Shapes() (wrapped, bare bool) {
	switch f {
	case JSON, JSONSchema, Avro, ProtoPlain:
		return true, true
	case Protobuf:
		return true, false
	case Delimited, Kafka:
		return false, true
	}
	return false, false
}

// SchemaType of a registered format.
func (f Format) SchemaType() schema.Type {
	switch f {
	case Protobuf:
		return schema.Protobuf
	case JSONSchema:
		return schema.JSON
	}
	return schema.Avro
}

// Derive gives the schema that rows of a side are registered with.
func (f Format) Derive(side Side, p Properties) (schema.Source, error) {
	var text string
	var err error
	switch f {
	case Avro:
		text, err = DeriveAvro(side, p.FullName)
	case JSONSchema:
		text, err = DeriveJSON(side)
	case Protobuf, ProtoPlain:
		text, err = DeriveProtobuf(side, p.FullName, p.Nullable)
	default:
		err = fmt.Errorf("format %s has no schemas", f)
	}
	return schema.Source{Type: f.SchemaType(), Text: text}, err
}

// Infer gives the columns of data written with a registered schema.
func (f Format) Infer(src schema.Source, o Inference) ([]row.Column, error) {
	switch f {
	case Avro:
		return InferAvro(src, o)
	case JSONSchema:
		return InferJSON(src, o)
	case Protobuf:
		return InferProtobuf(src, o)
	}
	return nil, fmt.Errorf("format %s has no schemas to infer columns from", f)
}

// Decoder opens the format for reading. Schemas may be nil for a format that is not registered.
func (f Format) Decoder(side Side, schemas Schemas, p Properties) (Decoder, error) {
	switch f {
	case JSON:
		return NewJSONDecoder(side)
	case JSONSchema:
		return NewJSONSchemaDecoder(side, schemas)
	case Avro:
		return NewAvroDecoder(side, schemas)
	case Protobuf:
		return NewProtobufDecoder(side, schemas, ProtobufOptions{p.FullName, p.Nullable})
	default:
		d, _, err := f.plain(side, p)
		return d, err
	}
}

// Encoder opens the format for writing, a registered one with the schema that rows are written with.
func (f Format) Encoder(side Side, s Registered, p Properties) (Encoder, error) {
	switch f {
	case JSON:
		return NewJSONEncoder(side)
	case JSONSchema:
		return NewJSONSchemaEncoder(side, s.ID)
	case Avro:
		return NewAvroEncoder(side, s)
	case Protobuf:
		return NewProtobufEncoder(side, s, ProtobufOptions{p.FullName, p.Nullable})
	default:
		_, e, err := f.plain(side, p)
		return e, err
	}
}

// plain opens the formats whose two directions are made together.
func (f Format) plain(side Side, p Properties) (Decoder, Encoder, error) {
	switch f {
	case ProtoPlain:
		return NewPlainProtobuf(side, ProtobufOptions{p.FullName, p.Nullable})
	case Delimited:
		return NewDelimited(side, p.Delimiter)
	case Kafka:
		return NewKafka(side)
	case None:
		if len(side.Columns) > 0 {
			return nil, nil, fmt.Errorf("The 'NONE' format can only be used when no columns are defined. Got: %s", columnTexts(side.Columns)) //nolint:staticcheck // ksqlDB's text
		}
		return Nothing{}, Nothing{}, nil
	}
	return nil, nil, fmt.Errorf("Unknown format: %s", f) //nolint:staticcheck // ksqlDB's text
}
