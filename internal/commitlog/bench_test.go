package commitlog

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"leat.dev/internal/base/vfs"
	"leat.dev/internal/wire/batch"
)

func benchLog(b *testing.B) *Log {
	c := DefaultConfig()
	c.TimestampAfterMax = Forever
	l, err := Open(Options{FS: vfs.OS, Dir: b.TempDir() + "/t-0", Topic: "t", Config: c})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Discard() })
	return l
}

func benchBatch(b *testing.B, size int) batch.Batch {
	builder := batch.NewBuilder(batch.BuilderOptions{Producer: &batch.Producer{ID: 1}})
	for builder.Size() < size {
		builder.Append(1_700_000_000_000, nil, bytes.Repeat([]byte("x"), min(size, 1000)), nil)
	}
	return finish(b, builder)
}

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{200, 16 << 10, 1 << 20} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			l, one := benchLog(b), benchBatch(b, size)
			c := l.Config()
			c.MaxMessageBytes = 2 << 20
			l.SetConfig(c)
			n := one.Header().Count
			fresh := bytes.Clone(one)
			b.SetBytes(int64(len(one)))
			b.ReportAllocs()
			seq := int32(0)
			for b.Loop() {
				copy(one, fresh)
				// The same content without a producer: sequences would need a new checksum each time.
				setNoProducer(one)
				if _, err := l.AppendLeader(one, AppendOptions{LeaderEpoch: 1}); err != nil {
					b.Fatal(err)
				}
				seq += n
			}
		})
	}
}

// setNoProducer removes the producer and fixes the checksum.
func setNoProducer(b batch.Batch) {
	for i := 43; i < 57; i++ {
		b[i] = 0xff
	}
	h := b.Header()
	b.SetTimestamps(true, h.MaxTimestamp)
	b.SetTimestamps(false, h.MaxTimestamp)
}

func BenchmarkReadTail(b *testing.B) {
	l := benchLog(b)
	one := benchBatch(b, 1000)
	setNoProducer(one)
	plain := bytes.Clone(one)
	b.ReportAllocs()
	for b.Loop() {
		copy(one, plain)
		info, err := l.AppendLeader(one, AppendOptions{})
		if err != nil {
			b.Fatal(err)
		}
		l.SetHighWatermark(l.EndOffset())
		read, err := l.Read(info.FirstOffset, 1<<20, true, ReadCommittedHW)
		if err != nil || read.Bytes != len(one) {
			b.Fatal(err, read.Bytes)
		}
		read.Release()
	}
}

func BenchmarkReadOld(b *testing.B) {
	l := benchLog(b)
	one := benchBatch(b, 1000)
	setNoProducer(one)
	plain := bytes.Clone(one)
	for range 100_000 {
		copy(one, plain)
		if _, err := l.AppendLeader(one, AppendOptions{}); err != nil {
			b.Fatal(err)
		}
	}
	for _, sequential := range []bool{true, false} {
		b.Run(fmt.Sprintf("sequential=%v", sequential), func(b *testing.B) {
			b.ReportAllocs()
			var total int64
			offset := int64(0)
			for b.Loop() {
				if !sequential {
					offset = (offset*7919 + 13) % (l.EndOffset() - 1000)
				}
				read, err := l.Read(offset, 64<<10, true, ReadLogEnd)
				if err != nil || read.Bytes == 0 {
					b.Fatal(err, offset)
				}
				total += int64(read.Bytes)
				end := read.Slices[0].Pos + int64(read.Bytes)
				if next, err := baseOffsetAt(read.Slices[0].File, end); err == nil {
					offset = next
				} else if err == io.ErrUnexpectedEOF {
					offset = 0
				}
				read.Release()
			}
			b.SetBytes(total / int64(b.N))
		})
	}
}
