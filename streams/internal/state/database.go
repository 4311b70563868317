package state

import (
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
)

// database is the Pebble database of one task. What happens to it, a full disk, rot or a panic, concerns that task only.
// It outlives its owners for a while, so that a task which comes back finds it open.
type database struct {
	id   string
	dir  string
	pdb  *pebble.DB
	fs   *haltFS
	opts *Options
	past *pastMetrics

	pebble *pebble.Options // as it was opened
	turn   *turn

	refs    int // owner and snapshots; under DB.mu
	rested  time.Time
	spoiled atomic.Bool  // it gave an error: who comes next opens it anew
	written atomic.Int64 // bytes since the last flush, about
}

// openPebble gives Pebble its settings. What they are for:
//   - Memtables: up to four, so that a burst does not wait for a flush. They begin with 256 KiB and double, so that tasks
//     with little state take little; the DB flushes the largest when all together are above Options.MemoryBytes.
//   - L0 may pile up to 24 sublevels before writes wait: compactions have time, and one for each task and two for all run.
//   - No compactions because of reads: scans of windows would set them off all the time.
//   - Bloom filters on all levels, 10 bits a key: a new key of an aggregation is looked for, and is nowhere.
//   - A memtable with a dropped segment is flushed within 10 s, so that its space becomes free.
//   - Blocks of 16 KiB, Snappy below level 0, whose files do not last. Keys are compared as bytes, Pebble's default comparer.
//   - Cache of blocks and open files are those of the DB.
func (db *DB) openPebble(id string) (d *database, err error) {
	o := &db.opts
	d = &database{id: id, dir: db.taskDir(id), fs: newHaltFS(o.FS, o.Clock), opts: o, past: &db.past}
	path := o.FS.PathJoin(d.dir, databaseDir)
	if err := o.FS.MkdirAll(path, 0o750); err != nil {
		return nil, classify(err)
	}
	po := &pebble.Options{
		FS: d.fs, Cache: db.cache, FileCache: db.files, MaxOpenFiles: o.OpenFiles,
		FormatMajorVersion: pebble.FormatWALSyncChunks, Comparer: pebble.DefaultComparer,
		DisableWAL: o.Durability == Unlogged, WALBytesPerSync: 1 << 20, BytesPerSync: 1 << 20,
		MemTableSize: uint64(o.MemtableMiB) << 20, MemTableStopWritesThreshold: 4,
		L0CompactionThreshold: 4, L0StopWritesThreshold: 24,
		CompactionConcurrencyRange: func() (int, int) { return 1, 1 },
		FlushDelayDeleteRange:      10 * time.Second,
		Logger:                     pebbleLog{d},
		EventListener: &pebble.EventListener{
			BackgroundError: func(err error) {
				d.spoiled.Store(true)
				o.Logger.Warn("state_background_error", "task", id, "error", err.Error())
			},
			FlushBegin:      func(pebble.FlushInfo) { d.written.Store(0) },
			WriteStallBegin: func(pebble.WriteStallBeginInfo) { d.past.stalls.Add(1) },
			DataCorruption: func(i pebble.DataCorruptionInfo) {
				d.spoiled.Store(true)
				o.Logger.Error("state_corrupt", "task", id, "error", fmt.Sprint(i.Details)) // with its stack it is a page, for each try on a full disk
			},
		},
	}
	d.turn = db.turns.member()
	po.Experimental.CompactionScheduler = d.turn
	po.TargetFileSizes[0] = 4 << 20
	po.Experimental.ReadSamplingMultiplier = -1
	for i := range po.Levels {
		po.Levels[i] = levelOptions
	}
	po.Levels[0].Compression = func() *sstable.CompressionProfile { return sstable.NoCompression }
	po.EnsureDefaults()
	d.pebble = po
	err = d.protect(func() (err error) {
		d.pdb, err = pebble.Open(path, po)
		return err
	})
	if err == nil {
		if err = classify(d.fs.Err()); err != nil {
			err = errors.Join(err, d.protect(d.pdb.Close))
		}
	}
	if err != nil {
		close(d.fs.gone)
		return nil, err
	}
	return d, nil
}

var levelOptions = pebble.LevelOptions{BlockSize: 16 << 10, IndexBlockSize: 64 << 10, FilterPolicy: bloom.FilterPolicy(10)}

// failed tells whether the database gave an error, or may no longer write: who comes next is to open it anew.
func (d *database) failed() bool { return d.spoiled.Load() || d.fs.halted() }

// close ends the database; what was committed is on the disk when there is no error.
func (d *database) close() error {
	if m, ok := d.metrics(); ok {
		d.past.keep(&m)
	}
	close(d.fs.gone)
	var err error
	if d.opts.Durability == Unlogged && d.fs.Err() == nil {
		err = d.protect(d.pdb.Flush)
	}
	return errors.Join(err, d.protect(d.pdb.Close), classify(d.fs.Err()))
}

// writeOptions are those of a commit.
func (d *database) writeOptions() *pebble.WriteOptions {
	if d.opts.Durability == Synced {
		return pebble.Sync
	}
	return pebble.NoSync
}

// protect runs a call into Pebble. What Pebble panics with is an error of the database: it halts.
func (d *database) protect(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("pebble: %v", r)
			d.fs.halt(err)
			d.opts.Logger.Error("state_database_halted", "task", d.id, "message", fmt.Sprint(r), "stack", string(debug.Stack()))
		}
		if err != nil {
			d.spoiled.Store(true)
		}
	}()
	err = f()
	if halted := d.fs.Err(); err != nil && halted != nil {
		return fmt.Errorf("%w (after which: %s)", classify(halted), err.Error()) // it may miss what was never written
	}
	return classify(err)
}

// scan calls the function for each entry whose key begins with the prefix.
func (d *database) scan(prefix []byte, f func(key, value []byte) error) error {
	return d.protect(func() (err error) {
		it, err := d.pdb.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: after(slices.Clone(prefix))})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, it.Close()) }()
		for ok := it.First(); ok; ok = it.Next() {
			v, err := it.ValueAndErr()
			if err == nil {
				err = f(it.Key()[len(prefix):], v)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// pebbleLog takes what Pebble has to say. Errors that Pebble thinks a process
// should not outlive halt the database instead.
type pebbleLog struct{ d *database }

func (l pebbleLog) Infof(format string, args ...any) {}

func (l pebbleLog) Errorf(format string, args ...any) {
	l.d.opts.Logger.Warn("state_database", "task", l.d.id, "message", fmt.Sprintf(format, args...))
}

func (l pebbleLog) Fatalf(format string, args ...any) {
	msg := fmt.Sprintf(format, args...)
	l.d.fs.halt(errors.New(msg))
	l.d.opts.Logger.Error("state_database_halted", "task", l.d.id, "message", msg)
}
