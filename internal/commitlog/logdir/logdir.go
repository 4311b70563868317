// Package logdir keeps the partitions of a broker's log directories, in the layout of
// Apache Kafka's log.dirs. A Dir is one of them: the lock, meta.properties, the checkpoint files and
// one directory per partition. It opens all partitions in parallel, isolates
// those that fail, runs retention, compaction, checkpoints and deletion in the
// background, and brings partitions back after storage errors. Dirs (dirs.go)
// are all directories together: they say where a new partition goes, move
// partitions from one to another (move.go), and do without one that fails.
//
// # Goroutines
//
// Open uses Settings.RecoveryThreads of them and waits for them. Start begins
// one for each periodic task (background.go) and one for each cleaner thread
// (cleaning.go); all end with the context given to Start or with Close, which
// waits for them. Close closes partitions in parallel and waits. Dirs opens
// directories in parallel and waits; Dirs.Start begins one goroutine that looks
// for directories that are back, and each move has one of its own. Dirs.Close
// waits for them.
package logdir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/base/vfs"
	"leat.dev/internal/commitlog"
)

// defaultOpenFiles bounds the files that the partitions keep open beside those in use.
const defaultOpenFiles = 1000

// TopicPartition names a partition.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// Options say which directory to open and how.
type Options struct {
	FS        vfs.FS
	Clock     clock.Clock
	Logger    *slog.Logger
	Random    io.Reader // of ids; required
	Path      string
	NodeID    int32
	ClusterID string // empty: take the one in meta.properties, which must exist
	Settings  Settings

	// ConfigFor gives the settings of a partition found on disk.
	ConfigFor func(topic string, partition int32) commitlog.Config
	// OnStateChange, if set, is told when a partition goes offline (err is the
	// *commitlog.StorageError) and when it is back (nil); the latter also for
	// one that could not be opened at first. It is called from a background
	// goroutine, never with a lock held.
	OnStateChange func(tp TopicPartition, err error)

	// OnMoved, if set, is told that a partition lies in another directory now, or that a directory is back, from a
	// background goroutine.
	OnMoved func()

	Files   *commitlog.FileCache // nil: one of 1,000 files
	Metrics *commitlog.Metrics
}

// Dir is an open log directory.
type Dir struct {
	o           Options
	s           Settings
	log         *slog.Logger
	lock        io.Closer
	clusterID   string
	directoryID [16]byte
	wasClean    bool
	brokerEpoch atomic.Int64

	prepared bool                      // locked and listed; of whoever opens it
	found    []TopicPartition          // when it was listed
	futures  map[TopicPartition]string // names of copies that were there then
	ready    atomic.Bool               // load is done
	failure  atomic.Pointer[error]     // why it could not be opened, or takes no writes

	mu       sync.RWMutex // guards what follows
	logs     map[TopicPartition]*commitlog.Log
	broken   map[TopicPartition]error
	doomed   []doomedDir
	cleaning map[TopicPartition]bool  // a cleaner thread works on it
	failed   map[TopicPartition]error // compaction failed; not tried again
	offline  map[TopicPartition]bool  // reported as offline
	// moving are partitions that are being copied to another directory, and are not compacted meanwhile; arriving those
	// that are about to come here.
	moving   map[TopicPartition]bool
	arriving map[TopicPartition]*commitlog.Log
	closed   bool

	checkpointMu sync.Mutex
	written      map[string][]byte                   // what each checkpoint file holds
	said         map[string]map[TopicPartition]int64 // and of which partitions, as it was read or written last

	stop  context.CancelFunc
	tasks sync.WaitGroup

	producerExpiry atomic.Int64 // producer.id.expiration.ms in nanoseconds
	cleaners       cleaners
}

// doomedDir is a -delete directory and when to remove it.
type doomedDir struct {
	path string
	at   time.Time
}

// Open locks the directory and opens every partition in it. Partitions that
// cannot be opened are in Broken; the others work.
func Open(o Options) (*Dir, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	d := newDir(o)
	if err := d.prepare(); err != nil {
		return nil, err
	}
	if err := d.load(); err != nil {
		return nil, err
	}
	return d, nil
}

func (o *Options) setDefaults() error {
	if o.FS == nil {
		o.FS = vfs.OS
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Random == nil {
		return errors.New("log directory: no source of random ids")
	}
	if o.ConfigFor == nil {
		o.ConfigFor = func(string, int32) commitlog.Config { return commitlog.DefaultConfig() }
	}
	if o.Files == nil {
		o.Files = commitlog.NewFileCache(defaultOpenFiles)
	}
	return nil
}

func newDir(o Options) *Dir {
	d := &Dir{
		o: o, s: o.Settings.withDefaults(), log: o.Logger,
		logs: make(map[TopicPartition]*commitlog.Log), broken: make(map[TopicPartition]error),
		cleaning: make(map[TopicPartition]bool), failed: make(map[TopicPartition]error),
		offline: make(map[TopicPartition]bool), written: make(map[string][]byte), said: make(map[string]map[TopicPartition]int64),
		moving: make(map[TopicPartition]bool), arriving: make(map[TopicPartition]*commitlog.Log),
	}
	d.brokerEpoch.Store(-1)
	d.producerExpiry.Store(int64(d.s.ProducerIDExpiration))
	d.cleaners.settings, d.cleaners.pace.clock = d.s, o.Clock
	d.cleaners.pace.setRate(d.s.CleanerIORate)
	return d
}

// prepare locks the directory and looks what is in it.
func (d *Dir) prepare() error {
	err := d.lockAndList()
	if err != nil {
		err = fmt.Errorf("log directory %s: %w", d.o.Path, err)
		d.giveUp(err)
	}
	d.prepared = err == nil
	return err
}

// giveUp releases a directory that cannot be used, for now.
func (d *Dir) giveUp(err error) {
	d.failure.Store(&err)
	d.prepared = false
	if d.lock != nil {
		d.lock.Close()
		d.lock = nil
	}
}

func (d *Dir) lockAndList() (err error) {
	if err := d.o.FS.MkdirAll(d.o.Path); err != nil {
		return err
	}
	// The directory may be new; its partitions sync only what is inside of it.
	if err := d.o.FS.SyncDir(filepath.Dir(d.o.Path)); err != nil {
		return err
	}
	if d.lock, err = d.o.FS.Lock(d.path(lockFile)); err != nil {
		return err
	}
	if err := d.openProperties(); err != nil {
		return err
	}
	entries, err := d.o.FS.ReadDir(d.o.Path)
	if err != nil {
		return err
	}
	d.found, d.futures, d.doomed = nil, map[TopicPartition]string{}, nil
	for _, e := range entries {
		switch {
		case !e.IsDir:
		case marked(e.Name, deleteSuffix):
			d.doomed = append(d.doomed, doomedDir{d.path(e.Name), d.o.Clock.Now()})
		case marked(e.Name, futureSuffix):
			if tp, ok := parseDirName(e.Name[:strings.LastIndexByte(e.Name, '.')]); ok {
				d.futures[tp] = e.Name
			}
		case marked(e.Name, straySuffix):
			d.log.Warn("directory is left alone", "dir", d.path(e.Name))
		default:
			if tp, ok := parseDirName(e.Name); ok {
				d.found = append(d.found, tp)
			}
		}
	}
	d.wasClean, err = vfs.Exists(d.o.FS, d.path(cleanFile))
	return err
}

// load opens the partitions that were found.
func (d *Dir) load() error {
	err := d.takeCleanFile()
	var c checkpoints
	if err == nil {
		c, err = d.readCheckpoints()
	}
	if err != nil {
		err = fmt.Errorf("log directory %s: %w", d.o.Path, err)
		d.giveUp(err)
		return err
	}
	d.openLogs(d.found, c)
	d.found = nil
	d.failure.Store(nil)
	d.ready.Store(true)
	return nil
}

// opened tells whether the directory was opened; it may have failed since.
func (d *Dir) opened() bool { return d.ready.Load() }

// Err tells why the directory cannot be used: it could not be opened, or takes no writes. nil if it can.
func (d *Dir) Err() error {
	if err := d.failure.Load(); err != nil {
		return *err
	}
	if !d.opened() {
		return ErrOfflineDir
	}
	return nil
}

// count is how many partitions of topics the directory has.
func (d *Dir) count() int {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return len(d.logs) + len(d.broken)
}

// checkpoints are the offsets of all partitions when the directory was last used.
type checkpoints struct {
	recoveryPoint, logStart, highWatermark, cleaner map[TopicPartition]int64
}

func (d *Dir) readCheckpoints() (c checkpoints, err error) {
	for _, f := range []struct {
		name string
		into *map[TopicPartition]int64
	}{
		{recoveryPointFile, &c.recoveryPoint}, {logStartFile, &c.logStart},
		{highWatermarkFile, &c.highWatermark}, {cleanerFile, &c.cleaner},
	} {
		if *f.into, err = d.readCheckpoint(f.name); err != nil {
			return c, err
		}
	}
	return c, nil
}

// openLogs opens partitions in parallel.
func (d *Dir) openLogs(found []TopicPartition, c checkpoints) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(d.s.RecoveryThreads, len(found)) {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(found) {
					return
				}
				d.openLog(found[i], c)
			}
		})
	}
	wg.Wait()
}

func (d *Dir) openLog(tp TopicPartition, c checkpoints) {
	o := d.logOptions(tp, d.o.ConfigFor(tp.Topic, tp.Partition))
	o.Clean = d.wasClean
	o.RecoveryPoint, o.LogStartOffset, o.HighWatermark = c.recoveryPoint[tp], c.logStart[tp], c.highWatermark[tp]
	l, err := commitlog.Open(o)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		d.log.Error("partition cannot be opened", "topic", tp.Topic, "partition", tp.Partition, "error", err)
		d.broken[tp] = &openError{err, c}
		return
	}
	if dirty, ok := c.cleaner[tp]; ok {
		l.SetFirstDirty(dirty)
	}
	d.logs[tp] = l
}

// openError keeps what opening a partition once more will need.
type openError struct {
	err error
	c   checkpoints
}

func (e *openError) Error() string { return e.err.Error() }
func (e *openError) Unwrap() error { return e.err }

func (d *Dir) logOptions(tp TopicPartition, c commitlog.Config) commitlog.Options {
	return commitlog.Options{
		FS: d.o.FS, Clock: d.o.Clock, Logger: d.log, Dir: d.path(tp.String()),
		Topic: tp.Topic, Partition: tp.Partition, Config: c,
		ProducerIDExpiration: time.Duration(d.producerExpiry.Load()), Files: d.o.Files, Metrics: d.o.Metrics,
	}
}

func (d *Dir) path(name string) string { return filepath.Join(d.o.Path, name) }

// DirectoryID is directory.id of meta.properties.
func (d *Dir) DirectoryID() [16]byte { return d.directoryID }

// ClusterID is cluster.id of meta.properties.
func (d *Dir) ClusterID() string { return d.clusterID }

// Path is the directory.
func (d *Dir) Path() string { return d.o.Path }

// WasClean says whether the directory was closed in order the last time.
func (d *Dir) WasClean() bool { return d.wasClean }

// SetBrokerEpoch is written to the clean-shutdown file by Close.
func (d *Dir) SetBrokerEpoch(epoch int64) { d.brokerEpoch.Store(epoch) }

// Get returns an open partition or nil.
func (d *Dir) Get(tp TopicPartition) *commitlog.Log {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.logs[tp]
}

// Logs returns the open partitions.
func (d *Dir) Logs() map[TopicPartition]*commitlog.Log {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return maps.Clone(d.logs)
}

// Broken returns the partitions that could not be opened, with the reason.
func (d *Dir) Broken() map[TopicPartition]error {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return maps.Clone(d.broken)
}

// Create makes a partition, or returns the one that exists with the same id.
// It becomes durable with its first flush.
func (d *Dir) Create(topic string, id [16]byte, partition int32, cfg commitlog.Config) (*commitlog.Log, error) {
	tp := TopicPartition{topic, partition}
	d.mu.RLock()
	l, broken, closed := d.logs[tp], d.broken[tp], d.closed
	d.mu.RUnlock()
	switch {
	case closed:
		return nil, commitlog.ErrClosed
	case broken != nil:
		return nil, broken
	case l != nil && l.TopicID() != id:
		return nil, fmt.Errorf("partition %s exists with topic id %x", tp, l.TopicID())
	case l != nil:
		l.SetConfig(cfg)
		return l, nil
	}
	if err := d.disclaim(tp); err != nil {
		return nil, err
	}
	o := d.logOptions(tp, cfg)
	o.TopicID = id
	l, err := commitlog.Open(o)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if other := d.logs[tp]; other != nil || d.closed {
		l.Discard()
		if other == nil {
			return nil, commitlog.ErrClosed
		}
		return other, nil
	}
	d.logs[tp] = l
	return l, nil
}

// Delete renames the partition's directory to -delete and removes it after
// file.delete.delay.ms. What readers hold stays readable.
func (d *Dir) Delete(tp TopicPartition) error {
	return d.mark(tp, deleteSuffix, func(l *commitlog.Log) error { l.Discard(); return nil })
}

// MarkStray renames the directory of a partition that the metadata does not
// assign here to -stray; it is kept.
func (d *Dir) MarkStray(tp TopicPartition) error {
	return d.mark(tp, straySuffix, (*commitlog.Log).Close)
}

func (d *Dir) mark(tp TopicPartition, suffix string, end func(*commitlog.Log) error) error {
	d.mu.Lock()
	l, broken := d.logs[tp], d.broken[tp]
	delete(d.logs, tp)
	delete(d.broken, tp)
	delete(d.failed, tp)
	delete(d.offline, tp)
	d.mu.Unlock()
	if l == nil && broken == nil {
		return nil
	}
	delay := commitlog.DefaultConfig().FileDeleteDelay
	if l != nil {
		delay = l.Config().FileDeleteDelay
		if err := end(l); err != nil {
			d.log.Warn("partition could not be closed before its directory is renamed", "topic", tp.Topic, "partition", tp.Partition, "error", err)
		}
	}
	name, err := d.markedName(tp, suffix)
	if err != nil {
		return err
	}
	if err := d.o.FS.Rename(d.path(tp.String()), d.path(name)); err != nil {
		return &commitlog.StorageError{Op: "rename partition directory", Err: err}
	}
	if suffix == deleteSuffix {
		d.mu.Lock()
		d.doomed = append(d.doomed, doomedDir{d.path(name), d.o.Clock.Now().Add(delay)})
		d.mu.Unlock()
	}
	if err := d.o.FS.SyncDir(d.o.Path); err != nil {
		return &commitlog.StorageError{Op: "sync log directory", Err: err}
	}
	return nil
}

// Close flushes all partitions, writes the checkpoints and, if nothing failed,
// the clean-shutdown file.
func (d *Dir) Close() error {
	if !d.opened() {
		d.giveUp(commitlog.ErrClosed)
		return nil
	}
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return nil
	}
	d.closed = true
	stop := d.stop
	d.mu.Unlock()
	if stop != nil {
		stop()
	}
	d.tasks.Wait()

	logs := d.Logs()
	errs := d.closeLogs(logs)
	for _, write := range []func() error{d.writeRecoveryPoints, d.writeLogStarts, d.writeHighWatermarks, d.writeCleanerOffsets} {
		errs = append(errs, write())
	}
	err := errors.Join(errs...)
	if err == nil {
		err = d.writeCleanFile()
	}
	return errors.Join(err, d.lock.Close())
}

func (d *Dir) closeLogs(logs map[TopicPartition]*commitlog.Log) []error {
	work := make(chan *commitlog.Log)
	var mu sync.Mutex
	var errs []error
	var wg sync.WaitGroup
	for range d.s.RecoveryThreads {
		wg.Go(func() {
			for l := range work {
				if err := l.Close(); err != nil {
					mu.Lock()
					errs = append(errs, err)
					mu.Unlock()
				}
			}
		})
	}
	for _, l := range logs {
		work <- l
	}
	close(work)
	wg.Wait()
	return errs
}

func isNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }
