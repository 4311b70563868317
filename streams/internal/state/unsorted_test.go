package state

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestUnsorted: whatever is read, scanned and deleted between the writes, two stores of a task show what a map has, before
// a commit and after it, and a discard brings back the commit before.
func TestUnsorted(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(rt, true)
		defer w.close()
		var now, committed [2]map[string]string
		for i := range now {
			now[i], committed[i] = map[string]string{}, map[string]string{}
		}
		store := func(i int) *Store { return w.task.Store(fmt.Sprint("s", i), false) }
		key := rapid.Custom(func(t *rapid.T) []byte {
			return fmt.Appendf(nil, "%0*d", rapid.IntRange(1, 3).Draw(t, "width"), rapid.IntRange(0, 40).Draw(t, "key"))
		})
		n := rapid.IntRange(1, 200).Draw(rt, "operations")
		for range n {
			i := rapid.IntRange(0, 1).Draw(rt, "store")
			s := store(i)
			k := key.Draw(rt, "key")
			switch op := rapid.IntRange(0, 20).Draw(rt, "operation"); {
			case op < 9:
				v := bytes.Repeat(k, rapid.IntRange(0, 20).Draw(rt, "times"))
				w.must(s.Put(k, v))
				now[i][string(k)] = string(v)
			case op < 12:
				w.must(s.Delete(k))
				delete(now[i], string(k))
			case op < 15:
				got, ok, err := s.Get(k)
				w.must(err)
				if want, has := now[i][string(k)]; has != ok || string(got) != want {
					rt.Fatalf("%s is %q, %v, not %q, %v", k, got, ok, want, has)
				}
			case op == 15:
				checkRows(rt, s, now[i])
			case op == 16:
				to := key.Draw(rt, "to")
				w.must(s.DeleteRange(k, to))
				maps.DeleteFunc(now[i], func(x, _ string) bool { return x >= string(k) && x < string(to) })
			case op == 17:
				w.must(w.task.Commit(map[string]int64{"c-0": 1}, nil))
				for j := range now {
					committed[j] = maps.Clone(now[j])
				}
				if p := w.task.PendingBytes(); p != 0 {
					rt.Fatalf("%d bytes are pending after a commit", p)
				}
			case op == 18:
				w.must(w.task.Discard())
				for j := range now {
					now[j] = maps.Clone(committed[j])
				}
			case op == 19:
				w.reopen()
				for j := range now {
					now[j] = maps.Clone(committed[j])
				}
			default:
				w.must(w.task.Collect(rapid.Bool().Draw(rt, "collect")))
			}
		}
		for i := range now {
			checkRows(rt, store(i), now[i])
		}
	})
}

// checkRows holds a scan to what is wanted, and reads each key too.
func checkRows(t rapid.TB, s *Store, want map[string]string) {
	t.Helper()
	it := s.Scan(nil, nil, false)
	for _, k := range slices.Sorted(maps.Keys(want)) {
		if !it.Next() || string(it.Key()) != k || string(it.Value()) != want[k] {
			t.Fatalf("%q is %q, not %q is %q", it.Key(), it.Value(), k, want[k])
		}
	}
	if it.Next() {
		t.Fatalf("%q is too much", it.Key())
	}
	if err := it.Close(); err != nil {
		t.Fatal(err)
	}
	for k, v := range want {
		if got, ok, err := s.Get([]byte(k)); err != nil || !ok || string(got) != v {
			t.Fatalf("%q is %q, %v, %v, not %q", k, got, ok, err, v)
		}
	}
}

// TestUnsortedIsLetGo: what was emptied does not hold on to the memory of its greatest moment.
func TestUnsortedIsLetGo(t *testing.T) {
	f := &unsorted{}
	for i := range 50_000 {
		f.set(fmt.Appendf(nil, "key-%d", i), make([]byte, 100), false)
	}
	f.empty()
	f.set([]byte("a"), []byte("b"), false)
	f.empty()
	if cap(f.data) > unsortedKept || len(f.slots) > 1024 {
		t.Errorf("it holds %d bytes and %d slots", cap(f.data), len(f.slots))
	}
	if _, _, known := f.get([]byte("a")); known {
		t.Error("it knows what it was to forget")
	}
}

// BenchmarkPutsBetweenCommits: 10,000 keys that are put ten times each before they are committed.
func BenchmarkPutsBetweenCommits(b *testing.B) {
	task, s := benchTask(b, true, 10_000)
	value := make([]byte, 40)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := s.Put(benchKey(i%10_000), value); err != nil {
			b.Fatal(err)
		}
		if i%100_000 == 99_999 {
			if err := task.Commit(nil, nil); err != nil {
				b.Fatal(err)
			}
		}
	}
}
