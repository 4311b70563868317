package vfs

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// memTotal is the size of the disk that Mem reports.
const memTotal = 1 << 40

// Mem is a disk in memory that remembers what of it is durable. Crash returns
// it as it may look after a power cut; crash.go says what may happen to it.
// Its files have no descriptor, and holes in them take no memory.
type Mem struct {
	mu    sync.RWMutex
	root  *memDir
	locks map[string]bool
	rng   *rand.Rand
	now   func() time.Time
}

// NewMem returns an empty disk whose crashes are decided by the seed.
func NewMem(seed uint64) *Mem {
	epoch := time.Unix(0, 0)
	return &Mem{
		root:  newMemDir(),
		locks: map[string]bool{},
		rng:   rand.New(rand.NewPCG(seed, 0x6c656174)),
		now:   func() time.Time { return epoch },
	}
}

// SetNow sets where modification times come from; without it they are all the
// start of 1970.
func (m *Mem) SetNow(now func() time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = now
}

// memNode is a *memDir or a *memFile.
type memNode any

// memDir is a directory: its entries as programs see them, as they are on the
// disk for certain, and the changes between the two.
type memDir struct {
	entries map[string]memNode
	durable map[string]memNode
	pending []*dirChange
}

func newMemDir() *memDir {
	return &memDir{entries: map[string]memNode{}, durable: map[string]memNode{}}
}

// dirChange is a creation, removal or rename. A rename between two directories
// is one change that is pending in both, and happens in both or in neither.
type dirChange struct {
	edits []dirEdit
}

// dirEdit sets an entry, or removes it if the node is nil.
type dirEdit struct {
	dir  *memDir
	name string
	node memNode
}

// apply makes a change visible and pending. The lock is held.
func (m *Mem) apply(edits ...dirEdit) {
	change := &dirChange{edits: edits}
	for _, e := range edits {
		setEntry(e.dir.entries, e.name, e.node)
		if n := len(e.dir.pending); n == 0 || e.dir.pending[n-1] != change {
			e.dir.pending = append(e.dir.pending, change)
		}
	}
}

func setEntry(entries map[string]memNode, name string, node memNode) {
	if node == nil {
		delete(entries, name)
		return
	}
	entries[name] = node
}

func splitPath(name string) []string {
	name = strings.Trim(filepath.ToSlash(filepath.Clean(name)), "/")
	if name == "" || name == "." {
		return nil
	}
	return strings.Split(name, "/")
}

// find returns the node of a path, or nil.
func (m *Mem) find(name string) memNode {
	var node memNode = m.root
	for _, part := range splitPath(name) {
		dir, ok := node.(*memDir)
		if !ok {
			return nil
		}
		if node = dir.entries[part]; node == nil {
			return nil
		}
	}
	return node
}

// parent returns the directory that holds name, and its name there.
func (m *Mem) parent(name string) (*memDir, string, error) {
	parts := splitPath(name)
	if len(parts) == 0 {
		return nil, "", syscall.EBUSY // the root itself
	}
	switch dir := m.find(strings.Join(parts[:len(parts)-1], "/")).(type) {
	case *memDir:
		return dir, parts[len(parts)-1], nil
	case nil:
		return nil, "", syscall.ENOENT
	default:
		return nil, "", syscall.ENOTDIR
	}
}

func pathError(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: name, Err: err}
}

func (m *Mem) open(name string, create, truncate bool) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, base, err := m.parent(name)
	if err != nil {
		return nil, pathError("open", name, err)
	}
	switch node := dir.entries[base].(type) {
	case *memDir:
		return nil, pathError("open", name, syscall.EISDIR)
	case *memFile:
		if truncate {
			node.change(fileChange{at: 0}, m.now())
		}
		return &memHandle{mem: m, name: name, file: node}, nil
	}
	if !create {
		return nil, pathError("open", name, syscall.ENOENT)
	}
	file := &memFile{modTime: m.now()}
	m.apply(dirEdit{dir, base, file})
	return &memHandle{mem: m, name: name, file: file}, nil
}

func (m *Mem) Open(name string) (File, error)         { return m.open(name, false, false) }
func (m *Mem) Create(name string) (File, error)       { return m.open(name, true, true) }
func (m *Mem) OpenOrCreate(name string) (File, error) { return m.open(name, true, false) }

func (m *Mem) MkdirAll(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir := m.root
	for _, part := range splitPath(name) {
		switch node := dir.entries[part].(type) {
		case *memDir:
			dir = node
		case *memFile:
			return pathError("mkdir", name, syscall.ENOTDIR)
		default:
			child := newMemDir()
			m.apply(dirEdit{dir, part, child})
			dir = child
		}
	}
	return nil
}

func (m *Mem) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, base, err := m.parent(name)
	if err != nil {
		return pathError("remove", name, err)
	}
	node := dir.entries[base]
	if node == nil {
		return pathError("remove", name, syscall.ENOENT)
	}
	if child, ok := node.(*memDir); ok && len(child.entries) > 0 {
		return pathError("remove", name, syscall.ENOTEMPTY)
	}
	m.apply(dirEdit{dir, base, nil})
	return nil
}

func (m *Mem) RemoveAll(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, base, err := m.parent(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return pathError("removeall", name, err)
	}
	m.removeTree(dir, base)
	return nil
}

// removeTree removes what is inside first, as a program must.
func (m *Mem) removeTree(dir *memDir, base string) {
	node := dir.entries[base]
	if node == nil {
		return
	}
	if child, ok := node.(*memDir); ok {
		for _, name := range sortedNames(child.entries) {
			m.removeTree(child, name)
		}
	}
	m.apply(dirEdit{dir, base, nil})
}

func sortedNames(entries map[string]memNode) []string {
	return slices.Sorted(maps.Keys(entries))
}

func (m *Mem) Rename(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.rename(from, to); err != nil {
		return pathError("rename", from+" to "+to, err)
	}
	return nil
}

func (m *Mem) rename(from, to string) error {
	oldDir, oldBase, err := m.parent(from)
	if err != nil {
		return err
	}
	newDir, newBase, err := m.parent(to)
	if err != nil {
		return err
	}
	node, target := oldDir.entries[oldBase], newDir.entries[newBase]
	if node == nil {
		return syscall.ENOENT
	}
	if node == target {
		return nil
	}
	movedDir, moving := node.(*memDir)
	replacedDir, replacing := target.(*memDir)
	switch {
	case moving && isBelow(newDir, movedDir):
		return syscall.EINVAL
	case replacing && !moving:
		return syscall.EISDIR
	case moving && target != nil && !replacing:
		return syscall.ENOTDIR
	case replacing && len(replacedDir.entries) > 0:
		return syscall.ENOTEMPTY
	}
	m.apply(dirEdit{oldDir, oldBase, nil}, dirEdit{newDir, newBase, node})
	return nil
}

// isBelow tells whether dir is top or a directory under it.
func isBelow(dir, top *memDir) bool {
	if dir == top {
		return true
	}
	for _, node := range top.entries {
		if child, ok := node.(*memDir); ok && isBelow(dir, child) {
			return true
		}
	}
	return false
}

func describeNode(name string, node memNode) DirEntry {
	if file, ok := node.(*memFile); ok {
		return DirEntry{Name: name, Size: file.data.size, ModTime: file.modTime}
	}
	return DirEntry{Name: name, IsDir: true}
}

func (m *Mem) ReadDir(name string) ([]DirEntry, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	dir, err := m.dir(name)
	if err != nil {
		return nil, pathError("readdir", name, err)
	}
	out := make([]DirEntry, 0, len(dir.entries))
	for _, base := range sortedNames(dir.entries) {
		out = append(out, describeNode(base, dir.entries[base]))
	}
	return out, nil
}

func (m *Mem) dir(name string) (*memDir, error) {
	switch node := m.find(name).(type) {
	case *memDir:
		return node, nil
	case nil:
		return nil, syscall.ENOENT
	default:
		return nil, syscall.ENOTDIR
	}
}

func (m *Mem) Stat(name string) (DirEntry, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	node := m.find(name)
	if node == nil {
		return DirEntry{}, pathError("stat", name, syscall.ENOENT)
	}
	return describeNode(filepath.Base(name), node), nil
}

func (m *Mem) SyncDir(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, err := m.dir(name)
	if err != nil {
		return pathError("sync", name, err)
	}
	dir.sync()
	return nil
}

// sync makes the directory's pending changes durable, and with a rename from
// or to another directory that one's changes up to it: a journal has an order.
func (d *memDir) sync() {
	for len(d.pending) > 0 {
		change := d.pending[0]
		for _, e := range change.edits {
			if e.dir != d {
				e.dir.syncBefore(change)
			}
			setEntry(e.dir.durable, e.name, e.node)
		}
		d.pending = d.pending[1:]
	}
}

// syncBefore makes durable what came before a change, and drops the change,
// which the caller carries out.
func (d *memDir) syncBefore(change *dirChange) {
	at := slices.Index(d.pending, change)
	if at < 0 {
		return
	}
	rest := d.pending[at+1:]
	d.pending = d.pending[:at]
	d.sync()
	d.pending = rest
}

func (m *Mem) Lock(name string) (io.Closer, error) {
	f, err := m.OpenOrCreate(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	m.mu.Lock()
	defer m.mu.Unlock()
	key := strings.Join(splitPath(name), "/")
	if m.locks[key] {
		return nil, pathError("lock", name, ErrLocked)
	}
	m.locks[key] = true
	return &memLock{mem: m, key: key}, nil
}

type memLock struct {
	mem  *Mem
	key  string
	once sync.Once
}

func (l *memLock) Close() error {
	l.once.Do(func() {
		l.mem.mu.Lock()
		defer l.mem.mu.Unlock()
		delete(l.mem.locks, l.key)
	})
	return nil
}

func (m *Mem) Usage(string) (total, free int64, err error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return memTotal, memTotal - usedBy(m.root), nil
}

func usedBy(dir *memDir) (used int64) {
	for _, node := range dir.entries {
		switch node := node.(type) {
		case *memFile:
			used += node.data.size
		case *memDir:
			used += usedBy(node)
		}
	}
	return used
}
