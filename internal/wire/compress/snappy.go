package compress

import (
	"bytes"
	"encoding/binary"

	"github.com/klauspost/compress/snappy"
)

// The xerial framing, which Java's snappy streams write: this header, then
// chunks of a big-endian length and a raw snappy block.
var xerialHeader = []byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1}

const (
	xerialMagicBytes = 8
	xerialBlockBytes = 32 << 10
)

func appendSnappy(dst, src []byte) []byte {
	dst = append(dst, xerialHeader...)
	for len(src) > 0 {
		block := src[:min(len(src), xerialBlockBytes)]
		src = src[len(block):]
		at := len(dst)
		dst = grow(dst, 4+snappy.MaxEncodedLen(len(block)), 2*cap(dst))
		out := snappy.Encode(dst[at+4:cap(dst)], block)
		dst = dst[:at+4+len(out)]
		binary.BigEndian.PutUint32(dst[at:], uint32(len(out)))
	}
	return dst
}

// decodeSnappy reads the xerial framing and, since many producers outside Java
// write it, one raw block.
func decodeSnappy(dst, src []byte, maxBytes int) ([]byte, error) {
	if !bytes.HasPrefix(src, xerialHeader[:xerialMagicBytes]) {
		return decodeSnappyBlock(dst, src, maxBytes)
	}
	if len(src) < len(xerialHeader) {
		return dst, ErrCorrupt
	}
	src = src[len(xerialHeader):] // the two version numbers are not checked
	for len(src) > 0 {
		if len(src) < 4 {
			return dst, ErrCorrupt
		}
		n := binary.BigEndian.Uint32(src)
		if src = src[4:]; uint64(n) > uint64(len(src)) {
			return dst, ErrCorrupt
		}
		var err error
		if dst, err = decodeSnappyBlock(dst, src[:n], maxBytes); err != nil {
			return dst, err
		}
		src = src[n:]
	}
	return dst, nil
}

func decodeSnappyBlock(dst, src []byte, maxBytes int) ([]byte, error) {
	size, err := snappy.DecodedLen(src)
	if err != nil {
		return dst, corrupt(err)
	}
	// No element makes more than 64 bytes of 3: a larger claim is a lie, and
	// must not be believed with memory.
	if size > 22*len(src) {
		return dst, ErrCorrupt
	}
	if size > maxBytes-len(dst) {
		return dst, ErrTooLarge
	}
	dst = grow(dst, size, maxBytes)
	at := len(dst)
	// Strict: the lenient decoder takes an extension other readers refuse.
	if _, err := snappy.DecodeStrict(dst[at:at+size], src); err != nil {
		return dst, corrupt(err)
	}
	return dst[:at+size], nil
}
