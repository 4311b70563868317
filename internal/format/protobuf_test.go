package format_test

import (
	"fmt"
	"strings"
	"testing"

	"leat.dev/internal/format"
	"leat.dev/internal/registry/schema"
	"leat.dev/internal/row"
	"pgregory.net/rapid"
)

func protoText(text string) schema.Source { return schema.Source{Type: schema.Protobuf, Text: text} }

func TestProtobufPageRow(t *testing.T) {
	columns, r := pageRow()
	side := format.Side{Topic: "t", Columns: columns}
	text, err := format.DeriveProtobuf(side, "", format.NullableNone)
	if err != nil {
		t.Fatal(err)
	}
	enc, err := format.NewProtobufEncoder(side, format.Registered{ID: 1, Schema: protoText(text)}, format.ProtobufOptions{})
	if err != nil {
		t.Fatal(text, err)
	}
	want := unhex("0000000001 00 0801 1001 1802 210000000000000c40 2a0173 32020102 3a080a0204ce10041802 420708e60f10011808 4a0b080110021803208092f401 520b0880e2cfaa0610c0a9d33a 5a020102 62050a016b1005 6a050807120178")
	got, err := enc.Encode(nil, r)
	if err != nil || string(got) != string(want) {
		t.Fatalf("%x, %v\nwant %x\n%s", got, err, want, text)
	}
	dec, err := format.NewProtobufDecoder(side, schemas{protoText(text)}, format.ProtobufOptions{})
	if err != nil {
		t.Fatal(err)
	}
	same(t, dec, got, columns, r)
	if got, err := enc.Encode(nil, make(row.Row, len(columns))); err != nil || string(got) != "\x00\x00\x00\x00\x01\x00" {
		t.Errorf("%x, %v", got, err)
	}
	inferred, err := format.InferProtobuf(protoText(text), format.Inference{KeepCase: true})
	if err != nil || !row.StructType(fields(inferred)...).Equal(row.StructType(fields(columns)...)) {
		t.Error(inferred, err)
	}
	plain, write, err := format.NewPlainProtobuf(side, format.ProtobufOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got, err = write.Encode(nil, r)
	if err != nil || string(got) != string(want[6:]) {
		t.Errorf("%x, %v", got, err)
	}
	same(t, plain, got, columns, r)
}

func TestProtobufDerived(t *testing.T) {
	inner := row.StructType(row.Field{Name: "A", Type: row.IntegerType}, row.Field{Name: "M", Type: row.MapType(row.StringType, row.BooleanType)})
	columns := []row.Column{{Name: "I", Type: row.IntegerType}, {Name: "L", Type: row.ArrayType(row.StringType)}, {Name: "M", Type: row.MapType(row.StringType, inner)}, {Name: "S", Type: inner}, {Name: "D", Type: row.DecimalType(4, 2)}}
	for _, c := range []struct {
		name     string
		nullable format.Nullable
		columns  []row.Column
		want     string
	}{
		{"", format.NullableNone, columns, `syntax = "proto3";

import "confluent/type/decimal.proto";

message ConnectDefault1 {
  int32 I = 1;
  repeated string L = 2;
  repeated ConnectDefault2Entry M = 3;
  ConnectDefault5 S = 4;
  confluent.type.Decimal D = 5 [(confluent.field_meta) = {params: [{value: "4", key: "precision"}, {value: "2", key: "scale"}]}];

  message ConnectDefault2Entry {
    string key = 1;
    ConnectDefault3 value = 2;

    message ConnectDefault3 {
      int32 A = 1;
      repeated ConnectDefault4Entry M = 2;

      message ConnectDefault4Entry {
        string key = 1;
        bool value = 2;
      }
    }
  }

  message ConnectDefault5 {
    int32 A = 1;
    repeated ConnectDefault6Entry M = 2;

    message ConnectDefault6Entry {
      string key = 1;
      bool value = 2;
    }
  }
}
`},
		{"a.b.Msg", format.NullableOptional, columns[:2], "syntax = \"proto3\";\npackage a.b;\n\nmessage Msg {\n  optional int32 I = 1;\n  repeated string L = 2;\n}\n"},
		{"", format.NullableWrapper, columns[:2], "syntax = \"proto3\";\n\nimport \"google/protobuf/wrappers.proto\";\n\nmessage ConnectDefault1 {\n  google.protobuf.Int32Value I = 1;\n  repeated google.protobuf.StringValue L = 2;\n}\n"},
		{"", format.NullableNone, []row.Column{{Name: "A", Type: row.ArrayType(row.ArrayType(row.IntegerType))}}, "Array cannot be nested"},
		{"", format.NullableNone, []row.Column{{Name: "a-b", Type: row.IntegerType}}, `Schema is not compatible with Protobuf: "a-b" is no identifier`},
	} {
		got, err := format.DeriveProtobuf(format.Side{Columns: c.columns}, c.name, c.nullable)
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("got\n%s\nwant\n%s", got, c.want)
		}
	}
}

func TestProtobufReads(t *testing.T) {
	const failed = "Error deserializing message from topic: t: "
	for _, c := range []struct{ name, schema, data, typ, want string }{
		{"unset", "int32 f = 1;", "", "INTEGER", "0"}, {"a default of proto2", "", "", "", ""},
		{"packed and not", "repeated int32 f = 1;", "0a020102 0803", "ARRAY", "[1, 2, 3]"}, {"zigzag", "sint64 f = 1;", "0803", "BIGINT", "-2"}, {"fixed", "fixed32 f = 1;", "0dffffffff", "BIGINT", "4294967295"},
		{"an enum", "enum E { A = 0; B = 1; } E f = 1;", "0801", "STRING", "B"}, {"an unknown number", "enum E { A = 0; } E f = 1;", "0807", "STRING", "UNKNOWN_ENUM_VALUE_E_7"},
		{"a real map", "map<string, int32> f = 1;", "0a050a01611002 0a050a01611003", "MAP", "{a=3}"}, {"a map of numbers", "map<int32, int32> f = 1;", "0a04080a1002", "MAP", "{10=2}"},
		{"parts of a message are merged", "message S { int32 f = 1; string g = 2; } S f = 1;", "0a020807 0a03120178", "STRUCT", "Struct{F=7}"},
		{"unknown fields", "int32 f = 1; int32 g = 2;", "1005 1a0161 0801", "INTEGER", "1"}, {"another wire type", "int32 f = 1;", "0a0161", "INTEGER", "0"},
		{"a type that does not suit", "int64 f = 1;", "0801", "INTEGER", failed + "Cannot deserialize type int64 as type int32 for path: ->F"}, {"cut off", "string f = 1;", "0a05", "STRING", failed + "unexpected EOF"},
		{"a wrapper", `google.protobuf.Int32Value f = 1;`, "0a00", "INTEGER", "0"}, {"no wrapper", `google.protobuf.Int32Value f = 1;`, "", "INTEGER", "null"},
		{"a oneof", "oneof f { int32 a = 1; string b = 2; }", "0801 120178", "ONEOF", "Struct{B=x}"}, {"no oneof", "oneof f { int32 a = 1; string b = 2; }", "", "ONEOF", "null"},
	} {
		if c.schema == "" {
			continue
		}
		typ, name := rowTypes[c.typ], "F"
		if c.typ == "ONEOF" {
			typ, name = row.StructType(row.Field{Name: "A", Type: row.IntegerType}, row.Field{Name: "B", Type: row.StringType}), "F_0"
		}
		text := `syntax = "proto3"; import "google/protobuf/wrappers.proto"; message M { ` + c.schema + ` }`
		dec, err := format.NewProtobufDecoder(format.Side{Topic: "t", Columns: []row.Column{{Name: name, Type: typ}}}, schemas{protoText(text)}, format.ProtobufOptions{})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if r, err := dec.Decode(new(row.Arena), append([]byte{0, 0, 0, 0, 1, 0}, unhex(c.data)...)); err != nil {
			got = strings.ReplaceAll(err.Error(), "\u00a0", " ")
		} else {
			got = string(row.AppendText(nil, typ, r[0]))
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestProtobufMessagesAndReferences(t *testing.T) {
	src := protoText(`syntax = "proto3"; package p; import "other.proto"; message A { int32 x = 1; message B { q.C c = 1; } } message D { A.B b = 1; }`)
	src.Dependencies = []schema.Dependency{{Name: "other.proto", Text: `syntax = "proto3"; package q; message C { string s = 1; }`}}
	columns, err := format.InferProtobuf(src, format.Inference{FullName: "p.A.B"})
	if got := (row.Schema{Value: columns}).String(); err != nil || got != "`C` STRUCT<`S` STRING>" {
		t.Fatal(got, err)
	}
	side := format.Side{Topic: "t", Columns: columns}
	enc, err := format.NewProtobufEncoder(side, format.Registered{ID: 1, Schema: src}, format.ProtobufOptions{FullName: "p.A.B"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := enc.Encode(nil, row.Row{row.OfStruct([]row.Value{row.OfString("v")})})
	if err != nil || string(got) != string(unhex("0000000001 040000 0a030a0176")) {
		t.Fatalf("%x, %v", got, err)
	}
	dec, _ := format.NewProtobufDecoder(side, schemas{src}, format.ProtobufOptions{})
	same(t, dec, got, columns, row.Row{row.OfStruct([]row.Value{row.OfString("v")})})
	for data, want := range map[string]string{"\x00\x00\x00\x00\x01\x04\x00\x08": "the Protobuf schema has no message with the index [0 4]", "\x00\x00\x00\x00\x01\x03": "the way to the Protobuf message is malformed", "\x00\x00\x00\x00\x01": "the way to the Protobuf message is malformed"} {
		if _, err := dec.Decode(new(row.Arena), []byte(data)); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%q: %v", data, err)
		}
	}
	for text, want := range map[string]string{
		`syntax = "proto3"; import "missing.proto";`: `imports "missing.proto", which is not among its references`, `syntax = "proto3";`: "the Protobuf schema has no message", `message {`: "syntax error",
		`syntax = "proto3"; message R { R r = 1; }`: "Schema does not include any columns with types that ksqlDB supports.",
	} {
		if _, err := format.InferProtobuf(protoText(text), format.Inference{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// asProtobuf is what a value becomes by being written as Protobuf and read again.
func asProtobuf(t *row.Type, v row.Value, inMessage bool) row.Value {
	switch {
	case v.IsNull() && t.Kind() == row.Array:
		return row.OfArray(nil)
	case v.IsNull() && t.Kind() == row.Map:
		return row.OfMap(nil)
	case v.IsNull():
		switch t.Kind() {
		case row.Boolean:
			return row.OfBool(false)
		case row.Integer:
			return row.OfInt(0)
		case row.Bigint:
			return row.OfLong(0)
		case row.Double:
			return row.OfDouble(0)
		case row.String:
			return row.OfString("")
		case row.Bytes:
			return row.OfBytes(nil)
		default:
			return v
		}
	case t.Kind() == row.Array:
		elems := make([]row.Value, v.Len())
		for i, e := range v.Elems() {
			elems[i] = asProtobuf(t.Elem(), e, true)
		}
		return row.OfArray(elems)
	case t.Kind() == row.Map:
		entries := make([]row.Entry, v.Len())
		for i, e := range v.Entries() {
			entries[i] = row.Entry{Key: e.Key, Value: asProtobuf(t.Elem(), e.Value, true)}
		}
		return row.OfMap(entries)
	case t.Kind() == row.Struct:
		values := make([]row.Value, v.Len())
		for i, f := range v.Fields() {
			values[i] = asProtobuf(t.Fields()[i].Type, f, true)
		}
		return row.OfStruct(values)
	}
	return v
}

func TestProtobufRoundTrips(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var columns []row.Column
		var r row.Row
		for i := range rapid.IntRange(1, 4).Draw(t, "columns") {
			p := typed(2).Draw(t, "column")
			columns = append(columns, row.Column{Name: fmt.Sprint("C", i), Type: p.t})
			r = append(r, p.v(t))
		}
		side := format.Side{Topic: "t", Columns: columns}
		text, err := format.DeriveProtobuf(side, "", format.NullableNone)
		if err != nil {
			return // arrays of arrays
		}
		enc, err := format.NewProtobufEncoder(side, format.Registered{ID: 1, Schema: protoText(text)}, format.ProtobufOptions{})
		if err != nil {
			t.Fatal(text, err)
		}
		data, err := enc.Encode(nil, r)
		if err != nil {
			return // a NULL in an array
		}
		dec, _ := format.NewProtobufDecoder(side, schemas{protoText(text)}, format.ProtobufOptions{})
		got, err := dec.Decode(new(row.Arena), data)
		if err != nil {
			t.Fatal(err)
		}
		for i := range r {
			if want := asProtobuf(columns[i].Type, r[i], false); !row.Equal(got[i], want) {
				t.Fatalf("%s is %s, want %s\n%s", columns[i], row.AppendText(nil, columns[i].Type, got[i]), row.AppendText(nil, columns[i].Type, want), text)
			}
		}
	})
}

// FuzzProtobuf: neither a schema nor a message makes the reader panic.
func FuzzProtobuf(f *testing.F) {
	columns, r := pageRow()
	side := format.Side{Topic: "t", Columns: columns}
	text, _ := format.DeriveProtobuf(side, "", format.NullableNone)
	enc, _ := format.NewProtobufEncoder(side, format.Registered{ID: 1, Schema: protoText(text)}, format.ProtobufOptions{})
	seed, _ := enc.Encode(nil, r)
	f.Add(text, seed[5:])
	f.Add(`syntax = "proto2"; message A { optional group G = 1 { optional int32 x = 1; } repeated A a = 2; extensions 100 to max; }`, []byte{0, 0x12, 0})
	plain, _, _ := format.NewPlainProtobuf(side, format.ProtobufOptions{})
	f.Fuzz(func(t *testing.T, text string, data []byte) {
		src := protoText(text)
		_, _ = format.InferProtobuf(src, format.Inference{})
		dec, _ := format.NewProtobufDecoder(side, schemas{src}, format.ProtobufOptions{Nullable: format.NullableOptional})
		_, _ = dec.Decode(new(row.Arena), append([]byte{0, 0, 0, 0, 1}, data...))
		_, _ = plain.Decode(new(row.Arena), data)
	})
}

func BenchmarkProtobufCompile(b *testing.B) {
	columns, _ := pageRow()
	for b.Loop() {
		if _, _, err := format.NewPlainProtobuf(format.Side{Columns: columns}, format.ProtobufOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}
