package compress

import (
	"errors"
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
	d, _ := zstdDecoders.Get().(*zstd.Decoder)
	if d == nil {
		var err error
		d, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(zstdWindowMax), zstd.WithDecodeAllCapLimit(true))
		if err != nil {
			return nil, err
		}
	}
	defer zstdDecoders.Put(d)

	// The decoder stops at the capacity it is given. Streaming encoders do not
	// say how much there is, so start small and retry with more room.
	dst = grow(dst, max(min(4*len(src), maxBytes), min(16<<10, maxBytes)), maxBytes)
	for {
		room := min(cap(dst), maxBytes)
		out, err := d.DecodeAll(src, dst[:0:room])
		switch {
		case err == nil && len(out) <= maxBytes:
			return out, nil
		case err != nil && !errors.Is(err, zstd.ErrDecoderSizeExceeded):
			return nil, corrupt(err)
		case room >= maxBytes:
			return nil, ErrTooLarge
		}
		dst = make([]byte, 0, min(4*room, maxBytes))
	}
}
