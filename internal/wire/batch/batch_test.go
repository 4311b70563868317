package batch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"leat.dev/internal/wire/compress"
)

type generated struct {
	options BuilderOptions
	records []Record
}

func drawBytes(t *rapid.T, name string) []byte {
	if rapid.IntRange(0, 4).Draw(t, name+" null") == 0 {
		return nil
	}
	return rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, name)
}

func draw(t *rapid.T) generated {
	var g generated
	g.options = BuilderOptions{
		BaseOffset:    rapid.Int64Range(0, math.MaxInt64/2).Draw(t, "base"),
		LeaderEpoch:   rapid.Int32().Draw(t, "epoch"),
		Codec:         rapid.SampledFrom([]compress.Codec{0, 1, 2, 3, 4}).Draw(t, "codec"),
		Transactional: rapid.Bool().Draw(t, "txn"),
	}
	if rapid.Bool().Draw(t, "idempotent") {
		g.options.Producer = &Producer{
			ID:           rapid.Int64Range(0, math.MaxInt64).Draw(t, "pid"),
			Epoch:        rapid.Int16Range(0, math.MaxInt16).Draw(t, "pepoch"),
			BaseSequence: rapid.Int32Range(0, math.MaxInt32).Draw(t, "seq"),
		}
	}
	if rapid.Bool().Draw(t, "horizon") {
		horizon := rapid.Int64Range(0, 1<<50).Draw(t, "horizon at")
		g.options.DeleteHorizon = &horizon
	}
	offset := g.options.BaseOffset
	for range rapid.IntRange(1, 20).Draw(t, "count") {
		offset += int64(rapid.IntRange(0, 1000).Draw(t, "gap"))
		r := Record{Offset: offset, Timestamp: rapid.Int64Range(-1, 1<<50).Draw(t, "ts"),
			Key: drawBytes(t, "key"), Value: drawBytes(t, "value")}
		for range rapid.IntRange(0, 3).Draw(t, "headers") {
			key := rapid.SliceOfN(rapid.Byte(), 0, 10).Draw(t, "hkey")
			r.Headers = append(r.Headers, RecordHeader{Key: key, Value: drawBytes(t, "hvalue")})
		}
		g.records = append(g.records, r)
		offset++
	}
	g.options.MinLastOffset = offset + int64(rapid.IntRange(-1, 50).Draw(t, "tail"))
	return g
}

func (g generated) build(t rapid.TB) Batch {
	b := NewBuilder(g.options)
	for _, r := range g.records {
		b.AppendAt(r.Offset, r.Timestamp, r.Key, r.Value, r.Headers)
	}
	out, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func equalBytes(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

func equalRecord(a, b Record) bool {
	return a.Offset == b.Offset && a.Timestamp == b.Timestamp && equalBytes(a.Key, b.Key) && equalBytes(a.Value, b.Value) &&
		slices.EqualFunc(a.Headers, b.Headers, func(x, y RecordHeader) bool {
			return bytes.Equal(x.Key, y.Key) && equalBytes(x.Value, y.Value)
		})
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := draw(t)
		b := g.build(t)
		one, rest, err := Parse(append(bytes.Clone(b), 1, 2, 3))
		if err != nil || len(rest) != 3 || !bytes.Equal(one, b) || !b.VerifyCRC() {
			t.Fatalf("%v, %d bytes more", err, len(rest))
		}
		h := b.Header()
		if h.BaseOffset != g.options.BaseOffset || h.Codec() != g.options.Codec || int(h.Count) != len(g.records) ||
			h.Transactional() != g.options.Transactional || h.HasProducer() != (g.options.Producer != nil) {
			t.Fatalf("header %+v", h)
		}
		last := max(g.records[len(g.records)-1].Offset, g.options.MinLastOffset)
		if h.LastOffset() != last {
			t.Fatalf("last offset %d, want %d", h.LastOffset(), last)
		}
		i := 0
		var maxTS int64 = -1
		for r, err := range b.Records(nil, unlimited) {
			if err != nil {
				t.Fatal(err)
			}
			if !equalRecord(r, g.records[i]) {
				t.Fatalf("record %d: %+v, want %+v", i, r, g.records[i])
			}
			maxTS = max(maxTS, r.Timestamp)
			i++
		}
		if i != len(g.records) || h.MaxTimestamp != maxTS {
			t.Fatalf("%d records, max timestamp %d of %d", i, h.MaxTimestamp, maxTS)
		}
	})
}

// What we make, another implementation of the format must read, field by
// field and record by record, and encode to the same bytes.
func TestAgreesWithKmsg(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := draw(t)
		g.options.Codec = compress.None
		b := g.build(t)
		var k kmsg.RecordBatch
		if err := k.ReadFrom(b); err != nil {
			t.Fatal(err)
		}
		h := b.Header()
		other := Header{k.FirstOffset, k.Length, k.PartitionLeaderEpoch, k.Magic, uint32(k.CRC), k.Attributes,
			k.LastOffsetDelta, k.FirstTimestamp, k.MaxTimestamp, k.ProducerID, k.ProducerEpoch, k.FirstSequence, k.NumRecords}
		if h != other {
			t.Fatalf("%+v, want %+v", h, other)
		}
		if again := k.AppendTo(nil); !bytes.Equal(again, b) {
			t.Fatalf("%x, want %x", again, b)
		}
		body := k.Records
		for i, want := range g.records {
			var r kmsg.Record
			if err := r.ReadFrom(body); err != nil {
				t.Fatal(err)
			}
			if h.BaseOffset+int64(r.OffsetDelta) != want.Offset || h.BaseTimestamp+r.TimestampDelta64 != want.Timestamp ||
				!equalBytes(r.Key, want.Key) || !equalBytes(r.Value, want.Value) || len(r.Headers) != len(want.Headers) {
				t.Fatalf("record %d: %+v, want %+v", i, r, want)
			}
			n := len(r.AppendTo(nil))
			if !bytes.Equal(body[:n], r.AppendTo(nil)) {
				t.Fatalf("record %d is encoded otherwise", i)
			}
			body = body[n:]
		}
		if len(body) != 0 {
			t.Fatalf("%d bytes more", len(body))
		}
	})
}

func sample(codec compress.Codec, n int) Batch {
	b := NewBuilder(BuilderOptions{BaseOffset: 10, Codec: codec})
	for i := range n {
		b.Append(1000+int64(i), fmt.Appendf(nil, "key-%d", i), bytes.Repeat([]byte("v"), 20), []RecordHeader{{Key: []byte("h"), Value: nil}})
	}
	out, err := b.Finish()
	if err != nil {
		panic(err)
	}
	return out
}

func TestIterationDoesNotAllocate(t *testing.T) {
	b := sample(compress.None, 100)
	var it Iterator
	run := func() {
		n := 0
		for it.Reset(b, nil, unlimited); it.Next(); {
			n += len(it.Record().Key)
		}
		if it.Err() != nil || n == 0 {
			t.Fatal(it.Err())
		}
	}
	run() // grows the header slice
	if n := testing.AllocsPerRun(100, run); n != 0 {
		t.Errorf("Iterator: %.1f allocations", n)
	}
	plain := NewBuilder(BuilderOptions{})
	for range 100 {
		plain.Append(1, []byte("k"), []byte("v"), nil)
	}
	c, _ := plain.Finish()
	n := testing.AllocsPerRun(100, func() {
		for r, err := range c.Records(nil, unlimited) {
			if err != nil || len(r.Key) != 1 {
				t.Fatal(err)
			}
		}
	})
	if n != 0 {
		t.Errorf("Records: %.1f allocations", n)
	}
}

func TestParseHeaderRefuses(t *testing.T) {
	good := sample(compress.None, 3)
	change := func(at int, v byte) []byte {
		b := bytes.Clone(good)
		b[at] = v
		return b
	}
	short := bytes.Clone(good)
	binary.BigEndian.PutUint32(short[lengthAt:], MinLength-1)
	huge := bytes.Clone(good)
	binary.BigEndian.PutUint32(huge[lengthAt:], math.MaxInt32)
	for name, c := range map[string]struct {
		b    []byte
		want error
	}{
		"nothing":              {nil, ErrShort},
		"magic out of reach":   {good[:16], ErrShort},
		"half a header":        {good[:60], ErrShort},
		"magic 0":              {change(magicAt, 0)[:30], ErrMagic},
		"magic 1":              {change(magicAt, 1), ErrMagic},
		"magic 3":              {change(magicAt, 3), ErrCorrupt},
		"length negative":      {change(lengthAt, 0xff), ErrCorrupt},
		"length below minimum": {short, ErrCorrupt},
		"length overflows":     {huge, ErrCorrupt},
	} {
		if _, err := ParseHeader(c.b); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := Parse(good[:len(good)-1]); !errors.Is(err, ErrShort) {
		t.Errorf("cut off: %v", err)
	}
}

func TestSplit(t *testing.T) {
	a, b := sample(compress.None, 2), sample(compress.LZ4, 5)
	whole := slices.Concat(a, b, b[:70])
	var sizes []int
	var last error
	for one, err := range Split(whole) {
		sizes, last = append(sizes, len(one)), err
	}
	if !slices.Equal(sizes, []int{len(a), len(b), 70}) || !errors.Is(last, ErrShort) {
		t.Errorf("%v, %v", sizes, last)
	}
	for _, err := range Split(nil) {
		t.Errorf("nothing yields %v", err)
	}
}

// Any change to a record's bytes must either be refused or consume the body
// exactly all the same; most are refused.
func TestStrictRecords(t *testing.T) {
	record := func(b ...byte) Batch {
		out := make(Batch, HeaderSize, HeaderSize+len(b))
		Header{Length: int32(MinLength + len(b)), Magic: Magic, Count: 1}.put(out)
		return append(out, b...)
	}
	for name, b := range map[string]Batch{
		"no record":              record(),
		"length past the end":    record(14, 0, 0, 0, 1, 1),
		"negative length":        record(1),
		"bytes after the fields": record(14, 0, 0, 0, 1, 1, 0, 0),
		"bytes after the record": record(12, 0, 0, 0, 1, 1, 0, 9),
		"key past the record":    record(12, 0, 0, 0, 20, 1, 0),
		"key length -2":          record(12, 0, 0, 0, 3, 1, 0),
		"negative header count":  record(12, 0, 0, 0, 1, 1, 1),
		"hostile header count":   record(20, 0, 0, 0, 1, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f),
		"null header key":        record(16, 0, 0, 0, 1, 1, 2, 1, 1),
		"varint without end":     record(12, 0, 0, 0x80, 0x80, 0x80, 0x80),
		"varint too long":        record(22, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x7f, 1, 1, 0),
		"one record too few":     record(12, 0, 0, 0, 1, 1, 0, 12, 0, 0, 0, 1, 1, 0),
	} {
		var errs int
		for _, err := range b.Records(nil, unlimited) {
			if errors.Is(err, ErrCorrupt) {
				errs++
			}
		}
		if errs != 1 {
			t.Errorf("%s: %d errors", name, errs)
		}
	}
	ok := record(12, 0, 0, 0, 1, 1, 0)
	for r, err := range ok.Records(nil, unlimited) {
		if err != nil || r.Key != nil || r.Value != nil {
			t.Errorf("%+v, %v", r, err)
		}
	}
	binary.BigEndian.PutUint32(ok[countAt:], 1<<31)
	for _, err := range ok.Records(nil, unlimited) {
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("negative count: %v", err)
		}
	}
	big := sample(compress.Gzip, 100)
	for _, err := range big.Records(nil, 50) {
		if !errors.Is(err, compress.ErrTooLarge) {
			t.Errorf("decompresses to too much: %v", err)
		}
	}
}

func TestChangesInPlace(t *testing.T) {
	b := sample(compress.None, 3)
	crc := b.Header().CRC
	b.SetBaseOffset(1 << 40)
	b.SetLeaderEpoch(77)
	b.SetTimestamps(false, b.Header().MaxTimestamp)
	if h := b.Header(); h.BaseOffset != 1<<40 || h.LeaderEpoch != 77 || h.CRC != crc || !b.VerifyCRC() {
		t.Errorf("%+v", h)
	}
	b.SetTimestamps(true, 5000)
	if h := b.Header(); !h.LogAppendTime() || h.MaxTimestamp != 5000 || h.CRC == crc || !b.VerifyCRC() {
		t.Errorf("%+v", h)
	}
	for r := range b.Records(nil, unlimited) {
		if r.Timestamp != 5000 {
			t.Errorf("timestamp %d", r.Timestamp)
		}
	}
	b.SetTimestamps(false, 1002)
	if h := b.Header(); h.LogAppendTime() || h.CRC != crc {
		t.Errorf("%+v", h)
	}
	b[len(b)-1] ^= 1
	if b.VerifyCRC() {
		t.Error("a changed byte passes the CRC")
	}
}

func TestSequencesWrap(t *testing.T) {
	for _, c := range []struct{ seq, n, want int32 }{
		{0, 0, 0}, {5, 3, 8}, {math.MaxInt32, 0, math.MaxInt32}, {math.MaxInt32, 1, 0}, {math.MaxInt32 - 1, 4, 2},
	} {
		if got := AddSequence(c.seq, c.n); got != c.want {
			t.Errorf("%d + %d = %d, want %d", c.seq, c.n, got, c.want)
		}
	}
	if got := (Header{BaseSequence: -1, LastOffsetDelta: 9}).LastSequence(); got != -1 {
		t.Errorf("without a sequence: %d", got)
	}
}

func TestBuilderIsUsedAgain(t *testing.T) {
	b := NewBuilder(BuilderOptions{BaseOffset: 5})
	b.Append(1, []byte("a"), nil, nil)
	if _, err := b.Finish(); err != nil {
		t.Fatal(err)
	}
	b.Reset(BuilderOptions{BaseOffset: 9})
	if b.Count() != 0 || b.Size() != HeaderSize {
		t.Errorf("%d records, %d bytes after a reset", b.Count(), b.Size())
	}
	empty, err := b.Finish()
	if h := empty.Header(); err != nil || len(empty) != HeaderSize || h.LastOffset() != 9 || h.Count != 0 {
		t.Errorf("%+v, %v", h, err)
	}
	b.Append(1, []byte("a"), nil, nil)
	out, _ := b.Finish()
	for r, err := range out.Records(nil, unlimited) {
		if err != nil || r.Offset != 9 || string(r.Key) != "a" {
			t.Errorf("%+v, %v", r, err)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("an offset below the last is taken")
		}
	}()
	b.AppendAt(9, 1, nil, nil, nil)
}

func TestControlRecordsOfOtherKinds(t *testing.T) {
	for _, key := range [][]byte{nil, {0, 0, 0}, {0xff, 0xff, 0, 1}} {
		if _, _, err := ParseEndTxn(Record{Key: key, Value: make([]byte, 6)}); !errors.Is(err, ErrCorrupt) {
			t.Errorf("key %x: %v", key, err)
		}
	}
	if _, ok, err := ParseEndTxn(Record{Key: []byte{0, 0, 0, byte(ControlLeaderChange)}}); ok || err != nil {
		t.Errorf("leader change: %v, %v", ok, err)
	}
	if e, ok, err := ParseEndTxn(Record{Key: []byte{0, 9, 0, 1, 5}, Value: []byte{0, 9, 0, 0, 0, 3, 1, 1}}); !ok || err != nil || e.CoordinatorEpoch != 3 || !e.Commit {
		t.Errorf("newer version: %+v, %v, %v", e, ok, err)
	}
	if _, _, err := ParseEndTxn(Record{Key: []byte{0, 0, 0, 1}, Value: []byte{0, 0}}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("short value: %v", err)
	}
}

func TestVarints(t *testing.T) {
	for _, v := range []int64{0, -1, 1, 63, -64, 64, math.MaxInt32, math.MinInt32, math.MaxInt64, math.MinInt64} {
		enc := appendVarint(nil, v)
		got, n := varlong(enc)
		if got != v || n != len(enc) {
			t.Errorf("%d: read %d in %d of %d bytes", v, got, n, len(enc))
		}
		got32, n := varint(enc)
		if v == int64(int32(v)) {
			if int64(got32) != v || n != len(enc) {
				t.Errorf("%d: read %d in %d bytes", v, got32, n)
			}
		} else if n != 0 {
			t.Errorf("%d fits in 32 bits", v)
		}
	}
}

// FuzzRecords: anything must be read without a panic; what is read in full
// must be the same when it is made again and read again.
func FuzzRecords(f *testing.F) {
	for _, raw := range kafkaBatches(f) {
		f.Add([]byte(raw))
	}
	f.Add([]byte(sample(compress.None, 3)))
	f.Fuzz(func(t *testing.T, data []byte) {
		for b, err := range Split(data) {
			if err != nil {
				return
			}
			b.VerifyCRC()
			h := b.Header()
			if h.Control() || h.LogAppendTime() || h.HasDeleteHorizon() || !h.Codec().Valid() {
				for r := range b.Records(nil, 1<<20) {
					_, _, _ = ParseEndTxn(r)
				}
				continue
			}
			again := NewBuilder(BuilderOptions{BaseOffset: h.BaseOffset})
			var read []Record
			for r, err := range b.Records(nil, 1<<20) {
				last := h.BaseOffset - 1
				if len(read) > 0 {
					last = read[len(read)-1].Offset
				}
				if err != nil || r.Offset <= last {
					return
				}
				r.Headers = slices.Clone(r.Headers)
				read = append(read, r)
				again.AppendAt(r.Offset, r.Timestamp, r.Key, r.Value, r.Headers)
			}
			out, err := again.Finish()
			if err != nil {
				t.Fatal(err)
			}
			i := 0
			for r, err := range out.Records(nil, unlimited) {
				if err != nil || !equalRecord(r, read[i]) {
					t.Fatalf("record %d: %+v, want %+v, %v", i, r, read[i], err)
				}
				i++
			}
		}
	})
}

func BenchmarkIterate(b *testing.B) {
	batch := sample(compress.None, 1000)
	b.SetBytes(int64(len(batch)))
	b.ReportAllocs()
	var it Iterator
	for b.Loop() {
		for it.Reset(batch, nil, unlimited); it.Next(); {
		}
	}
}

func BenchmarkVerifyCRC(b *testing.B) {
	batch := sample(compress.None, 1000)
	b.SetBytes(int64(len(batch)))
	for b.Loop() {
		batch.VerifyCRC()
	}
}

func BenchmarkBuild(b *testing.B) {
	key, value := []byte("key-1234"), bytes.Repeat([]byte("v"), 100)
	builder := NewBuilder(BuilderOptions{})
	b.ReportAllocs()
	for b.Loop() {
		builder.Reset(BuilderOptions{})
		for range 1000 {
			builder.Append(1, key, value, nil)
		}
		out, _ := builder.Finish()
		b.SetBytes(int64(len(out)))
	}
}
