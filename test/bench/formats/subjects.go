package main

import (
	"context"
	"encoding/json"

	"github.com/bufbuild/protocompile"
	"github.com/bytedance/sonic"
	goccy "github.com/goccy/go-json"
	hamba "github.com/hamba/avro/v2"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	"leat.dev/internal/format"
	"leat.dev/internal/registry/schema"
	"leat.dev/internal/row"
)

// one serves one schema under every id.
type one schema.Source

func (o one) ByID(int32) (schema.Source, error) { return schema.Source(o), nil }

// prefix is the size of the registry's wire format before an Avro datum; Protobuf has one byte more.
const prefix = 5

func subjects() ([]subject, error) {
	var all []subject
	for _, make := range []func() ([]subject, error){jsonSubjects, avroSubjects, protobufSubjects} {
		s, err := make()
		if err != nil {
			return nil, err
		}
		all = append(all, s...)
	}
	return all, nil
}

// ours gives our decoder's work and our encoder's.
func ours(d format.Decoder, e format.Encoder, data [][]byte, rows []row.Row) (decode, encode contender) {
	var arena row.Arena
	var buf []byte
	decode = contender{"leat, row", func(i int) error {
		arena.Reset()
		_, err := d.Decode(&arena, data[i])
		return err
	}}
	encode = contender{"leat, row", func(i int) error {
		b, err := e.Encode(buf[:0], rows[i])
		buf = b
		return err
	}}
	return decode, encode
}

func encodeAll(e format.Encoder, rows []row.Row) (data [][]byte, size int, err error) {
	for _, r := range rows {
		b, err := e.Encode(nil, r)
		if err != nil {
			return nil, 0, err
		}
		data, size = append(data, b), size+len(b)
	}
	return data, size, nil
}

func into(name string, data [][]byte, unmarshal func([]byte, any) error, target func() any) contender {
	return contender{name, func(i int) error { return unmarshal(data[i], target()) }}
}

func jsonSubjects() ([]subject, error) {
	side := format.Side{Topic: "bench", Columns: readingColumns}
	d, err := format.NewJSONDecoder(side)
	if err != nil {
		return nil, err
	}
	e, err := format.NewJSONEncoder(side)
	if err != nil {
		return nil, err
	}
	structs, rows := make([]reading, records), make([]row.Row, records)
	for i := range records {
		structs[i] = makeReading(i)
		rows[i] = structs[i].row()
	}
	data, size, err := encodeAll(e, rows)
	if err != nil {
		return nil, err
	}
	var r reading
	reused := func() any { r.Tags = r.Tags[:0]; return &r }
	generic := func() any { return new(any) }
	decode, encode := ours(d, e, data, rows)
	fast := sonic.ConfigFastest
	write := func(name string, marshal func(any) ([]byte, error)) contender {
		return contender{name, func(i int) error { _, err := marshal(&structs[i]); return err }}
	}
	return []subject{
		{"JSON decode", records, size, []contender{
			decode,
			into("encoding/json, struct", data, json.Unmarshal, reused),
			into("encoding/json, any", data, json.Unmarshal, generic),
			into("goccy/go-json, struct", data, func(b []byte, v any) error { return goccy.Unmarshal(b, v) }, reused),
			into("goccy/go-json, any", data, func(b []byte, v any) error { return goccy.Unmarshal(b, v) }, generic),
			into("sonic (fastest), struct", data, fast.Unmarshal, reused),
			into("sonic (fastest), any", data, fast.Unmarshal, generic),
		}},
		{"JSON encode", records, size, []contender{
			encode, write("encoding/json, struct", json.Marshal), write("goccy/go-json, struct", goccy.Marshal), write("sonic (fastest), struct", fast.Marshal),
		}},
	}, nil
}

func avroSubjects() ([]subject, error) {
	side := format.Side{Topic: "bench", Columns: orderColumns}
	text, err := format.DeriveAvro(side, "")
	if err != nil {
		return nil, err
	}
	src := schema.Source{Type: schema.Avro, Text: text}
	d, err := format.NewAvroDecoder(side, one(src))
	if err != nil {
		return nil, err
	}
	e, err := format.NewAvroEncoder(side, format.Registered{ID: 1, Schema: src})
	if err != nil {
		return nil, err
	}
	rows := make([]row.Row, records)
	for i := range rows {
		rows[i] = orderRow(i)
	}
	data, size, err := encodeAll(e, rows)
	if err != nil {
		return nil, err
	}
	parsed, err := hamba.Parse(text)
	if err != nil {
		return nil, err
	}
	var o order
	orders := make([]order, records)
	for i := range orders {
		if err := hamba.Unmarshal(parsed, data[i][prefix:], &orders[i]); err != nil {
			return nil, err
		}
	}
	decode, encode := ours(d, e, data, rows)
	return []subject{
		{"Avro decode", records, size, []contender{
			decode,
			{"hamba/avro, struct", func(i int) error { return hamba.Unmarshal(parsed, data[i][prefix:], &o) }},
			{"hamba/avro, map", func(i int) error { return hamba.Unmarshal(parsed, data[i][prefix:], new(map[string]any)) }},
		}},
		{"Avro encode", records, size, []contender{
			encode,
			{"hamba/avro, struct", func(i int) error { _, err := hamba.Marshal(parsed, &orders[i]); return err }},
		}},
	}, nil
}

func protobufSubjects() ([]subject, error) {
	side := format.Side{Topic: "bench", Columns: readingColumns}
	text, err := format.DeriveProtobuf(side, "", format.NullableNone)
	if err != nil {
		return nil, err
	}
	src := schema.Source{Type: schema.Protobuf, Text: text}
	d, err := format.NewProtobufDecoder(side, one(src), format.ProtobufOptions{})
	if err != nil {
		return nil, err
	}
	e, err := format.NewProtobufEncoder(side, format.Registered{ID: 1, Schema: src}, format.ProtobufOptions{})
	if err != nil {
		return nil, err
	}
	rows := make([]row.Row, records)
	for i := range rows {
		rows[i] = makeReading(i).row()
	}
	data, size, err := encodeAll(e, rows)
	if err != nil {
		return nil, err
	}
	compiler := protocompile.Compiler{Resolver: &protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(map[string]string{"a.proto": text})}}
	files, err := compiler.Compile(context.Background(), "a.proto")
	if err != nil {
		return nil, err
	}
	message := dynamicpb.NewMessage(files[0].Messages().Get(0))
	messages := make([]*dynamicpb.Message, records)
	for i := range messages {
		messages[i] = dynamicpb.NewMessage(files[0].Messages().Get(0))
		if err := proto.Unmarshal(data[i][prefix+1:], messages[i]); err != nil {
			return nil, err
		}
	}
	decode, encode := ours(d, e, data, rows)
	return []subject{
		{"Protobuf decode", records, size, []contender{
			decode,
			{"dynamicpb", func(i int) error { return proto.Unmarshal(data[i][prefix+1:], message) }},
		}},
		{"Protobuf encode", records, size, []contender{
			encode,
			{"dynamicpb", func(i int) error { _, err := proto.Marshal(messages[i]); return err }},
		}},
	}, nil
}
