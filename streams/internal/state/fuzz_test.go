package state

import (
	"bytes"
	"encoding/binary"
	"maps"
	"testing"
	"time"
)

// FuzzTables: what the tables of a database hold is decoded without a panic,
// and what is decoded is encoded to the same bytes.
func FuzzTables(f *testing.F) {
	f.Add([]byte("sstore"), []byte{0, 1})
	f.Add([]byte("olog-0"), make([]byte, 8))
	f.Add([]byte("r\x00\x01"), fresh.encode(nil))
	f.Add([]byte("tused"), make([]byte, 8))
	f.Add([]byte{}, (&taskFile{made: time.UnixMilli(1), offsets: map[string]int64{"log-0": 5}}).encode())
	f.Fuzz(func(t *testing.T, key, value []byte) {
		if r, ok := decodeTaskFile(value); ok {
			if again, ok := decodeTaskFile(r.encode()); !ok || !maps.Equal(again.offsets, r.offsets) || !again.used.Equal(r.used) {
				t.Fatalf("file %q becomes %q", value, r.encode())
			}
		}
		if r, err := decodeRegisters(value); err == nil && !bytes.Equal(r.encode(nil), value) {
			t.Fatalf("registers %x become %x", value, r.encode(nil))
		}
		task := &Task{offsets: map[string]int64{}, meta: map[string]int64{}, disk: diskTask{table: map[string]uint16{}, registers: map[uint16]registerFile{}}}
		_ = task.loadOwn(key, value)
	})
}

// FuzzKeys: keys and values of the layouts are taken apart without a panic,
// and keys that are built are taken apart to what they were built from.
func FuzzKeys(f *testing.F) {
	f.Add([]byte("key"), int64(5), int64(9), uint32(1))
	f.Add([]byte{}, int64(0), int64(0), uint32(0))
	f.Add(append([]byte{byTime}, make([]byte, 16)...), int64(1)<<40, int64(1)<<40, uint32(1)<<30)
	f.Add(append([]byte{byKey}, make([]byte, 24)...), int64(60_000), int64(1), uint32(7))
	f.Fuzz(func(t *testing.T, b []byte, x, y int64, seq uint32) {
		task, err := Memory().Task("0_0")
		if err != nil {
			t.Fatal(err)
		}
		s := task.Store("s", true)
		w, n, v := NewWindow(s, WindowOptions{Retention: 100_000}), NewSession(s, SessionOptions{Retention: 100_000}), NewVersioned(s, VersionedOptions{History: 100_000})
		window, session := &WindowIterator{w: w}, &SessionIterator{n: n}
		window.parse(b)
		session.parse(b)
		_, _ = v.decode(b, b)

		x, y = x&(1<<62-1), y&(1<<62-1)
		k := w.entry(nil, x/w.o.SegmentInterval, b, x, seq)
		if !window.parse(k) || !bytes.Equal(window.key, b) || window.start != x || window.seq != seq {
			t.Fatalf("window %x@%d/%d becomes %x@%d/%d", b, x, seq, window.key, window.start, window.seq)
		}
		k = n.entry(nil, y/n.o.SegmentInterval, b, x, y)
		if !session.parse(k) || !bytes.Equal(session.key, b) || session.start != x || session.end != y {
			t.Fatalf("session %x@%d/%d becomes %x@%d/%d", b, x, y, session.key, session.start, session.end)
		}
	})
}

// FuzzUpper: a bound on a range of keys is above every key of the range with
// every time of the range behind it.
func FuzzUpper(f *testing.F) {
	f.Add([]byte("ab"), []byte("a"), int64(5), int64(5))
	f.Add([]byte("a\x00\x00"), []byte("a"), int64(5), int64(1)<<40)
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0}, []byte{}, int64(1)<<62, int64(1)<<62)
	f.Fuzz(func(t *testing.T, end, key []byte, to, ts int64) {
		to, ts = to&(1<<63-1), ts&(1<<63-1)
		if bytes.Compare(key, end) > 0 || ts > to {
			return
		}
		bound := appendUpper(nil, end, binary.BigEndian.AppendUint64(nil, uint64(to)+1))
		entry := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(bytes.Clone(key), uint64(ts)), 1<<32-1)
		if bytes.Compare(entry, bound) >= 0 {
			t.Fatalf("%x at %d is not below %x for %x up to %d", key, ts, bound, end, to)
		}
	})
}
