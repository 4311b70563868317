package codec

import (
	"bytes"
	"unicode/utf8"
)

// BufferHeaderKey and BufferHeaderValue are the record header that marks entries of a suppress buffer's changelog.
const (
	BufferHeaderKey   = "v"
	BufferHeaderValue = "\x03"
)

// Context is the record that an entry of a buffer came with; it is restored when the entry is forwarded.
type Context[H Header] struct {
	Timestamp, Offset int64
	Topic             string
	Partition         int32
	Headers           []H
}

// BufferValue is an entry of the buffer of a suppress (version 3) or of a stream-table join with grace. Nil is null.
type BufferValue[H Header] struct {
	Context Context[H]
	Prior   []byte // what was emitted for the key before this entry came into the buffer
	Old     []byte // the old value of the latest change; very often the same as Prior
	New     []byte
}

// Lengths that are none.
const (
	lengthNull = -1
	lengthSame = -2 // of the old value: it is the prior one
)

// AppendContext appends a record's context: timestamp, offset, topic, partition, headers, each sized by an int32.
func AppendContext[H Header](dst []byte, x *Context[H]) []byte {
	dst = put64(put64(dst, x.Timestamp), x.Offset)
	dst = append(put32(dst, size(len(x.Topic))), x.Topic...)
	dst = put32(put32(dst, x.Partition), size(len(x.Headers)))
	for _, h := range x.Headers {
		p := plainHeader(h)
		dst = append(put32(dst, size(len(p.Key))), p.Key...)
		dst = putSized(dst, p.Value)
	}
	return dst
}

func cutContext[H Header](c *cursor) (x Context[H]) {
	x.Timestamp, x.Offset = c.int64("timestamp"), c.int64("offset")
	x.Topic = string(c.take(int(c.int32("length of the topic")), "topic"))
	x.Partition = c.int32("partition")
	n := c.count(8, "headers")
	for range n {
		if c.err != nil {
			break
		}
		p := plainHeader{Key: string(c.take(int(c.int32("length of a header's key")), "a header's key"))}
		p.Value = c.sized("a header's value")
		x.Headers = append(x.Headers, H(p))
	}
	return x
}

// AppendBufferValue appends an entry: context, prior, old and new value, each behind its length as an int32; −1 is null,
// and −2 for an old value that equals the prior one.
func AppendBufferValue[H Header](dst []byte, v *BufferValue[H]) []byte {
	dst = putSized(AppendContext(dst, &v.Context), v.Prior)
	if v.same() {
		dst = put32(dst, lengthSame)
	} else {
		dst = putSized(dst, v.Old)
	}
	return putSized(dst, v.New)
}

// same reports whether prior and old value are equal and not null.
func (v *BufferValue[H]) same() bool {
	return v.Old != nil && v.Prior != nil && bytes.Equal(v.Old, v.Prior)
}

// CutBufferValue takes an entry off the front of b. Its values share the memory of b, prior and old value if they are equal
// also each other's.
func CutBufferValue[H Header](b []byte) (v BufferValue[H], rest []byte, err error) {
	c := cursor{b: b, what: "entry of a buffer"}
	v.Context = cutContext[H](&c)
	v.Prior = c.sized("prior value")
	switch n := c.int32("length of the old value"); n {
	case lengthNull:
	case lengthSame:
		v.Old = v.Prior
	default:
		v.Old = c.take(int(n), "old value")
	}
	v.New = c.sized("new value")
	if c.err != nil {
		return BufferValue[H]{}, nil, c.err
	}
	return v, c.rest(), nil
}

// AppendBufferEntry appends the value of a suppress buffer's changelog: the entry, then the time by which it is ordered
// (the record's timestamp or the window's end). The record's key is the entry's. On the changelog of a stream-table join's
// buffer the time is always 0, because the key has it (see AppendTimeFirst).
func AppendBufferEntry[H Header](dst []byte, v *BufferValue[H], bufferTime int64) []byte {
	return put64(AppendBufferValue(dst, v), bufferTime)
}

// BufferEntry takes the value of AppendBufferEntry apart.
func BufferEntry[H Header](b []byte) (v BufferValue[H], bufferTime int64, err error) {
	v, rest, err := CutBufferValue[H](b)
	if err != nil {
		return v, 0, err
	}
	c := cursor{b: rest, what: "entry of a buffer"}
	bufferTime = c.int64("time")
	return v, bufferTime, c.end()
}

// BufferedBytes is what an entry counts for against a suppress buffer's limit of bytes, as Kafka estimates it. Texts count
// as UTF-16.
func BufferedBytes[H Header](key []byte, v *BufferValue[H]) int64 {
	n := 8 + len(key) + len(v.Prior) + len(v.New) + 8 + 8 + 4 + utf16Len(v.Context.Topic)
	if !v.same() {
		n += len(v.Old)
	}
	for _, h := range v.Context.Headers {
		p := plainHeader(h)
		n += utf16Len(p.Key) + len(p.Value)
	}
	return int64(n)
}

// utf16Len is how many code units Java's string of this text has.
func utf16Len(s string) int {
	n := utf8.RuneCountInString(s)
	for _, r := range s {
		if r > 0xffff {
			n++
		}
	}
	return n
}
