package format

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"leat.dev/internal/row"
)

// jsonEncoder writes rows as JSON.
type jsonEncoder struct {
	side  Side
	names [][]byte // of the columns, as JSON with colon
	plan  []*jsonWrite
	id    *int32 // of the registered schema that goes in front, nil for none
}

// jsonWrite says how one type is written.
type jsonWrite struct {
	typ     *row.Type
	elem    *jsonWrite
	entries bool // a map as an array of objects with key and value
	names   [][]byte
	field   []*jsonWrite
}

// NewJSONEncoder writes compact JSON: fields in the columns' order, NULLs written; doubles as Java prints them and NaN and
// infinities as strings; DECIMAL with its scale; BYTES in base64; DATE as days, TIME and TIMESTAMP as milliseconds.
func NewJSONEncoder(side Side) (Encoder, error) { return newJSONEncoder(side, false) }

func newJSONEncoder(side Side, entries bool) (*jsonEncoder, error) {
	if side.Unwrap && len(side.Columns) != 1 {
		return nil, fmt.Errorf("a bare value needs exactly one column, not %d", len(side.Columns))
	}
	e := &jsonEncoder{side: side}
	for _, c := range side.Columns {
		e.names = append(e.names, append(appendJSONString(nil, c.Name), ':'))
		e.plan = append(e.plan, newJSONWrite(c.Type, entries))
	}
	return e, checkJSON(side.Columns)
}

func newJSONWrite(t *row.Type, entries bool) *jsonWrite {
	w := &jsonWrite{typ: t, entries: entries}
	if t.Elem() != nil {
		w.elem = newJSONWrite(t.Elem(), entries)
	}
	for _, f := range t.Fields() {
		w.names = append(w.names, append(appendJSONString(nil, f.Name), ':'))
		w.field = append(w.field, newJSONWrite(f.Type, entries))
	}
	return w
}

func (e *jsonEncoder) Encode(dst []byte, r row.Row) ([]byte, error) {
	if r == nil {
		return nil, nil
	}
	if err := e.side.checkCount("serialization", len(r)); err != nil {
		return nil, err
	}
	if e.side.Unwrap && r[0].IsNull() {
		return nil, nil
	}
	if e.id != nil {
		dst = appendPrefix(dst, *e.id)
	}
	var err error
	if e.side.Unwrap {
		dst, err = e.plan[0].append(dst, r[0])
	} else {
		dst, err = appendJSONFields(dst, e.names, e.plan, r)
	}
	if err != nil {
		return nil, fmt.Errorf("Error serializing message to topic: %s. %w", e.side.Topic, err)
	}
	return dst, nil
}

func appendJSONFields(dst []byte, names [][]byte, plan []*jsonWrite, values []row.Value) ([]byte, error) {
	dst = append(dst, '{')
	var err error
	for i, v := range values {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, names[i]...)
		if dst, err = plan[i].append(dst, v); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

var errMapKey = errors.New("a MAP with a NULL key cannot be written")

func (w *jsonWrite) append(dst []byte, v row.Value) ([]byte, error) {
	if v.IsNull() {
		return append(dst, "null"...), nil
	}
	var err error
	switch w.typ.Kind() {
	case row.Boolean:
		return strconv.AppendBool(dst, v.Bool()), nil
	case row.Integer, row.Bigint, row.Date, row.Time, row.Timestamp:
		return strconv.AppendInt(dst, v.Long(), 10), nil
	case row.Double:
		return appendJSONDouble(dst, v.Double()), nil
	case row.Decimal:
		return v.Decimal().Append(dst), nil
	case row.String:
		return appendJSONString(dst, v.Str()), nil
	case row.Bytes:
		dst = base64.StdEncoding.AppendEncode(append(dst, '"'), v.Bytes())
		return append(dst, '"'), nil
	case row.Array:
		dst = append(dst, '[')
		for i, x := range v.Elems() {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, err = w.elem.append(dst, x); err != nil {
				return nil, err
			}
		}
		return append(dst, ']'), nil
	case row.Map:
		if w.entries {
			return w.appendEntries(dst, v)
		}
		return w.appendMap(dst, v)
	case row.Struct:
		return appendJSONFields(dst, w.names, w.field, v.Fields())
	default:
		return nil, fmt.Errorf("no JSON for %s", w.typ)
	}
}

func (w *jsonWrite) appendMap(dst []byte, v row.Value) ([]byte, error) {
	dst = append(dst, '{')
	var err error
	for i, x := range v.Entries() {
		if x.Key.IsNull() {
			return nil, errMapKey
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendJSONString(dst, x.Key.Str()), ':')
		if dst, err = w.elem.append(dst, x.Value); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

func (w *jsonWrite) appendEntries(dst []byte, v row.Value) ([]byte, error) {
	dst = append(dst, '[')
	var err error
	for i, x := range v.Entries() {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"key":`...)
		if x.Key.IsNull() {
			dst = append(dst, "null"...)
		} else {
			dst = appendJSONString(dst, x.Key.Str())
		}
		if dst, err = w.elem.append(append(dst, `,"value":`...), x.Value); err != nil {
			return nil, err
		}
		dst = append(dst, '}')
	}
	return append(dst, ']'), nil
}

// appendJSONDouble writes a number, or what is no JSON number as a string.
func appendJSONDouble(dst []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(row.AppendDouble(append(dst, '"'), f), '"')
	}
	return row.AppendDouble(dst, f)
}

const upperHex = "0123456789ABCDEF"

// appendJSONString writes a string as Jackson does: escapes only for the quote, the backslash and control characters, and
// characters beyond U+FFFF as two escaped UTF-16 units.
func appendJSONString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < 0xF0 {
			i++
			continue
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\t':
			dst = append(dst, '\\', 't')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\r':
			dst = append(dst, '\\', 'r')
		default:
			if c < ' ' {
				dst = appendEscape(dst, uint16(c))
				break
			}
			r, size := utf8.DecodeRuneInString(s[i:])
			if size > 1 {
				r -= 0x10000
				dst = appendEscape(dst, uint16(0xD800+r>>10))   //nolint:gosec // a surrogate
				dst = appendEscape(dst, uint16(0xDC00+r&0x3FF)) //nolint:gosec // a surrogate
			} else {
				dst = utf8.AppendRune(dst, utf8.RuneError)
			}
			i += size - 1
		}
		i++
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}

func appendEscape(dst []byte, u uint16) []byte {
	return append(dst, '\\', 'u', upperHex[u>>12], upperHex[u>>8&15], upperHex[u>>4&15], upperHex[u&15])
}
