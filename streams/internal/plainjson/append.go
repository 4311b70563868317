package plainjson

import (
	"math"
	"reflect"
	"strconv"
	"unicode/utf8"
	"unsafe"
)

func appendValue(dst []byte, f *form, p unsafe.Pointer, depth int) ([]byte, bool) {
	switch f.kind {
	case reflect.String:
		return appendString(dst, *(*string)(p))
	case reflect.Bool:
		return strconv.AppendBool(dst, *(*bool)(p)), true
	case reflect.Int:
		return strconv.AppendInt(dst, int64(*(*int)(p)), 10), true
	case reflect.Int8:
		return strconv.AppendInt(dst, int64(*(*int8)(p)), 10), true
	case reflect.Int16:
		return strconv.AppendInt(dst, int64(*(*int16)(p)), 10), true
	case reflect.Int32:
		return strconv.AppendInt(dst, int64(*(*int32)(p)), 10), true
	case reflect.Int64:
		return strconv.AppendInt(dst, *(*int64)(p), 10), true
	case reflect.Uint:
		return strconv.AppendUint(dst, uint64(*(*uint)(p)), 10), true
	case reflect.Uint8:
		return strconv.AppendUint(dst, uint64(*(*uint8)(p)), 10), true
	case reflect.Uint16:
		return strconv.AppendUint(dst, uint64(*(*uint16)(p)), 10), true
	case reflect.Uint32:
		return strconv.AppendUint(dst, uint64(*(*uint32)(p)), 10), true
	case reflect.Uint64:
		return strconv.AppendUint(dst, *(*uint64)(p), 10), true
	case reflect.Float32:
		return appendFloat(dst, float64(*(*float32)(p)), 32)
	case reflect.Float64:
		return appendFloat(dst, *(*float64)(p), 64)
	}
	if depth++; depth > depthMax {
		return dst, false
	}
	switch f.kind {
	case reflect.Struct:
		return appendStruct(dst, f, p, depth)
	case reflect.Slice:
		return appendSlice(dst, f, p, depth)
	default:
		to := *(*unsafe.Pointer)(p)
		if to == nil {
			return append(dst, "null"...), true
		}
		return appendValue(dst, f.elem, to, depth)
	}
}

func appendStruct(dst []byte, f *form, p unsafe.Pointer, depth int) ([]byte, bool) {
	dst = append(dst, '{')
	first := true
	for i := range f.fields {
		m := &f.fields[i]
		at := unsafe.Add(p, m.offset)
		if m.omit != always && m.omitted(at) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(dst, m.quoted...)
		var ok bool
		if dst, ok = appendValue(dst, m.form, at, depth); !ok {
			return dst, false
		}
	}
	return append(dst, '}'), true
}

func (m *field) omitted(at unsafe.Pointer) bool {
	if m.omit == omitZero {
		return reflect.NewAt(m.typ, at).Elem().IsZero()
	}
	if m.kind == reflect.String {
		return *(*string)(at) == ""
	}
	return (*slice)(at).n == 0
}

// slice is a slice as it stands in memory.
type slice struct {
	data   unsafe.Pointer
	n, cap int
}

// appendSlice writes nil as [], as encoding/json/v2 does.
func appendSlice(dst []byte, f *form, p unsafe.Pointer, depth int) ([]byte, bool) {
	s := (*slice)(p)
	dst = append(dst, '[')
	for i := range s.n {
		if i > 0 {
			dst = append(dst, ',')
		}
		var ok bool
		if dst, ok = appendValue(dst, f.elem, unsafe.Add(s.data, uintptr(i)*f.elem.size), depth); !ok {
			return dst, false
		}
	}
	return append(dst, ']'), true
}

// wholeMax is up to where whole numbers are written as integers: they are exact, and without an exponent.
const wholeMax = 1 << 53

func appendFloat(dst []byte, v float64, bits int) ([]byte, bool) {
	abs := math.Abs(v)
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return dst, false
	case abs != 0 && (abs < 1e-6 || abs >= 1e20): // near or behind where the form with an exponent begins
		return dst, false
	case bits == 64 && abs < wholeMax && v == math.Trunc(v) && v != 0:
		return strconv.AppendInt(dst, int64(v), 10), true
	}
	return strconv.AppendFloat(dst, v, 'f', -1, bits), true
}

// plain are the bytes of a string that stand for themselves.
var plain = func() (t [256]bool) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

func appendString(dst []byte, s string) ([]byte, bool) {
	dst = append(dst, '"')
	for i := range len(s) {
		if !plain[s[i]] {
			return appendEscaped(dst, s, i)
		}
	}
	return append(append(dst, s...), '"'), true
}

// appendEscaped goes on where a string has what cannot stand as it is, or may not.
func appendEscaped(dst []byte, s string, i int) ([]byte, bool) {
	if !utf8.ValidString(s) {
		return dst, false
	}
	from := 0
	for ; i < len(s); i++ {
		c := s[i]
		if plain[c] || c >= utf8.RuneSelf {
			continue
		}
		e := escapes[c]
		if e == 0 {
			return dst, false
		}
		dst = append(append(dst, s[from:i]...), '\\', e)
		from = i + 1
	}
	return append(append(dst, s[from:]...), '"'), true
}

// escapes are the letters that stand for bytes behind a backslash.
var escapes = [256]byte{'"': '"', '\\': '\\', '\b': 'b', '\f': 'f', '\n': 'n', '\r': 'r', '\t': 't'}
