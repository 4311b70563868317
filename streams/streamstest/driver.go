package streamstest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"leat.dev/streams"
	"leat.dev/streams/internal/bridge"
	"leat.dev/streams/internal/engine"
	"leat.dev/streams/internal/state"
)

// Driver runs one topology. All its methods belong to the test's goroutine.
type Driver struct {
	t    testing.TB
	prog *engine.Program
	set  settings
	log  *clusterLog
	db   *state.DB

	now     int64
	workers []*worker
	global  *globalPart
	counts  map[engine.Metric]map[string]int64
	kept    map[engine.TopicPartition]engine.Committed

	taken  map[string]int // how much of the log the readers of a topic have seen
	held   int            // batches that are open
	batch  bool           // what is processed now came in a batch
	trying int            // calls of Try that are open
	err    error          // what stopped the tasks
	stable int            // records before this place are committed
}

// New makes a driver of the topology that build describes; a mistake in it fails the test. It takes the options of an app
// (those that are about a cluster are ignored) and those of this package. The driver closes when the test ends.
func New(t testing.TB, build func(*streams.Builder), o ...streams.AppOption) *Driver {
	t.Helper()
	d, err := TryNew(t, build, o...)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TryNew is New for topologies that may be wrong: it returns what streams.New would return.
func TryNew(t testing.TB, build func(*streams.Builder), o ...streams.AppOption) (*Driver, error) {
	t.Helper()
	d := &Driver{
		t: t, set: defaults(), counts: map[engine.Metric]map[string]int64{},
		kept: map[engine.TopicPartition]engine.Committed{}, taken: map[string]int{},
	}
	for _, e := range bridge.Extra(o) {
		e.(func(*settings))(&d.set)
	}
	d.now = int64(d.set.start)
	var err error
	if d.prog, err = bridge.Compile(d.set.appID, build, o, func(s *engine.Settings) {
		s.EmitIntervalMs = d.set.emitEvery.Milliseconds()
		s.StateDir = ""
	}); err != nil {
		return nil, err
	}
	d.log = newClusterLog(d.partitionsOf)
	if d.db, err = d.set.openState(t); err != nil {
		return nil, err
	}
	t.Cleanup(d.close)
	if err := d.start(); err != nil {
		return nil, err
	}
	return d, nil
}

func (d *Driver) close() {
	if err := errors.Join(d.stop(true), d.db.Close()); err != nil {
		d.t.Error(err)
	}
}

// Now is the driver's wall clock.
func (d *Driver) Now() streams.Time { return streams.Time(d.now) }

// AdvanceWallClock moves the clock that wall-clock punctuators and throttles see, at once to its new time: a punctuator
// that is due several times fires once. Without it the clock stands still, at 0 or at the time of StartingAt.
func (d *Driver) AdvanceWallClock(by time.Duration) {
	d.t.Helper()
	d.now += by.Milliseconds()
	d.work(true)
}

// Pipe appends a record of bytes to any topic, as a producer would, and runs the topology until it is quiet. A Partition
// of -1 is that of the key. Offset, Node and Changelog are ignored. A time below 0 is a record without one.
func (d *Driver) Pipe(r Record) {
	d.t.Helper()
	if d.err != nil {
		d.fail(fmt.Errorf("the tasks have stopped: %w", d.err))
		return
	}
	if r.Partition < 0 {
		r.Partition = d.log.partition(r.Topic, r.Key)
	}
	if n := d.partitionsOf(r.Topic); int(r.Partition) >= n {
		d.t.Fatalf("topic %s has %d partitions, there is no number %d", r.Topic, n, r.Partition)
	}
	r.Node, r.Changelog = "", false
	d.log.append(r, true)
	d.work(false)
}

// Batch runs f, and only then the topology: records sent in f are all in their topics before the first is processed. With
// one record after the other, which is the default, a task never has two to choose from.
func (d *Driver) Batch(f func()) {
	d.t.Helper()
	d.held++
	f()
	d.held--
	d.batch = true
	d.work(false)
	d.batch = false
}

// Try runs f and returns the error that stopped the tasks meanwhile, instead of failing the test. After it nothing is
// processed until Restart or Crash, as in an app: the record that failed is read again then.
func (d *Driver) Try(f func()) error {
	d.t.Helper()
	d.trying++
	f()
	d.trying--
	return d.err
}

// Err is the error that stopped the tasks, nil while they run.
func (d *Driver) Err() error { return d.err }

func (d *Driver) fail(err error) {
	d.t.Helper()
	if d.err == nil {
		d.err = err
	}
	if d.trying == 0 {
		d.t.Fatal(err)
	}
}

// Records are all records that the topology has written, to all topics, in the order it did. Changelogs and repartition
// topics are among them.
func (d *Driver) Records() []Record {
	return slices.DeleteFunc(slices.Clone(d.log.all()), func(r Record) bool { return r.input })
}

// Topics are the names of the topics that the topology has written to, in the order of the first record of each.
func (d *Driver) Topics() []string {
	var names []string
	for _, r := range d.log.all() {
		if !r.input && !slices.Contains(names, r.Topic) {
			names = append(names, r.Topic)
		}
	}
	return names
}

// Dropped is the number of records that the topology has dropped: null keys, late records, errors that were skipped.
func (d *Driver) Dropped() int {
	var n int64
	for _, c := range d.counts[engine.Dropped] {
		n += c
	}
	return int(n)
}

// DroppedAt is Dropped of one node.
func (d *Driver) DroppedAt(node string) int { return int(d.counts[engine.Dropped][node]) }

// Describe is the description of the topology, in the form of Kafka's Topology.describe.
func (d *Driver) Describe() string { return d.prog.Topology.Describe() }
