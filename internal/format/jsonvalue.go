package format

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"leat.dev/internal/row"
)

// cannotConvert says that a JSON value is of another shape than the type.
func cannotConvert(source string, t *row.Type) error {
	return fmt.Errorf("Can't convert type. sourceType: %s, requiredType: %s", source, oldSpelling(t, false)) //nolint:staticcheck // ksqlDB's text
}

// cannotCoerce says that a text does not read as the type.
func cannotCoerce(t *row.Type) error {
	return fmt.Errorf("Can't coerce string to type. targetType: %s", t) //nolint:staticcheck // ksqlDB's text
}

// oldSpelling is the text of a type in ksqlDB's messages about shapes: VARCHAR for STRING, and inside others INT for
// INTEGER, names without quotes.
func oldSpelling(t *row.Type, inside bool) string {
	switch t.Kind() {
	case row.Integer:
		if inside {
			return "INT"
		}
	case row.String:
		return "VARCHAR"
	case row.Array:
		return "ARRAY<" + oldSpelling(t.Elem(), true) + ">"
	case row.Map:
		return "MAP<" + oldSpelling(t.Key(), true) + ", " + oldSpelling(t.Elem(), true) + ">"
	case row.Struct:
		fields := make([]string, len(t.Fields()))
		for i, f := range t.Fields() {
			fields[i] = f.Name + " " + oldSpelling(f.Type, true)
		}
		return "STRUCT<" + strings.Join(fields, ", ") + ">"
	default:
	}
	return t.String()
}

// maxTimeMs is the end of TIME's range, which ksqlDB includes.
const maxTimeMs = 86_400_000

var errTimeRange = errors.New("Time values must use number of milliseconds greater than 0 and less than 86400000.") //nolint:staticcheck // ksqlDB's text

// fromNumber is a JSON number as a value of the type.
func fromNumber(a *row.Arena, t *row.Type, n *number) (row.Value, error) {
	switch t.Kind() {
	case row.Integer, row.Date:
		x, err := n.long()
		if err != nil {
			return row.Value{}, &unsuitable{reason: err}
		}
		if t.Kind() == row.Date {
			return row.OfDate(int32(x)), nil //nolint:gosec // the low bits, as Java's intValue
		}
		return row.OfInt(int32(x)), nil //nolint:gosec // the low bits, as Java's intValue
	case row.Bigint, row.Timestamp, row.Time:
		x, err := n.long()
		if err != nil {
			return row.Value{}, &unsuitable{reason: err}
		}
		return ofLong(t, x)
	case row.Double:
		return row.OfDouble(n.double()), nil
	case row.Decimal:
		d, err := n.decimal()
		if err == nil {
			d, err = d.Fit(t.Precision(), t.Scale())
		}
		if err != nil {
			return row.Value{}, &unsuitable{reason: err}
		}
		return row.OfDecimal(d), nil
	case row.String:
		if n.whole && (n.mantissa != 0 || !n.negative) {
			return row.OfString(unsafeString(n.text)), nil
		}
		d, err := n.decimal()
		if err != nil {
			return row.Value{}, &unsuitable{reason: err}
		}
		return row.OfString(unsafeString(d.Append(a.Bytes(len(n.text) + 16)[:0]))), nil
	default:
		return row.Value{}, &unsuitable{reason: cannotConvert(n.node(), t)}
	}
}

// ofLong is a BIGINT, TIMESTAMP or TIME.
func ofLong(t *row.Type, x int64) (row.Value, error) {
	switch t.Kind() {
	case row.Timestamp:
		return row.OfTimestamp(x), nil
	case row.Time:
		if x < 0 || x > maxTimeMs {
			return row.Value{}, &unsuitable{reason: errTimeRange}
		}
		return row.OfTime(int32(x)), nil
	default:
		return row.OfLong(x), nil
	}
}

// node is Jackson's name for what holds the number.
func (n *number) node() string {
	if !n.whole {
		return "DecimalNode"
	}
	switch x, err := strconv.ParseInt(string(n.text), 10, 64); {
	case err != nil:
		return "BigIntegerNode"
	case x >= math.MinInt32 && x <= math.MaxInt32:
		return "IntNode"
	}
	return "LongNode"
}

// long is the number without its fraction, its low 64 bits.
func (n *number) long() (int64, error) {
	if n.whole && n.simple && n.mantissa <= math.MaxInt64 {
		if n.negative {
			return -int64(n.mantissa), nil
		}
		return int64(n.mantissa), nil
	}
	d, err := n.decimal()
	return d.Low64(), err
}

var doublePowers = [...]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// double is the nearest double; out of range, an infinity or zero.
func (n *number) double() float64 {
	if n.simple && n.mantissa < 1<<53 && -n.exponent < len(doublePowers) {
		f := float64(n.mantissa) / doublePowers[-n.exponent] // both exact: one correct rounding
		if n.negative {
			return -f
		}
		return f
	}
	f, _ := strconv.ParseFloat(unsafeString(n.text), 64)
	return f
}

// decimal is the number exactly, with the scale it is written in.
func (n *number) decimal() (row.Dec, error) {
	if n.simple && n.mantissa <= math.MaxInt64 {
		x := int64(n.mantissa)
		if n.negative {
			x = -x
		}
		return row.DecOf(x, int32(-n.exponent)), nil
	}
	return row.ParseDec(n.text)
}

// fromText is a JSON string as a value of the type.
func fromText(a *row.Arena, t *row.Type, text []byte) (row.Value, error) {
	switch t.Kind() {
	case row.String:
		return row.OfString(unsafeString(text)), nil
	case row.Integer, row.Date:
		x, err := strconv.ParseInt(unsafeString(text), 10, 32)
		if err != nil {
			return row.Value{}, &unsuitable{reason: cannotCoerce(t)}
		}
		if t.Kind() == row.Date {
			return row.OfDate(int32(x)), nil
		}
		return row.OfInt(int32(x)), nil
	case row.Bigint, row.Timestamp, row.Time:
		x, err := strconv.ParseInt(unsafeString(text), 10, 64)
		if err != nil {
			return row.Value{}, &unsuitable{reason: cannotCoerce(t)}
		}
		return ofLong(t, x)
	case row.Double:
		f, ok := ParseJavaDouble(unsafeString(text))
		if !ok {
			return row.Value{}, &unsuitable{reason: cannotCoerce(t)}
		}
		return row.OfDouble(f), nil
	case row.Decimal:
		d, err := row.ParseDec(text)
		if err != nil {
			return row.Value{}, &unsuitable{reason: cannotCoerce(t)}
		}
		if d, err = d.Fit(t.Precision(), t.Scale()); err != nil {
			return row.Value{}, &unsuitable{reason: err}
		}
		return row.OfDecimal(d), nil
	case row.Bytes:
		b, ok := decodeBase64(a, text)
		if !ok {
			return row.Value{}, &unsuitable{reason: fmt.Errorf("Value is not a valid Base64 encoded string: %s", text)} //nolint:staticcheck // ksqlDB's text
		}
		return row.OfBytes(b), nil
	default:
		return row.Value{}, &unsuitable{reason: cannotConvert("TextNode", t)}
	}
}

// decodeBase64 reads padded base64 without line ends.
func decodeBase64(a *row.Arena, text []byte) ([]byte, bool) {
	for _, c := range text {
		if c == '\r' || c == '\n' {
			return nil, false
		}
	}
	b := a.Bytes(base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(b, text)
	return b[:n:n], err == nil
}

// ParseJavaDouble reads what Java's Double.parseDouble reads: blanks around, a decimal or hexadecimal number with an
// optional d or f behind it, NaN, Infinity. Out of range gives an infinity or zero.
func ParseJavaDouble(text string) (float64, bool) {
	text = strings.TrimFunc(text, func(r rune) bool { return r <= ' ' })
	body := strings.TrimLeft(text, "+-")
	if len(text)-len(body) > 1 || body == "" {
		return 0, false
	}
	sign := 1.0
	if text[0] == '-' {
		sign = -1
	}
	switch body {
	case "NaN":
		return math.NaN(), true
	case "Infinity":
		return math.Inf(int(sign)), true
	}
	if c := body[0]; (c < '0' || c > '9') && c != '.' || strings.Contains(body, "_") {
		return 0, false
	}
	if strings.ContainsRune("dDfF", rune(body[len(body)-1])) && (!isHex(body) || strings.ContainsAny(body, "pP")) {
		body = body[:len(body)-1]
	}
	f, err := strconv.ParseFloat(body, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, false
	}
	return math.Copysign(f, sign), true
}

func isHex(s string) bool { return len(s) > 1 && s[0] == '0' && s[1]|0x20 == 'x' }
