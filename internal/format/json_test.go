package format_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"leat.dev/internal/format"
	"leat.dev/internal/row"
)

var (
	rowTypes = map[string]*row.Type{
		"INTEGER": row.IntegerType, "BIGINT": row.BigintType, "DOUBLE": row.DoubleType, "BOOLEAN": row.BooleanType, "STRING": row.StringType,
		"BYTES": row.BytesType, "DATE": row.DateType, "TIME": row.TimeType, "TIMESTAMP": row.TimestampType, "DECIMAL": row.DecimalType(4, 2),
		"ARRAY": row.ArrayType(row.IntegerType), "MAP": row.MapType(row.StringType, row.IntegerType),
		"STRUCT": row.StructType(row.Field{Name: "F", Type: row.IntegerType}),
		"DEEP":   row.ArrayType(row.StructType(row.Field{Name: "M", Type: row.MapType(row.StringType, row.BigintType)})),
	}
	tooLong = strings.Repeat("[", 10_001)
)

// readJSON reads one wrapped column F and gives its text, or the error.
func readJSON(typ, data string) string {
	t := rowTypes[typ]
	d, err := format.NewJSONDecoder(format.Side{Topic: "t", Columns: []row.Column{{Name: "F", Type: t}}})
	if err != nil {
		return err.Error()
	}
	r, err := d.Decode(new(row.Arena), []byte(data))
	switch {
	case err != nil:
		return err.Error()
	case r == nil:
		return "NULL row"
	}
	return string(row.AppendText(nil, t, r[0]))
}

func TestJSONReads(t *testing.T) {
	const failed = "Failed to deserialize value from topic: t. "
	for _, c := range []struct{ typ, in, want string }{
		// Numbers are cut, never refused.
		{"INTEGER", `{"F":3000000000}`, "-1294967296"}, {"BIGINT", `{"F":1e30}`, "5076944270305263616"}, {"INTEGER", `{"F":1.9}`, "1"},
		{"INTEGER", `{"F":"+5"}`, "5"}, {"INTEGER", `{"F":" 5"}`, failed + "Can't coerce string to type. targetType: INTEGER, path: $.F"},
		{"INTEGER", `{"F":"1.0"}`, failed + "Can't coerce string to type. targetType: INTEGER, path: $.F"},
		{"INTEGER", `{"F":true}`, failed + "Can't convert type. sourceType: BooleanNode, requiredType: INTEGER, path: $.F"},
		{"BIGINT", `{"F":-9223372036854775808}`, "-9223372036854775808"}, {"BIGINT", `{"F":9223372036854775808}`, "-9223372036854775808"},
		{"DOUBLE", `{"F":1e400}`, "Infinity"}, {"DOUBLE", `{"F":0.1}`, "0.1"}, {"DOUBLE", `{"F":-0.0}`, "-0.0"}, {"DOUBLE", `{"F":-0}`, "-0.0"},
		{"DOUBLE", `{"F":" 1d "}`, "1.0"}, {"DOUBLE", `{"F":"0x1p3"}`, "8.0"}, {"DOUBLE", `{"F":"-Infinity"}`, "-Infinity"}, {"DOUBLE", `{"F":"inf"}`, failed + "Can't coerce string to type. targetType: DOUBLE, path: $.F"},
		{"DOUBLE", `{"F":false}`, failed + "Can't convert type. sourceType: BooleanNode, requiredType: DOUBLE, path: $.F"},
		{"BOOLEAN", `{"F":true}`, "true"}, {"BOOLEAN", `{"F":"true"}`, failed + "Can't convert type. sourceType: TextNode, requiredType: BOOLEAN, path: $.F"},
		// Anything is a STRING.
		{"STRING", `{"F":1.10}`, "1.10"}, {"STRING", `{"F":1e3}`, "1E+3"}, {"STRING", `{"F":1e-8}`, "1E-8"}, {"STRING", `{"F":-0}`, "0"}, {"STRING", `{"F":false}`, "false"},
		{"STRING", `{"F":[1, "x",null,{"q" : 1.50}, [2]]}`, `[1, x, null, {"q":1.50}, [2]]`}, {"STRING", `{"F":{"b" : "q\"", "a":[1 ,true], "b":2}}`, `{"b":2,"a":[1,true]}`},
		{"STRING", `{"F":"\u00e9\ud83d\ude00\n"}`, "é😀\n"}, {"STRING", `{"F":"\ud83d"}`, "\uFFFD"}, {"STRING", "{\"F\":\"a\xffb\"}", "a\uFFFDb"},
		{"DECIMAL", `{"F":12.3}`, "12.30"}, {"DECIMAL", `{"F":"12.30"}`, "12.30"},
		{"DECIMAL", `{"F":1.123}`, failed + "Cannot fit decimal '1.123' into DECIMAL(4, 2) without rounding. (Requires 4,3), path: $.F"},
		{"DECIMAL", `{"F":123.4}`, failed + "Numeric field overflow: A field with precision 4 and scale 2 must round to an absolute value less than 10^2. Got 123.4, path: $.F"},
		{"DECIMAL", `{"F":" 1"}`, failed + "Can't coerce string to type. targetType: DECIMAL(4, 2), path: $.F"},
		{"BYTES", `{"F":"AQI="}`, "AQI="}, {"BYTES", `{"F":"AQI"}`, failed + "Value is not a valid Base64 encoded string: AQI, path: $.F"},
		{"DATE", `{"F":19000}`, "2022-01-08"}, {"DATE", `{"F":"19000"}`, "2022-01-08"}, {"DATE", `{"F":"2022-01-08"}`, failed + "Can't coerce string to type. targetType: DATE, path: $.F"},
		{"TIME", `{"F":3723004}`, "01:02:03"}, {"TIME", `{"F":86400001}`, failed + "Time values must use number of milliseconds greater than 0 and less than 86400000., path: $.F"},
		{"TIMESTAMP", `{"F":1700000000123}`, "2023-11-14T22:13:20.123"},
		{"ARRAY", `{"F":[1,null,"3"]}`, "[1, null, 3]"}, {"ARRAY", `{"F":[]}`, "[]"}, {"ARRAY", `{"F":{}}`, failed + "Can't convert type. sourceType: ObjectNode, requiredType: ARRAY<INT>, path: $.F"},
		{"ARRAY", `{"F":[1,"x",true]}`, failed + "Can't coerce string to type. targetType: INTEGER, path: $.F[1]"},
		{"MAP", `{"F":{"b":1,"a":2,"b":3}}`, "{b=3, a=2}"}, {"MAP", `{"F":{"k":"x"}}`, failed + "Can't coerce string to type. targetType: INTEGER, path: $.F.k.value"},
		{"MAP", `{"F":{"k":"x","k":1}}`, "{k=1}"}, {"MAP", `{"F":[]}`, failed + "Can't convert type. sourceType: ArrayNode, requiredType: MAP<VARCHAR, INT>, path: $.F"},
		{"STRUCT", `{"F":{"f":1}}`, "Struct{F=1}"}, {"STRUCT", `{"F":1.5}`, failed + "Can't convert type. sourceType: DecimalNode, requiredType: STRUCT<F INT>, path: $.F"},
		{"DEEP", `{"F":[{"M":{}},{"m":{"x":[]}}]}`, failed + "Can't convert type. sourceType: ArrayNode, requiredType: BIGINT, path: $.F[1].M.x.value"},
		// Names: exact before upper-cased, the last of each.
		{"INTEGER", `{"f":1}`, "1"}, {"INTEGER", `{"F":1,"f":2}`, "1"}, {"INTEGER", `{"f":2,"F":1}`, "1"}, {"INTEGER", `{"F":1,"F":2}`, "2"}, {"INTEGER", `{"F":"x","F":2}`, "2"},
		{"INTEGER", `{"other":[1,{"F":3}],"\u0046":4}`, "4"}, {"INTEGER", `{}`, "null"}, {"INTEGER", `{"F":null}`, "null"},
		// The first value counts, strictly.
		{"INTEGER", `{"F":1}junk`, "1"}, {"INTEGER", ` { "F" : 1 } `, "1"}, {"INTEGER", `{"F":01}`, failed + "invalid character '1' in numeric literal at offset 6"},
		{"INTEGER", `{'F':1}`, failed + `invalid character '\'' looking for beginning of object key string at offset 1`}, {"INTEGER", `{"F":1,}`, failed + "invalid character '}' looking for beginning of object key string at offset 7"},
		{"DOUBLE", `{"F":NaN}`, failed + "invalid character 'N' looking for beginning of value at offset 5"}, {"INTEGER", `{"F":1`, failed + "unexpected end of JSON input"},
		{"INTEGER", ``, failed + "Can't convert type. sourceType: MissingNode, requiredType: STRUCT<F INT>, path: $"},
		{"INTEGER", `null`, failed + "Can't convert type. sourceType: NullNode, requiredType: STRUCT<F INT>, path: $"},
		{"INTEGER", `[1]`, failed + "Can't convert type. sourceType: ArrayNode, requiredType: STRUCT<F INT>, path: $"},
		{"INTEGER", `{"x":` + tooLong, failed + "more than 10000 arrays and objects inside each other"},
	} {
		if got := readJSON(c.typ, c.in); got != c.want {
			t.Errorf("%s of %.60s:\n got %s\nwant %s", c.typ, c.in, got, c.want)
		}
	}
}

// The row of the format page, and a few values that need care.
func TestJSONWrites(t *testing.T) {
	columns := []row.Column{
		{Name: "BO", Type: row.BooleanType}, {Name: "I", Type: row.IntegerType}, {Name: "L", Type: row.BigintType}, {Name: "D", Type: row.DoubleType},
		{Name: "S", Type: row.StringType}, {Name: "BY", Type: row.BytesType}, {Name: "DE", Type: row.DecimalType(4, 2)}, {Name: "DA", Type: row.DateType},
		{Name: "TI", Type: row.TimeType}, {Name: "TS", Type: row.TimestampType}, {Name: "AR", Type: row.ArrayType(row.IntegerType)},
		{Name: "MA", Type: row.MapType(row.StringType, row.BigintType)}, {Name: "ST", Type: row.StructType(row.Field{Name: "A", Type: row.IntegerType}, row.Field{Name: "b", Type: row.StringType})},
	}
	d, _ := row.ParseDec("12.30")
	r := row.Row{
		row.OfBool(true), row.OfInt(1), row.OfLong(2), row.OfDouble(3.5), row.OfString("s"), row.OfBytes([]byte{1, 2}), row.OfDecimal(d), row.OfDate(19000),
		row.OfTime(3723004), row.OfTimestamp(1700000000123), row.OfArray([]row.Value{row.OfInt(1), row.OfInt(2)}),
		row.OfMap([]row.Entry{{Key: row.OfString("k"), Value: row.OfLong(5)}}), row.OfStruct([]row.Value{row.OfInt(7), row.OfString("x")}),
	}
	const text = `{"BO":true,"I":1,"L":2,"D":3.5,"S":"s","BY":"AQI=","DE":12.30,"DA":19000,"TI":3723004,"TS":1700000000123,"AR":[1,2],"MA":{"k":5},"ST":{"A":7,"b":"x"}}`
	side := format.Side{Topic: "t", Columns: columns}
	enc, err := format.NewJSONEncoder(side)
	if err != nil {
		t.Fatal(err)
	}
	got, err := enc.Encode(nil, r)
	if err != nil || string(got) != text {
		t.Fatalf("%s, %v", got, err)
	}
	dec, err := format.NewJSONDecoder(side)
	if err != nil {
		t.Fatal(err)
	}
	back, err := dec.Decode(new(row.Arena), got)
	if err != nil {
		t.Fatal(err)
	}
	for i := range r {
		if !row.Equal(r[i], back[i]) {
			t.Errorf("%s came back as %s", columns[i].Name, row.AppendText(nil, columns[i].Type, back[i]))
		}
	}
	nulls, err := enc.Encode(nil, make(row.Row, len(columns)))
	if err != nil || !strings.HasPrefix(string(nulls), `{"BO":null,"I":null,`) {
		t.Errorf("%s, %v", nulls, err)
	}
	if b, err := enc.Encode([]byte("x"), nil); b != nil || err != nil {
		t.Errorf("a tombstone became %q, %v", b, err)
	}
	if _, err := enc.Encode(nil, r[:3]); err == nil || err.Error() != "Column count mismatch on serialization. topic: t, expected: 13, got: 3" {
		t.Error(err)
	}
}

func TestJSONWritesBareValues(t *testing.T) {
	tiny, _ := row.ParseDec("1.00E-8")
	for _, c := range []struct {
		t    *row.Type
		v    row.Value
		want string
	}{
		{row.StringType, row.OfString("a\"\\\b\t\n\f\r\v/<\x7F\u2028é😀\xff"), `"a\"\\\b\t\n\f\r\u000B/<` + "\x7F\u2028é" + `\uD83D\uDE00` + "\uFFFD" + `"`},
		{row.DoubleType, row.OfDouble(math.NaN()), `"NaN"`}, {row.DoubleType, row.OfDouble(math.Inf(-1)), `"-Infinity"`}, {row.DoubleType, row.OfDouble(1e7), `1.0E7`},
		{row.DecimalType(9, 10), row.OfDecimal(tiny), `1.00E-8`}, {row.IntegerType, row.Value{}, ``},
	} {
		side := format.Side{Topic: "t", Unwrap: true, Columns: []row.Column{{Name: "F", Type: c.t}}}
		enc, err := format.NewJSONEncoder(side)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := enc.Encode(nil, row.Row{c.v}); err != nil || string(got) != c.want || (c.want == "" && got != nil) {
			t.Errorf("%s: %s, %v; want %s", c.t, got, err, c.want)
		}
	}
	if _, err := format.NewJSONEncoder(format.Side{Columns: []row.Column{{Name: "M", Type: row.MapType(row.BigintType, row.StringType)}}}); err == nil {
		t.Error("a map with keys that are no strings was taken")
	}
}

// FuzzJSON holds the decoder against encoding/json: the same texts are accepted, with the same strings and numbers.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{
		`{"F":1,"S":"a\u00e9\ud83d\ude00","D":1.5e3}`, `{"A":[1,2,{"x":null}],"S":"\\"}`, `[]`, `"x"`, `1junk`, `{"D":-0.0}`, `{"S":"12345678\"90"}`, "{\"S\":\"\xff\xc3\"}", `{"D":123456789012345678901234567890}`,
	} {
		f.Add([]byte(s))
	}
	any1, err := format.NewJSONDecoder(format.Side{Unwrap: true, Columns: []row.Column{{Name: "V", Type: row.StringType}}})
	if err != nil {
		f.Fatal(err)
	}
	object, err := format.NewJSONDecoder(format.Side{Columns: []row.Column{
		{Name: "S", Type: row.StringType}, {Name: "D", Type: row.DoubleType}, {Name: "A", Type: row.ArrayType(row.StringType)}, {Name: "M", Type: row.MapType(row.StringType, row.BooleanType)},
	}})
	if err != nil {
		f.Fatal(err)
	}
	var arena row.Arena
	f.Fuzz(func(t *testing.T, data []byte) {
		arena.Reset()
		var std any
		stdErr := json.NewDecoder(bytes.NewReader(data)).Decode(&std)
		if stdErr != nil && !strings.Contains(stdErr.Error(), "cannot unmarshal") {
			std = nil
		} else {
			stdErr = nil
		}
		r, err := any1.Decode(&arena, data)
		if (err == nil) != (stdErr == nil) && !oddNumber(data) {
			t.Fatalf("%q: ours %v, encoding/json %v", data, err, stdErr)
		}
		if s, ok := std.(string); ok && err == nil && r[0].Str() != s {
			t.Fatalf("%q reads as %q, encoding/json has %q", data, r[0].Str(), s)
		}
		r, err = object.Decode(&arena, data)
		m, ok := std.(map[string]any)
		if err != nil || !ok {
			return
		}
		if s, ok := m["S"].(string); ok && r[0].Str() != s {
			t.Fatalf("%q: S is %q, encoding/json has %q", data, r[0].Str(), s)
		}
		if x, ok := m["D"].(float64); ok && math.Float64bits(r[1].Double()) != math.Float64bits(x) {
			t.Fatalf("%q: D is %v, encoding/json has %v", data, r[1].Double(), x)
		}
		if a, ok := m["A"].([]any); ok && r[2].Len() != len(a) {
			t.Fatalf("%q: A has %d elements, encoding/json %d", data, r[2].Len(), len(a))
		}
		if x, ok := m["M"].(map[string]any); ok && r[3].Len() != len(x) {
			t.Fatalf("%q: M has %d entries, encoding/json %d", data, r[3].Len(), len(x))
		}
	})
}

// oddNumber says that a text may hold a number that we refuse as a STRING and encoding/json takes as a float64, exponents
// and lengths beyond our range, or a bare 000 where encoding/json stops after the first digit.
func oddNumber(data []byte) bool {
	first := bytes.TrimLeft(data, " \t\r\n-")
	return bytes.ContainsAny(data, "eE") || len(data) > row.MaxDecText || (len(first) > 0 && first[0] == '0')
}

func TestJSONAllocatesNothingInSteadyState(t *testing.T) {
	dec, err := format.NewJSONDecoder(format.Side{Columns: benchColumns})
	if err != nil {
		t.Fatal(err)
	}
	data := benchJSON(1)
	var arena row.Arena
	if n := testing.AllocsPerRun(200, func() {
		arena.Reset()
		if _, err := dec.Decode(&arena, data); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations a row", n)
	}
}

var benchColumns = []row.Column{
	{Name: "ORDER_ID", Type: row.BigintType}, {Name: "CUSTOMER", Type: row.StringType}, {Name: "AMOUNT", Type: row.DoubleType}, {Name: "PAID", Type: row.BooleanType},
	{Name: "ITEMS", Type: row.ArrayType(row.StructType(row.Field{Name: "SKU", Type: row.StringType}, row.Field{Name: "N", Type: row.IntegerType}))},
	{Name: "NOTE", Type: row.StringType},
}

func benchJSON(i int) []byte {
	return fmt.Appendf(nil, `{"order_id":%d,"customer":"customer-%d of the northern region","amount":%d.25,"paid":true,"items":[{"sku":"A-1001","n":3},{"sku":"B-2002-blue","n":1}],"note":"please leave it with the neighbours if nobody is at home"}`, 1000000+i, i, i)
}

func BenchmarkJSONDecode(b *testing.B) {
	dec, err := format.NewJSONDecoder(format.Side{Columns: benchColumns})
	if err != nil {
		b.Fatal(err)
	}
	data := benchJSON(123)
	var arena row.Arena
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		arena.Reset()
		if _, err := dec.Decode(&arena, data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkJSONEncode(b *testing.B) {
	side := format.Side{Columns: benchColumns}
	dec, _ := format.NewJSONDecoder(side)
	r, err := dec.Decode(new(row.Arena), benchJSON(123))
	if err != nil {
		b.Fatal(err)
	}
	enc, err := format.NewJSONEncoder(side)
	if err != nil {
		b.Fatal(err)
	}
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		if out, err = enc.Encode(out[:0], r); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(out)))
}
