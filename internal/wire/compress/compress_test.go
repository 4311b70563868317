package compress

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"
)

const unlimited = 1 << 30

var compressed = []Codec{Gzip, Snappy, LZ4, Zstd}

// samples are inputs of each kind that matters: empty, around the block sizes,
// compressible, not compressible.
func samples() [][]byte {
	r := rand.New(rand.NewPCG(7, 7))
	noise := make([]byte, 100<<10)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	text := []byte(strings.Repeat("a record that says much the same as the one before; ", 3000))
	out := [][]byte{{}, {42}, text, noise, append(text[:70<<10:70<<10], noise...)}
	for _, n := range []int{32 << 10, 64 << 10} {
		out = append(out, text[:n-1], text[:n], text[:n+1], noise[:n])
	}
	return out
}

func levels(c Codec) []int {
	switch c {
	case Gzip:
		return []int{-1, DefaultLevel, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	case LZ4:
		return []int{DefaultLevel, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17}
	case Zstd:
		return []int{DefaultLevel, -131072, -1, 1, 3, 6, 9, 15, 22}
	default:
		return []int{DefaultLevel}
	}
}

func TestRoundTripAtEveryLevel(t *testing.T) {
	foreign := kgo.DefaultDecompressor()
	var d Decompressor
	for _, codec := range compressed {
		for _, level := range levels(codec) {
			for i, src := range samples() {
				enc, err := Compress([]byte("head"), src, codec, level)
				if err != nil {
					t.Fatalf("%v level %d: %v", codec, level, err)
				}
				if string(enc[:4]) != "head" {
					t.Fatalf("%v level %d: does not append", codec, level)
				}
				enc = enc[4:]
				got, err := d.Decompress(codec, enc, len(src))
				if err != nil || !bytes.Equal(got, src) {
					t.Fatalf("%v level %d sample %d: %d bytes back of %d, %v", codec, level, i, len(got), len(src), err)
				}
				if len(src) == 0 {
					continue // no batch is compressed without records
				}
				got, err = foreign.Decompress(enc, kgo.CompressionCodecType(codec))
				if err != nil || !bytes.Equal(got, src) {
					t.Fatalf("%v level %d sample %d: a client reads %d bytes of %d, %v", codec, level, i, len(got), len(src), err)
				}
				if _, err := d.Decompress(codec, enc, len(src)-1); !errors.Is(err, ErrTooLarge) {
					t.Fatalf("%v level %d sample %d: a byte too much gives %v", codec, level, i, err)
				}
			}
		}
	}
}

func TestReadsWhatClientsWrite(t *testing.T) {
	var d Decompressor
	for name, codec := range map[string]kgo.CompressionCodec{
		"gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	} {
		c, err := kgo.DefaultCompressor(codec)
		if err != nil {
			t.Fatal(err)
		}
		own, _ := ParseCodec(name)
		for i, src := range samples() {
			enc, _ := c.Compress(new(bytes.Buffer), src)
			got, err := d.Decompress(own, enc, unlimited)
			if err != nil || !bytes.Equal(got, src) {
				t.Errorf("%s sample %d: %d bytes of %d, %v", name, i, len(got), len(src), err)
			}
		}
	}
}

func TestLevelsAreChecked(t *testing.T) {
	for _, c := range []struct {
		codec Codec
		level int
	}{{Gzip, -2}, {Gzip, 10}, {LZ4, -1}, {LZ4, 18}, {Zstd, 23}, {Zstd, -131073}} {
		if _, err := Compress(nil, []byte("x"), c.codec, c.level); !errors.Is(err, ErrLevel) {
			t.Errorf("%v level %d: %v", c.codec, c.level, err)
		}
	}
	for _, codec := range []Codec{5, 7, -1} {
		if _, err := Compress(nil, []byte("x"), codec, 0); !errors.Is(err, ErrUnknownCodec) {
			t.Errorf("%v: %v", codec, err)
		}
		if _, err := new(Decompressor).Decompress(codec, []byte("x"), unlimited); !errors.Is(err, ErrUnknownCodec) {
			t.Errorf("%v: %v", codec, err)
		}
	}
}

func TestCodecNames(t *testing.T) {
	for c := None; c <= Zstd; c++ {
		if got, ok := ParseCodec(c.String()); !ok || got != c {
			t.Errorf("%v parses as %v", c, got)
		}
	}
	if c, ok := ParseCodec("uncompressed"); !ok || c != None {
		t.Error("uncompressed is not none")
	}
	if _, ok := ParseCodec("producer"); ok {
		t.Error("producer is no codec")
	}
}

func TestNoneIsNotCopied(t *testing.T) {
	src := []byte("plain")
	got, err := (*Decompressor)(nil).Decompress(None, src, 5)
	if err != nil || &got[0] != &src[0] {
		t.Error("copied")
	}
	if _, err := (*Decompressor)(nil).Decompress(None, src, 4); !errors.Is(err, ErrTooLarge) {
		t.Error("too large, and accepted")
	}
}

func TestSnappyXerialFraming(t *testing.T) {
	src := bytes.Repeat([]byte("0123456789"), 7000)
	enc, _ := Compress(nil, src, Snappy, 0)
	if !bytes.HasPrefix(enc, []byte("\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01")) {
		t.Fatalf("header %x", enc[:16])
	}
	rest, blocks := enc[16:], 0
	for len(rest) > 0 {
		n := binary.BigEndian.Uint32(rest)
		size, err := snappy.DecodedLen(rest[4 : 4+n])
		if err != nil || size > 32<<10 {
			t.Fatalf("block of %d bytes, %v", size, err)
		}
		rest = rest[4+n:]
		blocks++
	}
	if blocks != 3 {
		t.Errorf("%d blocks of 70000 bytes", blocks)
	}
	got, err := new(Decompressor).Decompress(Snappy, snappy.Encode(nil, src), unlimited)
	if err != nil || !bytes.Equal(got, src) {
		t.Errorf("raw snappy: %v", err)
	}
}

func TestLZ4Frames(t *testing.T) {
	src := bytes.Repeat([]byte("0123456789"), 70000)
	for _, opts := range [][]lz4.Option{
		{lz4.BlockSizeOption(lz4.Block64Kb)},
		{lz4.BlockSizeOption(lz4.Block4Mb), lz4.BlockChecksumOption(true), lz4.ChecksumOption(true)},
		{lz4.BlockSizeOption(lz4.Block256Kb), lz4.SizeOption(uint64(len(src)))},
	} {
		var buf bytes.Buffer
		w := lz4.NewWriter(&buf)
		if err := w.Apply(opts...); err != nil {
			t.Fatal(err)
		}
		w.Write(src)
		w.Close()
		got, err := new(Decompressor).Decompress(LZ4, buf.Bytes(), len(src))
		if err != nil || !bytes.Equal(got, src) {
			t.Errorf("%v: %v", opts, err)
		}
	}

	enc, _ := Compress(nil, src, LZ4, 0)
	if want := []byte{0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82}; !bytes.HasPrefix(enc, want) {
		t.Errorf("header %x, want %x", enc[:7], want)
	}
	back, err := io.ReadAll(lz4.NewReader(bytes.NewReader(enc)))
	if err != nil || !bytes.Equal(back, src) {
		t.Errorf("the library reads %v", err)
	}
	for name, change := range map[string]func([]byte){
		"dependent blocks": func(b []byte) { b[4] &^= lz4Independent; b[6] = lz4HeaderSum(b[4:6]) },
		"dictionary":       func(b []byte) { b[4] |= lz4DictID; b[6] = lz4HeaderSum(b[4:6]) },
		"version":          func(b []byte) { b[4] ^= lz4VersionMask; b[6] = lz4HeaderSum(b[4:6]) },
		"block size":       func(b []byte) { b[5] = 3 << 4; b[6] = lz4HeaderSum(b[4:6]) },
		"header checksum":  func(b []byte) { b[6]++ },
		"block length":     func(b []byte) { b[9]++ },
		"magic":            func(b []byte) { b[0]++ },
	} {
		bad := bytes.Clone(enc)
		change(bad)
		if _, err := new(Decompressor).Decompress(LZ4, bad, unlimited); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestXXH32(t *testing.T) {
	// Published test values of the algorithm with seed 0.
	for in, want := range map[string]uint32{
		"": 0x02CC5D05, "a": 0x550D7456, "abc": 0x32D153FF,
		"Nobody inspects the spammish repetition": 0xE2293B2F,
	} {
		if got := xxh32([]byte(in)); got != want {
			t.Errorf("xxh32(%q) = %08x, want %08x", in, got, want)
		}
	}
}

// A zstd stream does not say its size, and has a window larger than a small
// batch: neither is a reason to refuse it.
func TestZstdStreams(t *testing.T) {
	src := bytes.Repeat([]byte("stream"), 50000)
	var buf bytes.Buffer
	w, _ := zstd.NewWriter(&buf, zstd.WithWindowSize(8<<20))
	w.Write(src[:1000])
	w.Flush()
	w.Write(src[1000:])
	w.Close()
	var d Decompressor
	got, err := d.Decompress(Zstd, buf.Bytes(), len(src))
	if err != nil || !bytes.Equal(got, src) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if _, err := d.Decompress(Zstd, buf.Bytes(), len(src)-1); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a byte too much: %v", err)
	}
}

func TestBombsAreRefusedCheaply(t *testing.T) {
	zeros := make([]byte, 16<<20)
	for _, codec := range compressed {
		bomb, err := Compress(nil, zeros, codec, DefaultLevel)
		if err != nil {
			t.Fatal(err)
		}
		const allowed = 1 << 20
		var d Decompressor
		_, _ = d.Decompress(codec, bomb, allowed) // the decoder's own tables
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err = d.Decompress(codec, bomb, allowed)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, ErrTooLarge) {
			t.Errorf("%v: %v", codec, err)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 3*allowed {
			t.Errorf("%v: %d bytes allocated for at most %d", codec, used, allowed)
		}
	}
	// Claims of a size that is not there.
	lie := binary.AppendUvarint(nil, 1<<29)
	if _, err := new(Decompressor).Decompress(Snappy, append(lie, 0, 0), unlimited); !errors.Is(err, ErrCorrupt) {
		t.Errorf("snappy: %v", err)
	}
}

func TestRoundTripOfAnything(t *testing.T) {
	var d Decompressor
	rapid.Check(t, func(t *rapid.T) {
		src := rapid.SliceOfN(rapid.Byte(), 0, 4096).Draw(t, "src")
		src = bytes.Repeat(src, rapid.IntRange(1, 40).Draw(t, "times"))
		codec := rapid.SampledFrom(compressed).Draw(t, "codec")
		enc, err := Compress(nil, src, codec, DefaultLevel)
		if err != nil {
			t.Fatal(err)
		}
		got, err := d.Decompress(codec, enc, len(src))
		if err != nil || !bytes.Equal(got, src) {
			t.Fatalf("%v: %v", codec, err)
		}
	})
}

func FuzzDecompress(f *testing.F) {
	for _, codec := range compressed {
		for _, src := range samples()[:3] {
			enc, _ := Compress(nil, src[:min(len(src), 5000)], codec, DefaultLevel)
			f.Add(int8(codec), enc)
		}
	}
	f.Add(int8(Snappy), snappy.Encode(nil, []byte("raw")))
	f.Add(int8(Zstd), []byte("\x28\xb5\x2f\xfd\xa4\xff\xff\xff\x7f\x01\x00\x00"))
	f.Fuzz(func(t *testing.T, codec int8, src []byte) {
		const allowed = 1 << 16
		got, err := new(Decompressor).Decompress(Codec(codec), src, allowed)
		if err == nil && len(got) > allowed {
			t.Fatalf("%d bytes", len(got))
		}
		if err != nil && got != nil {
			t.Fatal("an error and data")
		}
	})
}

func BenchmarkRoundTrip(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	var src []byte
	for len(src) < 256<<10 {
		src = fmt.Appendf(src, `{"id":%d,"city":"town-%d","amount":%d}`, r.Uint32(), r.IntN(100), r.IntN(1e6))
	}
	for _, codec := range compressed {
		enc, _ := Compress(nil, src, codec, DefaultLevel)
		b.Run("compress/"+codec.String(), func(b *testing.B) {
			b.SetBytes(int64(len(src)))
			b.ReportAllocs()
			dst := make([]byte, 0, 2*len(src))
			for b.Loop() {
				_, _ = Compress(dst, src, codec, DefaultLevel)
			}
			b.ReportMetric(float64(len(src))/float64(len(enc)), "ratio")
		})
		b.Run("decompress/"+codec.String(), func(b *testing.B) {
			b.SetBytes(int64(len(src)))
			b.ReportAllocs()
			var d Decompressor
			for b.Loop() {
				_, _ = d.Decompress(codec, enc, unlimited)
			}
		})
	}
}
