package format_test

import (
	"strings"
	"testing"

	"leat.dev/internal/format"
	"leat.dev/internal/registry/schema"
	"leat.dev/internal/row"
)

func jsonText(text string) schema.Source { return schema.Source{Type: schema.JSON, Text: text} }

func TestJSONSchemaPageRow(t *testing.T) {
	columns, r := pageRow()
	side := format.Side{Topic: "t", Columns: columns}
	text, err := format.DeriveJSON(side)
	if err != nil {
		t.Fatal(err)
	}
	enc, err := format.NewJSONSchemaEncoder(side, 1)
	if err != nil {
		t.Fatal(err)
	}
	got, err := enc.Encode(nil, r)
	want := "\x00\x00\x00\x00\x01" + `{"BO":true,"I":1,"L":2,"D":3.5,"S":"s","BY":"AQI=","DE":12.30,"DA":19000,"TI":3723004,"TS":1700000000123,"AR":[1,2],"MA":[{"key":"k","value":5}],"ST":{"A":7,"b":"x"}}`
	if err != nil || string(got) != want {
		t.Fatalf("%s, %v", got, err)
	}
	dec, err := format.NewJSONSchemaDecoder(side, schemas{jsonText(text)})
	if err != nil {
		t.Fatal(err)
	}
	same(t, dec, got, columns, r)
	inferred, err := format.InferJSON(jsonText(text), format.Inference{KeepCase: true})
	if err != nil || !row.StructType(fields(inferred)...).Equal(row.StructType(fields(columns)...)) {
		t.Error(inferred, err)
	}
}

func TestJSONSchemaDerived(t *testing.T) {
	columns := []row.Column{{Name: "A", Type: row.IntegerType}, {Name: "M", Type: row.MapType(row.StringType, row.DecimalType(4, 2))}, {Name: "L", Type: row.ArrayType(row.StringType)}}
	got, err := format.DeriveJSON(format.Side{Columns: columns})
	want := `{"type":"object","properties":{"A":{"connect.index":0,"oneOf":[{"type":"null"},{"type":"integer","connect.type":"int32"}]},` +
		`"M":{"connect.index":1,"oneOf":[{"type":"null"},{"type":"array","connect.type":"map","items":{"type":"object","properties":{"key":{"connect.index":0,"oneOf":[{"type":"null"},{"type":"string"}]},"value":{"connect.index":1,"oneOf":[{"type":"null"},{"type":"number","title":"org.apache.kafka.connect.data.Decimal","connect.version":1,"connect.type":"bytes","connect.parameters":{"scale":"2","connect.decimal.precision":"4"}}]}}}}]},` +
		`"L":{"connect.index":2,"oneOf":[{"type":"null"},{"type":"array","items":{"oneOf":[{"type":"null"},{"type":"string"}]}}]}}}`
	if err != nil || got != want {
		t.Errorf("%s, %v", got, err)
	}
	if got, err := format.DeriveJSON(format.Side{Unwrap: true, Columns: columns[:1]}); err != nil || got != `{"oneOf":[{"type":"null"},{"type":"integer","connect.type":"int32"}]}` {
		t.Errorf("%s, %v", got, err)
	}
}

func TestJSONSchemaReads(t *testing.T) {
	const failed = "Error deserializing message from topic: t: "
	object := func(f string) string { return `{"type":"object","properties":{"f":` + f + `}}` }
	for _, c := range []struct{ schema, typ, data, want string }{
		{`{"type":"integer"}`, "BIGINT", `"x"`, "0"}, {`{"type":"integer"}`, "BIGINT", `1e30`, "5076944270305263616"}, {`{"type":"integer","connect.type":"int16"}`, "INTEGER", `70000`, "4464"},
		{`{"type":"integer"}`, "INTEGER", `1`, failed + "Cannot deserialize type int64 as type int32 for path: ->F"}, {`{"type":"integer"}`, "BIGINT", `null`, failed + "Invalid null value for required INT64 field"},
		{`{"type":["integer","null"]}`, "BIGINT", `null`, "null"}, {`{"type":"number"}`, "DOUBLE", `true`, "0.0"}, {`{"type":"boolean"}`, "BOOLEAN", `1`, "false"}, {`{"type":"string"}`, "STRING", `1`, "null"},
		{`{"type":"number"}`, "STRING", `1e7`, "1.0E7"}, {`{"type":"array","items":{"type":"integer","connect.type":"int32"}}`, "ARRAY", `{"a":1}`, "[]"}, {`{"type":"array","items":{"type":"integer","connect.type":"int32"}}`, "ARRAY", `[1]`, "[1]"},
		{`{"type":"object","connect.type":"map","additionalProperties":{"type":"integer","connect.type":"int32"}}`, "MAP", `{"k":1}`, "{k=1}"},
		{`{"type":"number","title":"org.apache.kafka.connect.data.Decimal","connect.parameters":{"scale":"1"}}`, "DECIMAL", `12.345`, "12.345"},
		{`{"$ref":"#/definitions/x"},"f2":{"type":"string"}},"definitions":{"x":{"type":"string"}`, "STRING", `"v"`, "v"}, {`{"$ref":"other.json#/$defs/x"}`, "STRING", `"v"`, "v"},
		{`{"$ref":"http://example.com/x"}`, "STRING", `"v"`, failed + `schema 1: property f: the JSON schema refers to "http://example.com/x", which is not among its references`},
		{`{"$ref":"#"}`, "STRING", `"v"`, "null"}, {`{"type":"object","properties":{"f":{"type":"integer","connect.type":"int32"}}}`, "STRUCT", `{"f":3}`, "Struct{F=3}"},
		{`{"type":"object","properties":{}}`, "STRUCT", `3`, failed + "Structs should be encoded as JSON objects"},
	} {
		src := jsonText(object(c.schema))
		src.Dependencies = []schema.Dependency{{Name: "other.json", Text: `{"$defs":{"x":{"type":"string"}}}`}}
		dec, err := format.NewJSONSchemaDecoder(format.Side{Topic: "t", Columns: []row.Column{{Name: "F", Type: rowTypes[c.typ]}}}, schemas{src})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if r, err := dec.Decode(new(row.Arena), []byte("\x00\x00\x00\x00\x01"+`{"f":`+c.data+`}`)); err != nil {
			got = err.Error()
		} else {
			got = string(row.AppendText(nil, rowTypes[c.typ], r[0]))
		}
		if got != c.want {
			t.Errorf("%s of %s: %s, want %s", c.schema, c.data, got, c.want)
		}
	}
}

func TestJSONSchemaInference(t *testing.T) {
	for _, c := range []struct{ schema, want string }{
		{`{"type":"object","properties":{"a":{"type":"integer"},"b":{"enum":["x"]},"c":{"type":"string","connect.type":"bytes"},"d":{"type":"integer","title":"org.apache.kafka.connect.data.Date","connect.type":"int32"}}}`, "`A` BIGINT, `B` STRING, `C` BYTES, `D` DATE"},
		{`{"type":"object","properties":{"x":{"type":"integer","connect.index":1},"y":{"type":"string","connect.index":0}}}`, "`Y` STRING, `X` BIGINT"},
		{`{"type":"object","properties":{"x":{"type":"integer","connect.index":1},"y":{"type":"string","connect.index":1}}}`, "`Y` STRING"},
		{`{"type":"object","properties":{"u":{"oneOf":[{"type":"integer"},{"type":"string"}]},"v":{"allOf":[{"type":"object","properties":{"p":{"type":"number"}}},{"type":"object","properties":{"q":{"type":"boolean"}}}]}}}`,
			"`U` STRUCT<`IO.CONFLUENT.CONNECT.JSON.ONEOF.FIELD.0` BIGINT, `IO.CONFLUENT.CONNECT.JSON.ONEOF.FIELD.1` STRING>, `V` STRUCT<`P` DOUBLE, `Q` BOOLEAN>"},
		{`{"type":"object","properties":{"n":{"type":"null"}}}`, "Schema does not include any columns with types that ksqlDB supports."},
		{`{"type":"object","properties":{"n":{"type":"number","title":"org.apache.kafka.connect.data.Decimal"}}}`, "`N` DECIMAL(64, 0)"},
	} {
		columns, err := format.InferJSON(jsonText(c.schema), format.Inference{})
		got := row.Schema{Value: columns}.String()
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.schema, got, c.want)
		}
	}
	if _, err := format.InferJSON(avroText(`"int"`), format.Inference{}); err == nil || !strings.Contains(err.Error(), "not JSON") {
		t.Error(err)
	}
}

// FuzzJSONSchema: neither a schema nor a datum makes the reader panic.
func FuzzJSONSchema(f *testing.F) {
	f.Add(`{"type":"object","properties":{"F":{"oneOf":[{"type":"null"},{"type":"array","items":{"$ref":"#"}}]}}}`, `{"F":[{}]}`)
	f.Add(`{"type":"object","properties":{"F":{"type":"array","connect.type":"map","items":{"type":"object","properties":{"key":{"type":"string"},"value":{"type":"integer"}}}}}}`, `{"F":[{"key":"a","value":1}]}`)
	f.Fuzz(func(t *testing.T, text, data string) {
		_, _ = format.InferJSON(jsonText(text), format.Inference{})
		for _, typ := range []string{"MAP", "ARRAY", "STRUCT", "STRING"} {
			dec, err := format.NewJSONSchemaDecoder(format.Side{Topic: "t", Columns: []row.Column{{Name: "F", Type: rowTypes[typ]}}}, schemas{jsonText(text)})
			if err != nil {
				t.Fatal(err)
			}
			_, _ = dec.Decode(new(row.Arena), []byte("\x00\x00\x00\x00\x01"+data))
		}
	})
}
