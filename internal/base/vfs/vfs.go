// Package vfs is the file system everything on disk goes through.
//
// OS is the real one. Mem is a disk in memory whose Crash shows what a power
// cut may leave behind, decided by a seed. Fault wraps another FS and fails
// chosen operations. Code that takes an FS can therefore be tested against
// lost, torn and corrupted writes, full disks and I/O errors, deterministically.
//
// What is durable when, for every FS here:
//   - the bytes and the size of a file: after File.Sync returned nil;
//   - its name (creation, rename, removal): after SyncDir of its directory.
//
// The package starts no goroutines. Every FS and File is safe for concurrent
// use, as far as overlapping writes have a meaning.
package vfs

import (
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"time"
)

// ErrLocked is returned by Lock for a name that is locked already, by this
// process or another.
var ErrLocked = errors.New("locked by another process")

// File is an open file. Offsets are always explicit: there is no position.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Truncate sets the size; growing adds zeros.
	Truncate(size int64) error
	// Sync makes the data and the size durable. After an error nothing is
	// known about the unsynced writes: a second Sync may return nil although
	// they were dropped, so the file must be read back or given up.
	Sync() error
	Size() (int64, error)
	// Name is the name the file was opened with; it does not follow renames.
	Name() string
	// Fd returns the descriptor of a real file, for sendfile. It is valid
	// until Close. ok is false for files that are not real.
	Fd() (fd uintptr, ok bool)
}

// DirEntry describes a file or directory.
type DirEntry struct {
	Name    string // without the directory
	IsDir   bool
	Size    int64
	ModTime time.Time
}

// FS is a file system. Errors satisfy errors.Is for fs.ErrNotExist,
// fs.ErrExist, fs.ErrPermission and the system's error numbers.
type FS interface {
	// Open opens an existing file for reading and writing.
	Open(name string) (File, error)
	// Create creates the file, or cuts an existing one to nothing.
	Create(name string) (File, error)
	// OpenOrCreate opens the file, creating it empty if it does not exist.
	OpenOrCreate(name string) (File, error)
	MkdirAll(dir string) error
	Remove(name string) error
	// RemoveAll removes name and what is below it; a missing name is no error.
	RemoveAll(name string) error
	// Rename moves from to to, replacing a file of that name.
	Rename(from, to string) error
	// ReadDir lists a directory, sorted by name.
	ReadDir(dir string) ([]DirEntry, error)
	Stat(name string) (DirEntry, error)
	// SyncDir makes creations, renames and removals in dir durable.
	SyncDir(dir string) error
	// Lock takes an exclusive lock on the file name, creating it if needed.
	// It ends with Close or with the process.
	Lock(name string) (io.Closer, error)
	// Usage tells the size and the free bytes of the disk holding dir.
	Usage(dir string) (total, free int64, err error)
}

// ReadFile reads the whole file.
func ReadFile(fsys FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	b := make([]byte, size)
	n, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return b[:n], nil
}

// WriteFileAtomic replaces the content of name so that, whenever the machine
// stops, the file holds either the old content or the new one. It goes through
// name+".tmp" in the same directory.
func WriteFileAtomic(fsys FS, name string, data []byte) error {
	tmp := name + ".tmp"
	f, err := fsys.Create(tmp)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(data, 0)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = fsys.Rename(tmp, name)
	}
	if err != nil {
		// Best effort: the error that made the file useless is the one to report.
		_ = fsys.Remove(tmp)
		return err
	}
	return fsys.SyncDir(filepath.Dir(name))
}

// Exists tells whether name is there; an error other than "not exist" is returned.
func Exists(fsys FS, name string) (bool, error) {
	_, err := fsys.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Reserve asks the file system to set aside the blocks of the first size bytes of f without changing what the file
// holds or its size; truncating the file gives back what lies beyond its end. It is a hint: false says that nothing
// was reserved, because there is no room or the file system cannot.
func Reserve(f File, size int64) bool {
	r, ok := f.(interface{ reserve(size int64) bool })
	return ok && r.reserve(size)
}
