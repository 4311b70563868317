package streams

import (
	"reflect"
	"slices"
	"time"
	"unsafe"

	"leat.dev/streams/internal/codec"
)

// valueFormat is how a store keeps a value: headers if it keeps them, its time if it has one, the serialized value. The
// changelog has the last part only; the others are the record's own.
type valueFormat struct{ headers, stamped bool }

// cut takes a stored value apart. The parts share its memory.
func (f valueFormat) cut(b []byte) (h Headers, at Time, value []byte, err error) {
	if f.headers {
		if h, b, err = codec.CutHeaders[Header](nil, b); err != nil {
			return nil, 0, nil, err
		}
	}
	if f.stamped {
		var ms int64
		ms, b, err = codec.Stamped(b)
		at = Time(ms)
	}
	return h, at, b, err
}

// head appends what stands before the serialized value.
func (f valueFormat) head(dst []byte, at Time, h Headers) []byte {
	if f.headers {
		dst = codec.AppendHeaders(dst, h)
	}
	if f.stamped {
		dst = codec.AppendStamped(dst, int64(at), nil)
	}
	return dst
}

// encode gives a value as it is stored; from plain on it is what the changelog has. A value that is encoded already comes
// as raw. The bytes are valid until the next call.
func (c *cells[K, V]) encode(v *V, raw []byte, at Time, h Headers) (full []byte, plain int, err error) {
	c.value2 = c.format.head(c.value2[:0], at, h)
	plain = len(c.value2)
	if !c.shared && raw != nil {
		c.value2 = append(c.value2, raw...)
		return c.value2, plain, nil
	}
	c.seen = h
	full, err = c.vs.Append(c.value2, c.topic, &c.seen, *v)
	if err != nil {
		return nil, 0, err
	}
	c.value2, c.lastSize = full, len(full)
	return full, plain, nil
}

// load fills a cell from a stored value.
func (c *cells[K, V]) load(to *cell[V], b []byte) error {
	h, at, plain, err := c.format.cut(b)
	if err != nil {
		return err
	}
	var v V
	if c.shared {
		if v, err = c.vs.Decode(plain, c.topic, h); err != nil {
			return err
		}
	}
	c.set(to, v, plain, at, h.clone())
	to.ok = true
	return nil
}

// set fills a cell: with v if values are shared, with a copy of raw if not.
func (c *cells[K, V]) set(to *cell[V], v V, raw []byte, at Time, h Headers) {
	if c.shared {
		to.v = v
	} else {
		to.raw = append(to.raw[:0], raw...)
	}
	to.at, to.ok, to.headers = at, true, h
}

// value gives the value of a cell to somebody who may change it.
func (c *cells[K, V]) value(from *cell[V]) (V, error) {
	if c.shared {
		return from.v, nil
	}
	return c.vs.Decode(from.raw, c.topic, from.headers)
}

// estimate is the size of a value in the state, as far as it is known before it is encoded.
func (c *cells[K, V]) estimate(v *V, raw []byte) int {
	n := len(raw)
	if c.shared {
		s, ok := any(v).(*string)
		if !ok {
			return c.lastSize
		}
		n = len(*s)
	}
	if c.format.stamped {
		n += 8
	}
	return n
}

// clone copies headers with their values, so that they outlive the record; nil if there are none.
func (h Headers) clone() Headers {
	if len(h) == 0 {
		return nil
	}
	out := slices.Clone(h)
	for i := range out {
		out[i].Value = slices.Clone(out[i].Value)
	}
	return out
}

// shareable tells whether several may have the same value of type T without one seeing what another does to it: T holds
// no pointers, slices, maps or interfaces. Strings and times cannot be changed. A struct with unexported fields, or with
// fields that JSON leaves out, is not: what is kept decoded would have more in it than what comes back from the bytes.
func shareable[T any]() bool { return shareableType(reflect.TypeFor[T]()) }

func shareableType(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr,
		reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128, reflect.String:
		return true
	case reflect.Array:
		return shareableType(t.Elem())
	case reflect.Struct:
		if t == reflect.TypeFor[time.Time]() {
			return true
		}
		for f := range t.Fields() {
			if !f.IsExported() || f.Tag.Get("json") == "-" || !shareableType(f.Type) {
				return false
			}
		}
		return true
	default:
		return false
	}
}

// bytesOf is a string's memory, which must not be changed. It is never nil: that would be null.
func bytesOf(s string) []byte {
	if s == "" {
		return []byte{}
	}
	return unsafe.Slice(unsafe.StringData(s), len(s))
}

// viewOf is the bytes as a string for a look-up: it must not be kept.
func viewOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
