package compress

import (
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/pierrec/lz4/v4"
)

// The lz4 frame format, of which Kafka writes exactly one kind: version 1,
// independent blocks of at most 64 KiB, no checksums, no content size.
const (
	lz4Magic      = 0x184D2204
	lz4BlockBytes = 64 << 10

	lz4Version      = 1 << 6
	lz4VersionMask  = 3 << 6
	lz4Independent  = 1 << 5
	lz4BlockSum     = 1 << 4
	lz4ContentSize  = 1 << 3
	lz4ContentSum   = 1 << 2
	lz4FlagReserved = 1 << 1
	lz4DictID       = 1 << 0

	lz4BlockSize64K = 4 << 4
	lz4StoredBit    = 1 << 31

	lz4DefaultLevel = 9
	lz4MaxLevel     = 17
)

var lz4Header = [7]byte{0x04, 0x22, 0x4D, 0x18, lz4Version | lz4Independent, lz4BlockSize64K,
	lz4HeaderSum([]byte{lz4Version | lz4Independent, lz4BlockSize64K})}

func lz4HeaderSum(descriptor []byte) byte { return byte(xxh32(descriptor) >> 8) }

type blockCompressor interface {
	CompressBlock(src, dst []byte) (int, error)
}

// lz4Compressors holds a pool per level; index 0 is the fast compressor.
var lz4Compressors [lz4MaxLevel + 1]sync.Pool

func newLZ4Compressor(level int) blockCompressor {
	if level == 0 {
		return new(lz4.Compressor)
	}
	// The library's levels are search depths 2^9 to 2^17.
	return &lz4.CompressorHC{Level: lz4.CompressionLevel(1 << (8 + min(level, 9)))}
}

func appendLZ4(dst, src []byte, level int) ([]byte, error) {
	if level < 0 || level > lz4MaxLevel {
		return dst, fmt.Errorf("%w: lz4 %d", ErrLevel, level)
	}
	if level == lz4DefaultLevel {
		level = 0 // Kafka's default level means the fast compressor, not a search
	}
	c, _ := lz4Compressors[level].Get().(blockCompressor)
	if c == nil {
		c = newLZ4Compressor(level)
	}
	defer lz4Compressors[level].Put(c)

	dst = append(dst, lz4Header[:]...)
	for len(src) > 0 {
		block := src[:min(len(src), lz4BlockBytes)]
		src = src[len(block):]
		at := len(dst)
		dst = grow(dst, 4+lz4.CompressBlockBound(len(block)), 2*cap(dst))
		n, err := c.CompressBlock(block, dst[at+4:cap(dst)])
		if err != nil {
			return dst[:at], err
		}
		if n == 0 || n >= len(block) {
			dst = binary.LittleEndian.AppendUint32(dst, uint32(len(block))|lz4StoredBit)
			dst = append(dst, block...)
			continue
		}
		dst = dst[:at+4+n]
		binary.LittleEndian.PutUint32(dst[at:], uint32(n))
	}
	return append(dst, 0, 0, 0, 0), nil
}

// decodeLZ4 reads one frame. Dependent blocks and dictionaries are refused, as
// Kafka does. What follows the frame's end is not looked at, neither is the
// content checksum: the batch's own CRC covers the same bytes.
func decodeLZ4(dst, src []byte, maxBytes int) ([]byte, error) {
	flags, blockMax, src, err := parseLZ4Header(src)
	if err != nil {
		return dst, err
	}
	for {
		if len(src) < 4 {
			return dst, ErrCorrupt
		}
		size := binary.LittleEndian.Uint32(src)
		src = src[4:]
		if size == 0 {
			break
		}
		stored := size&lz4StoredBit != 0
		size &^= lz4StoredBit
		if uint64(size) > uint64(len(src)) || int(size) > blockMax {
			return dst, ErrCorrupt
		}
		block := src[:size]
		src = src[size:]
		if flags&lz4BlockSum != 0 {
			if len(src) < 4 || binary.LittleEndian.Uint32(src) != xxh32(block) {
				return dst, ErrCorrupt
			}
			src = src[4:]
		}
		if stored {
			if len(block) > maxBytes-len(dst) {
				return dst, ErrTooLarge
			}
			dst = append(grow(dst, len(block), maxBytes), block...)
			continue
		}
		if dst, err = decodeLZ4Block(dst, block, blockMax, maxBytes); err != nil {
			return dst, err
		}
	}
	if flags&lz4ContentSum != 0 && len(src) < 4 {
		return dst, ErrCorrupt
	}
	return dst, nil
}

func decodeLZ4Block(dst, block []byte, blockMax, maxBytes int) ([]byte, error) {
	// A byte of a block makes at most 255: no more is worth allocating.
	most := min(blockMax, 255*len(block)+16)
	left := maxBytes - len(dst)
	dst = grow(dst, min(most, left), maxBytes)
	at := len(dst)
	n, err := lz4.UncompressBlock(block, dst[at:at+min(most, left)])
	if err != nil {
		if left < most {
			return dst, ErrTooLarge // or corrupt: it cannot be told without the room
		}
		return dst, corrupt(err)
	}
	return dst[:at+n], nil
}

func parseLZ4Header(src []byte) (flags byte, blockMax int, rest []byte, err error) {
	if len(src) < len(lz4Header) || binary.LittleEndian.Uint32(src) != lz4Magic {
		return 0, 0, nil, ErrCorrupt
	}
	flags, bd := src[4], src[5]
	switch {
	case flags&lz4VersionMask != lz4Version, flags&lz4FlagReserved != 0:
		return 0, 0, nil, fmt.Errorf("%w: unknown frame version", ErrCorrupt)
	case flags&lz4Independent == 0:
		return 0, 0, nil, fmt.Errorf("%w: dependent blocks", ErrCorrupt)
	case flags&lz4DictID != 0:
		return 0, 0, nil, fmt.Errorf("%w: dictionary", ErrCorrupt)
	}
	size := bd >> 4
	if size < 4 || size > 7 || bd&0x0f != 0 {
		return 0, 0, nil, fmt.Errorf("%w: unknown block size", ErrCorrupt)
	}
	end := 6
	if flags&lz4ContentSize != 0 {
		end += 8
	}
	if len(src) < end+1 || src[end] != lz4HeaderSum(src[4:end]) {
		return 0, 0, nil, fmt.Errorf("%w: header checksum", ErrCorrupt)
	}
	return flags, 1 << (8 + 2*size), src[end+1:], nil
}
