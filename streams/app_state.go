package streams

import (
	"fmt"
	"log/slog"
	"time"

	"leat.dev/streams/internal/engine"
)

// CleanUp removes all that the app keeps in its StateDir on this machine, as cleanUp of Kafka Streams: stores come back from
// their changelogs at the next start, and the instance is another one for its group. Before Run, or after it returned; else
// it is an error, as it is when another process uses the directory. Without a StateDir there is nothing to do.
func (a *App) CleanUp() error {
	if err := a.engine.CleanUp(); err != nil {
		return fmt.Errorf("streams application %s: %w", a.id, err)
	}
	return nil
}

// RestoreKind is what a RestoreEvent tells.
type RestoreKind uint8

// The kinds; Kafka Streams: onRestoreStart, onBatchRestored, onRestoreEnd and onRestoreSuspended of StateRestoreListener, and
// onUpdateStart, onBatchLoaded and onUpdateSuspended of StandbyUpdateListener (KIP-869, KIP-988).
const (
	RestoreStart     = RestoreKind(engine.RestoreBegan)     // a store begins to be read from its changelog
	RestoreBatch     = RestoreKind(engine.RestoreApplied)   // records were applied
	RestoreEnd       = RestoreKind(engine.RestoreDone)      // it has everything; a standby goes on being kept up to date
	RestoreSuspended = RestoreKind(engine.RestoreSuspended) // the task leaves before that, or a standby becomes active or leaves
)

func (k RestoreKind) String() string {
	switch k {
	case RestoreStart:
		return "start"
	case RestoreBatch:
		return "batch"
	case RestoreEnd:
		return "end"
	case RestoreSuspended:
		return "suspended"
	}
	return fmt.Sprintf("RestoreKind(%d)", uint8(k))
}

// RestoreEvent is something that happened while a store was read from its changelog.
type RestoreEvent struct {
	Kind      RestoreKind
	Task      string // 0_1: sub-topology and partition
	Store     string
	Topic     string // the changelog
	Partition int32
	Standby   bool  // the store is kept here for another instance
	From, To  int64 // offsets: where reading began, and where the changelog ended then; a standby's To is what is known now
	Next      int64 // the next record to apply
	Records   int64 // applied: by this batch, or, at the end, in all
}

// OnRestore tells f of each store that is read from its changelog: that it begins, of each batch, and that it ends. It
// replaces setGlobalStateRestoreListener and setStandbyUpdateListener of Kafka Streams. f is called by several goroutines
// at the same time, events of one task in their order; what it is told of waits for it. Progress is also in the log, every
// five seconds, and in the metrics leat_streams_restore_remaining_records and leat_streams_standby_lag_records.
func OnRestore(f func(RestoreEvent)) AppOption {
	return appOption(func(c *config) { c.onRestore = f })
}

func (c *config) restoreListener() func(engine.RestoreEvent) {
	f := c.onRestore
	if f == nil {
		return nil
	}
	return func(e engine.RestoreEvent) {
		_, err := call1(func(e RestoreEvent) struct{} { f(e); return struct{}{} }, RestoreEvent{
			Kind: RestoreKind(e.Kind), Task: e.Task.String(), Store: e.Store, Topic: e.Log.Topic, Partition: e.Log.Partition,
			Standby: e.Standby, From: e.From, To: e.To, Next: e.Next, Records: e.Records,
		})
		if err != nil {
			c.log.Error("the listener of OnRestore failed", slog.Any("error", err))
		}
	}
}

// CommitEveryRecords commits also when a worker has processed that many records since its last commit. 0, the default, does
// not count them.
func CommitEveryRecords(n int64) AppOption {
	return appOption(func(c *config) {
		c.CommitRecords = n
		if n < 0 {
			c.wrong("CommitEveryRecords", "%d records", n)
		}
	})
}

// CommitEveryBytes commits also when the tasks of a worker have changed that many bytes of state since its last commit: they
// are in memory until then, up to three times (compare statestore.uncommitted.max.bytes of KIP-892). Default 16 MiB.
func CommitEveryBytes(n int64) AppOption {
	return appOption(func(c *config) {
		c.CommitBytes = n
		if n < 1 || n > 512<<20 {
			c.wrong("CommitEveryBytes", "%d bytes are not between 1 and 512 MiB", n)
		}
	})
}

// InputBufferBytes bounds the bytes of all records of the instance that were fetched and wait to be processed,
// input.buffer.max.bytes of KIP-770. Above it no input that has records waiting is fetched; fetches that were on their way
// go over it. 0: no limit but those of each input, see BufferRecords. Default 512 MiB.
func InputBufferBytes(n int64) AppOption {
	return appOption(func(c *config) {
		c.InputBufferBytes = n
		if n < 0 {
			c.wrong("InputBufferBytes", "%d bytes", n)
		}
	})
}

// TaskTimeout is how long tasks may stand still because the cluster does not answer, or refuses what may succeed later,
// before that is an error that OnCrash decides on, task.timeout.ms (KIP-572). 0: they wait for ever. Default 5 min.
func TaskTimeout(d time.Duration) AppOption {
	return appOption(func(c *config) {
		c.TaskTimeoutMs = d.Milliseconds()
		if d < 0 {
			c.wrong("TaskTimeout", "%v is negative", d)
		}
	})
}

// StateCleanupDelay is how long the state of a task that is no longer here is kept, for when it comes back,
// state.cleanup.delay.ms. 0: for ever. Default 10 min.
func StateCleanupDelay(d time.Duration) AppOption {
	return appOption(func(c *config) {
		c.StateCleanupDelayMs = d.Milliseconds()
		if d < 0 {
			c.wrong("StateCleanupDelay", "%v is negative", d)
		}
	})
}

// StateMaxAge removes, when the instance starts, state that was not used for longer than that,
// state.cleanup.dir.max.age.ms (KIP-1259): its changelog may have forgotten deletions meanwhile (delete.retention.ms, 24
// hours by default), which such state would never hear of. 0, the default, removes none.
func StateMaxAge(d time.Duration) AppOption {
	return appOption(func(c *config) {
		c.StateMaxAgeMs = d.Milliseconds()
		if d < 0 {
			c.wrong("StateMaxAge", "%v is negative", d)
		}
	})
}
