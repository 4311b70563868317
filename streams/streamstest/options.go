package streamstest

import (
	"testing"
	"time"

	"leat.dev/streams"
	"leat.dev/streams/internal/bridge"
	"leat.dev/streams/internal/state"
)

// settings are what the options of this package say.
type settings struct {
	appID        string
	start        streams.Time
	partitions   int            // 0: one task per sub-topology, all topics have one partition
	perTopic     map[string]int // exceptions
	seed         uint64
	manualCommit bool
	restarts     RestartKind
	emitEvery    time.Duration
	onDisk       bool
}

func defaults() settings {
	return settings{appID: "app", perTopic: map[string]int{}, seed: 1}
}

func (s *settings) openState(t testing.TB) (*state.DB, error) {
	t.Helper()
	if s.onDisk {
		return state.Open(t.TempDir(), state.Options{})
	}
	return state.Memory(), nil
}

// OnDisk keeps state on disk, in a temporary directory of the test, as an app does. The default is memory.
func OnDisk() streams.AppOption { return option(func(s *settings) { s.onDisk = true }) }

func option(f func(*settings)) streams.AppOption {
	return bridge.NewOption(f).(streams.AppOption)
}

// ApplicationID is the prefix of internal topics. The default is "app".
func ApplicationID(id string) streams.AppOption { return option(func(s *settings) { s.appID = id }) }

// StartingAt sets the wall clock at the beginning. The default is 0.
func StartingAt(t streams.Time) streams.AppOption { return option(func(s *settings) { s.start = t }) }

// Partitions gives every topic n partitions, and makes as many tasks as an app on such a cluster would have: records go to
// the partition of their key (murmur2, as Kafka's producers), repartition topics really repartition, and state is that of
// one partition. Which task goes next is random, see Seed. Without this option all topics have one partition.
func Partitions(n int) streams.AppOption {
	return option(func(s *settings) { s.partitions = max(n, 1) })
}

// PartitionsOf gives one topic another number of partitions than Partitions says.
func PartitionsOf(topic string, n int) streams.AppOption {
	return option(func(s *settings) {
		s.partitions = max(s.partitions, 1)
		s.perTopic[topic] = n
	})
}

// Seed chooses the order in which tasks are run with Partitions: the same seed gives the same order. The default is 1.
func Seed(seed uint64) streams.AppOption { return option(func(s *settings) { s.seed = seed }) }

// ManualCommit leaves it to the test to commit, by Driver.Commit. Without it each record is committed at once. A commit
// that a processor asks for is made all the same.
func ManualCommit() streams.AppOption { return option(func(s *settings) { s.manualCommit = true }) }

// EmitEvery throttles results of closed windows and of unmatched records, as an app does with one second. The default is
// not to.
func EmitEvery(d time.Duration) streams.AppOption {
	return option(func(s *settings) { s.emitEvery = d })
}

// RestartKind is a way to begin again.
type RestartKind int

// The ways to begin again.
const (
	NoRestart RestartKind = iota
	Clean                 // commit, close and open again
	Killed                // nothing since the last commit survives
	LostState             // like Killed, and the state is gone: it is restored from the changelogs
)

// RestartEach restarts all tasks after each record that any of them has processed. State and output must be equal to
// those of a run without it.
func RestartEach(k RestartKind) streams.AppOption {
	return option(func(s *settings) { s.restarts = k })
}
