package format_test

import (
	"encoding/hex"
	"math"
	"strings"
	"testing"

	"leat.dev/internal/format"
	"leat.dev/internal/row"
)

func TestKafka(t *testing.T) {
	for _, c := range []struct {
		typ string
		v   row.Value
		hex string
	}{
		{"INTEGER", row.OfInt(-2), "fffffffe"}, {"BIGINT", row.OfLong(1), "0000000000000001"}, {"DOUBLE", row.OfDouble(3.5), "400c000000000000"},
		{"STRING", row.OfString("é"), "c3a9"}, {"STRING", row.OfString(""), ""}, {"BYTES", row.OfBytes([]byte{0, 1}), "0001"}, {"BYTES", row.OfBytes(nil), ""},
	} {
		dec, enc, err := format.NewKafka(format.Side{Topic: "t", Columns: []row.Column{{Name: "F", Type: rowTypes[c.typ]}}})
		if err != nil {
			t.Fatal(err)
		}
		b, err := enc.Encode(nil, row.Row{c.v})
		if err != nil || hex.EncodeToString(b) != c.hex || b == nil {
			t.Errorf("%s: %x, %v, want %s", c.typ, b, err, c.hex)
		}
		r, err := dec.Decode(new(row.Arena), b)
		if err != nil || len(r) != 1 || !row.Equal(r[0], c.v) {
			t.Errorf("%s came back as %v, %v", c.typ, r, err)
		}
		if b, err := enc.Encode(nil, row.Row{{}}); b != nil || err != nil {
			t.Errorf("%s: NULL became %x, %v", c.typ, b, err)
		}
	}
	dec, _, _ := format.NewKafka(format.Side{Topic: "t", Columns: []row.Column{{Name: "F", Type: row.IntegerType}}})
	if _, err := dec.Decode(nil, []byte{1}); err == nil || err.Error() != "Error deserializing KAFKA message from topic: t. Size of data received by IntegerDeserializer is not 4" {
		t.Error(err)
	}
	text, _, _ := format.NewKafka(format.Side{Columns: []row.Column{{Name: "F", Type: row.StringType}}})
	if r, err := text.Decode(new(row.Arena), []byte("a\xffb")); err != nil || r[0].Str() != "a\uFFFDb" {
		t.Error(r, err)
	}
	if _, _, err := format.NewKafka(format.Side{Columns: []row.Column{{Name: "F", Type: row.BooleanType}}}); err == nil || err.Error() != "The 'KAFKA' format does not support type 'BOOLEAN'" {
		t.Error(err)
	}
	two := []row.Column{{Name: "A", Type: row.BooleanType}, {Name: "B", Type: row.StringType}}
	if _, _, err := format.NewKafka(format.Side{Columns: two}); err == nil || err.Error() != "The 'KAFKA' format only supports a single field. Got: [`A` BOOLEAN, `B` STRING]" {
		t.Error(err)
	}
	none, write, err := format.NewKafka(format.Side{})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := none.Decode(nil, []byte("x")); r != nil || err != nil {
		t.Error(r, err)
	}
	if b, err := write.Encode(nil, row.Row{}); b != nil || err != nil {
		t.Error(b, err)
	}
}

// strings3 is three STRING columns.
var strings3 = []row.Column{{Name: "A", Type: row.StringType}, {Name: "B", Type: row.StringType}, {Name: "C", Type: row.StringType}}

func TestDelimitedReads(t *testing.T) {
	const failed = "Error deserializing delimited: "
	for _, c := range []struct {
		delimiter rune
		in, want  string
	}{
		{0, "a,b,c", "a|b|c"}, {0, "\n\r\na,b,c\nd,e,f", "a|b|c"}, {0, `a,,""`, "a|NULL|NULL"}, {0, ` a ,"b,""x""",c`, ` a |b,"x"|c`},
		{0, "a,\"b\nc\" ,d", "a|b\nc|d"}, {'\t', "a\tb c\td", "a|b c|d"}, {'€', "a€b€c", "a|b|c"}, {0, "a,b\xff,c", "a|b\uFFFD|c"},
		{0, "a,b", failed + "Column count mismatch on deserialization. topic: t, expected: 3, got: 2"}, {0, "", failed + "No fields in record"},
		{0, `a,"b"x,c`, failed + "(line 1) invalid char between encapsulated token and delimiter"}, {0, `a,"b,c`, failed + "(startline 1) EOF reached before encapsulated token finished"},
	} {
		dec, _, err := format.NewDelimited(format.Side{Topic: "t", Columns: strings3}, c.delimiter)
		if err != nil {
			t.Fatal(err)
		}
		r, err := dec.Decode(new(row.Arena), []byte(c.in))
		var got []string
		for _, v := range r {
			if v.IsNull() {
				got = append(got, "NULL")
			} else {
				got = append(got, v.Str())
			}
		}
		text := strings.Join(got, "|")
		if err != nil {
			text = err.Error()
		}
		if text != c.want {
			t.Errorf("%q: %s, want %s", c.in, text, c.want)
		}
	}
}

func TestDelimitedTypes(t *testing.T) {
	read := func(typ, in string) string {
		dec, _, err := format.NewDelimited(format.Side{Topic: "t", Columns: []row.Column{{Name: "F", Type: rowTypes[typ]}}}, 0)
		if err != nil {
			return err.Error()
		}
		r, err := dec.Decode(new(row.Arena), []byte(in))
		if err != nil {
			return err.Error()
		}
		return string(row.AppendText(nil, rowTypes[typ], r[0]))
	}
	for _, c := range []struct{ typ, in, want string }{
		{"INTEGER", "+5", "5"}, {"INTEGER", " 5", `Error deserializing delimited: column F: " 5": Can't coerce string to type. targetType: INTEGER`},
		{"DOUBLE", " 1e3 ", "1000.0"}, {"BOOLEAN", "TRUE", "true"}, {"BOOLEAN", "yes", "false"}, {"BYTES", "AQI=", "AQI="}, {"BYTES", "AQI", "AQI="}, {"BYTES", "AQ", "AQ=="},
		{"DECIMAL", "1.5", "1.50"}, {"DECIMAL", "1.555", `Error deserializing delimited: column F: "1.555": Cannot fit decimal '1.555' into DECIMAL(4, 2) without rounding. (Requires 4,3)`},
		{"DATE", "19000", "2022-01-08"}, {"ARRAY", "", "The 'DELIMITED' format does not support type 'ARRAY', column: `F`"},
	} {
		if got := read(c.typ, c.in); got != c.want {
			t.Errorf("%s of %q: %s, want %s", c.typ, c.in, got, c.want)
		}
	}
}

func TestDelimitedWrites(t *testing.T) {
	for _, c := range []struct {
		delimiter rune
		in        []string
		want      string
	}{
		{0, []string{"a", "b", "c"}, "a,b,c"}, {0, []string{"-1", "-1", "é"}, `"-1",-1,é`}, {0, []string{"é", "#x", "$x"}, `"é","#x",$x`}, {0, []string{"", "", "x "}, `"",,"x "`},
		{0, []string{"a", `b"c`, "d,e"}, `a,"b""c","d,e"`}, {'|', []string{"a", "b|c", "d,e"}, `a|"b|c"|d,e`}, {0, []string{"a", "b\nc", "+/8="}, "a,\"b\nc\",+/8="},
	} {
		_, enc, err := format.NewDelimited(format.Side{Columns: strings3}, c.delimiter)
		if err != nil {
			t.Fatal(err)
		}
		var r row.Row
		for _, s := range c.in {
			r = append(r, row.OfString(s))
		}
		if got, err := enc.Encode(nil, r); err != nil || string(got) != c.want {
			t.Errorf("%q: %s, %v; want %s", c.in, got, err, c.want)
		}
	}
	typed := []row.Column{{Name: "D", Type: row.DoubleType}, {Name: "E", Type: row.DecimalType(10, 10)}, {Name: "T", Type: row.TimestampType}, {Name: "B", Type: row.BytesType}, {Name: "N", Type: row.StringType}}
	_, enc, err := format.NewDelimited(format.Side{Columns: typed}, 0)
	if err != nil {
		t.Fatal(err)
	}
	tiny, _ := row.ParseDec("1.00E-8")
	got, err := enc.Encode(nil, row.Row{row.OfDouble(math.Pi), row.OfDecimal(tiny), row.OfTimestamp(-1), row.OfBytes([]byte{0xfb, 0xff}), {}})
	if err != nil || string(got) != "3.141592653589793,0.0000000100,-1,+/8=," {
		t.Errorf("%s, %v", got, err)
	}
}

// FuzzDelimited: what is written is read back, for any strings but empty ones, which are NULL.
func FuzzDelimited(f *testing.F) {
	f.Add("a", "b,\"c", "\n", "x,\"y\"\"\"\nz")
	f.Fuzz(func(t *testing.T, a, b, c, raw string) {
		dec, enc, err := format.NewDelimited(format.Side{Columns: strings3}, 0)
		if err != nil {
			t.Fatal(err)
		}
		var arena row.Arena
		_, _ = dec.Decode(&arena, []byte(raw)) // must not panic
		in := row.Row{}
		for _, s := range []string{a, b, c} {
			in = append(in, row.OfString(strings.ToValidUTF8(s, "?")))
		}
		line, err := enc.Encode(nil, in)
		if err != nil {
			t.Fatal(err)
		}
		out, err := dec.Decode(&arena, line)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		for i := range in {
			if out[i].IsNull() != (in[i].Len() == 0) || (!out[i].IsNull() && out[i].Str() != in[i].Str()) {
				t.Fatalf("%q came back as %q", in[i].Str(), out[i].Str())
			}
		}
	})
}
