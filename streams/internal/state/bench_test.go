package state

import (
	"encoding/binary"
	"testing"
)

// benchTask gives a task with keys of 8 bytes and values of 64, committed; on
// disk also flushed and compacted.
func benchTask(b *testing.B, disk bool, n int) (*Task, *Store) {
	b.Helper()
	db := Memory()
	if disk {
		var err error
		if db, err = Open(b.TempDir(), Options{}); err != nil {
			b.Fatal(err)
		}
	}
	b.Cleanup(func() { db.Close() })
	t, err := db.Task("0_0")
	if err != nil {
		b.Fatal(err)
	}
	s := t.Store("s", false)
	value := make([]byte, 64)
	for i := range n {
		if err := s.Put(benchKey(i), value); err != nil {
			b.Fatal(err)
		}
	}
	if err := t.Commit(nil, nil); err != nil {
		b.Fatal(err)
	}
	if disk {
		if err := flush(db); err != nil {
			b.Fatal(err)
		}
	}
	return t, s
}

var benchBuf [8]byte

func benchKey(i int) []byte {
	binary.BigEndian.PutUint64(benchBuf[:], uint64(i)*0x9E3779B97F4A7C15)
	return benchBuf[:]
}

const benchKeys = 100_000

func onBoth(b *testing.B, f func(b *testing.B, t *Task, s *Store)) {
	for _, disk := range []bool{false, true} {
		b.Run(map[bool]string{false: "memory", true: "pebble"}[disk], func(b *testing.B) {
			t, s := benchTask(b, disk, benchKeys)
			b.ReportAllocs()
			b.ResetTimer()
			f(b, t, s)
		})
	}
}

func must(b *testing.B, err error) {
	if err != nil {
		b.Fatal(err)
	}
}

func BenchmarkGet(b *testing.B) {
	onBoth(b, func(b *testing.B, _ *Task, s *Store) {
		for i := range b.N {
			_, ok, err := s.Get(benchKey(i % benchKeys))
			if must(b, err); !ok {
				b.Fatal("missing")
			}
		}
	})
}

func BenchmarkGetMissing(b *testing.B) {
	onBoth(b, func(b *testing.B, _ *Task, s *Store) {
		for i := range b.N {
			_, _, err := s.Get(benchKey(benchKeys + i))
			must(b, err)
		}
	})
}

// BenchmarkPut commits every 10,000 puts.
func BenchmarkPut(b *testing.B) {
	onBoth(b, func(b *testing.B, t *Task, s *Store) {
		value := make([]byte, 64)
		for i := range b.N {
			must(b, s.Put(benchKey(i%benchKeys), value))
			if i%10_000 == 9_999 {
				must(b, t.Commit(nil, nil))
			}
		}
	})
}

// BenchmarkUpdate reads and writes each key, as an aggregation without a cache does.
func BenchmarkUpdate(b *testing.B) {
	onBoth(b, func(b *testing.B, t *Task, s *Store) {
		value := make([]byte, 64)
		for i := range b.N {
			k := benchKey(i % benchKeys)
			_, _, err := s.Get(k)
			must(b, err)
			must(b, s.Put(k, value))
			if i%10_000 == 9_999 {
				must(b, t.Commit(nil, nil))
			}
		}
	})
}

// BenchmarkScan reads 10 entries behind a key.
func BenchmarkScan(b *testing.B) {
	onBoth(b, func(b *testing.B, _ *Task, s *Store) {
		for i := range b.N {
			it := s.Scan(benchKey(i%benchKeys), nil, false)
			for n := 0; n < 10 && it.Next(); n++ {
			}
			must(b, it.Close())
		}
	})
}

// BenchmarkJoin does what one side of a stream-stream join does for a record:
// fetch what the key has in a window of time, then put.
func BenchmarkJoin(b *testing.B) {
	onBoth(b, func(b *testing.B, t *Task, _ *Store) {
		w := NewWindow(t.Store("w", false), WindowOptions{Retention: 600_000, RetainDuplicates: true})
		value := make([]byte, 64)
		for i := range b.N {
			ts := int64(i) // 1000 records a second, 1000 keys
			it := w.Fetch(benchKey(i%1000), ts-5000, ts+5000, false)
			for it.Next() {
			}
			must(b, it.Close())
			_, _, err := w.Put(benchKey(i%1000), value, ts)
			must(b, err)
			if i%10_000 == 9_999 {
				must(b, t.Commit(nil, nil))
			}
		}
	})
}

// BenchmarkVersionedPut puts versions in order, one in ten late.
func BenchmarkVersionedPut(b *testing.B) {
	onBoth(b, func(b *testing.B, t *Task, _ *Store) {
		v := NewVersioned(t.Store("v", false), VersionedOptions{History: 600_000})
		value := make([]byte, 64)
		for i := range b.N {
			ts := int64(i)
			if i%10 == 0 {
				ts = max(0, ts-1500)
			}
			_, _, err := v.Put(benchKey(i%1000), value, ts)
			must(b, err)
			if i%10_000 == 9_999 {
				must(b, t.Commit(nil, nil))
			}
		}
	})
}

// BenchmarkTimeOrdered puts an entry and pops those that are 1000 ms old.
func BenchmarkTimeOrdered(b *testing.B) {
	onBoth(b, func(b *testing.B, t *Task, _ *Store) {
		o := NewTimeOrdered(t.Store("o", false), TimeOrderedOptions{ByKey: true})
		value := make([]byte, 64)
		for i := range b.N {
			_, err := o.Put(int64(i), benchKey(i), value)
			must(b, err)
			must(b, o.Pop(int64(i)-1000, func(int64, []byte, []byte) error { return nil }))
			if i%10_000 == 9_999 {
				must(b, t.Commit(nil, nil))
			}
		}
	})
}
