package row_test

import (
	"errors"
	"hash/maphash"
	"math"
	"math/big"
	"strings"
	"testing"
	"unicode/utf16"
	"unsafe"

	"leat.dev/internal/row"
	"pgregory.net/rapid"
)

func TestValueIs24Bytes(t *testing.T) {
	if n := unsafe.Sizeof(row.Value{}); n != 24 {
		t.Fatalf("a Value has %d bytes", n)
	}
}

func TestDoublesPrintAsJava(t *testing.T) {
	for f, want := range map[float64]string{
		0: "0.0", math.Copysign(0, -1): "-0.0", 1: "1.0", 0.001: "0.001", 0.002: "0.002", 9.99e-4: "9.99E-4", 9999999: "9999999.0",
		1e7: "1.0E7", 12345678.9: "1.23456789E7", 5e-324: "4.9E-324", 1e23: "1.0E23", -1.5e-10: "-1.5E-10", 100: "100.0",
		math.Inf(1): "Infinity", math.Inf(-1): "-Infinity", 1e100: "1.0E100", math.MaxFloat64: "1.7976931348623157E308",
	} {
		if got := string(row.AppendDouble(nil, f)); got != want {
			t.Errorf("%g: %s, want %s", f, got, want)
		}
	}
	if got := string(row.AppendDouble(nil, math.NaN())); got != "NaN" {
		t.Error(got)
	}
}

func TestDecimalsPrintAsJava(t *testing.T) {
	for _, c := range []struct{ in, text, plain string }{
		{"12.30", "12.30", "12.30"}, {"1e3", "1E+3", "1000"}, {"1.00E-8", "1.00E-8", "0.0000000100"}, {"-0.001", "-0.001", "-0.001"},
		{"0.0000001", "1E-7", "0.0000001"}, {"0.000001", "0.000001", "0.000001"}, {"0", "0", "0"}, {"0.00", "0.00", "0.00"},
		{"123456789012345678901234567890.5", "123456789012345678901234567890.5", "123456789012345678901234567890.5"},
		{"-9223372036854775808", "-9223372036854775808", "-9223372036854775808"}, {"9223372036854775808", "9223372036854775808", "9223372036854775808"},
		{"+5", "5", "5"}, {".5", "0.5", "0.5"}, {"5.", "5", "5"}, {"1E+2147483647", "1E+2147483647", "1E+2147483647"}, {"1.23E5", "1.23E+5", "123000"},
	} {
		d, err := row.ParseDec(c.in)
		if err != nil {
			t.Fatal(c.in, err)
		}
		if d.String() != c.text || string(d.AppendPlain(nil)) != c.plain {
			t.Errorf("%s: %s and %s, want %s and %s", c.in, d, d.AppendPlain(nil), c.text, c.plain)
		}
	}
	for _, bad := range []string{"", "-", ".", "1e", "1e+", " 1", "1 ", "0x1", "1e99999999999", "1.2.3", "NaN", strings.Repeat("1", row.MaxDecText+1)} {
		if d, err := row.ParseDec(bad); !errors.Is(err, row.ErrDecSyntax) {
			t.Errorf("%.20q: %v, %v", bad, d, err)
		}
	}
}

func TestDecimalsFit(t *testing.T) {
	fit := func(text string, p, s int32) string {
		d, err := row.ParseDec(text)
		if err != nil {
			return err.Error()
		}
		if d, err = d.Fit(p, s); err != nil {
			return err.Error()
		}
		return d.String()
	}
	for _, c := range []struct {
		in, want string
		p, s     int32
	}{
		{"1.123", "Cannot fit decimal '1.123' into DECIMAL(4, 2) without rounding. (Requires 4,3)", 4, 2},
		{"123.4", "Numeric field overflow: A field with precision 4 and scale 2 must round to an absolute value less than 10^2. Got 123.4", 4, 2},
		{"1.5", "1.50", 4, 2}, {"1.5000", "1.50", 4, 2}, {"0", "0.00", 4, 2}, {"1e1", "10.00", 4, 2},
		{"1e2000000000", "Numeric field overflow: A field with precision 4 and scale 2 must round to an absolute value less than 10^2. Got 1E+2000000000", 4, 2},
	} {
		if got := fit(c.in, c.p, c.s); got != c.want {
			t.Errorf("%s into (%d,%d): %s, want %s", c.in, c.p, c.s, got, c.want)
		}
	}
}

func TestNumbersAreCutAsJava(t *testing.T) {
	for text, want := range map[string]int64{
		"1e30": 5076944270305263616, "3000000000": 3000000000, "-1.9": -1, "1e-400": 0, "1E+2147483647": 0, "-1e19": 8446744073709551616, "12345678901234567890.5": -6101065172474983726,
	} {
		d, _ := row.ParseDec(text)
		if got := d.Low64(); got != want {
			t.Errorf("%s: %d, want %d", text, got, want)
		}
	}
}

// decimals draws numbers on both sides of 64 bits, of small scales.
func decimals() *rapid.Generator[row.Dec] {
	return rapid.Custom(func(t *rapid.T) row.Dec {
		scale := int32(rapid.IntRange(-5, 12).Draw(t, "scale"))
		n := big.NewInt(rapid.Int64().Draw(t, "n"))
		switch rapid.IntRange(0, 3).Draw(t, "size") {
		case 0:
			n.SetInt64(int64(rapid.IntRange(-1000, 1000).Draw(t, "small")))
		case 1:
			n.Mul(n, big.NewInt(rapid.Int64().Draw(t, "m")))
		}
		return row.DecOfBig(n, scale)
	})
}

func rat(d row.Dec) *big.Rat {
	r, _ := new(big.Rat).SetString(d.String())
	return r
}

func TestDecimalArithmeticAgainstRationals(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := decimals().Draw(t, "a"), decimals().Draw(t, "b")
		x, y := rat(a), rat(b)
		same := func(op string, got row.Dec, err error, want *big.Rat) {
			if err != nil || rat(got).Cmp(want) != 0 {
				t.Fatalf("%s %s %s = %s, %v; want %s", a, op, b, got, err, want)
			}
		}
		sum, err := a.Add(b)
		same("+", sum, err, new(big.Rat).Add(x, y))
		difference, err := a.Sub(b)
		same("-", difference, err, new(big.Rat).Sub(x, y))
		product, err := a.Mul(b)
		same("*", product, err, new(big.Rat).Mul(x, y))
		if a.Compare(b) != x.Cmp(y) {
			t.Fatalf("%s compared to %s: %d", a, b, a.Compare(b))
		}
		if trimmed := a.Trim(); rat(trimmed).Cmp(x) != 0 {
			t.Fatalf("%s trimmed is %s", a, trimmed)
		}
		if back, err := row.ParseDec(a.String()); err != nil || back.String() != a.String() {
			t.Fatalf("%s reads as %s, %v", a, back, err)
		}
		if b.Sign() == 0 {
			return
		}
		scale := int32(rapid.IntRange(-3, 20).Draw(t, "to"))
		for _, mode := range []row.Rounding{row.RoundHalfUp, row.RoundHalfDown, row.RoundDown} {
			q, err := a.Div(b, scale, mode)
			if err != nil || q.Scale() != scale {
				t.Fatalf("%s / %s: %s, %v", a, b, q, err)
			}
			// |q - a/b| is at most half of the last place, or less than one when cut.
			off := new(big.Rat).Sub(rat(q), new(big.Rat).Quo(x, y))
			place := rat(row.DecOf(1, scale))
			limit := new(big.Rat).Quo(place, big.NewRat(2, 1))
			if mode == row.RoundDown {
				limit = place
			}
			if c := off.Abs(off).Cmp(limit); c > 0 || (c == 0 && mode == row.RoundDown) {
				t.Fatalf("%s / %s to scale %d, mode %d: %s is off by %s", a, b, scale, mode, q, off)
			}
		}
		rest, err := a.Rem(b)
		whole, derr := a.Div(b, 0, row.RoundDown)
		if derr == nil {
			same("%", rest, err, new(big.Rat).Sub(x, new(big.Rat).Mul(rat(whole), y)))
		}
	})
}

func TestRoundingOfTies(t *testing.T) {
	for _, c := range []struct {
		in, up, down, cut string
	}{{"2.5", "3", "2", "2"}, {"-2.5", "-3", "-2", "-2"}, {"2.51", "3", "3", "2"}, {"-0.5", "-1", "0", "0"}, {"0.05", "0", "0", "0"}} {
		d, _ := row.ParseDec(c.in)
		for mode, want := range map[row.Rounding]string{row.RoundHalfUp: c.up, row.RoundHalfDown: c.down, row.RoundDown: c.cut} {
			if got, err := d.Rescale(0, mode); err != nil || got.String() != want {
				t.Errorf("%s, mode %d: %s, %v, want %s", c.in, mode, got, err, want)
			}
		}
		if _, err := d.Rescale(0, row.RoundUnnecessary); !errors.Is(err, row.ErrRounding) {
			t.Errorf("%s: %v", c.in, err)
		}
	}
}

func TestArithmeticOfTypes(t *testing.T) {
	d42, d31 := row.DecimalType(4, 2), row.DecimalType(3, 1)
	for _, c := range []struct {
		op   row.Op
		l, r *row.Type
		a, b row.Value
		typ  string
		want string
	}{
		{row.Add, row.IntegerType, row.IntegerType, row.OfInt(math.MaxInt32), row.OfInt(1), "INTEGER", "-2147483648"},
		{row.Div, row.IntegerType, row.IntegerType, row.OfInt(-7), row.OfInt(2), "INTEGER", "-3"},
		{row.Div, row.IntegerType, row.IntegerType, row.OfInt(math.MinInt32), row.OfInt(-1), "INTEGER", "-2147483648"},
		{row.Rem, row.BigintType, row.IntegerType, row.OfLong(-7), row.OfInt(2), "BIGINT", "-1"},
		{row.Div, row.BigintType, row.BigintType, row.OfLong(1), row.OfLong(0), "BIGINT", "division by zero"},
		{row.Div, row.DoubleType, row.IntegerType, row.OfDouble(1), row.OfInt(0), "DOUBLE", "Infinity"},
		{row.Add, d42, d31, dec("1.25"), dec("2.5"), "DECIMAL(5, 2)", "3.75"},
		{row.Mul, d42, d31, dec("1.25"), dec("2.5"), "DECIMAL(8, 3)", "3.125"},
		{row.Div, d42, d31, dec("1.25"), dec("2.5"), "DECIMAL(9, 6)", "0.500000"},
		{row.Div, d42, d31, dec("1.00"), dec("3.0"), "DECIMAL(9, 6)", row.ErrRounding.Error()},
		{row.Rem, d42, d31, dec("7.25"), dec("2.5"), "DECIMAL(4, 2)", "2.25"},
		{row.Add, row.IntegerType, d31, row.OfInt(3), dec("2.5"), "DECIMAL(12, 1)", "5.5"},
		{row.Mul, row.DoubleType, d31, row.OfDouble(2), dec("2.5"), "DOUBLE", "5.0"},
	} {
		typ, f, err := row.Arithmetic(c.op, c.l, c.r)
		if err != nil {
			t.Fatal(err)
		}
		v, err := f(c.a, c.b)
		got := string(row.AppendText(nil, typ, v))
		if err != nil {
			got = err.Error()
		}
		if typ.String() != c.typ || got != c.want {
			t.Errorf("%s %c %s: %s %s, want %s %s", c.l, c.op, c.r, typ, got, c.typ, c.want)
		}
	}
	if _, _, err := row.Arithmetic(row.Sub, row.StringType, row.IntegerType); err == nil || err.Error() != "Unsupported arithmetic types. STRING INTEGER" {
		t.Error(err)
	}
}

func dec(text string) row.Value {
	d, err := row.ParseDec(text)
	if err != nil {
		panic(err)
	}
	return row.OfDecimal(d)
}

func TestStringsAreOrderedAsJava(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		runes := rapid.SampledFrom([]rune{'a', 'b', 0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xEFFF, 0xF000, 0xFFFD, 0xFFFF, 0x10000, 0x10FFFF})
		a := string(rapid.SliceOfN(runes, 0, 4).Draw(t, "a"))
		b := string(rapid.SliceOfN(runes, 0, 4).Draw(t, "b"))
		x, y := utf16.Encode([]rune(a)), utf16.Encode([]rune(b))
		want := 0
		for i := 0; want == 0 && i < min(len(x), len(y)); i++ {
			want = int(x[i]) - int(y[i])
		}
		if want == 0 {
			want = len(x) - len(y)
		}
		if got := row.CompareStrings(a, b); (got < 0) != (want < 0) || (got > 0) != (want > 0) {
			t.Fatalf("%q and %q: %d, want the sign of %d", a, b, got, want)
		}
		var h int32
		for _, u := range x {
			h = 31*h + int32(u)
		}
		if row.JavaHash(a) != h {
			t.Fatalf("%q hashes to %d, want %d", a, row.JavaHash(a), h)
		}
	})
}

// values draws values of every kind, collections up to two deep.
func values(depth int) *rapid.Generator[row.Value] {
	return rapid.Custom(func(t *rapid.T) row.Value {
		top := 13
		if depth == 0 {
			top = 10
		}
		inner := func() []row.Value { return rapid.SliceOfN(values(depth-1), 0, 3).Draw(t, "elems") }
		switch rapid.IntRange(0, top).Draw(t, "kind") {
		case 1:
			return row.OfBool(rapid.Bool().Draw(t, "v"))
		case 2:
			return row.OfInt(rapid.Int32().Draw(t, "v"))
		case 3:
			return row.OfLong(rapid.Int64().Draw(t, "v"))
		case 4:
			return row.OfDouble(rapid.SampledFrom([]float64{0, math.Copysign(0, -1), 1, -1, math.NaN(), math.Inf(1), math.Inf(-1), 1e300}).Draw(t, "v"))
		case 5:
			return row.OfDecimal(decimals().Draw(t, "v"))
		case 6:
			return row.OfString(rapid.String().Draw(t, "v"))
		case 7:
			return row.OfBytes(rapid.SliceOf(rapid.Byte()).Draw(t, "v"))
		case 8:
			return row.OfDate(rapid.Int32().Draw(t, "v"))
		case 9:
			return row.OfTime(rapid.Int32Range(0, 86_399_999).Draw(t, "v"))
		case 10:
			return row.OfTimestamp(rapid.Int64().Draw(t, "v"))
		case 11:
			return row.OfArray(inner())
		case 12:
			return row.OfStruct(inner())
		case 13:
			var entries []row.Entry
			for i, v := range inner() {
				entries = append(entries, row.Entry{Key: row.OfString(string(rune('a' + i))), Value: v})
			}
			return row.OfMap(entries)
		}
		return row.Value{}
	})
}

func TestCompareIsATotalOrderThatEqualAndHashFollow(t *testing.T) {
	t.Parallel()
	seed := maphash.MakeSeed()
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := values(2).Draw(t, "a"), values(2).Draw(t, "b"), values(2).Draw(t, "c")
		if row.Compare(a, a) != 0 || !row.Equal(a, a) {
			t.Fatal("not equal to itself")
		}
		if row.Compare(a, b) != -row.Compare(b, a) {
			t.Fatal("not antisymmetric")
		}
		if row.Equal(a, b) != (row.Compare(a, b) == 0) {
			t.Fatal("Equal and Compare differ")
		}
		if a.Kind() == b.Kind() && b.Kind() == c.Kind() && row.Compare(a, b) <= 0 && row.Compare(b, c) <= 0 && row.Compare(a, c) > 0 {
			t.Fatal("not transitive")
		}
		if a.Kind() == b.Kind() && row.Equal(a, b) && row.Hash(seed, a) != row.Hash(seed, b) {
			t.Fatal("equal values with different hashes")
		}
	})
}

func TestHashIgnoresWhatEqualIgnores(t *testing.T) {
	seed := maphash.MakeSeed()
	k := func(s string, n int32) row.Entry { return row.Entry{Key: row.OfString(s), Value: row.OfInt(n)} }
	for name, pair := range map[string][2]row.Value{
		"scale": {dec("1.5"), dec("1.500")}, "big scale": {dec("123456789012345678901"), dec("123456789012345678901.00")},
		"order of entries": {row.OfMap([]row.Entry{k("a", 1), k("b", 2)}), row.OfMap([]row.Entry{k("b", 2), k("a", 1)})},
		"zero":             {dec("0"), dec("0.00")},
	} {
		if !row.Equal(pair[0], pair[1]) || row.Hash(seed, pair[0]) != row.Hash(seed, pair[1]) {
			t.Error(name)
		}
	}
}

func TestTypesAndTexts(t *testing.T) {
	s := row.StructType(row.Field{Name: "F", Type: row.IntegerType}, row.Field{Name: "g`", Type: row.DecimalType(4, 2)})
	typ := row.MapType(row.StringType, row.ArrayType(s))
	if got := typ.String(); got != "MAP<STRING, ARRAY<STRUCT<`F` INTEGER, `g``` DECIMAL(4, 2)>>>" {
		t.Error(got)
	}
	v := row.OfMap([]row.Entry{{Key: row.OfString("k"), Value: row.OfArray([]row.Value{
		row.OfStruct([]row.Value{row.OfInt(1), dec("1.50")}), row.OfStruct([]row.Value{{}, dec("2.00")}), {},
	})}})
	if got := string(row.AppendText(nil, typ, v)); got != "{k=[Struct{F=1,g`=1.50}, Struct{g`=2.00}, null]}" {
		t.Error(got)
	}
	for _, c := range []struct {
		t    *row.Type
		v    row.Value
		want string
	}{
		{row.DateType, row.OfDate(19000), "2022-01-08"}, {row.DateType, row.OfDate(-1), "1969-12-31"},
		{row.TimeType, row.OfTime(3723004), "01:02:03"}, {row.TimeType, row.OfTime(3720000), "01:02"},
		{row.TimestampType, row.OfTimestamp(1700000000123), "2023-11-14T22:13:20.123"}, {row.TimestampType, row.OfTimestamp(-1), "1969-12-31T23:59:59.999"},
		{row.BytesType, row.OfBytes([]byte{1, 2}), "AQI="}, {row.BooleanType, row.OfBool(true), "true"},
	} {
		if got := string(row.AppendText(nil, c.t, c.v)); got != c.want {
			t.Errorf("%s: %s, want %s", c.t, got, c.want)
		}
	}
	schema := row.Schema{Key: []row.Column{{Name: "K", Type: row.IntegerType}}, Value: []row.Column{{Name: "V", Type: row.StringType}}}
	if got := schema.String(); got != "`K` INTEGER KEY, `V` STRING" {
		t.Error(got)
	}
	if same := row.StructType(s.Fields()...); !same.Equal(s) || same.Equal(row.StructType(s.Fields()[0])) || s.FieldIndex("F") != 0 || s.FieldIndex("f") != -1 {
		t.Error("struct types")
	}
}

func TestJavaHashOrder(t *testing.T) {
	// As java.util.HashMap of JDK 17 visits them.
	for _, c := range []struct{ in, want string }{
		{"banana apple cherry Aa BB", "banana Aa BB apple cherry"},
		{"a b c d e f g h i j k l m n o ID NAME GHOST MOVIE_ID x1 x2 ROWKEY", "a b c d e GHOST f g MOVIE_ID h i j ROWKEY k l m n o NAME x1 x2 ID"},
	} {
		keys := strings.Fields(c.in)
		var got []string
		for _, i := range row.JavaHashOrder(keys, 16) {
			got = append(got, keys[i])
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%v, want %s", got, c.want)
		}
	}
}
