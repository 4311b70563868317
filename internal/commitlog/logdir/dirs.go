package logdir

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"

	"leat.dev/internal/base/vfs"
	"leat.dev/internal/commitlog"
)

// Errors of Move.
var (
	ErrNoDir      = errors.New("there is no such log directory")
	ErrOfflineDir = errors.New("the log directory is offline")
	ErrNoLog      = errors.New("the partition has no log")
)

// preferredMax bounds the places that are remembered for partitions which do not exist yet.
const preferredMax = 10_000

// Dirs are the log directories of a broker: what it calls log.dirs, and the one of the metadata, if that is another. To
// whoever uses it there is one set of partitions; where each lies matters only to Describe and Move.
//
// A directory that cannot be opened is offline, and tried again every Settings.ReopenBackoff; the others serve on. The
// directory of the metadata has to be there.
type Dirs struct {
	o     Options
	all   []*Dir // those of log.dirs, in their order, then that of the metadata if it is another
	data  int    // how many of them are of log.dirs
	meta  *Dir
	moves mover

	moveMu sync.Mutex // one Move at a time

	mu        sync.Mutex
	creating  map[*Dir]int
	preferred map[TopicPartition]*Dir
}

// OpenAll opens log directories, in parallel: paths are those of log.dirs, meta is where the metadata lies, empty for the
// first of them. Options.Path is not used. Without Options.ClusterID the directory of the metadata has to name the cluster.
//
// It is an error that a directory belongs to another node or cluster or to another process, that two have the same id, and
// that a partition lies in two of them.
func OpenAll(o Options, meta string, paths ...string) (*Dirs, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	ds := &Dirs{o: o, creating: map[*Dir]int{}, preferred: map[TopicPartition]*Dir{}}
	for _, path := range paths {
		if slices.ContainsFunc(ds.all, func(d *Dir) bool { return d.o.Path == path }) {
			return nil, fmt.Errorf("log.dirs names the directory %s twice", path)
		}
		ds.add(path, len(paths))
	}
	if ds.data = len(ds.all); ds.data == 0 {
		return nil, errors.New("log.dirs names no directory")
	}
	ds.meta = ds.all[0]
	if meta != "" {
		at := slices.IndexFunc(ds.all, func(d *Dir) bool { return d.o.Path == meta })
		if at < 0 {
			at = ds.data
			ds.add(meta, len(paths))
		}
		ds.meta = ds.all[at]
	}
	ds.moves.init(ds)
	if err := ds.open(); err != nil {
		for _, d := range ds.all {
			d.giveUp(err)
		}
		return nil, err
	}
	return ds, nil
}

func (ds *Dirs) add(path string, n int) {
	o := ds.o
	o.Path = path
	o.Settings = o.Settings.share(n)
	ds.all = append(ds.all, newDir(o))
}

func (ds *Dirs) open() error {
	// The metadata's directory knows the cluster.
	if err := ds.meta.prepare(); err != nil {
		return err
	}
	ds.o.ClusterID = ds.meta.clusterID
	var wg sync.WaitGroup
	errs := make([]error, len(ds.all))
	for i, d := range ds.all {
		if d == ds.meta {
			continue
		}
		d.o.ClusterID = ds.o.ClusterID
		wg.Go(func() { errs[i] = d.prepare() })
	}
	wg.Wait()
	for i, err := range errs {
		var refused *refusedError
		switch {
		case errors.As(err, &refused), errors.Is(err, vfs.ErrLocked):
			return err
		case err != nil:
			ds.o.Logger.Error("log directory is offline, it is tried again", "dir", ds.all[i].o.Path, "error", err)
		}
	}
	if err := errors.Join(ds.checkIDs(), ds.checkPartitions()); err != nil {
		return err
	}
	if err := ds.finishMoves(); err != nil {
		return err
	}
	for i, d := range ds.all {
		if d.prepared {
			wg.Go(func() { errs[i] = d.load() })
		}
	}
	wg.Wait()
	if !ds.meta.opened() {
		return errs[slices.Index(ds.all, ds.meta)]
	}
	for i, d := range ds.all {
		if d.prepared && !d.opened() {
			ds.o.Logger.Error("log directory is offline, it is tried again", "dir", d.o.Path, "error", errs[i])
		}
	}
	ds.resumeMoves()
	return nil
}

// checkIDs finds directories that are copies of each other.
func (ds *Dirs) checkIDs() error {
	ids := map[[16]byte]*Dir{}
	for _, d := range ds.all {
		if !d.prepared {
			continue
		}
		if other := ids[d.directoryID]; other != nil {
			return fmt.Errorf("the log directories %s and %s have the same directory.id: one is a copy of the other, and has to be taken out of log.dirs", other.o.Path, d.o.Path)
		}
		ids[d.directoryID] = d
	}
	return nil
}

// checkPartitions finds partitions that are in two directories.
func (ds *Dirs) checkPartitions() error {
	where := map[TopicPartition]*Dir{}
	for _, d := range ds.all {
		for _, tp := range d.found {
			if other := where[tp]; other != nil {
				return fmt.Errorf("partition %s is in two log directories, %s and %s: move the older one away", tp, other.path(tp.String()), d.path(tp.String()))
			}
			where[tp] = d
		}
	}
	return nil
}

// finishMoves completes moves that a crash interrupted between the end of the old directory and the beginning of the new
// one. Only where all directories are there is it certain that the old one has ended.
func (ds *Dirs) finishMoves() error {
	here := map[TopicPartition]bool{}
	for _, d := range ds.all {
		if !d.prepared {
			return nil
		}
		for _, tp := range d.found {
			here[tp] = true
		}
	}
	for _, d := range ds.all {
		for tp, name := range d.futures {
			complete, err := vfs.Exists(ds.o.FS, filepath.Join(d.path(name), movedFile))
			if err != nil {
				return err
			}
			if here[tp] || !complete {
				continue
			}
			if err := ds.o.FS.Rename(d.path(name), d.path(tp.String())); err != nil {
				return err
			}
			if err := ds.o.FS.SyncDir(d.o.Path); err != nil {
				return err
			}
			here[tp] = true
			delete(d.futures, tp)
			d.found = append(d.found, tp)
			d.wasClean = false // nobody has closed this one
			ds.o.Logger.Info("move of a partition is completed", "partition", tp, "dir", d.o.Path)
		}
	}
	return nil
}

// resumeMoves begins moves again that ended with the process.
func (ds *Dirs) resumeMoves() {
	for _, d := range ds.all {
		if !d.opened() {
			continue
		}
		for tp, name := range d.futures {
			at := ds.where(tp)
			if at == nil {
				ds.o.Logger.Warn("directory is left alone, the partition that it is a copy of is not here", "dir", d.path(name))
				continue
			}
			delete(d.futures, tp)
			if err := d.doom(name); err != nil {
				ds.o.Logger.Warn("unfinished copy of a partition could not be removed", "dir", d.path(name), "error", err)
			}
			if at != d {
				ds.moves.add(tp, d)
			}
		}
	}
}

// Has tells whether log.dirs has a directory.
func (ds *Dirs) Has(path string) bool {
	return slices.ContainsFunc(ds.all[:ds.data], func(d *Dir) bool { return d.o.Path == path })
}

// Meta is the directory of the metadata.
func (ds *Dirs) Meta() *Dir { return ds.meta }

// Len is how many directories there are for partitions.
func (ds *Dirs) Len() int { return ds.data }

// IDs are the ids of the directories that are not offline.
func (ds *Dirs) IDs() (ids [][16]byte) {
	for _, d := range ds.all[:ds.data] {
		if d.opened() {
			ids = append(ids, d.directoryID)
		}
	}
	return ids
}

// ClusterID is the cluster that all directories belong to.
func (ds *Dirs) ClusterID() string { return ds.o.ClusterID }

// WasClean says whether all directories were closed in order the last time.
func (ds *Dirs) WasClean() bool {
	return !slices.ContainsFunc(ds.all, func(d *Dir) bool { return !d.wasClean })
}

// SetBrokerEpoch is written to the clean-shutdown files by Close.
func (ds *Dirs) SetBrokerEpoch(epoch int64) {
	for _, d := range ds.all {
		d.SetBrokerEpoch(epoch)
	}
}

// where is the directory that a partition lies in, nil if none.
func (ds *Dirs) where(tp TopicPartition) *Dir {
	for _, d := range ds.all {
		d.mu.RLock()
		found := d.logs[tp] != nil || d.broken[tp] != nil
		d.mu.RUnlock()
		if found {
			return d
		}
	}
	return nil
}

// DirectoryOf is the id of the directory that a partition lies in; ok is false if there is none.
func (ds *Dirs) DirectoryOf(tp TopicPartition) (id [16]byte, ok bool) {
	if d := ds.where(tp); d != nil {
		return d.directoryID, true
	}
	return id, false
}

// Get returns an open partition or nil.
func (ds *Dirs) Get(tp TopicPartition) *commitlog.Log {
	for _, d := range ds.all {
		if l := d.Get(tp); l != nil {
			return l
		}
	}
	return nil
}

// Logs returns the open partitions.
func (ds *Dirs) Logs() map[TopicPartition]*commitlog.Log {
	out := map[TopicPartition]*commitlog.Log{}
	for _, d := range ds.all {
		maps.Copy(out, d.Logs())
	}
	return out
}

// Broken returns the partitions that could not be opened, with the reason.
func (ds *Dirs) Broken() map[TopicPartition]error {
	out := map[TopicPartition]error{}
	for _, d := range ds.all {
		maps.Copy(out, d.Broken())
	}
	return out
}

// CheckLost tells why a partition that is not here must not be made anew: because its log may lie in a directory that
// is offline. id is the directory that the metadata says it is in.
func (ds *Dirs) CheckLost(id [16]byte) error {
	for _, d := range ds.all[:ds.data] {
		switch {
		case d.opened() && d.directoryID == id:
			return nil
		case !d.opened() && !namesDir(id):
			return fmt.Errorf("%w: %s, and the partition may be in it", ErrOfflineDir, d.o.Path)
		}
	}
	if namesDir(id) {
		return fmt.Errorf("%w: the partition lies in the directory with the id %x, which is not one of those in use", ErrOfflineDir, id)
	}
	return nil
}

// namesDir tells whether an id in the metadata is that of a directory. Kafka reserves the first hundred: 0 says that the
// directory is not known, 1 that it is lost.
func namesDir(id [16]byte) bool {
	return [15]byte(id[:15]) != [15]byte{} || id[15] >= 100
}

// Create makes a partition in the directory that it was sent to by Move before it was there, else in the one with the
// fewest partitions, of those that take writes; or returns the one that exists with the same id.
func (ds *Dirs) Create(topic string, id [16]byte, partition int32, cfg commitlog.Config) (l *commitlog.Log, err error) {
	tp := TopicPartition{topic, partition}
	if d := ds.where(tp); d != nil {
		return d.Create(topic, id, partition, cfg)
	}
	ds.mu.Lock()
	choice := ds.byLoad()
	if d := ds.preferred[tp]; d != nil {
		delete(ds.preferred, tp)
		choice = slices.Insert(slices.DeleteFunc(choice, func(x *Dir) bool { return x == d }), 0, d)
	}
	if len(choice) == 0 {
		ds.mu.Unlock()
		return nil, &commitlog.StorageError{Op: "create " + tp.String(), Err: ErrOfflineDir}
	}
	first := choice[0]
	ds.creating[first]++
	ds.mu.Unlock()
	defer func() {
		ds.mu.Lock()
		ds.creating[first]--
		ds.mu.Unlock()
	}()
	for _, d := range choice {
		var storage *commitlog.StorageError
		if l, err = d.Create(topic, id, partition, cfg); !errors.As(err, &storage) {
			return l, err
		}
		ds.o.Logger.Warn("partition cannot be made in a log directory, the next one is tried", "topic", topic, "partition", partition, "dir", d.o.Path, "error", err)
	}
	return nil, err
}

// byLoad are the directories for new partitions, the one with the fewest partitions first. mu is held.
func (ds *Dirs) byLoad() (out []*Dir) {
	count := map[*Dir]int{}
	for _, d := range ds.all[:ds.data] {
		if d.Err() == nil {
			count[d] = d.count() + ds.creating[d] + ds.moves.to(d)
			out = append(out, d)
		}
	}
	slices.SortStableFunc(out, func(a, b *Dir) int { return count[a] - count[b] })
	return out
}

// CreateMetadata makes the metadata's log.
func (ds *Dirs) CreateMetadata(topic string, id [16]byte, cfg commitlog.Config) (*commitlog.Log, error) {
	return ds.meta.Create(topic, id, 0, cfg)
}

// Delete is Dir.Delete; a move of the partition ends before.
func (ds *Dirs) Delete(tp TopicPartition) error { return ds.mark(tp, (*Dir).Delete) }

// MarkStray is Dir.MarkStray; a move of the partition ends before.
func (ds *Dirs) MarkStray(tp TopicPartition) error { return ds.mark(tp, (*Dir).MarkStray) }

func (ds *Dirs) mark(tp TopicPartition, mark func(*Dir, TopicPartition) error) error {
	ds.moves.cancel(tp)
	if d := ds.where(tp); d != nil {
		return mark(d, tp)
	}
	return nil
}

// SaveLogStarts makes the log starts durable now; see Dir.SaveLogStarts. A directory that fails is its partitions' matter.
func (ds *Dirs) SaveLogStarts() error { return ds.each((*Dir).SaveLogStarts) }

// Checkpoint writes all checkpoint files now.
func (ds *Dirs) Checkpoint() error { return ds.each((*Dir).Checkpoint) }

func (ds *Dirs) each(do func(*Dir) error) error {
	var errs []error
	for _, d := range ds.all {
		if d.opened() {
			errs = append(errs, do(d))
		}
	}
	return errors.Join(errs...)
}

// Start runs the background work until ctx ends or Close.
func (ds *Dirs) Start(ctx context.Context) {
	for _, d := range ds.all {
		if d.opened() {
			d.Start(ctx)
		}
	}
	ds.moves.start(ctx)
}

// reopen tries directories again that could not be opened.
func (ds *Dirs) reopen(ctx context.Context) {
	for _, d := range ds.all {
		if d.opened() || ctx.Err() != nil {
			continue
		}
		if err := ds.reopenDir(d); err != nil {
			continue
		}
		ds.o.Logger.Info("log directory is back", "dir", d.o.Path)
		d.Start(ctx)
		if ds.o.OnMoved != nil {
			ds.o.OnMoved()
		}
		if notify := ds.o.OnStateChange; notify != nil {
			for tp := range d.Logs() {
				notify(tp, nil)
			}
		}
	}
}

func (ds *Dirs) reopenDir(d *Dir) error {
	if err := d.prepare(); err != nil {
		return err
	}
	if err := ds.checkIDs(); err != nil {
		d.giveUp(err)
		return err
	}
	// What was moved or made elsewhere meanwhile.
	d.found = slices.DeleteFunc(d.found, func(tp TopicPartition) bool {
		other := ds.where(tp)
		if other != nil {
			ds.o.Logger.Error("partition is in two log directories, that in the one that came back is left alone", "partition", tp, "dir", d.o.Path, "other", other.o.Path)
		}
		return other != nil
	})
	if err := d.load(); err != nil {
		return err
	}
	ds.resumeMoves()
	return nil
}

// Reconfigure takes the settings that can change while the directories are in use.
func (ds *Dirs) Reconfigure(s Settings) {
	for _, d := range ds.all {
		d.Reconfigure(s.share(ds.data))
	}
	ds.moves.pace.setRate(s.MoveIORate)
}

// Close ends moves, flushes all partitions, writes the checkpoints and, where nothing failed, the clean-shutdown file.
func (ds *Dirs) Close() error {
	ds.moves.close()
	errs := make([]error, len(ds.all))
	var wg sync.WaitGroup
	for i, d := range ds.all {
		wg.Go(func() {
			if err := d.Close(); err != nil {
				errs[i] = fmt.Errorf("%s: %w", d.o.Path, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// DirInfo describes a log directory.
type DirInfo struct {
	Path string
	// Err tells why the directory cannot be used, nil if it can.
	Err  error
	Logs map[TopicPartition]*commitlog.Log
	// Futures are the copies of partitions that are being moved here.
	Futures map[TopicPartition]*commitlog.Log
}

// Describe tells about the directories of log.dirs, in their order.
func (ds *Dirs) Describe() []DirInfo {
	out := make([]DirInfo, ds.data)
	for i, d := range ds.all[:ds.data] {
		out[i] = DirInfo{Path: d.o.Path, Err: d.Err(), Logs: d.Logs(), Futures: ds.moves.copies(d)}
	}
	return out
}

// Move sends a partition to a directory: the log is copied in the background, while it is used, and then goes on there.
// Sending it where it is ends a move. A partition that is not there yet is made in that directory when it comes to be;
// then the error is ErrNoLog. Other errors are ErrNoDir and ErrOfflineDir.
func (ds *Dirs) Move(tp TopicPartition, path string) error {
	at := slices.IndexFunc(ds.all[:ds.data], func(d *Dir) bool { return d.o.Path == path })
	if at < 0 {
		return fmt.Errorf("%w: %s", ErrNoDir, path)
	}
	to := ds.all[at]
	if err := to.Err(); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrOfflineDir, path, err)
	}
	ds.moveMu.Lock()
	defer ds.moveMu.Unlock()
	if ds.moves.target(tp) == to {
		return nil
	}
	ds.moves.cancel(tp)
	switch ds.where(tp) {
	case nil:
		ds.mu.Lock()
		defer ds.mu.Unlock()
		if len(ds.preferred) < preferredMax {
			ds.preferred[tp] = to
		}
		return ErrNoLog
	case to:
		return nil
	}
	ds.moves.add(tp, to)
	return nil
}
