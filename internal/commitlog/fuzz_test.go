package commitlog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"testing"
	"time"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/base/vfs"
	"leat.dev/internal/wire/batch"
)

func crcOf(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

func FuzzDecodeOffsetIndex(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 9}, int64(100))
	f.Add(make([]byte, 64), int64(10))
	f.Fuzz(func(t *testing.T, data []byte, size int64) {
		n, _ := decodeOffsetIndex(data, size)
		last := offsetEntry{-1, -1}
		for i := range n {
			e := getOffsetEntry(data[i*offsetEntrySize:])
			if e.rel < 0 || e.pos <= last.pos || int64(e.pos) >= size || i > 0 && e.rel <= last.rel {
				t.Fatalf("entry %d of %d sound ones: %+v after %+v", i, n, e, last)
			}
			last = e
		}
	})
}

func FuzzDecodeTimeIndex(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 1})
	f.Add(make([]byte, 48))
	f.Fuzz(func(t *testing.T, data []byte) {
		if n, _ := decodeTimeIndex(data); n*timeEntrySize > len(data) {
			t.Fatalf("%d entries in %d bytes", n, len(data))
		}
	})
}

func FuzzDecodeAborted(f *testing.F) {
	f.Add(abortedTxn{1, 2, 3, 4}.append(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, err := decodeAborted(data)
		var again []byte
		for _, a := range entries {
			again = a.append(again)
		}
		if !bytes.HasPrefix(data, again) || err == nil && len(again) != len(data) {
			t.Fatalf("%x became %x, %v", data, again, err)
		}
	})
}

func FuzzDecodeSnapshot(f *testing.F) {
	f.Add(encodeSnapshot([]producerSnapshot{{id: 1, lastSequence: 5, txnFirst: -1}}), true)
	f.Add(encodeSnapshot(nil), false)
	f.Fuzz(func(t *testing.T, data []byte, fixCRC bool) {
		if fixCRC && len(data) >= snapshotHeader {
			binary.BigEndian.PutUint32(data[2:], crcOf(data[snapshotCRCEnd:]))
		}
		entries, err := decodeSnapshot(data)
		if err == nil && !bytes.Equal(encodeSnapshot(entries), data) {
			t.Fatalf("%x became %x", data, encodeSnapshot(entries))
		}
		var table producerTable
		table.load(entries, time.UnixMilli(0), time.Hour)
	})
}

func FuzzDecodeEpochs(f *testing.F) {
	f.Add([]byte("0\n2\n1 0\n3 17\n"))
	f.Add([]byte(""))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, err := decodeEpochs(data)
		if err != nil || len(data) == 0 {
			return
		}
		c := epochCache{entries: entries}
		again, err := decodeEpochs(c.encode())
		if err != nil || len(again) != len(entries) {
			t.Fatalf("%q became %q, %v", data, c.encode(), err)
		}
		c.assign(4, 10)
		c.truncateStart(3)
		c.truncateEnd(12)
		if _, err := decodeEpochs(c.encode()); err != nil {
			t.Fatalf("history is not ascending any more: %v", err)
		}
	})
}

func FuzzDecodePartitionMetadata(f *testing.F) {
	f.Add(encodePartitionMetadata([16]byte{1}))
	f.Add([]byte("version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ"))
	f.Fuzz(func(t *testing.T, data []byte) {
		id, err := decodePartitionMetadata(data)
		if err != nil {
			return
		}
		if again, err := decodePartitionMetadata(encodePartitionMetadata(id)); err != nil || again != id {
			t.Fatalf("%q: %x, then %x, %v", data, id, again, err)
		}
	})
}

func FuzzDecodeFlushPoint(f *testing.F) {
	var b [flushPointSlot]byte
	f.Add(append(append(make([]byte, 0), flushPoint{3, 9}.encode(&b)...), make([]byte, 512)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		if p, err := decodeFlushPoint(data); err == nil && (p.flushed < 0 || p.cap < p.flushed) {
			t.Fatalf("%+v", p)
		}
	})
}

// FuzzRecovery opens a partition whose files hold arbitrary bytes. It must come
// out as a log that can be read and appended to, or as an error.
func FuzzRecovery(f *testing.F) {
	h := newHarness(f, nil)
	h.fill(20)
	h.append(h.produced(3, 0, 0, 2, true))
	h.flush()
	if err := h.log.Close(); err != nil {
		f.Fatal(err)
	}
	file := func(name string) []byte {
		data, err := vfs.ReadFile(h.fs, "/data/t-0/"+name)
		if err != nil {
			f.Fatal(err)
		}
		return data
	}
	log, index, times := file(baseName(0)+logSuffix), file(baseName(0)+indexSuffix), file(baseName(0)+timeSuffix)
	snapshot := file(baseName(22) + snapshotSuffix)
	f.Add(log, index, times, snapshot, []byte{}, int64(0), false)
	f.Add(log, index, times, snapshot, []byte{}, int64(22), true)
	f.Add(log[:len(log)-5], index, times[:7], snapshot, []byte("0\n1\n1 0\n"), int64(3), false)
	f.Add(append(bytes.Clone(log), make([]byte, 600)...), []byte{}, []byte{1}, []byte{}, []byte("x"), int64(9), false)
	f.Fuzz(func(t *testing.T, log, index, times, snapshot, epochs []byte, recoveryPoint int64, clean bool) {
		disk := vfs.NewMem(1)
		if err := disk.MkdirAll("/d/t-0"); err != nil {
			t.Fatal(err)
		}
		for name, data := range map[string][]byte{
			baseName(0) + logSuffix: log, baseName(0) + indexSuffix: index, baseName(0) + timeSuffix: times,
			baseName(22) + snapshotSuffix: snapshot, epochFile: epochs, baseName(0) + txnSuffix: index,
		} {
			w, err := disk.Create("/d/t-0/" + name)
			if err == nil {
				_, err = w.WriteAt(data, 0)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		l, err := Open(Options{
			FS: disk, Clock: clock.NewManual(time.UnixMilli(1_700_000_000_000)), Dir: "/d/t-0", Topic: "t",
			Config: DefaultConfig(), RecoveryPoint: recoveryPoint, Clean: clean,
		})
		if err != nil {
			return
		}
		for offset := l.StartOffset(); offset < l.EndOffset(); {
			b, err := l.ReadBytes(offset, 1000, ReadLogEnd)
			if err != nil || len(b) == 0 {
				// Only a log said to be clean is served without a check.
				if !clean && err != nil && !errors.Is(err, ErrOffsetOutOfRange) {
					t.Fatalf("read at %d of [%d, %d): %v", offset, l.StartOffset(), l.EndOffset(), err)
				}
				return
			}
			for one, err := range batch.Split(b) {
				if err != nil {
					break
				}
				offset = max(offset+1, one.Header().NextOffset())
			}
		}
		b := batch.NewBuilder(batch.BuilderOptions{})
		b.Append(1_700_000_000_000, nil, []byte("v"), nil)
		one, err := b.Finish()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.AppendLeader(one, AppendOptions{}); err != nil {
			t.Fatalf("append: %v", err)
		}
		if err := l.Close(); err != nil && !clean {
			t.Fatalf("close: %v", err)
		}
	})
}
