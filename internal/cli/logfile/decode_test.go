package logfile

import (
	"bytes"
	"io"
	"testing"

	"leat.dev/internal/wire/batch"
	"leat.dev/internal/wire/compress"
)

func TestCheckpoints(t *testing.T) {
	if list, err := decodeCheckpoint(nil); err != nil || len(list) != 0 {
		t.Errorf("an empty file: %v, %v", list, err)
	}
	list, err := decodeCheckpoint([]byte("0\n2\na 0 5\nb-c 1 7\n"))
	if err != nil || len(list) != 2 || list[1] != (checkpointEntry{"b-c", 1, 7}) {
		t.Errorf("got %v, %v", list, err)
	}
	for _, s := range []string{"1\n0\n", "0\n", "0\nx\n", "0\n1\n", "0\n1\na 0\n", "0\n1\na x 1\n"} {
		if _, err := decodeCheckpoint([]byte(s)); err == nil {
			t.Errorf("%q is accepted", s)
		}
	}
}

func TestNames(t *testing.T) {
	if base, suffix, ok := parseSegmentName("00000000000000000042.log"); !ok || base != 42 || suffix != "log" {
		t.Errorf("got %d %s %v", base, suffix, ok)
	}
	for _, s := range []string{"42.log", "00000000000000000042.log.deleted", "99999999999999999999.log", "x"} {
		if _, _, ok := parseSegmentName(s); ok {
			t.Errorf("%q is taken for a segment", s)
		}
	}
	if topic, p, ok := parsePartitionDir("a-b-12"); !ok || topic != "a-b" || p != 12 {
		t.Errorf("got %s %d %v", topic, p, ok)
	}
}

// FuzzSmallFiles feeds every decoder of a small file; none may fail in another way than by an error.
func FuzzSmallFiles(f *testing.F) {
	f.Add(snapshot(producerEntry{Producer: 5, LastOffset: 4, TxnFirst: -1}))
	f.Add([]byte("0\n2\n0 0\n1 5\n"))
	f.Add([]byte("0\n1\nt 0 12\n"))
	f.Add([]byte("version: 0\ntopic_id: 69VwWRmFQ7WzVcZ7YbRw8g"))
	f.Add(make([]byte, 120))
	f.Fuzz(func(t *testing.T, b []byte) {
		if list, err := decodeOffsetIndex(b); err == nil {
			for i := 1; i < len(list); i++ {
				if list[i].Relative <= list[i-1].Relative {
					t.Fatal("an index out of order is accepted")
				}
			}
		}
		_, _ = decodeTimeIndex(b)
		_, _ = decodeAborted(b)
		_, _ = decodeSnapshot(b)
		_, _ = decodeEpochs(b)
		_, _ = decodeCheckpoint(b)
		_, _ = decodePartitionID(b)
		_, _ = decodeProperties(b)
	})
}

// FuzzScan reads rubbish as a segment: it must come to an end, and never give a batch that it did not check.
func FuzzScan(f *testing.F) {
	b := batch.NewBuilder(batch.BuilderOptions{Codec: compress.Gzip})
	b.Append(1, []byte("k"), []byte("v"), nil)
	one, err := b.Finish()
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(one))
	f.Add(append(bytes.Clone(one), one...))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := newScanner(bytes.NewReader(data), int64(len(data)))
		var d compress.Decompressor
		for {
			before := s.pos
			at, err := s.next()
			if err == io.EOF {
				return
			}
			if err == nil {
				if !at.b.VerifyCRC() {
					t.Fatal("a batch with a wrong checksum")
				}
				if at.h.Size() < 1<<20 {
					_, _ = checkRecords(at, &d)
				}
			} else if bad, ok := err.(*damage); !ok || !bad.skippable {
				return
			}
			if s.pos <= before {
				t.Fatal("the scanner does not move")
			}
		}
	})
}
