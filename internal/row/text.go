package row

import (
	"encoding/base64"
	"strconv"
	"time"
)

// AppendText appends the value as CAST(v AS STRING) writes it, inside of t: numbers as Java's, DECIMAL plain, times in
// ISO 8601, BYTES in base64, collections in Java's way: [1, 2], {a=1}, Struct{F=1,G=x} with NULL fields left out. A NULL
// that is not in a struct is "null".
func AppendText(dst []byte, t *Type, v Value) []byte {
	if v.kind == Null {
		return append(dst, "null"...)
	}
	switch t.kind {
	case Boolean:
		return strconv.AppendBool(dst, v.Bool())
	case Integer, Bigint:
		return strconv.AppendInt(dst, v.num, 10)
	case Double:
		return AppendDouble(dst, v.Double())
	case Decimal:
		return v.Decimal().AppendPlain(dst)
	case String:
		return append(dst, v.Str()...)
	case Bytes:
		return base64.StdEncoding.AppendEncode(dst, v.Bytes())
	case Date:
		return AppendDate(dst, v.Int())
	case Time:
		return AppendTime(dst, v.Int())
	case Timestamp:
		return AppendTimestamp(dst, v.Long())
	case Array:
		dst = append(dst, '[')
		for i, e := range v.Elems() {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = AppendText(dst, t.elem, e)
		}
		return append(dst, ']')
	case Map:
		dst = append(dst, '{')
		for i, e := range v.Entries() {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = AppendText(dst, t.key, e.Key)
			dst = append(dst, '=')
			dst = AppendText(dst, t.elem, e.Value)
		}
		return append(dst, '}')
	case Struct:
		return appendStruct(dst, t, v)
	default:
		return dst
	}
}

func appendStruct(dst []byte, t *Type, v Value) []byte {
	dst = append(dst, "Struct{"...)
	first := true
	for i, f := range v.Fields() {
		if f.IsNull() {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(dst, t.fields[i].Name...)
		dst = append(dst, '=')
		dst = AppendText(dst, t.fields[i].Type, f)
	}
	return append(dst, '}')
}

const msOfDay = 24 * 60 * 60 * 1000

// AppendDate appends days since the epoch as yyyy-MM-dd, in the proleptic calendar; years beyond 9999 with a sign, as
// java.time writes them.
func AppendDate(dst []byte, days int32) []byte {
	year, month, day := time.Unix(int64(days)*msOfDay/1000, 0).UTC().Date()
	dst = appendYear(dst, year)
	dst = appendPadded(append(dst, '-'), int(month), 2)
	return appendPadded(append(dst, '-'), day, 2)
}

// AppendTime appends milliseconds of the day as HH:mm, or HH:mm:ss unless the second is 0; milliseconds are left out.
func AppendTime(dst []byte, ms int32) []byte {
	s := int(ms) / 1000
	dst = appendPadded(dst, s/3600, 2)
	dst = appendPadded(append(dst, ':'), s/60%60, 2)
	if s%60 != 0 {
		dst = appendPadded(append(dst, ':'), s%60, 2)
	}
	return dst
}

// AppendTimestamp appends milliseconds since the epoch as yyyy-MM-ddTHH:mm:ss.SSS in UTC.
func AppendTimestamp(dst []byte, ms int64) []byte {
	at := time.UnixMilli(ms).UTC()
	year, month, day := at.Date()
	dst = appendYear(dst, year)
	dst = appendPadded(append(dst, '-'), int(month), 2)
	dst = appendPadded(append(dst, '-'), day, 2)
	dst = appendPadded(append(dst, 'T'), at.Hour(), 2)
	dst = appendPadded(append(dst, ':'), at.Minute(), 2)
	dst = appendPadded(append(dst, ':'), at.Second(), 2)
	return appendPadded(append(dst, '.'), at.Nanosecond()/1_000_000, 3)
}

func appendYear(dst []byte, year int) []byte {
	switch {
	case year < 0:
		return appendPadded(append(dst, '-'), -year, 4)
	case year > 9999:
		dst = append(dst, '+')
	}
	return appendPadded(dst, year, 4)
}

func appendPadded(dst []byte, n, width int) []byte {
	for limit := 10; width > 1; width-- {
		if n < limit {
			for range width - 1 {
				dst = append(dst, '0')
			}
			break
		}
		limit *= 10
	}
	return strconv.AppendInt(dst, int64(n), 10)
}
