package batch

// Varints are zig-zag encoded, seven bits a byte, least significant first.

// varint decodes up to 32 bits; n is the number of bytes, 0 if it does not end
// in b or does not fit.
func varint(b []byte) (v int32, n int) {
	if len(b) > 0 && b[0] < 0x80 {
		return int32(b[0]>>1) ^ -int32(b[0]&1), 1
	}
	u, n := uvarint(b)
	if u > 1<<32-1 {
		return 0, 0
	}
	return int32(u>>1) ^ -int32(u&1), n
}

func varlong(b []byte) (v int64, n int) {
	u, n := uvarint(b)
	return int64(u>>1) ^ -int64(u&1), n
}

func uvarint(b []byte) (u uint64, n int) {
	for i, c := range b {
		if i == 9 && c > 1 {
			return 0, 0
		}
		u |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			return u, i + 1
		}
	}
	return 0, 0
}

func appendVarint(dst []byte, v int64) []byte {
	u := uint64(v)<<1 ^ uint64(v>>63)
	for u >= 0x80 {
		dst = append(dst, byte(u)|0x80)
		u >>= 7
	}
	return append(dst, byte(u))
}
