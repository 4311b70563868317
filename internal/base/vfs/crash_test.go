package vfs

import (
	"bytes"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestSyncedSurvivesEverything(t *testing.T) {
	for seed := range uint64(200) {
		m := NewMem(seed)
		noErr(t, m.MkdirAll("/d"), m.SyncDir("/"), WriteFileAtomic(m, "/d/f", []byte("kept")))
		f := must(m.Open("/d/f"))(t)
		must(f.WriteAt(bytes.Repeat([]byte("x"), 2000), 4))(t)
		got := must(ReadFile(m.Crash(), "/d/f"))(t)
		if !bytes.HasPrefix(got, []byte("kept")) {
			t.Fatalf("seed %d: %q", seed, got)
		}
	}
}

// Over many seeds each fate must occur, or the simulation shows too little.
func TestFatesOfAnUnsyncedWrite(t *testing.T) {
	before, after := bytes.Repeat([]byte("o"), 4096), bytes.Repeat([]byte("n"), 8192)
	fates := map[string]int{}
	for seed := range uint64(1000) {
		m := NewMem(seed)
		f := must(m.Create("/f"))(t)
		must(f.WriteAt(before, 0))(t)
		noErr(t, f.Sync(), m.SyncDir("/"))
		must(f.WriteAt(after, 0))(t)
		got := must(ReadFile(m.Crash(), "/f"))(t)
		switch {
		case bytes.Equal(got, before):
			fates["lost"]++
		case bytes.Equal(got, after):
			fates["kept"]++
		case len(got) != len(before) && len(got) != len(after):
			t.Fatalf("seed %d: %d bytes", seed, len(got))
		default:
			for at := 0; at < len(got); at += sectorBytes {
				s := got[at : at+sectorBytes]
				switch {
				case bytes.Equal(s, after[:sectorBytes]):
					fates["sector new"]++
				case at < len(before) && bytes.Equal(s, before[:sectorBytes]):
					fates["sector old"]++
				case at >= len(before) && bytes.Equal(s, make([]byte, sectorBytes)):
					fates["sector zero"]++
				default:
					fates["sector garbage"]++
				}
			}
		}
	}
	t.Log(fates)
	for _, fate := range []string{"lost", "kept", "sector new", "sector old", "sector zero", "sector garbage"} {
		if fates[fate] < 20 {
			t.Errorf("%s: %d times", fate, fates[fate])
		}
	}
}

func TestCrashIsDecidedByTheSeed(t *testing.T) {
	run := func(seed uint64) string {
		m := NewMem(seed)
		for i := range 20 {
			noErr(t, m.MkdirAll(fmt.Sprint("/d", i%3)))
			f := must(m.Create(fmt.Sprintf("/d%d/f%d", i%3, i)))(t)
			must(f.WriteAt(bytes.Repeat([]byte{byte(i)}, 700*i), 0))(t)
			if i%4 == 0 {
				noErr(t, f.Sync(), m.SyncDir("/"))
			}
		}
		return dump(t, m.Crash(), "/") + dump(t, m.Crash().Crash(), "/")
	}
	different := 0
	for seed := range uint64(20) {
		disk := run(seed)
		if again := run(seed); again != disk {
			t.Fatalf("seed %d gives two disks", seed)
		}
		if disk != run(seed+1) {
			different++
		}
	}
	if different < 15 {
		t.Errorf("only %d of 20 seeds differ from the next", different)
	}
}

func dump(t failer, fsys FS, dir string) string {
	var out strings.Builder
	for _, e := range must(fsys.ReadDir(dir))(t) {
		name := strings.TrimSuffix(dir, "/") + "/" + e.Name
		if e.IsDir {
			fmt.Fprintf(&out, "%s/\n%s", name, dump(t, fsys, name))
			continue
		}
		fmt.Fprintf(&out, "%s %x\n", name, must(ReadFile(fsys, name))(t))
	}
	return out.String()
}

// Every file after a crash must be explained by the history since its Sync:
// its size by one moment, each sector by one moment or by garbage in bytes
// that were written since.
func TestCrashedFilesAreExplainable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := NewMem(rapid.Uint64().Draw(t, "seed"))
		f := must(m.Create("/f"))(t)
		noErr(t, m.SyncDir("/"))
		history := [][]byte{nil} // contents since the last Sync
		written := map[int]bool{}
		for range rapid.IntRange(1, 30).Draw(t, "ops") {
			switch rapid.IntRange(0, 5).Draw(t, "op") {
			case 0:
				noErr(t, f.Sync())
				history = history[len(history)-1:]
				clear(written)
				continue
			case 1:
				noErr(t, f.Truncate(rapid.Int64Range(0, 4000).Draw(t, "size")))
			default:
				off := rapid.Int64Range(0, 3000).Draw(t, "off")
				b := bytes.Repeat([]byte{byte(rapid.IntRange(1, 255).Draw(t, "byte"))}, rapid.IntRange(1, 1500).Draw(t, "len"))
				must(f.WriteAt(b, off))(t)
				for i := range b {
					written[int(off)+i] = true
				}
			}
			history = append(history, must(ReadFile(m, "/f"))(t))
		}
		for range 5 {
			checkExplainable(t, must(ReadFile(m.Crash(), "/f"))(t), history, written)
		}
		if got := must(ReadFile(m.Kill(), "/f"))(t); !bytes.Equal(got, history[len(history)-1]) {
			t.Fatal("killing the process loses data")
		}
	})
}

func checkExplainable(t *rapid.T, got []byte, history [][]byte, written map[int]bool) {
	if !slices.ContainsFunc(history, func(h []byte) bool { return len(h) == len(got) }) {
		t.Fatalf("%d bytes, which it never had", len(got))
	}
	for at := 0; at < len(got); at += sectorBytes {
		end := min(at+sectorBytes, len(got))
		if !slices.ContainsFunc(history, func(h []byte) bool {
			for i := at; i < end; i++ {
				want := byte(0)
				if i < len(h) {
					want = h[i]
				}
				if got[i] != want && !written[i] {
					return false
				}
			}
			return true
		}) {
			t.Fatalf("sector at %d is from no moment", at)
		}
	}
}

// A directory after a crash must look as it did at some moment since its
// SyncDir; a rename between two directories never loses or doubles the file.
func TestCrashedDirectoriesAreExplainable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := NewMem(rapid.Uint64().Draw(t, "seed"))
		dirs := []string{"/a", "/b"}
		for _, d := range dirs {
			noErr(t, m.MkdirAll(d))
		}
		noErr(t, m.SyncDir("/"))
		look := func(fsys FS, dir string) string {
			var names []string
			for _, e := range must(fsys.ReadDir(dir))(t) {
				names = append(names, e.Name)
			}
			return strings.Join(names, " ")
		}
		history := map[string][]string{}
		for _, d := range dirs {
			history[d] = []string{""}
		}
		for i := range rapid.IntRange(1, 25).Draw(t, "ops") {
			d := rapid.SampledFrom(dirs).Draw(t, "dir")
			names := strings.Fields(look(m, d))
			switch op := rapid.IntRange(0, 4).Draw(t, "op"); {
			case op == 0:
				noErr(t, m.SyncDir(d))
				history[d] = history[d][len(history[d])-1:]
			case op == 1 && len(names) > 0:
				noErr(t, m.Remove(d+"/"+names[0]))
			case op == 2 && len(names) > 0:
				to := rapid.SampledFrom(dirs).Draw(t, "to")
				name := names[len(names)-1]
				noErr(t, m.Rename(d+"/"+name, to+"/"+name))
			default:
				f := must(m.Create(fmt.Sprintf("%s/f%02d", d, i)))(t)
				noErr(t, f.Close())
			}
			for _, d := range dirs {
				history[d] = append(history[d], look(m, d))
			}
		}
		for range 5 {
			c := m.Crash()
			seen := map[string]bool{}
			for _, d := range dirs {
				now := look(c, d)
				if !slices.Contains(history[d], now) {
					t.Fatalf("%s holds %q, which it never did", d, now)
				}
				for _, name := range strings.Fields(now) {
					if seen[name] {
						t.Fatalf("%s is in both directories", name)
					}
					seen[name] = true
				}
			}
		}
		if dump(t, m.Kill(), "/") != dump(t, m, "/") {
			t.Fatal("killing the process changes directories")
		}
	})
}

func TestUnsyncedNamesMayBeLost(t *testing.T) {
	fates := map[string]int{}
	for seed := range uint64(300) {
		m := NewMem(seed)
		noErr(t, m.MkdirAll("/d"), m.SyncDir("/"))
		f := must(m.Create("/d/old"))(t)
		must(f.WriteAt([]byte("content"), 0))(t)
		noErr(t, f.Sync(), m.SyncDir("/d"), m.Rename("/d/old", "/d/new"))
		must(m.Create("/d/later"))(t)
		fates[dump(t, m.Crash(), "/d")]++
	}
	const content = " 636f6e74656e74\n"
	for _, fate := range []string{"/d/old" + content, "/d/new" + content, "/d/later \n/d/new" + content} {
		if fates[fate] < 20 {
			t.Errorf("%q: %d times", fate, fates[fate])
		}
	}
	if len(fates) != 3 {
		t.Errorf("%v", fates)
	}
}

func TestLocksEndWithTheProcess(t *testing.T) {
	m := NewMem(1)
	must(m.Lock("/.lock"))(t)
	for _, next := range []*Mem{m.Kill(), m.Crash()} {
		must(next.Lock("/.lock"))(t)
	}
}

// A log preallocates its indexes: with a thousand partitions the holes alone
// would be tens of gigabytes.
func TestHolesTakeNoMemory(t *testing.T) {
	m := NewMem(1)
	for i := range 1000 {
		f := must(m.Create(fmt.Sprintf("/%d.index", i)))(t)
		noErr(t, f.Truncate(10<<20))
		must(f.WriteAt([]byte("entry"), 0))(t)
		if i%2 == 0 {
			noErr(t, f.Sync())
		}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	m.Crash()
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 200<<20 {
		t.Errorf("%d bytes for a crash", used)
	}
	noErr(t, m.SyncDir("/"))
	crashed := m.Crash()
	if got := must(ReadFile(crashed, "/0.index"))(t); len(got) != 10<<20 || !bytes.HasPrefix(got, []byte("entry\x00")) {
		t.Errorf("%d bytes", len(got))
	}
}
