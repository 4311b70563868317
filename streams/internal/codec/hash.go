package codec

import (
	"encoding/binary"
	"math/bits"
)

// Partition is where Kafka's default partitioner puts a key: the murmur2 of its bytes, made positive by clearing the sign
// bit, modulo the number of partitions. Of a windowed key, Kafka Streams hashes the inner key only.
func Partition(key []byte, partitions int32) int32 {
	return int32(Murmur2(key)&0x7fffffff) % partitions //nolint:gosec // 31 bits
}

// Murmur2 is the 32-bit hash of that name with Kafka's seed 0x9747b28c.
func Murmur2(b []byte) uint32 {
	const seed, m, r = 0x9747b28c, 0x5bd1e995, 24
	h := seed ^ uint32(len(b)) //nolint:gosec // the bits
	for ; len(b) >= 4; b = b[4:] {
		k := binary.LittleEndian.Uint32(b) * m
		h = h*m ^ (k^k>>r)*m
	}
	switch len(b) {
	case 3:
		h ^= uint32(b[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(b[1]) << 8
		fallthrough
	case 1:
		h = (h ^ uint32(b[0])) * m
	}
	h = (h ^ h>>13) * m
	return h ^ h>>15
}

// Hash is a murmur3 of 128 bits.
type Hash struct{ High, Low uint64 }

// Murmur3 is the 128-bit hash of that name for 64-bit machines, with the seed 104729 that Kafka Streams uses. Foreign-key
// joins compare left values by it.
func Murmur3(b []byte) Hash {
	const seed, c1, c2 = 104729, 0x87c37b91114253d5, 0x4cf5ad432745937f
	h1, h2, n := uint64(seed), uint64(seed), uint64(len(b))
	mix1 := func(k uint64) uint64 { return bits.RotateLeft64(k*c1, 31) * c2 }
	mix2 := func(k uint64) uint64 { return bits.RotateLeft64(k*c2, 33) * c1 }
	for ; len(b) >= 16; b = b[16:] {
		h1 = (bits.RotateLeft64(h1^mix1(binary.LittleEndian.Uint64(b)), 27)+h2)*5 + 0x52dce729
		h2 = (bits.RotateLeft64(h2^mix2(binary.LittleEndian.Uint64(b[8:])), 31)+h1)*5 + 0x38495ab5
	}
	var tail [16]byte
	copy(tail[:], b)
	h2 ^= mix2(binary.LittleEndian.Uint64(tail[8:]))
	h1 ^= mix1(binary.LittleEndian.Uint64(tail[:]))
	h1, h2 = h1^n, h2^n
	h1 += h2
	h2 += h1
	h1, h2 = avalanche(h1), avalanche(h2)
	h1 += h2
	return Hash{h1, h2 + h1}
}

// avalanche spreads every bit over all.
func avalanche(h uint64) uint64 {
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
