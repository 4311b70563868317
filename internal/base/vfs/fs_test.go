package vfs

import (
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

// Each file system must behave alike: the real one is the reference.
func TestFileSystemsBehaveAlike(t *testing.T) {
	for name, c := range map[string]struct {
		fsys FS
		root string
	}{
		"os":    {OS, t.TempDir()},
		"mem":   {NewMem(1), "/data"},
		"fault": {NewFault(NewMem(1)), "/data"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := c.fsys.MkdirAll(c.root); err != nil {
				t.Fatal(err)
			}
			path := func(name string) string { return filepath.Join(c.root, name) }
			t.Run("files", func(t *testing.T) { testFiles(t, c.fsys, path) })
			t.Run("names", func(t *testing.T) { testNames(t, c.fsys, path) })
			t.Run("errors", func(t *testing.T) { testErrors(t, c.fsys, path) })
			t.Run("lock", func(t *testing.T) { testLock(t, c.fsys, path) })
			t.Run("atomic", func(t *testing.T) { testWriteFileAtomic(t, c.fsys, path) })
		})
	}
}

// failer is what the tests' helpers need of a test, a property's included.
type failer interface {
	Helper()
	Fatal(args ...any)
}

func must[T any](v T, err error) func(failer) T {
	return func(t failer) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func noErr(t failer, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func testFiles(t *testing.T, fsys FS, path func(string) string) {
	f := must(fsys.Create(path("file")))(t)
	if f.Name() != path("file") {
		t.Errorf("name %q", f.Name())
	}
	must(f.WriteAt([]byte("hello"), 0))(t)
	must(f.WriteAt([]byte("world"), 8))(t)
	noErr(t, f.Sync())
	if got := string(must(ReadFile(fsys, path("file")))(t)); got != "hello\x00\x00\x00world" {
		t.Errorf("content %q", got)
	}
	b := make([]byte, 4)
	if n, err := f.ReadAt(b, 11); n != 2 || !errors.Is(err, io.EOF) || string(b[:2]) != "ld" {
		t.Errorf("at the end: %d, %v", n, err)
	}
	if n, err := f.ReadAt(b, 100); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("past the end: %d, %v", n, err)
	}
	if n, err := f.ReadAt(b, 0); n != 4 || err != nil {
		t.Errorf("inside: %d, %v", n, err)
	}
	noErr(t, f.Truncate(3), f.Truncate(6))
	if got := string(must(ReadFile(fsys, path("file")))(t)); got != "hel\x00\x00\x00" {
		t.Errorf("after cutting and growing %q", got)
	}
	if size := must(f.Size())(t); size != 6 {
		t.Errorf("size %d", size)
	}
	g := must(fsys.OpenOrCreate(path("file")))(t)
	if size := must(g.Size())(t); size != 6 {
		t.Errorf("size %d after OpenOrCreate", size)
	}
	h := must(fsys.Create(path("file")))(t)
	if size := must(f.Size())(t); size != 0 {
		t.Errorf("size %d after Create", size)
	}
	noErr(t, f.Close(), g.Close(), h.Close())
	if _, err := f.ReadAt(b, 0); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("read after close: %v", err)
	}
	if err := f.Close(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("second close: %v", err)
	}

	// An open file outlives its name.
	open := must(fsys.Open(path("file")))(t)
	noErr(t, fsys.Remove(path("file")))
	must(open.WriteAt([]byte("still"), 0))(t)
	must(open.ReadAt(b, 0))(t)
	noErr(t, open.Close())
}

func testNames(t *testing.T, fsys FS, path func(string) string) {
	noErr(t, fsys.MkdirAll(path("a/b/c")), fsys.MkdirAll(path("a/b")))
	for _, name := range []string{"a/z", "a/y", "a/b/x"} {
		f := must(fsys.Create(path(name)))(t)
		must(f.WriteAt([]byte(name), 0))(t)
		noErr(t, f.Close())
	}
	list := func(dir string) (names []string) {
		t.Helper()
		for _, e := range must(fsys.ReadDir(path(dir)))(t) {
			if e.IsDir {
				e.Name += "/"
			}
			names = append(names, e.Name)
		}
		return names
	}
	if got := list("a"); !slices.Equal(got, []string{"b/", "y", "z"}) {
		t.Errorf("%v", got)
	}
	noErr(t, fsys.Rename(path("a/z"), path("a/y")), fsys.Rename(path("a/b"), path("moved")), fsys.SyncDir(path("a")))
	if got := list("a"); !slices.Equal(got, []string{"y"}) {
		t.Errorf("%v", got)
	}
	if got := string(must(ReadFile(fsys, path("a/y")))(t)); got != "a/z" {
		t.Errorf("the replaced file holds %q", got)
	}
	if e := must(fsys.Stat(path("moved/x")))(t); e.Name != "x" || e.Size != 5 || e.IsDir {
		t.Errorf("%+v", e)
	}
	if e := must(fsys.Stat(path("moved")))(t); !e.IsDir {
		t.Errorf("%+v", e)
	}
	noErr(t, fsys.RemoveAll(path("moved")), fsys.RemoveAll(path("moved")), fsys.RemoveAll(path("no/such")), fsys.RemoveAll(path("a")))
	if ok := must(Exists(fsys, path("moved")))(t); ok {
		t.Error("moved is still there")
	}
	total, free, err := fsys.Usage(path("."))
	if err != nil || free <= 0 || total < free {
		t.Errorf("usage %d of %d, %v", free, total, err)
	}
}

func testErrors(t *testing.T, fsys FS, path func(string) string) {
	noErr(t, fsys.MkdirAll(path("dir/full")))
	f := must(fsys.Create(path("dir/full/f")))(t)
	noErr(t, f.Close())
	open := func(name string) error { _, err := fsys.Open(path(name)); return err }
	create := func(name string) error { _, err := fsys.Create(path(name)); return err }
	readDir := func(name string) error { _, err := fsys.ReadDir(path(name)); return err }
	stat := func(name string) error { _, err := fsys.Stat(path(name)); return err }
	for name, c := range map[string]struct{ got, want error }{
		"open nothing":            {open("none"), fs.ErrNotExist},
		"create without a parent": {create("none/f"), fs.ErrNotExist},
		"create over a directory": {create("dir"), syscall.EISDIR},
		"a file as a directory":   {create("dir/full/f/g"), syscall.ENOTDIR},
		"mkdir through a file":    {fsys.MkdirAll(path("dir/full/f/g")), syscall.ENOTDIR},
		"remove nothing":          {fsys.Remove(path("none")), fs.ErrNotExist},
		"remove a full directory": {fsys.Remove(path("dir/full")), syscall.ENOTEMPTY},
		"rename nothing":          {fsys.Rename(path("none"), path("other")), fs.ErrNotExist},
		"rename into itself":      {fsys.Rename(path("dir"), path("dir/full/x")), syscall.EINVAL},
		"rename a directory over a file": {
			fsys.Rename(path("dir/full"), path("dir/full/f")), syscall.EINVAL},
		"list nothing":       {readDir("none"), fs.ErrNotExist},
		"list a file":        {readDir("dir/full/f"), syscall.ENOTDIR},
		"stat nothing":       {stat("none"), fs.ErrNotExist},
		"sync a missing dir": {fsys.SyncDir(path("none")), fs.ErrNotExist},
	} {
		if !errors.Is(c.got, c.want) {
			t.Errorf("%s: %v, want %v", name, c.got, c.want)
		}
		if _, ok := errors.AsType[*fs.PathError](c.got); !ok && name[:6] != "rename" {
			t.Errorf("%s: %T is no path error", name, c.got)
		}
	}
}

func testLock(t *testing.T, fsys FS, path func(string) string) {
	l := must(fsys.Lock(path(".lock")))(t)
	if _, err := fsys.Lock(path(".lock")); !errors.Is(err, ErrLocked) {
		t.Errorf("second lock: %v", err)
	}
	noErr(t, l.Close())
	l = must(fsys.Lock(path(".lock")))(t)
	noErr(t, l.Close())
}

func testWriteFileAtomic(t *testing.T, fsys FS, path func(string) string) {
	noErr(t, WriteFileAtomic(fsys, path("ck"), []byte("one, rather long")), WriteFileAtomic(fsys, path("ck"), []byte("two")))
	if got := string(must(ReadFile(fsys, path("ck")))(t)); got != "two" {
		t.Errorf("%q", got)
	}
	if ok := must(Exists(fsys, path("ck.tmp")))(t); ok {
		t.Error("the temporary file is left")
	}
	if err := WriteFileAtomic(fsys, path("none/ck"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func TestOnlyRealFilesHaveADescriptor(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		fsys FS
		want bool
	}{{OS, true}, {NewFault(OS), false}, {NewMem(1), false}} {
		noErr(t, c.fsys.MkdirAll(dir))
		f := must(c.fsys.Create(filepath.Join(dir, "f")))(t)
		if _, ok := f.Fd(); ok != c.want {
			t.Errorf("%T: descriptor %v", c.fsys, ok)
		}
		noErr(t, f.Close())
	}
}
