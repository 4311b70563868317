package state

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"
)

// world is a DB on one of the backends, with one task open, that can be
// committed, discarded, reopened and crashed.
type world struct {
	t    rapid.TB
	disk bool
	fs   *vfs.MemFS
	db   *DB
	task *Task
}

func newWorld(t rapid.TB, disk bool) *world {
	w := &world{t: t, disk: disk}
	if disk {
		w.fs = vfs.NewCrashableMem()
	}
	w.open()
	return w
}

func (w *world) open() {
	w.t.Helper()
	switch {
	case w.disk:
		db, err := Open("state", Options{FS: w.fs, MemtableMiB: 1, CacheBytes: 1 << 20, tableMin: 200, Logger: slog.New(slog.DiscardHandler)})
		w.must(err)
		w.db = db
	case w.db == nil:
		w.db = Memory()
	}
	task, err := w.db.Task("0_0")
	w.must(err)
	w.task = task
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// reopen closes everything and opens it again; what was pending is lost.
func (w *world) reopen() {
	w.must(w.task.Close())
	if w.disk {
		w.must(w.db.Close())
	}
	w.open()
}

// crash goes on with what a machine finds after losing power now.
func (w *world) crash(seed uint64) {
	if !w.disk {
		w.reopen()
		return
	}
	after := w.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: int(seed % 101), RNG: rand.New(rand.NewPCG(seed, 1))})
	w.must(w.db.Close())
	w.fs = after
	w.open()
}

func (w *world) close() {
	w.must(w.db.Close())
}

// backends runs the test on memory and on Pebble.
func backends(t *testing.T, f func(t *testing.T, disk bool)) {
	for _, disk := range []bool{false, true} {
		t.Run(map[bool]string{false: "memory", true: "pebble"}[disk], func(t *testing.T) { f(t, disk) })
	}
}

// image of the naive model: sorted by hand when it is read.
type naive map[string]string

func (m naive) scan(from, to []byte, reverse bool) []string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if (from == nil || k >= string(from)) && (to == nil || k < string(to)) {
			out = append(out, k+"="+m[k])
		}
	}
	if reverse {
		slices.Reverse(out)
	}
	return out
}

func drain(t rapid.TB, it *Iterator) []string {
	var out []string
	for it.Next() {
		out = append(out, string(it.Key())+"="+string(it.Value()))
	}
	if err := it.Close(); err != nil {
		t.Fatal(err)
	}
	return out
}

var keyGen = rapid.Custom(func(t *rapid.T) []byte {
	return rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 'a', 'b', 0xff}), 0, 4).Draw(t, "key")
})

func orNil(t *rapid.T, label string) []byte {
	if rapid.IntRange(0, 3).Draw(t, label+"?") == 0 {
		return nil
	}
	return keyGen.Draw(t, label)
}

// TestStoreModel holds a task's stores against sorted maps, through commits,
// discards, reopening and crashes. Each commit has its number as an offset and
// in the metadata: what a crash leaves must be one commit as a whole.
func TestStoreModel(t *testing.T) {
	backends(t, func(t *testing.T, disk bool) {
		rapid.Check(t, func(t *rapid.T) { storeModel(t, disk) })
	})
}

func storeModel(t *rapid.T, disk bool) {
	w := newWorld(t, disk)
	defer func() { w.close() }()
	names := []string{"a", "b", "mem"}
	type image struct {
		stores map[string]naive
		times  map[string]int64
	}
	clone := func(i image) image {
		c := image{map[string]naive{}, maps.Clone(i.times)}
		for n, m := range i.stores {
			c.stores[n] = maps.Clone(m)
		}
		return c
	}
	now := image{map[string]naive{}, map[string]int64{}}
	for _, n := range names {
		now.stores[n], now.times[n] = naive{}, -1
	}
	commits := []image{clone(now)}
	stores := map[string]*Store{}
	openStores := func() {
		for _, n := range names {
			stores[n] = w.task.Store(n, n == "mem")
			w.task.Bind(stores[n], "log-"+n)
		}
	}
	back := func(i int64) { // to a commit, in a new process
		commits = commits[:i+1]
		now = clone(commits[i])
		now.stores["mem"], now.times["mem"] = naive{}, -1
		commits[i] = clone(now)
		openStores()
	}
	agree := func(t *rapid.T) {
		meta := w.task.Meta()["n"]
		offsets := w.task.Offsets()
		if offsets["log-a"] != meta || offsets["log-mem"] != 0 {
			t.Fatalf("offsets %v do not agree with metadata %d", offsets, meta)
		}
		if meta > int64(len(commits)-1) {
			t.Fatalf("commit %d of %d", meta, len(commits)-1)
		}
		back(meta)
	}
	openStores()
	pick := func(t *rapid.T) (string, *Store, naive) {
		n := rapid.SampledFrom(names).Draw(t, "store")
		return n, stores[n], now.stores[n]
	}
	check := func(t *rapid.T) {
		for _, n := range names {
			if got, want := drain(t, stores[n].Scan(nil, nil, false)), now.stores[n].scan(nil, nil, false); !slices.Equal(got, want) {
				t.Fatalf("store %s holds %q, not %q", n, got, want)
			}
			if got := stores[n].time(); got != now.times[n] {
				t.Fatalf("store %s has observed %d, not %d", n, got, now.times[n])
			}
		}
	}
	t.Repeat(map[string]func(*rapid.T){
		"put": func(t *rapid.T) {
			_, s, m := pick(t)
			k, v := keyGen.Draw(t, "k"), keyGen.Draw(t, "v")
			w.must(s.Put(k, v))
			m[string(k)] = string(v)
		},
		"delete": func(t *rapid.T) {
			_, s, m := pick(t)
			k := keyGen.Draw(t, "k")
			w.must(s.Delete(k))
			delete(m, string(k))
		},
		"restore": func(t *rapid.T) { // as from a changelog, committed on the way
			n := int64(len(commits))
			w.must(w.task.Collect(true))
			for range rapid.IntRange(0, 30).Draw(t, "n") {
				name, s, m := pick(t)
				k := keyGen.Draw(t, "k")
				if rapid.IntRange(0, 2).Draw(t, "deletes") == 0 {
					w.must(s.Delete(k))
					delete(m, string(k))
				} else {
					w.must(s.Put(k, k))
					m[string(k)] = string(k)
				}
				s.observe(n)
				now.times[name] = max(now.times[name], n)
			}
			if rapid.Bool().Draw(t, "commits") {
				w.must(w.task.Commit(map[string]int64{"log-a": n, "log-mem": n}, map[string]int64{"n": n}))
				commits = append(commits, clone(now))
			}
		},
		"deleteRange": func(t *rapid.T) {
			_, s, m := pick(t)
			from, to := orNil(t, "from"), orNil(t, "to")
			w.must(s.DeleteRange(from, to))
			maps.DeleteFunc(m, func(k, _ string) bool { return k >= string(from) && (to == nil || k < string(to)) })
		},
		"observe": func(t *rapid.T) {
			n, s, _ := pick(t)
			ts := rapid.Int64Range(0, 1000).Draw(t, "ts")
			s.observe(ts)
			now.times[n] = max(now.times[n], ts)
		},
		"get": func(t *rapid.T) {
			_, s, m := pick(t)
			k := keyGen.Draw(t, "k")
			v, ok, err := s.Get(k)
			w.must(err)
			if want, has := m[string(k)]; ok != has || string(v) != want {
				t.Fatalf("get %q: %q %v, not %q %v", k, v, ok, want, has)
			}
		},
		"scan": func(t *rapid.T) { // with writes meanwhile
			_, s, m := pick(t)
			from, to, reverse := orNil(t, "from"), orNil(t, "to"), rapid.Bool().Draw(t, "reverse")
			want := m.scan(from, to, reverse)
			it := s.Scan(from, to, reverse)
			var got []string
			for it.Next() {
				got = append(got, string(it.Key())+"="+string(it.Value()))
				k := keyGen.Draw(t, "k")
				if rapid.Bool().Draw(t, "put") {
					w.must(s.Put(k, []byte("new")))
					m[string(k)] = "new"
				} else {
					w.must(s.Delete(k))
					delete(m, string(k))
				}
			}
			w.must(it.Close())
			if !slices.Equal(got, want) {
				t.Fatalf("scan [%q, %q) reverse=%v: %q, not %q", from, to, reverse, got, want)
			}
		},
		"wipe": func(t *rapid.T) {
			n, _, m := pick(t)
			w.must(w.task.Wipe(n))
			clear(m)
			now.times[n] = -1
			if _, ok := w.task.Offsets()["log-"+n]; ok {
				t.Fatalf("the offset of %s is still there", n)
			}
			// The next commit gives the offset again.
		},
		"commit": func(t *rapid.T) {
			n := int64(len(commits))
			w.must(w.task.Commit(map[string]int64{"log-a": n, "log-mem": n}, map[string]int64{"n": n}))
			commits = append(commits, clone(now))
			if w.task.PendingBytes() != 0 {
				t.Fatalf("%d bytes pending after a commit", w.task.PendingBytes())
			}
		},
		"discard": func(t *rapid.T) {
			w.must(w.task.Discard())
			now = clone(commits[len(commits)-1])
		},
		"snapshot": func(t *rapid.T) {
			snap := w.task.Snapshot()
			last := commits[len(commits)-1]
			for _, n := range names {
				if got, want := drain(t, snap.Store(n).Scan(nil, nil, true)), last.stores[n].scan(nil, nil, true); !slices.Equal(got, want) {
					t.Fatalf("snapshot of %s shows %q, not %q", n, got, want)
				}
			}
			w.must(snap.Close())
		},
		"reopen": func(t *rapid.T) {
			w.reopen()
			agree(t)
			if int64(len(commits)-1) != w.task.Meta()["n"] {
				t.Fatal("a commit is lost without a crash")
			}
		},
		"crash": func(t *rapid.T) {
			w.crash(rapid.Uint64().Draw(t, "seed"))
			agree(t)
		},
		"": check,
	})
}

// TestIteratorExpires: an iterator that is open across a commit ends with an error.
func TestIteratorExpires(t *testing.T) {
	backends(t, func(t *testing.T, disk bool) {
		w := newWorld(t, disk)
		defer w.close()
		s := w.task.Store("s", false)
		for i := range 10 {
			w.must(s.Put(fmt.Appendf(nil, "%d", i), bytes.Repeat([]byte("x"), 100)))
		}
		w.must(w.task.Commit(nil, nil))
		for name, end := range map[string]func() error{
			"commit":  func() error { return w.task.Commit(nil, nil) },
			"discard": w.task.Discard,
		} {
			it := s.Scan(nil, nil, false)
			if !it.Next() {
				t.Fatalf("%s: nothing to see", name)
			}
			w.must(end())
			if it.Next() || it.Err() == nil {
				t.Fatalf("%s: the iterator goes on", name)
			}
			it.Close()
		}
	})
}

// flush writes the memtables of all tasks.
func flush(db *DB) error {
	for _, d := range db.bases {
		if err := d.pdb.Flush(); err != nil {
			return err
		}
	}
	return nil
}
