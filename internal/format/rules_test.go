package format_test

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"leat.dev/internal/format"
	"leat.dev/internal/registry/schema"
	"leat.dev/internal/row"
)

// read decodes with a format and gives the columns as text, or the error.
func read(t *testing.T, f format.Format, src schema.Source, data string, columns ...row.Column) string {
	t.Helper()
	dec, err := f.Decoder(format.Side{Topic: "t", Columns: columns}, schemas{src}, format.Properties{})
	if err != nil {
		return err.Error()
	}
	if f.Registered() {
		data = "\x00\x00\x00\x00\x01" + data
	}
	r, err := dec.Decode(new(row.Arena), []byte(data))
	if err != nil {
		return err.Error()
	}
	var texts []string
	for i, v := range r {
		texts = append(texts, string(row.AppendText(nil, columns[i].Type, v)))
	}
	return strings.Join(texts, " ")
}

var (
	upperF = row.Column{Name: "F", Type: row.IntegerType}
	lowerF = row.Column{Name: "f", Type: row.IntegerType}
	nested = row.Column{Name: "S", Type: row.StructType(row.Field(upperF))}
)

// Names by the rule of each family, inside structs too: JSON asks for each column, the others go through the writer's fields.
func TestNames(t *testing.T) {
	t.Parallel()
	record := func(names ...string) schema.Source {
		var fields []string
		for _, n := range names {
			fields = append(fields, fmt.Sprintf(`{"name":%q,"type":"int"}`, n))
		}
		return avroText(`{"type":"record","name":"R","fields":[` + strings.Join(fields, ",") + `]}`)
	}
	object := func(names ...string) schema.Source {
		var fields []string
		for i, n := range names {
			fields = append(fields, fmt.Sprintf(`%q:{"type":"integer","connect.type":"int32","connect.index":%d}`, n, i))
		}
		return jsonText(`{"type":"object","properties":{` + strings.Join(fields, ",") + `}}`)
	}
	proto := func(body string) schema.Source { return protoText(`syntax = "proto3"; message M { ` + body + ` }`) }
	for _, c := range []struct {
		name    string
		format  format.Format
		schema  schema.Source
		data    string
		columns []row.Column
		want    string
	}{
		{"exact before folded", format.JSON, schema.Source{}, `{"f":2,"F":1}`, []row.Column{upperF}, "1"},
		{"lower-case column, upper-case input", format.JSON, schema.Source{}, `{"F":1}`, []row.Column{lowerF}, "null"},
		{"one input for two columns", format.JSON, schema.Source{}, `{"f":1}`, []row.Column{upperF, lowerF}, "1 1"},
		{"each its own", format.JSON, schema.Source{}, `{"F":1,"f":2}`, []row.Column{upperF, lowerF}, "1 2"},
		{"each its own, turned", format.JSON, schema.Source{}, `{"f":2,"F":1}`, []row.Column{upperF, lowerF}, "1 2"},
		{"in a struct", format.JSON, schema.Source{}, `{"s":{"f":3,"x":{"F":4}}}`, []row.Column{nested}, "Struct{F=3}"},
		{"Avro: a later field stays", format.Avro, record("F", "f"), "\x02\x04", []row.Column{upperF}, "2"},
		{"Avro: unknown and missing", format.Avro, record("x", "F"), "\x02\x04", []row.Column{upperF, lowerF}, "2 null"},
		{"Avro: lower-case column", format.Avro, record("F"), "\x02", []row.Column{lowerF}, "null"},
		{"Avro: dots are underscores", format.Avro, record("a_b"), "\x02", []row.Column{{Name: "A.B", Type: row.IntegerType}}, "1"},
		{"Protobuf: a later field stays", format.Protobuf, proto("int32 F = 1; int32 f = 2;"), "\x00\x10\x02\x08\x01", []row.Column{upperF}, "2"},
		{"Protobuf: a later field stays unset", format.Protobuf, proto("int32 F = 1; int32 f = 2;"), "\x00\x08\x01", []row.Column{upperF}, "0"},
		{"Protobuf: by number, not by place", format.Protobuf, proto("repeated int32 a = 2; int32 F = 1;"), "\x00\x08\x07", []row.Column{{Name: "A", Type: row.ArrayType(row.IntegerType)}, upperF}, "[] 7"},
		{"JSON_SR: a later property stays", format.JSONSchema, object("F", "f"), `{"f":2,"F":1}`, []row.Column{upperF}, "2"},
		{"JSON_SR: a later property is missing", format.JSONSchema, object("F", "f"), `{"F":1}`, []row.Column{upperF}, "null"},
	} {
		if got := read(t, c.format, c.schema, c.data, c.columns...); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// A oneof holds the member that stands last in the message, whatever the members are.
func TestOneofHoldsTheLast(t *testing.T) {
	t.Parallel()
	src := protoText(`syntax = "proto3"; message M { oneof o { int32 a = 1; S b = 2; S c = 3; } message S { int32 f = 1; } }`)
	in := row.Field{Name: "B", Type: row.StructType(row.Field{Name: "F", Type: row.IntegerType})}
	column := row.Column{Name: "O_0", Type: row.StructType(row.Field{Name: "A", Type: row.IntegerType}, in, row.Field{Name: "C", Type: in.Type})}
	for data, want := range map[string]string{
		"\x08\x05\x12\x02\x08\x07":         "Struct{B=Struct{F=7}}",
		"\x12\x02\x08\x07\x08\x05":         "Struct{A=5}",
		"\x12\x02\x08\x07\x1a\x02\x08\x08": "Struct{C=Struct{F=8}}",
		"":                                 "null",
	} {
		if got := read(t, format.Protobuf, src, "\x00"+data, column); got != want {
			t.Errorf("%x: %s, want %s", data, got, want)
		}
	}
}

// A wrapper is its scalar, as the published cases have it, and the message that it is to a column that names its field.
func TestWrappersAreScalarsOrStructs(t *testing.T) {
	t.Parallel()
	src := protoText(`syntax = "proto3"; import "google/protobuf/wrappers.proto"; message M { google.protobuf.Int32Value f = 1; }`)
	inferred, err := format.InferProtobuf(src, format.Inference{})
	if err != nil || (row.Schema{Value: inferred}).String() != "`F` INTEGER" {
		t.Error(inferred, err)
	}
	open := row.Column{Name: "F", Type: row.StructType(row.Field{Name: "VALUE", Type: row.IntegerType})}
	for column, want := range map[*row.Column]string{&upperF: "5", &open: "Struct{VALUE=5}"} {
		if got := read(t, format.Protobuf, src, "\x00\x0a\x02\x08\x05", *column); got != want {
			t.Errorf("%s: %s, want %s", column, got, want)
		}
		enc, err := format.NewProtobufEncoder(format.Side{Columns: []row.Column{*column}}, format.Registered{Schema: src}, format.ProtobufOptions{})
		if err != nil {
			t.Fatal(err)
		}
		v := row.OfInt(5)
		if column == &open {
			v = row.OfStruct([]row.Value{v})
		}
		if b, err := enc.Encode(nil, row.Row{v}); err != nil || string(b[6:]) != "\x0a\x02\x08\x05" {
			t.Errorf("%x, %v", b, err)
		}
	}
}

func TestAvroKeyNames(t *testing.T) {
	t.Parallel()
	for sink, want := range map[string]string{"MY_SINK": "MySinkKey", "foo_bar": "FooBarKey", "S": "SKey", "A__B_": "ABKey"} {
		if got := format.AvroKeyName(sink); got != "io.confluent.ksql.avro_schemas."+want {
			t.Errorf("%s: %s, want %s", sink, got, want)
		}
	}
	side := format.Side{Key: true, Columns: []row.Column{upperF, {Name: "G.H", Type: row.DateType}}}
	text, err := format.DeriveAvro(side, format.AvroKeyName("MY_SINK"))
	const want = `{"type":"record","name":"MySinkKey","namespace":"io.confluent.ksql.avro_schemas","fields":[{"name":"F","type":["null","int"],"default":null},` +
		`{"name":"G_H","type":["null",{"type":"int","connect.version":1,"connect.name":"org.apache.kafka.connect.data.Date","logicalType":"date"}],"default":null}],` +
		`"connect.name":"io.confluent.ksql.avro_schemas.MySinkKey"}`
	if err != nil || text != want {
		t.Errorf("%s, %v", text, err)
	}
}

// Text that is no UTF-8 is repaired as Java does it: TestJava in internal/row asks Java itself about the same texts.
func TestBrokenTexts(t *testing.T) {
	t.Parallel()
	text := row.Column{Name: "F", Type: row.StringType}
	for in, want := range map[string]string{
		"a\xffb": "a.b", "\xe2\x82": ".", "\xe2\x82x": ".x", "\xe2x": ".x", "\xe0\x80\x80": "...", "\xed\xa0\x80": ".", "\xed\xa0": ".", "\xf0\x9f\x98": ".", "\xf0\x9fx": ".x", "\xf0\x80\x80\x80": "....",
		"\xf4\x90\x80\x80": "....", "\xf5\x80": "..", "\xc0\x80": "..", "\xc3": ".", "\xc3\xa9\xff": "é.",
	} {
		want = strings.ReplaceAll(want, ".", "\uFFFD")
		for _, f := range []format.Format{format.Kafka, format.Delimited, format.Avro, format.Protobuf} {
			data, src := in, schema.Source{}
			switch f {
			case format.Avro:
				data, src = string(rune(2*len(in)))+in, avroText(`{"type":"record","name":"R","fields":[{"name":"F","type":"string"}]}`)
			case format.Protobuf:
				data, src = "\x00\x0a"+string(rune(len(in)))+in, protoText(`syntax = "proto3"; message M { string F = 1; }`)
			}
			if got := read(t, f, src, data, text); got != want {
				t.Errorf("%s of %q: %q, want %q", f, in, got, want)
			}
		}
	}
}

// wide is an array of structs of many columns: little to send, much to hold.
func wide() row.Column {
	var fields []row.Field
	for i := range 1_000 {
		fields = append(fields, row.Field{Name: fmt.Sprint("C", i), Type: row.IntegerType})
	}
	return row.Column{Name: "F", Type: row.ArrayType(row.StructType(fields...))}
}

// Short bytes that mean very much are refused, in every format with collections, and soon.
func TestLimits(t *testing.T) {
	t.Parallel()
	const n = 20_000
	const tooMuch = "the row has more values than 1048576 and 4 for each of its bytes"
	number := row.Column{Name: "F", Type: row.DecimalType(38, 2)}
	longDecimal := strings.Repeat("\x01", 2_000_000)
	variants := func(depth int) (schema.Source, row.Column) { // fields that differ in case, inside each other
		names := []string{"aaa", "aaA", "aAa", "aAA", "Aaa", "AaA", "AAa", "AAA"}
		text, typ := `"int"`, row.IntegerType
		for i := range depth {
			var fields []string
			for k, name := range names {
				use := text
				if k > 0 && i > 0 {
					use = fmt.Sprintf(`"R%d"`, i-1)
				}
				fields = append(fields, fmt.Sprintf(`{"name":%q,"type":%s}`, name, use))
			}
			text = fmt.Sprintf(`{"type":"record","name":"R%d","fields":[%s]}`, i, strings.Join(fields, ","))
			typ = row.StructType(row.Field{Name: "AAA", Type: typ})
		}
		return avroText(text), row.Column(typ.Fields()[0])
	}
	caseSchema, caseColumn := variants(9)
	recursive := avroText(`{"type":"record","name":"R","fields":[{"name":"F","type":"int"},{"name":"x","type":"R","default":{}}]}`)
	start := time.Now()
	for _, c := range []struct {
		name   string
		format format.Format
		schema schema.Source
		data   string
		column row.Column
		want   string
	}{
		{"empty objects", format.JSON, schema.Source{}, `{"F":[` + strings.Repeat("{},", n) + `{}]}`, wide(), tooMuch},
		{"empty records", format.Avro, avroText(`{"type":"record","name":"R","fields":[{"name":"F","type":{"type":"array","items":{"type":"record","name":"E","fields":[]}}}]}`),
			string(binary.AppendVarint(nil, n)) + "\x00", wide(), tooMuch},
		{"unions", format.Avro, avroText(`{"type":"record","name":"R","fields":[{"name":"F","type":{"type":"array","items":["int","string"]}}]}`),
			string(binary.AppendVarint(nil, n)) + strings.Repeat("\x00\x02", n) + "\x00", wide(), tooMuch},
		{"empty messages", format.Protobuf, protoText(`syntax = "proto3"; message M { repeated E F = 1; message E {} }`), "\x00" + strings.Repeat("\x0a\x00", n), wide(), tooMuch},
		{"empty objects by a schema", format.JSONSchema, jsonText(`{"type":"object","properties":{"F":{"type":"array","items":{"type":"object"}}}}`), `{"F":[` + strings.Repeat("{},", n) + `{}]}`, wide(), tooMuch},
		{"a decimal of two megabytes", format.Avro, avroText(`{"type":"record","name":"R","fields":[{"name":"F","type":{"type":"bytes","logicalType":"decimal","precision":38,"scale":2}}]}`),
			string(binary.AppendVarint(nil, int64(len(longDecimal)))) + longDecimal, number, "a decimal has more than 4152 bytes"},
		{"another", format.Protobuf, protoText(`syntax = "proto3"; import "confluent/type/decimal.proto"; message M { confluent.type.Decimal F = 1; }`),
			"\x00\x0a" + string(protowire.AppendVarint(nil, uint64(len(longDecimal)+4))) + "\x0a" + string(protowire.AppendVarint(nil, uint64(len(longDecimal)))) + longDecimal, number, "a decimal has more than 4152 bytes"},
		{"a message in very many parts", format.Protobuf, protoText(`syntax = "proto3"; message M { E F = 1; message E { int32 f = 1; } }`), "\x00" + strings.Repeat("\x0a\x02\x08\x01", 400_000),
			row.Column{Name: "F", Type: row.StructType(row.Field(upperF))}, "Struct{F=1}"},
		{"names that differ in case", format.Avro, caseSchema, "", caseColumn, "schema 1: the schema means the columns in more than 100000 ways"},
		{"an object in objects, as text", format.JSON, schema.Source{}, `{"F":` + strings.Repeat(`{"a":1,"a":`, 9_000) + `"` + strings.Repeat("x", 1<<20) + `"` + strings.Repeat("}", 9_000) + `}`, row.Column{Name: "F", Type: row.StringType}, `{"a":{"a":{"a":`},
	} {
		if got := read(t, c.format, c.schema, c.data, c.column); !strings.Contains(got, c.want) {
			t.Errorf("%s: %.200s, want %s", c.name, got, c.want)
		}
	}
	if took := time.Since(start); took > 2*time.Minute {
		t.Errorf("it took %s", took)
	}
	if _, err := format.NewAvroEncoder(format.Side{Columns: []row.Column{upperF}}, format.Registered{Schema: recursive}); err == nil {
		t.Error("a default without end was taken")
	}
}

// counting counts how often a schema is asked for.
type counting struct {
	schemas
	asked int
}

func (c *counting) ByID(id int32) (schema.Source, error) {
	c.asked++
	return c.schemas.ByID(id)
}

// A schema that cannot be used is fetched and looked at once; one that the registry does not have is asked for again.
func TestUnusableSchemasAreRemembered(t *testing.T) {
	t.Parallel()
	c := &counting{schemas: schemas{avroText(`{"type":"nonsense"}`)}}
	dec, err := format.NewAvroDecoder(format.Side{Topic: "t", Columns: []row.Column{upperF}}, c)
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range []int{1: 1, 2: 4} {
		if want == 0 {
			continue
		}
		for range 3 {
			if _, err := dec.Decode(new(row.Arena), append([]byte{0, 0, 0, 0}, byte(id))); err == nil {
				t.Error("it was read")
			}
		}
		if c.asked != want {
			t.Errorf("asked %d times, want %d", c.asked, want)
		}
	}
}

// Wrapped rows of NULLs are bytes, bare ones and absent rows are not; each format has the shapes that it has.
func TestShapes(t *testing.T) {
	t.Parallel()
	for f, want := range map[format.Format][2]string{
		format.JSON: {`{"F":null}`, "nil"}, format.JSONSchema: {"\x00\x00\x00\x00\x01" + `{"F":null}`, "nil"}, format.Avro: {"\x00\x00\x00\x00\x01\x00", "nil"},
		format.Protobuf: {"\x00\x00\x00\x00\x01\x00", ""}, format.ProtoPlain: {"", "nil"}, format.Delimited: {"", ""}, format.Kafka: {"", "nil"},
	} {
		wrapped, bare := f.Shapes()
		for i, has := range []bool{wrapped, bare} {
			if !has {
				continue
			}
			side := format.Side{Topic: "t", Columns: []row.Column{upperF}, Unwrap: i == 1 && (wrapped || f == format.Kafka)}
			var reg format.Registered
			if f.Registered() {
				src, err := f.Derive(side, format.Properties{})
				if err != nil {
					t.Fatal(f, err)
				}
				reg = format.Registered{ID: 1, Schema: src}
			}
			enc, err := f.Encoder(side, reg, format.Properties{})
			if err != nil {
				t.Fatal(f, err)
			}
			if b, err := enc.Encode([]byte("x"), nil); b != nil || err != nil {
				t.Errorf("%s: an absent row became %q, %v", f, b, err)
			}
			b, err := enc.Encode(nil, row.Row{{}})
			got := string(b)
			if b == nil {
				got = "nil"
			}
			if err != nil || got != want[i] {
				t.Errorf("%s, unwrapped %v: %q, %v, want %q", f, i == 1, got, err, want[i])
			}
			if _, err := enc.Encode(nil, row.Row{{}, {}}); err == nil || !strings.Contains(err.Error(), "Column count mismatch on serialization. topic: t, expected: 1, got: 2") {
				t.Errorf("%s: %v", f, err)
			}
			dec, err := f.Decoder(side, schemas{reg.Schema}, format.Properties{})
			if err != nil {
				t.Fatal(f, err)
			}
			if r, err := dec.Decode(new(row.Arena), nil); r != nil || err != nil {
				t.Errorf("%s: no bytes became %v, %v", f, r, err)
			}
		}
	}
	if _, err := format.Parse("json_sr"); err != nil {
		t.Error(err)
	}
}
