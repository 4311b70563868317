package state

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"leat.dev/internal/base/clock"
)

// Durability says what a commit waits for. In each case, what a crash leaves is
// some commit of each task as a whole.
type Durability int

const (
	// Logged writes commits to a log without waiting for it: a killed process
	// loses what has not filled a block of the log, 32 KiB or little more, a
	// machine without power the last moments. The changelog still has that.
	Logged Durability = iota
	// Synced waits until the disk has the commit.
	Synced
	// Unlogged writes no log: a crash loses up to four memtables of commits,
	// which the changelog still has; a Close loses nothing.
	Unlogged
)

// Options of a DB on disk. The zero value gives the defaults.
type Options struct {
	FS          vfs.FS // nil: the machine's
	Durability  Durability
	CacheBytes  int64 // of blocks, shared by all tasks; default 16 MiB, at least 1 MiB
	MemtableMiB int   // the most of each of up to four memtables of a task; default 8, 1 to 512
	MemoryBytes int64 // of all memtables together, about: above it the largest is flushed; default 32 MiB, at least 1 MiB
	OpenFiles   int   // about, of all tasks together; default 1000, at least 64
	Compactions int   // at the same time, of all tasks together; default 2, 1 to 16
	Clock       clock.Clock
	Logger      *slog.Logger // nil: says nothing

	tableMin int // bytes from which on what was collected becomes a table; default tableMinBytes
}

func (o Options) withDefaults() (Options, error) {
	def(&o.CacheBytes, 16<<20)
	def(&o.MemtableMiB, 8)
	def(&o.MemoryBytes, 32<<20)
	def(&o.OpenFiles, 1000)
	def(&o.tableMin, tableMinBytes)
	def(&o.Compactions, 2)
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, errors.Join(
		between("CacheBytes", o.CacheBytes, 1<<20, 1<<40),
		between("MemoryBytes", o.MemoryBytes, 1<<20, 1<<40),
		between("MemtableMiB", int64(o.MemtableMiB), 1, 512),
		between("OpenFiles", int64(o.OpenFiles), 64, 1<<20),
		between("Compactions", int64(o.Compactions), 1, 16),
		between("Durability", int64(o.Durability), int64(Logged), int64(Unlogged)))
}

func def[T int | int64](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

func between(name string, v, lo, hi int64) error {
	if v < lo || v > hi {
		return fmt.Errorf("state option %s is %d, not between %d and %d", name, v, lo, hi)
	}
	return nil
}

const (
	versionFile = "streams-state"
	versionText = "leat streams state 2\n"
	tasksDir    = "tasks"
	databaseDir = "db"
	ownerFile   = "owner"
)

// Open opens the state in the directory, made if it is new; one DB has it at a
// time, else ErrLocked. ErrVersion leaves the choice to [Remove] it: the
// changelogs have all of it. Tasks are opened when they are asked for: what is
// wrong with one concerns nobody else.
func Open(dir string, o Options) (db *DB, err error) {
	o, err = o.withDefaults()
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("open state in %s: %w", dir, classify(err))
			db = nil
		}
	}()
	db = &DB{owned: map[string]*Task{}, onDisk: true, opts: o, dir: dir, bases: map[string]*database{}, infos: map[string]*taskFile{}}
	db.turns.limit = o.Compactions
	db.bulks.New = func() any { return &bulk{} }
	db.unsorteds.New = func() any { return &unsorted{} }
	if err := o.FS.MkdirAll(o.FS.PathJoin(dir, tasksDir), 0o750); err != nil {
		return nil, err
	}
	lock, err := lockDirectory(dir, o.FS)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, lock.Close())
		}
	}()
	if err := checkVersion(o.FS, dir); err != nil {
		return nil, err
	}
	if err := db.readInfos(); err != nil {
		return nil, err
	}
	db.lock = lock
	db.cache = pebble.NewCache(o.CacheBytes)
	db.files = pebble.NewFileCache(4, o.OpenFiles)
	return db, nil
}

// lockDirectory takes the lock, and leaves in the directory who has it.
func lockDirectory(dir string, fs vfs.FS) (*pebble.Lock, error) {
	name := fs.PathJoin(dir, ownerFile)
	lock, err := pebble.LockDirectory(dir, fs)
	if err != nil {
		owner, readErr := readFile(fs, name)
		if readErr != nil || len(owner) == 0 {
			return nil, fmt.Errorf("%w: %w", ErrLocked, err)
		}
		return nil, fmt.Errorf("%w by %s: %w", ErrLocked, bytes.TrimSpace(owner), err)
	}
	host, _ := os.Hostname() // it only helps
	_ = writeFile(fs, name, fmt.Appendf(nil, "process %d on %s\n", os.Getpid(), host))
	return lock, nil
}

// Remove deletes the state in the directory, which no DB has open.
func Remove(dir string, fs vfs.FS) error {
	if fs == nil {
		fs = vfs.Default
	}
	if _, err := fs.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	lock, err := lockDirectory(dir, fs)
	if err != nil {
		return fmt.Errorf("remove state in %s: %w", dir, err)
	}
	// The version goes first: a directory that is half gone is refused, and removed again.
	err = fs.Remove(fs.PathJoin(dir, versionFile))
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return errors.Join(err, lock.Close())
	}
	err = fs.RemoveAll(fs.PathJoin(dir, tasksDir))
	old := fs.RemoveAll(fs.PathJoin(dir, databaseDir)) // of version 1
	return errors.Join(err, old, lock.Close())
}

// checkVersion reads the version file, or writes it into a new directory.
func checkVersion(fs vfs.FS, dir string) error {
	name := fs.PathJoin(dir, versionFile)
	b, err := readFile(fs, name)
	if errors.Is(err, os.ErrNotExist) {
		return writeVersion(fs, dir, name)
	}
	if err != nil {
		return err
	}
	if !bytes.Equal(b, []byte(versionText)) {
		return fmt.Errorf("%w: %s holds %q", ErrVersion, versionFile, b)
	}
	return nil
}

func writeVersion(fs vfs.FS, dir, name string) error {
	for _, sub := range []string{tasksDir, databaseDir} {
		if old, err := fs.List(fs.PathJoin(dir, sub)); err == nil && len(old) > 0 {
			return fmt.Errorf("%w: %s is missing", ErrVersion, versionFile)
		}
	}
	if err := writeFile(fs, name, []byte(versionText)); err != nil {
		return err
	}
	return syncDir(fs, dir)
}

func readFile(fs vfs.FS, name string) ([]byte, error) {
	f, err := fs.Open(name)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, 1<<20))
	return b, errors.Join(err, f.Close())
}

// writeFile writes a file that is there as a whole or not at all.
func writeFile(fs vfs.FS, name string, b []byte) error {
	f, err := fs.Create(name+".tmp", vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return fs.Rename(name+".tmp", name)
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// classify puts our names on what Pebble and the operating system say.
func classify(err error) error {
	switch {
	case err == nil, errors.Is(err, ErrCorrupt), errors.Is(err, ErrNoSpace), errors.Is(err, ErrVersion):
		return err
	case pebble.IsCorruptionError(err):
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	case vfs.IsNoSpaceError(err):
		return fmt.Errorf("%w: %w", ErrNoSpace, err)
	}
	return err
}

// guard runs a call into Pebble for the store and says where it failed.
func (s *Store) guard(op string, f func() error) error {
	if s.db == nil {
		return s.fail(op, s.broken)
	}
	if err := s.db.protect(f); err != nil {
		return s.fail(op, err)
	}
	return nil
}
