package compress

import (
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
)

const (
	zstdMinLevel     = -131072
	zstdMaxLevel     = 22
	zstdDefaultLevel = 3
)

// zstdEncoders holds one pool per level of the encoder, which has four.
var zstdEncoders [zstd.SpeedBestCompression + 1]sync.Pool

func appendZstd(dst, src []byte, level int) ([]byte, error) {
	if level == DefaultLevel {
		level = zstdDefaultLevel
	}
	if level < zstdMinLevel || level > zstdMaxLevel {
		return dst, fmt.Errorf("%w: zstd %d", ErrLevel, level)
	}
	native := zstd.EncoderLevelFromZstd(level)
	e, _ := zstdEncoders[native].Get().(*zstd.Encoder)
	if e == nil {
		var err error
		e, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(native), zstd.WithEncoderConcurrency(1),
			zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false), zstd.WithZeroFrames(true))
		if err != nil {
			return dst, err
		}
	}
	dst = e.EncodeAll(src, dst)
	zstdEncoders[native].Put(e)
	return dst, nil
}

var zstdDecoders sync.Pool

// zstdWindowMax is the largest window the zstd command line and library make
// (level 22). It costs nothing here: the output itself is the window.
const zstdWindowMax = 128 << 20

func decodeZstd(dst, src []byte, maxBytes int) ([]byte, error) {
	bound, err := zstdBound(src)
	if err != nil {
		return dst, err
	}
	d, _ := zstdDecoders.Get().(*zstd.Decoder)
	if d == nil {
		d, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(zstdWindowMax), zstd.WithDecodeAllCapLimit(true))
		if err != nil {
			return dst, err
		}
	}
	defer zstdDecoders.Put(d)

	// The decoder stops at the capacity it is given.
	room := min(bound, maxBytes) + zstdSlack
	dst = grow(dst, room, room)
	out, err := d.DecodeAll(src, dst[:0:room])
	switch {
	case len(out) > maxBytes, err != nil && bound > maxBytes:
		return dst, ErrTooLarge // or corrupt: it cannot be told without the room
	case err != nil:
		return dst, corrupt(err)
	}
	return out, nil
}

const (
	zstdBlockBytes = 128 << 10 // the most a block makes
	zstdSlack      = 32        // what the decoder's fast path wants to write beyond
)

// zstdBound returns a size that the decompressed data does not exceed: a frame
// made by a stream does not say its size, but each of its blocks is limited.
func zstdBound(src []byte) (int, error) {
	total := 0
	for len(src) > 0 {
		var h zstd.Header
		if err := h.Decode(src); err != nil {
			return 0, corrupt(err)
		}
		skip := h.HeaderSize + int(h.SkippableSize)
		if skip > len(src) {
			return 0, ErrCorrupt
		}
		src = src[skip:]
		if h.Skippable {
			continue
		}
		bound, rest, err := zstdBlocksBound(src)
		if err != nil {
			return 0, err
		}
		if h.HasFCS {
			bound = int(min(uint64(bound), h.FrameContentSize))
		}
		total += bound
		if src = rest; h.HasCheckSum {
			src = src[min(4, len(src)):]
		}
	}
	return total, nil
}

// zstdBlocksBound does the same for the blocks of a frame, up to its last.
func zstdBlocksBound(src []byte) (total int, rest []byte, err error) {
	for last := false; !last; {
		if len(src) < 3 {
			return 0, nil, ErrCorrupt
		}
		head := int(src[0]) | int(src[1])<<8 | int(src[2])<<16
		last = head&1 != 0
		size, onWire := head>>3, head>>3
		switch head >> 1 & 3 {
		case 0: // stored
		case 1: // one byte, repeated
			onWire = 1
		case 2: // compressed
			size = zstdBlockBytes
		default:
			return 0, nil, ErrCorrupt
		}
		if 3+onWire > len(src) {
			return 0, nil, ErrCorrupt
		}
		src = src[3+onWire:]
		total += size
	}
	return total, src, nil
}
