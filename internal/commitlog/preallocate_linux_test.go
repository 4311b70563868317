package commitlog

import (
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/base/vfs"
	"leat.dev/internal/wire/batch"
)

// The blocks of a preallocated segment are set aside beyond its end, and given back when it is closed.
func TestPreallocate(t *testing.T) {
	dir := t.TempDir()
	c := DefaultConfig()
	c.Preallocate, c.SegmentBytes = true, 4<<20
	l, err := Open(Options{FS: vfs.OS, Clock: clock.System, Dir: dir, Topic: "t", Config: c})
	if err != nil {
		t.Fatal(err)
	}
	b := batch.NewBuilder(batch.BuilderOptions{})
	b.Append(1, nil, []byte("value"), nil)
	one, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.AppendLeader(one, AppendOptions{}); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "00000000000000000000.log")
	f, err := vfs.OS.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if !vfs.Reserve(f, 4<<20) {
		t.Skip("this file system does not reserve blocks")
	}
	size, err := f.Size()
	if err != nil {
		t.Fatal(err)
	}
	if got := blocks(t, name); got < 4<<20 || size != l.Size() {
		t.Errorf("open: %d bytes of blocks for a file of %d", got, size)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got := blocks(t, name); got > 1<<20 {
		t.Errorf("closed: %d bytes of blocks for a file of %d", got, size)
	}
}

func blocks(t *testing.T, name string) int64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(name, &st); err != nil {
		t.Fatal(err)
	}
	return st.Blocks * 512
}
