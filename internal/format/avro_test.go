package format_test

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"leat.dev/internal/format"
	"leat.dev/internal/registry/schema"
	"leat.dev/internal/row"
	"pgregory.net/rapid"
)

// schemas is a registry of texts, numbered from 1.
type schemas []schema.Source

func (s schemas) ByID(id int32) (schema.Source, error) {
	if id < 1 || int(id) > len(s) {
		return schema.Source{}, fmt.Errorf("Schema %d not found", id)
	}
	return s[id-1], nil
}

func avroText(text string) schema.Source { return schema.Source{Type: schema.Avro, Text: text} }

// pageColumns and pageRow are the row that the page on formats works out.
func pageRow() ([]row.Column, row.Row) {
	columns := []row.Column{
		{Name: "BO", Type: row.BooleanType}, {Name: "I", Type: row.IntegerType}, {Name: "L", Type: row.BigintType}, {Name: "D", Type: row.DoubleType},
		{Name: "S", Type: row.StringType}, {Name: "BY", Type: row.BytesType}, {Name: "DE", Type: row.DecimalType(4, 2)}, {Name: "DA", Type: row.DateType},
		{Name: "TI", Type: row.TimeType}, {Name: "TS", Type: row.TimestampType}, {Name: "AR", Type: row.ArrayType(row.IntegerType)},
		{Name: "MA", Type: row.MapType(row.StringType, row.BigintType)}, {Name: "ST", Type: row.StructType(row.Field{Name: "A", Type: row.IntegerType}, row.Field{Name: "b", Type: row.StringType})},
	}
	d, _ := row.ParseDec("12.30")
	return columns, row.Row{
		row.OfBool(true), row.OfInt(1), row.OfLong(2), row.OfDouble(3.5), row.OfString("s"), row.OfBytes([]byte{1, 2}), row.OfDecimal(d), row.OfDate(19000),
		row.OfTime(3723004), row.OfTimestamp(1700000000123), row.OfArray([]row.Value{row.OfInt(1), row.OfInt(2)}),
		row.OfMap([]row.Entry{{Key: row.OfString("k"), Value: row.OfLong(5)}}), row.OfStruct([]row.Value{row.OfInt(7), row.OfString("x")}),
	}
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

func TestAvroPageRow(t *testing.T) {
	columns, r := pageRow()
	side := format.Side{Topic: "t", Columns: columns}
	text, err := format.DeriveAvro(side, "")
	if err != nil {
		t.Fatal(err)
	}
	enc, err := format.NewAvroEncoder(side, format.Registered{ID: 1, Schema: avroText(text)})
	if err != nil {
		t.Fatal(err)
	}
	want := unhex("0000000001 0201 0202 0204 020000000000000c40 020273 02040102 020404ce 02f0a802 02f8bbc603 02f6a1abfef962 020402020204 00 020202026b020a00 02020e020278")
	got, err := enc.Encode(nil, r)
	if err != nil || string(got) != string(want) {
		t.Fatalf("%x, %v\nwant %x", got, err, want)
	}
	dec, err := format.NewAvroDecoder(side, schemas{avroText(text)})
	if err != nil {
		t.Fatal(err)
	}
	same(t, dec, got, columns, r)
	nulls := make(row.Row, len(columns))
	got, err = enc.Encode(nil, nulls)
	if err != nil || string(got) != "\x00\x00\x00\x00\x01"+strings.Repeat("\x00", len(columns)) {
		t.Errorf("%x, %v", got, err)
	}
	same(t, dec, got, columns, nulls)
	if b, err := enc.Encode(nil, nil); b != nil || err != nil {
		t.Errorf("a tombstone became %x, %v", b, err)
	}
	inferred, err := format.InferAvro(avroText(text), format.Inference{KeepCase: true})
	if err != nil || len(inferred) != len(columns) {
		t.Fatal(inferred, err)
	}
	for i, c := range inferred {
		if c.Name != columns[i].Name || !c.Type.Equal(columns[i].Type) {
			t.Errorf("inferred %s, not %s", c, columns[i])
		}
	}
}

// same decodes data and compares it to a row.
func same(t *testing.T, dec format.Decoder, data []byte, columns []row.Column, want row.Row) {
	t.Helper()
	got, err := dec.Decode(new(row.Arena), data)
	if err != nil || len(got) != len(want) {
		t.Fatalf("%d values, %v", len(got), err)
	}
	for i := range want {
		if !row.Equal(got[i], want[i]) {
			t.Errorf("%s is %s, want %s", columns[i].Name, row.AppendText(nil, columns[i].Type, got[i]), row.AppendText(nil, columns[i].Type, want[i]))
		}
	}
}

func TestAvroDerived(t *testing.T) {
	field := func(typ *row.Type) string {
		text, err := format.DeriveAvro(format.Side{Columns: []row.Column{{Name: "F", Type: typ}}}, "")
		if err != nil {
			return err.Error()
		}
		text = strings.TrimPrefix(text, `{"type":"record","name":"KsqlDataSourceSchema","namespace":"io.confluent.ksql.avro_schemas","fields":[{"name":"F","type":["null",`)
		return strings.TrimSuffix(text, `],"default":null}],"connect.name":"io.confluent.ksql.avro_schemas.KsqlDataSourceSchema"}`)
	}
	const ns = "io.confluent.ksql.avro_schemas."
	inner := row.StructType(row.Field{Name: "A", Type: row.IntegerType})
	for _, c := range []struct {
		t    *row.Type
		want string
	}{
		{row.BooleanType, `"boolean"`},
		{row.DecimalType(4, 2), `{"type":"bytes","scale":2,"precision":4,"connect.version":1,"connect.parameters":{"scale":"2","connect.decimal.precision":"4"},"connect.name":"org.apache.kafka.connect.data.Decimal","logicalType":"decimal"}`},
		{row.DateType, `{"type":"int","connect.version":1,"connect.name":"org.apache.kafka.connect.data.Date","logicalType":"date"}`},
		{row.ArrayType(row.IntegerType), `{"type":"array","items":["null","int"]}`},
		{row.MapType(row.StringType, row.BigintType), `{"type":"array","items":{"type":"record","name":"KsqlDataSourceSchema_F","fields":[{"name":"key","type":["null","string"],"default":null},{"name":"value","type":["null","long"],"default":null}],"connect.internal.type":"MapEntry"},"connect.name":"` + ns + `KsqlDataSourceSchema_F"}`},
		{inner, `{"type":"record","name":"KsqlDataSourceSchema_F","fields":[{"name":"A","type":["null","int"],"default":null}],"connect.name":"` + ns + `KsqlDataSourceSchema_F"}`},
		{row.MapType(row.StringType, inner), `{"type":"array","items":{"type":"record","name":"KsqlDataSourceSchema_F","fields":[{"name":"key","type":["null","string"],"default":null},{"name":"value","type":["null",{"type":"record","name":"KsqlDataSourceSchema_F_MapValue","fields":[{"name":"A","type":["null","int"],"default":null}],"connect.name":"` + ns + `KsqlDataSourceSchema_F_MapValue"}],"default":null}],"connect.internal.type":"MapEntry"},"connect.name":"` + ns + `KsqlDataSourceSchema_F"}`},
		{row.MapType(row.BigintType, inner), "Avro only supports MAPs with STRING keys"},
	} {
		if got := field(c.t); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.t, got, c.want)
		}
	}
	for _, c := range []struct{ column, name, want string }{
		{"a.b", "x.y.Z", `{"type":"record","name":"Z","namespace":"x.y","fields":[{"name":"a_b","type":["null","int"],"default":null}],"connect.name":"x.y.Z"}`},
		{"1a", "", "Schema is not compatible with Avro: Illegal initial character: 1a"}, {"a-b", "", "Schema is not compatible with Avro: Illegal character in: a-b"},
	} {
		got, err := format.DeriveAvro(format.Side{Columns: []row.Column{{Name: c.column, Type: row.IntegerType}}}, c.name)
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.column, got, c.want)
		}
	}
	for typ, want := range map[*row.Type]string{
		row.IntegerType: `"int"`, row.ArrayType(row.IntegerType): `{"type":"array","items":["null","int"]}`,
		row.DateType: `{"type":"int","connect.name":"org.apache.kafka.connect.data.Date","logicalType":"date"}`,
	} {
		if got, err := format.DeriveAvro(format.Side{Unwrap: true, Columns: []row.Column{{Name: "F", Type: typ}}}, ""); err != nil || got != want {
			t.Errorf("bare %s: %s, %v", typ, got, err)
		}
	}
}

func TestAvroReadsForeignSchemas(t *testing.T) {
	for _, c := range []struct{ name, schema, data, columns, want string }{
		{"the last field that means a column stays", `{"type":"record","name":"R","fields":[{"name":"F","type":"int"},{"name":"f","type":"int"}]}`, "02 04", "INTEGER", "2"},
		{"unknown fields are skipped", `{"type":"record","name":"R","fields":[{"name":"x","type":{"type":"map","values":{"type":"array","items":["null","string",{"type":"fixed","name":"X","size":2}]}}},{"name":"F","type":"string"}]}`, "02 026b 06 00 020261 04 ffff 00 00 06616263", "STRING", "abc"},
		{"blocks with sizes are skipped", `{"type":"record","name":"R","fields":[{"name":"x","type":{"type":"array","items":"int"}},{"name":"F","type":"int"}]}`, "03 04 0204 00 0a", "INTEGER", "5"},
		{"blocks with sizes are read", `{"type":"record","name":"R","fields":[{"name":"F","type":{"type":"array","items":"int"}}]}`, "03 04 0204 02 06 00", "ARRAY", "[1, 2, 3]"},
		{"a recursive type is skipped", `{"type":"record","name":"R","fields":[{"name":"next","type":["null","R"]},{"name":"F","type":"int"}]}`, "02 00 02 04", "INTEGER", "2"},
		{"enums are texts", `{"type":"record","name":"R","fields":[{"name":"F","type":{"type":"enum","name":"E","symbols":["A","B"]}}]}`, "02", "STRING", "B"},
		{"numbers are texts", `{"type":"record","name":"R","fields":[{"name":"F","type":"float"}]}`, "0000c03f", "STRING", "1.5"},
		{"a wider number", `{"type":"record","name":"R","fields":[{"name":"F","type":["int","null"]}]}`, "00 02", "BIGINT", "1"},
		{"a narrower number", `{"type":"record","name":"R","fields":[{"name":"F","type":"long"}]}`, "02", "INTEGER", "Error deserializing message from topic: t: Cannot deserialize type int64 as type int32 for path: ->F"},
		{"deep inside", `{"type":"record","name":"R","fields":[{"name":"F","type":{"type":"array","items":"string"}}]}`, "02 0261 00", "ARRAY", "Error deserializing message from topic: t: Cannot deserialize type string as type int32 for path: ->F->ARRAY"},
		{"decimals are fitted", `{"type":"record","name":"R","fields":[{"name":"F","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":1}}]}`, "02 7b", "DECIMAL", "12.30"},
		{"negative decimals in a fixed", `{"type":"record","name":"R","fields":[{"name":"F","type":{"type":"fixed","name":"X","size":12,"logicalType":"decimal","precision":9,"scale":1}}]}`, "ffffffffffffffffffffff85", "DECIMAL", "-12.30"},
		{"a union is a struct", `{"type":"record","name":"R","fields":[{"name":"F","type":["null","string",{"type":"record","name":"F","fields":[]},"int"]}]}`, "06 0e", "UNION", "Struct{INT=7}"},
		{"bytes that follow", `{"type":"record","name":"R","fields":[{"name":"F","type":"int"}]}`, "02 ffff", "INTEGER", "1"},
		{"map", `{"type":"record","name":"R","fields":[{"name":"F","type":{"type":"map","values":"int"}}]}`, "04 0261 02 0261 04 00", "MAP", "{a=2}"},
		{"cut off", `{"type":"record","name":"R","fields":[{"name":"F","type":"string"}]}`, "0a61", "STRING", "Error deserializing message from topic: t: an Avro length is negative or beyond the end of the datum"},
		{"a wrong branch", `{"type":"record","name":"R","fields":[{"name":"F","type":["null","int"]}]}`, "04", "INTEGER", "Error deserializing message from topic: t: an Avro union names a branch that its schema does not have"},
		{"a bomb of nulls", `{"type":"record","name":"R","fields":[{"name":"x","type":{"type":"array","items":"null"}}]}`, "feffffffffffffffff01", "INTEGER", "Error deserializing message from topic: t: an Avro datum holds more than 1048576 elements without bytes"},
		{"a deep one", `{"type":"record","name":"R","fields":[{"name":"next","type":["null","R"]}]}`, strings.Repeat("02", 5000), "INTEGER", "Error deserializing message from topic: t: an Avro datum nests more than 1000 values"},
		{"another type of schema", `string`, "", "INTEGER", ""},
	} {
		if c.want == "" {
			continue
		}
		typ := rowTypes[c.columns]
		if c.columns == "UNION" {
			typ = row.StructType(row.Field{Name: "STRING", Type: row.StringType}, row.Field{Name: "INT", Type: row.IntegerType})
		}
		dec, err := format.NewAvroDecoder(format.Side{Topic: "t", Columns: []row.Column{{Name: "F", Type: typ}}}, schemas{avroText(c.schema)})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if r, err := dec.Decode(new(row.Arena), append([]byte{0, 0, 0, 0, 1}, unhex(c.data)...)); err != nil {
			got = err.Error()
		} else {
			got = string(row.AppendText(nil, typ, r[0]))
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	dec, _ := format.NewAvroDecoder(format.Side{Topic: "t", Columns: strings3}, schemas{avroText(`{"type":"record","name":"R",`), {Type: schema.JSON, Text: "{}"}})
	for data, want := range map[string]string{
		"\x01\x00\x00\x00\x01": "Unknown magic byte!", "\x00\x00": "the message is shorter than the five bytes of a schema id",
		"\x00\x00\x00\x00\x07x": "schema 7: Schema 7 not found", "\x00\x00\x00\x00\x02x": "schema 2: it is a schema of type JSON, not AVRO", "\x00\x00\x00\x00\x01x": "schema 1: ",
	} {
		if _, err := dec.Decode(new(row.Arena), []byte(data)); err == nil || !strings.HasPrefix(err.Error(), "Error deserializing message from topic: t: "+want) {
			t.Errorf("%q: %v, want %s", data, err, want)
		}
	}
}

func TestAvroWritesForeignSchemas(t *testing.T) {
	write := func(text string, columns []row.Column, r row.Row) string {
		enc, err := format.NewAvroEncoder(format.Side{Topic: "t", Columns: columns}, format.Registered{ID: 1, Schema: avroText(text)})
		if err != nil {
			return err.Error()
		}
		b, err := enc.Encode(nil, r)
		if err != nil {
			return err.Error()
		}
		return hex.EncodeToString(b[5:])
	}
	one := func(t *row.Type) []row.Column { return []row.Column{{Name: "F", Type: t}} }
	for _, c := range []struct {
		name, schema string
		columns      []row.Column
		r            row.Row
		want         string
	}{
		{"defaults fill what has no column", `{"type":"record","name":"R","fields":[{"name":"f","type":"int"},{"name":"a","type":["null","int"]},{"name":"b","type":{"type":"map","values":"string"},"default":{"k":"v"}},{"name":"c","type":"bytes","default":"\u00ff"}]}`, one(row.IntegerType), row.Row{row.OfInt(1)}, "02000202 6b0276 00 02ff"},
		{"no default", `{"type":"record","name":"R","fields":[{"name":"f","type":"int"},{"name":"a","type":"int"}]}`, one(row.IntegerType), nil, "the Avro field a has no default and no column fills it"},
		{"no field", `{"type":"record","name":"x.R","fields":[]}`, one(row.IntegerType), nil, "the Avro record x.R has no field for `F`"},
		{"a wrong type", `{"type":"record","name":"R","fields":[{"name":"F","type":"int"}]}`, one(row.BigintType), nil, "BIGINT cannot be written as Avro int at ->F"},
		{"a decimal in a fixed", `{"type":"record","name":"R","fields":[{"name":"F","type":{"type":"fixed","name":"X","size":4,"logicalType":"decimal","precision":9,"scale":3}}]}`, one(row.DecimalType(4, 2)), row.Row{row.OfDecimal(row.DecOf(-1, 2))}, "fffffff6"},
		{"an enum", `{"type":"record","name":"R","fields":[{"name":"F","type":{"type":"enum","name":"E","symbols":["A","B"]}}]}`, one(row.StringType), row.Row{row.OfString("B")}, "02"},
		{"no symbol", `{"type":"record","name":"R","fields":[{"name":"F","type":{"type":"enum","name":"E","symbols":["A","B"]}}]}`, one(row.StringType), row.Row{row.OfString("C")}, `Error serializing message to topic: t. "C" is none of the enum's symbols`},
		{"NULL without a place", `{"type":"record","name":"R","fields":[{"name":"F","type":"int"}]}`, one(row.IntegerType), row.Row{{}}, "Error serializing message to topic: t. NULL has no place in a schema without null"},
	} {
		if got := write(c.schema, c.columns, c.r); got != strings.ReplaceAll(c.want, " ", "") && got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestAvroInference(t *testing.T) {
	for _, c := range []struct{ schema, want string }{
		{`{"type":"record","name":"R","fields":[{"name":"a","type":"float"},{"name":"b","type":{"type":"enum","name":"E","symbols":["x"]}},{"name":"c","type":{"type":"fixed","name":"X","size":3}},{"name":"d","type":{"type":"bytes","logicalType":"decimal","precision":5}},{"name":"e","type":{"type":"long","logicalType":"timestamp-micros"}},{"name":"f","type":{"type":"int","logicalType":"time-millis"}},{"name":"g","type":"null"},{"name":"h","type":["null","R"]}]}`,
			"`A` DOUBLE, `B` STRING, `C` BYTES, `D` DECIMAL(5, 0), `E` BIGINT, `F` TIME"},
		{`{"type":"record","name":"R","fields":[{"name":"u","type":["null","int",{"type":"record","name":"x.Y","fields":[{"name":"z","type":{"type":"map","values":"boolean"}}]}]}]}`, "`U` STRUCT<`INT` INTEGER, `Y` STRUCT<`Z` MAP<STRING, BOOLEAN>>>"},
		{`"int"`, "Schema returned from schema registry is anonymous type. To use this schema with ksqlDB, set 'WRAP_SINGLE_VALUE=false' in the WITH clause properties."},
		{`{"type":"record","name":"R","fields":[]}`, "Schema does not include any columns with types that ksqlDB supports."},
	} {
		columns, err := format.InferAvro(avroText(c.schema), format.Inference{})
		got := row.Schema{Value: columns}.String()
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
	wide := `{"type":"record","name":"R0","fields":[{"name":"a","type":"int"}]}`
	for i := range 25 { // each record twice in the next: 2^25 types when written out
		wide = fmt.Sprintf(`{"type":"record","name":"R%d","fields":[{"name":"a","type":%s},{"name":"b","type":"R%d"}]}`, i+1, wide, i)
	}
	if _, err := format.InferAvro(avroText(wide), format.Inference{}); err == nil || !strings.Contains(err.Error(), "more than 100000 types") {
		t.Error(err)
	}
	key, err := format.InferAvro(avroText(`{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}`), format.Inference{Key: true})
	if err != nil || len(key) != 1 || key[0].String() != "`ROWKEY` STRUCT<`A` INTEGER>" {
		t.Error(key, err)
	}
}

// types draws SQL types and a value of each.
func typed(depth int) *rapid.Generator[struct {
	t *row.Type
	v func(t *rapid.T) row.Value
}] {
	type pair = struct {
		t *row.Type
		v func(t *rapid.T) row.Value
	}
	return rapid.Custom(func(t *rapid.T) pair {
		top := 12
		if depth == 0 {
			top = 9
		}
		maybe := func(f func(t *rapid.T) row.Value) func(t *rapid.T) row.Value {
			return func(t *rapid.T) row.Value {
				if rapid.IntRange(0, 4).Draw(t, "null") == 0 {
					return row.Value{}
				}
				return f(t)
			}
		}
		switch rapid.IntRange(0, top).Draw(t, "kind") {
		case 0:
			return pair{row.BooleanType, maybe(func(t *rapid.T) row.Value { return row.OfBool(rapid.Bool().Draw(t, "v")) })}
		case 1:
			return pair{row.IntegerType, maybe(func(t *rapid.T) row.Value { return row.OfInt(rapid.Int32().Draw(t, "v")) })}
		case 2:
			return pair{row.BigintType, maybe(func(t *rapid.T) row.Value { return row.OfLong(rapid.Int64().Draw(t, "v")) })}
		case 3:
			return pair{row.DoubleType, maybe(func(t *rapid.T) row.Value { return row.OfDouble(rapid.Float64().Draw(t, "v")) })}
		case 4:
			return pair{row.DecimalType(30, 2), maybe(func(t *rapid.T) row.Value {
				d := row.DecOf(rapid.Int64().Draw(t, "v"), 2)
				if m, err := d.Mul(row.DecOf(int64(rapid.IntRange(1, 1e9).Draw(t, "m")), 0)); err == nil {
					d = m
				}
				return row.OfDecimal(d)
			})}
		case 5:
			return pair{row.StringType, maybe(func(t *rapid.T) row.Value { return row.OfString(rapid.String().Draw(t, "v")) })}
		case 6:
			return pair{row.BytesType, maybe(func(t *rapid.T) row.Value { return row.OfBytes(rapid.SliceOf(rapid.Byte()).Draw(t, "v")) })}
		case 7:
			return pair{row.DateType, maybe(func(t *rapid.T) row.Value { return row.OfDate(rapid.Int32Range(-500000, 500000).Draw(t, "v")) })}
		case 8:
			return pair{row.TimeType, maybe(func(t *rapid.T) row.Value { return row.OfTime(rapid.Int32Range(0, 86_399_999).Draw(t, "v")) })}
		case 9:
			return pair{row.TimestampType, maybe(func(t *rapid.T) row.Value { return row.OfTimestamp(rapid.Int64Range(-1e14, 1e14).Draw(t, "v")) })}
		case 10:
			e := typed(depth-1).Draw(t, "elem")
			return pair{row.ArrayType(e.t), maybe(func(t *rapid.T) row.Value {
				elems := make([]row.Value, rapid.IntRange(0, 3).Draw(t, "n"))
				for i := range elems {
					elems[i] = e.v(t)
				}
				return row.OfArray(elems)
			})}
		case 11:
			e := typed(depth-1).Draw(t, "elem")
			return pair{row.MapType(row.StringType, e.t), maybe(func(t *rapid.T) row.Value {
				entries := make([]row.Entry, rapid.IntRange(0, 40).Draw(t, "n"))
				for i := range entries {
					entries[i] = row.Entry{Key: row.OfString(fmt.Sprint("k", i)), Value: e.v(t)}
				}
				return row.OfMap(entries)
			})}
		default:
			n := rapid.IntRange(1, 3).Draw(t, "n")
			var fields []row.Field
			var inner []pair
			for i := range n {
				inner = append(inner, typed(depth-1).Draw(t, "field"))
				fields = append(fields, row.Field{Name: string(rune('A' + i)), Type: inner[i].t})
			}
			return pair{row.StructType(fields...), maybe(func(t *rapid.T) row.Value {
				values := make([]row.Value, n)
				for i := range values {
					values[i] = inner[i].v(t)
				}
				return row.OfStruct(values)
			})}
		}
	})
}

// TestRoundTrips: what a format writes it reads back, for any columns.
func TestRoundTrips(t *testing.T) {
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
		check := func(name string, dec format.Decoder, enc format.Encoder) {
			data, err := enc.Encode(nil, r)
			if err != nil {
				t.Fatal(name, err)
			}
			got, err := dec.Decode(new(row.Arena), data)
			if err != nil {
				t.Fatalf("%s: %q: %v", name, data, err)
			}
			for i := range r {
				if !row.Equal(got[i], r[i]) {
					t.Fatalf("%s: %s is %s, want %s", name, columns[i], row.AppendText(nil, columns[i].Type, got[i]), row.AppendText(nil, columns[i].Type, r[i]))
				}
			}
		}
		jd, err := format.NewJSONDecoder(side)
		if err != nil {
			t.Fatal(err)
		}
		je, _ := format.NewJSONEncoder(side)
		check("JSON", jd, je)
		text, err := format.DeriveAvro(side, "")
		if err != nil {
			t.Fatal(err)
		}
		ad, _ := format.NewAvroDecoder(side, schemas{avroText(text)})
		ae, err := format.NewAvroEncoder(side, format.Registered{ID: 1, Schema: avroText(text)})
		if err != nil {
			t.Fatal(err)
		}
		check("AVRO", ad, ae)
		text2, err := format.DeriveJSON(side)
		if err != nil {
			t.Fatal(err)
		}
		sd, _ := format.NewJSONSchemaDecoder(side, schemas{jsonText(text2)})
		se, _ := format.NewJSONSchemaEncoder(side, 1)
		check("JSON_SR", sd, se)
		inferred, err := format.InferAvro(avroText(text), format.Inference{KeepCase: true})
		if err != nil || !(row.StructType(fields(inferred)...)).Equal(row.StructType(fields(columns)...)) {
			t.Fatal(inferred, err)
		}
	})
}

func fields(columns []row.Column) []row.Field {
	f := make([]row.Field, len(columns))
	for i, c := range columns {
		f[i] = row.Field(c)
	}
	return f
}

// FuzzAvro: no datum makes the reader panic, or take memory beyond its size.
func FuzzAvro(f *testing.F) {
	columns, r := pageRow()
	side := format.Side{Topic: "t", Columns: columns}
	text, err := format.DeriveAvro(side, "")
	if err != nil {
		f.Fatal(err)
	}
	enc, _ := format.NewAvroEncoder(side, format.Registered{ID: 1, Schema: avroText(text)})
	seed, _ := enc.Encode(nil, r)
	f.Add(seed[5:], uint8(1))
	f.Add(seed[5:], uint8(2))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0x0f}, uint8(3))
	const recursive = `{"type":"record","name":"R","fields":[{"name":"I","type":["null","R",{"type":"map","values":{"type":"array","items":"null"}}]},{"name":"AR","type":{"type":"array","items":"int"}}]}`
	dec, _ := format.NewAvroDecoder(side, schemas{avroText(text), avroText(`{"type":"record","name":"R","fields":[{"name":"x","type":["null",` + text + `]},{"name":"I","type":"int"}]}`), avroText(recursive)})
	var arena row.Arena
	f.Fuzz(func(t *testing.T, data []byte, id uint8) {
		arena.Reset()
		_, _ = dec.Decode(&arena, append(binary.BigEndian.AppendUint32([]byte{0}, uint32(id%4)), data...))
	})
}

func BenchmarkAvroDecode(b *testing.B) {
	side := format.Side{Topic: "t", Columns: []row.Column{
		{Name: "ID", Type: row.BigintType}, {Name: "NAME", Type: row.StringType}, {Name: "AMOUNT", Type: row.DoubleType}, {Name: "PAID", Type: row.BooleanType},
		{Name: "N", Type: row.IntegerType}, {Name: "CITY", Type: row.StringType}, {Name: "AT", Type: row.TimestampType},
	}}
	r := row.Row{row.OfLong(123456789), row.OfString("a name of about thirty letters"), row.OfDouble(99.5), row.OfBool(true), row.OfInt(42), row.OfString("a city with a name of thirty-four"), row.OfTimestamp(1700000000123)}
	text, _ := format.DeriveAvro(side, "")
	enc, err := format.NewAvroEncoder(side, format.Registered{ID: 1, Schema: avroText(text)})
	if err != nil {
		b.Fatal(err)
	}
	data, _ := enc.Encode(nil, r)
	dec, err := format.NewAvroDecoder(side, schemas{avroText(text)})
	if err != nil {
		b.Fatal(err)
	}
	var arena row.Arena
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		arena.Reset()
		if _, err := dec.Decode(&arena, data); err != nil {
			b.Fatal(err)
		}
	}
}
