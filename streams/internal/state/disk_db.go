package state

import (
	"errors"
	"os"
	"strings"
	"time"
)

// taskDir is the directory of a task.
func (db *DB) taskDir(id string) string { return db.opts.FS.PathJoin(db.dir, tasksDir, id) }

// doomed is behind the names of directories that are being removed.
const doomed = ".removed"

// readInfos finds the tasks that have a directory, and finishes removals.
func (db *DB) readInfos() error {
	fs := db.opts.FS
	root := fs.PathJoin(db.dir, tasksDir)
	names, err := fs.List(root)
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasSuffix(name, doomed) {
			if err := fs.RemoveAll(fs.PathJoin(root, name)); err != nil {
				return err
			}
			continue
		}
		db.infos[name] = readTaskFile(fs, fs.PathJoin(root, name))
	}
	return nil
}

// base gives the database of a task, opened if it is not, with one more reference. The caller has mu.
func (db *DB) base(id string) (*database, error) {
	if db.closed {
		return nil, ErrClosed
	}
	d := db.bases[id]
	if d != nil && d.failed() && d.refs == 0 {
		delete(db.bases, id)
		_ = d.close() // its error has been said
		d = nil
	}
	if d == nil {
		var err error
		if d, err = db.openBase(id); err != nil {
			return nil, err
		}
		db.bases[id] = d
	}
	d.refs++
	return d, nil
}

func (db *DB) openBase(id string) (*database, error) {
	fs, now := db.opts.FS, db.opts.Clock.Now()
	info := db.infos[id]
	if info == nil {
		info = &taskFile{made: now}
	}
	d, err := db.openPebble(id)
	if err != nil {
		return nil, err
	}
	// From here on the file would not be true any more. Should it come back, it only says too little.
	if err := fs.Remove(fs.PathJoin(d.dir, infoFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		d.spoiled.Store(true)
		return nil, errors.Join(classify(err), d.close())
	}
	info.closed = false
	db.infos[id] = info
	return d, nil
}

// unref gives a reference back. A database that gave an error is closed with the last one.
func (db *DB) unref(d *database) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	d.refs--
	if d.refs > 0 {
		return nil
	}
	d.rested = db.opts.Clock.Now()
	if db.bases[d.id] != d || !d.failed() && !db.closed {
		return nil
	}
	return db.closeBase(d)
}

// closeBase closes a database that nobody refers to, and writes what there is to know of its task. The caller has mu.
func (db *DB) closeBase(d *database) error {
	delete(db.bases, d.id)
	info := db.infos[d.id]
	if err := d.close(); err != nil {
		return err
	}
	info.closed, info.bytes = true, 0
	info.bytes = db.sizeOf(d.dir)
	return classify(info.write(db.opts.FS, d.dir))
}

func (db *DB) sizeOf(dir string) (n int64) {
	fs := db.opts.FS
	dir = fs.PathJoin(dir, databaseDir)
	names, _ := fs.List(dir)
	for _, name := range names {
		if info, err := fs.Stat(fs.PathJoin(dir, name)); err == nil {
			n += info.Size()
		}
	}
	return n
}

// Rest closes the databases of tasks that nobody has had open for so long.
func (db *DB) Rest(after time.Duration) error {
	if !db.onDisk {
		return nil
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	var errs []error
	for _, d := range db.bases {
		if d.refs == 0 && db.opts.Clock.Now().Sub(d.rested) >= after {
			errs = append(errs, db.closeBase(d))
		}
	}
	return errors.Join(errs...)
}

// spare flushes the largest memtables while all together are above the budget.
func (db *DB) spare() {
	if !db.mu.TryLock() {
		return // somebody opens or closes a task; the next commit looks again
	}
	defer db.mu.Unlock()
	var sum int64
	var most *database
	for _, d := range db.bases {
		n := d.written.Load()
		sum += n
		if !d.failed() && (most == nil || n > most.written.Load()) {
			most = d
		}
	}
	if sum <= db.opts.MemoryBytes || most == nil {
		return
	}
	most.written.Store(0)
	_ = most.protect(func() error { _, err := most.pdb.AsyncFlush(); return err }) // the next commit meets its error
}

// offsetsOf are the offsets of a task that nobody owns. The caller has mu.
func (db *DB) offsetsOf(id string) (map[string]int64, error) {
	info := db.infos[id]
	if info == nil {
		return nil, nil
	}
	if err := db.look(id, info); err != nil {
		return nil, err
	}
	return info.offsets, nil
}

// look reads what a crash left no file about.
func (db *DB) look(id string, info *taskFile) error {
	if info.closed || info.known {
		return nil
	}
	d, err := db.base(id)
	if err != nil {
		return err
	}
	d.refs--
	d.rested = db.opts.Clock.Now()
	info.offsets, info.known = map[string]int64{}, true
	t := newTask(db, id)
	t.disk.table, t.disk.registers = map[string]uint16{}, map[uint16]registerFile{}
	if err := d.scan(ownPrefix, t.loadOwn); err != nil {
		return err
	}
	info.offsets = t.offsets
	if t.disk.used.After(info.used) {
		info.used = t.disk.used
	}
	return nil
}

func (db *DB) diskTasks() []TaskInfo {
	var list []TaskInfo
	for id, info := range db.infos {
		if err := db.look(id, info); err != nil {
			db.opts.Logger.Warn("state_unreadable", "task", id, "error", err)
		}
		list = append(list, TaskInfo{ID: id, Made: info.made, Used: info.used, Bytes: info.bytes})
	}
	return list
}

func (db *DB) diskWipeTask(id string) error {
	fs := db.opts.FS
	if d := db.bases[id]; d != nil {
		if d.refs > 0 {
			return ErrOwned // by a snapshot
		}
		delete(db.bases, id)
		_ = d.close() // it goes anyway
	}
	from := db.taskDir(id)
	if _, err := fs.Stat(from); errors.Is(err, os.ErrNotExist) {
		delete(db.infos, id)
		return nil
	}
	to := from + doomed
	err := errors.Join(fs.RemoveAll(to), fs.Rename(from, to), syncDir(fs, fs.PathJoin(db.dir, tasksDir)), fs.RemoveAll(to))
	if err == nil {
		delete(db.infos, id)
	}
	return classify(err)
}

func (db *DB) closeDisk() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	var errs []error
	for _, d := range db.bases {
		errs = append(errs, db.closeBase(d))
	}
	db.files.Unref()
	db.cache.Unref()
	return errors.Join(append(errs, db.lock.Close())...)
}
