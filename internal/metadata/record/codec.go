package record

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Errors of Decode. They are wrapped with the place they were found at.
var (
	// ErrCorrupt: the bytes are not a record of the type and version they claim.
	ErrCorrupt = errors.New("corrupt metadata record")
	// ErrUnknown: a frame version, record type or record version this program does not know.
	ErrUnknown = errors.New("unknown metadata record")
)

// codec walks the fields of one record, either appending them to b or taking
// them from it. Every record lists its fields once, in one function, so that
// writer and reader cannot drift apart.
type codec struct {
	b       []byte
	err     error
	version int16
	enc     bool
}

func (c *codec) fail(what string) {
	if c.err == nil {
		c.err = fmt.Errorf("%w: %s", ErrCorrupt, what)
	}
	c.b = nil
}

// take cuts n bytes off the input, or fails and returns nil.
func (c *codec) take(n int) []byte {
	if n < 0 || n > len(c.b) {
		c.fail("truncated")
		return nil
	}
	p := c.b[:n]
	c.b = c.b[n:]
	return p
}

func (c *codec) uvarint(v uint64) uint64 {
	if c.enc {
		c.b = binary.AppendUvarint(c.b, v)
		return v
	}
	v, n := binary.Uvarint(c.b)
	if n <= 0 || v > math.MaxUint32 {
		c.fail("bad varint")
		return 0
	}
	c.b = c.b[n:]
	return v
}

func (c *codec) i8(p *int8) {
	if c.enc {
		c.b = append(c.b, byte(*p))
	} else if s := c.take(1); s != nil {
		*p = int8(s[0])
	}
}

func (c *codec) bool(p *bool) {
	if c.enc {
		var v byte
		if *p {
			v = 1
		}
		c.b = append(c.b, v)
	} else if s := c.take(1); s != nil {
		*p = s[0] != 0
	}
}

func (c *codec) i16(p *int16) {
	if c.enc {
		c.b = binary.BigEndian.AppendUint16(c.b, uint16(*p))
	} else if s := c.take(2); s != nil {
		*p = int16(binary.BigEndian.Uint16(s))
	}
}

func (c *codec) u16(p *uint16) {
	if c.enc {
		c.b = binary.BigEndian.AppendUint16(c.b, *p)
	} else if s := c.take(2); s != nil {
		*p = binary.BigEndian.Uint16(s)
	}
}

func (c *codec) i32(p *int32) {
	if c.enc {
		c.b = binary.BigEndian.AppendUint32(c.b, uint32(*p))
	} else if s := c.take(4); s != nil {
		*p = int32(binary.BigEndian.Uint32(s))
	}
}

func (c *codec) i64(p *int64) {
	if c.enc {
		c.b = binary.BigEndian.AppendUint64(c.b, uint64(*p))
	} else if s := c.take(8); s != nil {
		*p = int64(binary.BigEndian.Uint64(s))
	}
}

func (c *codec) f64(p *float64) {
	if c.enc {
		c.b = binary.BigEndian.AppendUint64(c.b, math.Float64bits(*p))
	} else if s := c.take(8); s != nil {
		*p = math.Float64frombits(binary.BigEndian.Uint64(s))
	}
}

func (c *codec) uuid(p *UUID) {
	if c.enc {
		c.b = append(c.b, p[:]...)
	} else if s := c.take(16); s != nil {
		*p = UUID(s)
	}
}

// length is the compact length prefix: n+1, 0 for null. It returns -1 for null.
// When reading, a length that the remaining bytes cannot hold (each element
// takes at least size bytes) fails before anything is allocated.
func (c *codec) length(n, size int) int {
	if c.enc {
		c.uvarint(uint64(n + 1))
		return n
	}
	n = int(c.uvarint(0)) - 1
	if c.err == nil && n > 0 && n > len(c.b)/size {
		c.fail("length beyond the end")
	}
	if c.err != nil {
		return -1
	}
	return n
}

func (c *codec) str(p *string) {
	n := c.length(len(*p), 1)
	if c.enc {
		c.b = append(c.b, *p...)
		return
	}
	if n < 0 {
		c.fail("null string")
		return
	}
	*p = string(c.take(n))
}

func (c *codec) nullStr(p **string) {
	if c.enc && *p == nil {
		c.length(-1, 1)
		return
	}
	if c.enc {
		c.str(*p)
		return
	}
	if n := c.length(0, 1); n < 0 {
		*p = nil
	} else {
		s := string(c.take(n))
		*p = &s
	}
}

func (c *codec) bytes(p *[]byte) {
	n := c.length(len(*p), 1)
	if c.enc {
		c.b = append(c.b, *p...)
		return
	}
	if n < 0 {
		c.fail("null bytes")
		return
	}
	*p = append([]byte(nil), c.take(n)...)
}

// array is a compact array that may not be null. An empty one decodes as nil,
// so that a decoded record equals the one that was written.
func array[T any](c *codec, p *[]T, size int, each func(*codec, *T)) {
	n := c.length(len(*p), size)
	if n < 0 {
		c.fail("null array")
		return
	}
	if n == 0 && !c.enc {
		*p = nil
		return
	}
	elements(c, p, n, each)
}

// nullArray is a compact array whose nil slice is null; an empty slice that is
// not nil is the empty array.
func nullArray[T any](c *codec, p *[]T, size int, each func(*codec, *T)) {
	n := len(*p)
	if *p == nil {
		n = -1
	}
	if n = c.length(n, size); n < 0 {
		*p = nil
		return
	}
	elements(c, p, n, each)
}

func elements[T any](c *codec, p *[]T, n int, each func(*codec, *T)) {
	if !c.enc {
		*p = make([]T, n)
	}
	for i := range *p {
		if c.err != nil {
			return
		}
		each(c, &(*p)[i])
	}
}

func (c *codec) i32s(p *[]int32)     { array(c, p, 4, (*codec).i32) }
func (c *codec) nullI32s(p *[]int32) { nullArray(c, p, 4, (*codec).i32) }
func (c *codec) uuids(p *[]UUID)     { array(c, p, 16, (*codec).uuid) }
func (c *codec) nullUUIDs(p *[]UUID) { nullArray(c, p, 16, (*codec).uuid) }
func (c *codec) strs(p *[]string)    { array(c, p, 1, (*codec).str) }

// tag is one tagged field: written only when set, in tag order.
type tag struct {
	num   uint64
	set   bool
	field func(*codec)
}

// noTags takes the short way past a tagged section that is empty; when writing,
// any says whether it is not. Without it, the many records that carry no tags
// would pay for describing them.
func (c *codec) noTags(any bool) bool {
	switch {
	case c.enc && !any:
		c.b = append(c.b, 0)
		return true
	case !c.enc && len(c.b) > 0 && c.b[0] == 0:
		c.b = c.b[1:]
		return true
	}
	return false
}

// tags writes or reads the tagged section that ends every flexible structure.
// Unknown tags are skipped: a newer writer may add them.
func (c *codec) tags(known ...tag) {
	if c.enc {
		n := uint64(0)
		for _, t := range known {
			if t.set {
				n++
			}
		}
		c.uvarint(n)
		for _, t := range known {
			if !t.set {
				continue
			}
			sub := codec{version: c.version, enc: true}
			t.field(&sub)
			c.uvarint(t.num)
			c.uvarint(uint64(len(sub.b)))
			c.b = append(c.b, sub.b...)
		}
		return
	}
	last := int64(-1)
	for n := c.uvarint(0); n > 0 && c.err == nil; n-- {
		num := c.uvarint(0)
		body := c.take(int(c.uvarint(0)))
		if c.err != nil {
			return
		}
		if int64(num) <= last {
			c.fail("tags out of order")
			return
		}
		last = int64(num)
		i := slices.IndexFunc(known, func(t tag) bool { return t.num == num })
		if i < 0 {
			continue
		}
		sub := codec{b: body, version: c.version}
		known[i].field(&sub)
		if sub.err == nil && len(sub.b) != 0 {
			sub.fail("garbage in a tagged field")
		}
		if sub.err != nil {
			c.err, c.b = sub.err, nil
			return
		}
	}
}
