package codec

import "encoding/binary"

// Change is a change of a table on its way to another key: KTable.groupBy writes it to a repartition topic.
type Change struct {
	New, Old []byte // nil: null; not both
	Latest   bool   // false: the change is of a version that is not the latest
}

// What the last byte of a change says. The flags from 3 have a byte before them that says whether it is the latest; no
// release of Kafka Streams writes them yet, all since 3.5 read them.
const (
	changeOld = iota
	changeNew
	changeBoth
	changeOldLatest
	changeNewLatest
	changeBothLatest
)

// AppendChange appends a change, of which not both values may be null: old|0, new|1, or the length of the new value as a
// varint, new, old|2. Kafka Streams from 3.5 on reads the last form; its predecessors do not.
func AppendChange(dst, newValue, oldValue []byte) []byte {
	switch {
	case newValue == nil:
		return append(append(dst, oldValue...), changeOld)
	case oldValue == nil:
		return append(append(dst, newValue...), changeNew)
	}
	dst = binary.AppendVarint(dst, int64(size(len(newValue))))
	return append(append(append(dst, newValue...), oldValue...), changeBoth)
}

// ParseChange takes a change apart.
func ParseChange(b []byte) (Change, error) {
	c := cursor{b: b, what: "change value"}
	if len(b) == 0 {
		return Change{}, tooShort(c.what, 0, 1)
	}
	flag := b[len(b)-1]
	c.b = b[: len(b)-1 : len(b)-1]
	ch := Change{Latest: true}
	if flag >= changeOldLatest && flag <= changeBothLatest {
		n := len(c.b) - 1
		if n < 0 {
			return Change{}, tooShort(c.what, len(b), 2)
		}
		switch c.b[n] {
		case 0:
			ch.Latest = false
		case 1:
		default:
			c.fail("latest is %d", c.b[n])
			return Change{}, c.err
		}
		c.b = c.b[:n:n]
		flag -= changeOldLatest
	}
	switch flag {
	case changeOld:
		ch.Old = c.rest()
	case changeNew:
		ch.New = c.rest()
	case changeBoth:
		ch.New = c.take(c.varint("length of the new value"), "new value")
		ch.Old = c.rest()
	default:
		c.fail("flag %d", flag)
	}
	if c.err != nil {
		return Change{}, c.err
	}
	return ch, nil
}
