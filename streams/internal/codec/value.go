package codec

import "encoding/binary"

// Header is the shape of a record header; streams.Header has it.
type Header interface {
	~struct {
		Key   string
		Value []byte
	}
}

// plainHeader is what every Header converts to and from.
type plainHeader = struct {
	Key   string
	Value []byte
}

// AppendStamped appends a value as timestamped stores keep it: the timestamp, then the value. Changelogs have the plain
// value, with the timestamp as that of the record.
func AppendStamped(dst []byte, timestamp int64, value []byte) []byte {
	return append(put64(dst, timestamp), value...)
}

// Stamped takes a value of AppendStamped apart.
func Stamped(b []byte) (timestamp int64, value []byte, err error) {
	if len(b) < 8 {
		return 0, nil, tooShort("timestamped value", len(b), 8)
	}
	return get64(b), b[8:], nil
}

// AppendHeaders appends headers as header-aware stores keep them in front of a value (KIP-1271): the size of what follows
// as a varint, then nothing if there are none, else their count and each key and value behind its length as a varint; a
// value's length is −1 if it is null.
func AppendHeaders[H Header](dst []byte, headers []H) []byte {
	n := headersSize(headers)
	dst = binary.AppendVarint(dst, int64(n))
	if n == 0 {
		return dst
	}
	dst = binary.AppendVarint(dst, int64(len(headers)))
	for _, h := range headers {
		p := plainHeader(h)
		dst = append(binary.AppendVarint(dst, int64(len(p.Key))), p.Key...)
		if p.Value == nil {
			dst = binary.AppendVarint(dst, -1)
			continue
		}
		dst = append(binary.AppendVarint(dst, int64(len(p.Value))), p.Value...)
	}
	return dst
}

func headersSize[H Header](headers []H) int {
	if len(headers) == 0 {
		return 0
	}
	n := varintSize(len(headers))
	for _, h := range headers {
		p := plainHeader(h)
		n += varintSize(len(p.Key)) + len(p.Key)
		if p.Value == nil {
			n++
			continue
		}
		n += varintSize(len(p.Value)) + len(p.Value)
	}
	return n
}

// CutHeaders takes what AppendHeaders wrote off the front of b. The headers are appended to dst; their values share the
// memory of b.
func CutHeaders[H Header](dst []H, b []byte) (headers []H, rest []byte, err error) {
	raw, rest, err := SkipHeaders(b)
	if err != nil || len(raw) == 0 {
		return dst, rest, err
	}
	c := cursor{b: raw, what: "headers in a store"}
	n := c.varint("count")
	if n < 0 || n > len(c.b)/2 { // a header is two lengths at least
		c.fail("%d headers in %d bytes", n, len(c.b))
	}
	for range n {
		if c.err != nil {
			break
		}
		h := plainHeader{Key: string(c.take(c.varint("length of a key"), "key"))}
		if size := c.varint("length of a value"); size != -1 {
			h.Value = c.take(size, "value")
		}
		dst = append(dst, H(h))
	}
	return dst, rest, c.end()
}

// SkipHeaders splits what AppendHeaders wrote from the value behind it, without looking at the headers.
func SkipHeaders(b []byte) (headers, rest []byte, err error) {
	c := cursor{b: b, what: "value with headers"}
	headers = c.take(c.varint("size of the headers"), "headers")
	return headers, c.rest(), c.err
}
