package plainjson

import (
	"math"
	"reflect"
	"strconv"
	"unicode/utf8"
	"unsafe"
)

// Functions here take the text and a place in it, and give the place behind what they read; -1 if encoding/json/v2 has to be
// asked.

func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

func literal(b []byte, i int, word string) int {
	if len(b)-i < len(word) || string(b[i:i+len(word)]) != word {
		return -1
	}
	return i + len(word)
}

func decodeValue(b []byte, i int, f *form, p unsafe.Pointer, depth int) int {
	if i >= len(b) {
		return -1
	}
	if b[i] == 'n' { // the zero value is there already
		return literal(b, i, "null")
	}
	switch f.kind {
	case reflect.String:
		return decodeString(b, i, (*string)(p))
	case reflect.Bool:
		if b[i] == 't' {
			*(*bool)(p) = true
			return literal(b, i, "true")
		}
		return literal(b, i, "false")
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return decodeInt(b, i, f, p)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return decodeUint(b, i, f, p)
	case reflect.Float64:
		return decodeFloat(b, i, (*float64)(p))
	case reflect.Float32:
		end := number(b, i)
		if end < 0 {
			return -1
		}
		v, err := strconv.ParseFloat(view(b[i:end]), 32)
		if err != nil {
			return -1
		}
		*(*float32)(p) = float32(v)
		return end
	}
	if depth++; depth > depthMax {
		return -1
	}
	switch f.kind {
	case reflect.Struct:
		return decodeStruct(b, i, f, p, depth)
	case reflect.Slice:
		return decodeSlice(b, i, f, p, depth)
	default:
		to := reflect.New(f.elem.typ)
		*(*unsafe.Pointer)(p) = to.UnsafePointer()
		return decodeValue(b, i, f.elem, to.UnsafePointer(), depth)
	}
}

func decodeStruct(b []byte, i int, f *form, p unsafe.Pointer, depth int) int {
	if b[i] != '{' {
		return -1
	}
	if i = space(b, i+1); i < len(b) && b[i] == '}' {
		return i + 1
	}
	var seen uint64
	var others strangers
	next := 0 // the member that stands here if they come in order
	for {
		if i >= len(b) || b[i] != '"' {
			return -1
		}
		i++
		k := next
		if k < len(f.fields) && hasPrefix(b[i:], f.fields[k].tail) {
			i += len(f.fields[k].tail)
		} else {
			end := plainString(b, i)
			if end < 0 {
				return -1
			}
			if k = f.find(b[i : end-1]); k < 0 && !others.add(b, i, end-1) {
				return -1
			}
			i = end
		}
		if i = space(b, i); i >= len(b) || b[i] != ':' {
			return -1
		}
		i = space(b, i+1)
		if k < 0 {
			i = skip(b, i)
		} else {
			m := &f.fields[k]
			if seen&(1<<k) != 0 {
				return -1
			}
			seen |= 1 << k
			next = k + 1
			i = decodeValue(b, i, m.form, unsafe.Add(p, m.offset), depth)
		}
		if i < 0 {
			return -1
		}
		if i = space(b, i); i >= len(b) {
			return -1
		}
		if b[i] == '}' {
			return i + 1
		}
		if b[i] != ',' {
			return -1
		}
		i = space(b, i+1)
	}
}

func hasPrefix(b []byte, s string) bool { return len(b) >= len(s) && string(b[:len(s)]) == s }

func (f *form) find(name []byte) int {
	for i := range f.fields {
		if f.fields[i].name == string(name) {
			return i
		}
	}
	return -1
}

// strangers are the names of unknown members, none of which may come twice.
type strangers struct {
	n  int
	at [16][2]int
}

func (s *strangers) add(b []byte, from, to int) bool {
	if s.n == len(s.at) {
		return false
	}
	for _, o := range s.at[:s.n] {
		if string(b[o[0]:o[1]]) == string(b[from:to]) {
			return false
		}
	}
	s.at[s.n] = [2]int{from, to}
	s.n++
	return true
}

// skip passes by a scalar.
func skip(b []byte, i int) int {
	if i >= len(b) {
		return -1
	}
	switch b[i] {
	case '"':
		return plainString(b, i+1)
	case 't':
		return literal(b, i, "true")
	case 'f':
		return literal(b, i, "false")
	case 'n':
		return literal(b, i, "null")
	}
	return number(b, i)
}

// plainString is behind the closing quote of a string that is plain ASCII.
func plainString(b []byte, i int) int {
	for ; i < len(b); i++ {
		if !plain[b[i]] {
			if b[i] == '"' {
				return i + 1
			}
			return -1
		}
	}
	return -1
}

func decodeString(b []byte, i int, to *string) int {
	if b[i] != '"' {
		return -1
	}
	i++
	from := i
	for i < len(b) && plain[b[i]] {
		i++
	}
	if i < len(b) && b[i] == '"' {
		*to = string(b[from:i])
		return i + 1
	}
	return decodeEscaped(b, from, i, to)
}

// decodeEscaped goes on where a string has what does not stand for itself, or is not ASCII.
func decodeEscaped(b []byte, from, i int, to *string) int {
	var made []byte
	for ; i < len(b); i++ {
		c := b[i]
		switch {
		case c == '"':
			if !utf8.Valid(b[from:i]) {
				return -1
			}
			*to = string(append(made, b[from:i]...))
			return i + 1
		case c < ' ':
			return -1
		case c != '\\':
			continue
		}
		if i+1 >= len(b) || unescapes[b[i+1]] == 0 || !utf8.Valid(b[from:i]) {
			return -1
		}
		made = append(append(made, b[from:i]...), unescapes[b[i+1]])
		i++
		from = i + 1
	}
	return -1
}

var unescapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// digits reads a whole number without leading zeros of at most 18 digits.
func digits(b []byte, i int) (v uint64, end int) {
	from := i
	for i < len(b) && b[i]-'0' <= 9 {
		v = v*10 + uint64(b[i]-'0')
		i++
	}
	if n := i - from; n == 0 || n > 18 || n > 1 && b[from] == '0' {
		return 0, -1
	}
	if i < len(b) && (b[i] == '.' || b[i]|0x20 == 'e') {
		return 0, -1
	}
	return v, i
}

func decodeInt(b []byte, i int, f *form, p unsafe.Pointer) int {
	negative := b[i] == '-'
	if negative {
		i++
	}
	u, end := digits(b, i)
	if end < 0 {
		return -1
	}
	v := int64(u) //nolint:gosec // 18 digits
	if negative {
		v = -v
	}
	bits := 8 * f.size
	if v<<(64-bits)>>(64-bits) != v {
		return -1
	}
	storeBits(p, f.size, uint64(v)) //nolint:gosec // the bits are what is stored
	return end
}

func decodeUint(b []byte, i int, f *form, p unsafe.Pointer) int {
	v, end := digits(b, i)
	if end < 0 {
		return -1
	}
	bits := 8 * f.size
	if v<<(64-bits)>>(64-bits) != v {
		return -1
	}
	storeBits(p, f.size, v)
	return end
}

// storeBits stores a whole number that fits into size bytes; of negative ones these are the low bytes of v.
func storeBits(p unsafe.Pointer, size uintptr, v uint64) {
	switch size {
	case 1:
		*(*uint8)(p) = uint8(v) //nolint:gosec // fits
	case 2:
		*(*uint16)(p) = uint16(v) //nolint:gosec // fits
	case 4:
		*(*uint32)(p) = uint32(v) //nolint:gosec // fits
	default:
		*(*uint64)(p) = v
	}
}

// number is behind a number as JSON has them.
func number(b []byte, i int) int {
	if i < len(b) && b[i] == '-' {
		i++
	}
	from := i
	i = run(b, i)
	if i == from || i-from > 1 && b[from] == '0' {
		return -1
	}
	if i < len(b) && b[i] == '.' {
		from = i + 1
		if i = run(b, from); i == from {
			return -1
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		from = i
		if i = run(b, from); i == from {
			return -1
		}
	}
	return i
}

func run(b []byte, i int) int {
	for i < len(b) && b[i]-'0' <= 9 {
		i++
	}
	return i
}

// tens are powers of ten that a float64 holds exactly. A whole number below 2^53 divided by one of them is rounded once, so it
// is the nearest float64.
var tens = [...]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

func decodeFloat(b []byte, i int, to *float64) int {
	end := number(b, i)
	if end < 0 {
		return -1
	}
	if v, ok := short(b[i:end]); ok {
		*to = v
		return end
	}
	v, err := strconv.ParseFloat(view(b[i:end]), 64)
	if err != nil {
		return -1
	}
	*to = v
	return end
}

// short reads a number of at most 15 digits without exponent.
func short(b []byte) (v float64, ok bool) {
	negative := b[0] == '-'
	if negative {
		b = b[1:]
	}
	if len(b) > 16 {
		return 0, false
	}
	var m uint64
	places, point := 0, false
	for i, c := range b {
		switch {
		case c-'0' <= 9:
			m = m*10 + uint64(c-'0')
		case c == '.':
			places, point = len(b)-1-i, true
		default:
			return 0, false
		}
	}
	if len(b) == 16 && !point {
		return 0, false
	}
	v = float64(m) / tens[places]
	if negative {
		v = math.Copysign(v, -1)
	}
	return v, true
}

// view is the bytes as a string that is not kept.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func decodeSlice(b []byte, i int, f *form, p unsafe.Pointer, depth int) int {
	if b[i] != '[' {
		return -1
	}
	all := reflect.MakeSlice(f.typ, 0, 4)
	if i = space(b, i+1); i < len(b) && b[i] == ']' {
		reflect.NewAt(f.typ, p).Elem().Set(all.Slice3(0, 0, 0))
		return i + 1
	}
	for {
		n := all.Len()
		if n == all.Cap() {
			all = reflect.AppendSlice(reflect.MakeSlice(f.typ, 0, 2*n), all)
		}
		all = all.Slice(0, n+1)
		if i = decodeValue(b, i, f.elem, all.Index(n).Addr().UnsafePointer(), depth); i < 0 {
			return -1
		}
		if i = space(b, i); i >= len(b) || b[i] != ',' && b[i] != ']' {
			return -1
		}
		if b[i] == ']' {
			reflect.NewAt(f.typ, p).Elem().Set(all)
			return i + 1
		}
		i = space(b, i+1)
	}
}
