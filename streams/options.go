package streams

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"leat.dev/streams/internal/topology"
)

// Option adjusts one operator. The options an operator knows are listed in its documentation; any other is a mistake that
// New reports with the operator's name.
type Option struct {
	name  string
	apply func(*settings) error
}

// settings is what the options of one operator say.
type settings struct {
	given []string

	name            string // Named
	store           string // Materialize
	inMemory        bool
	cache           *bool
	noChangelog     bool
	changelogConfig map[string]string
	versioned       time.Duration // history; zero: not versioned
	retention       time.Duration
	keepHeaders     bool
	partitions      int
	partitionBy     any // func(K, V, int) int
	partitionsBy    any // func(K, V, int) ([]int, bool)
	timestamps      any // func(Record[K, V], Time) Time
	startAt         Offset
	tableGrace      time.Duration
	hasTableGrace   bool
	initial         any // func() A
	merge           any // func(A, A) A, of Slices
	idle            time.Duration
}

func option(name string, set func(*settings)) Option {
	return Option{name, func(s *settings) error { set(s); return nil }}
}

// settings reads the options of an operator, of which only those named in allowed fit.
func (b *Builder) settings(operator string, o []Option, allowed ...string) *settings {
	s := &settings{}
	for _, op := range o {
		if op.apply == nil {
			b.mistake(operator, "an empty Option was given", "make options by the functions of this package")
			continue
		}
		if !slices.Contains(allowed, op.name) {
			fit := "it takes no options"
			if len(allowed) > 0 {
				fit = "it takes " + strings.Join(allowed, ", ")
			}
			b.mistake(operator, fmt.Sprintf("option %s does not fit", op.name), fit)
			continue
		}
		if slices.Contains(s.given, op.name) {
			b.mistake(operator, fmt.Sprintf("option %s is given twice", op.name), "give it once")
			continue
		}
		s.given = append(s.given, op.name)
		if err := op.apply(s); err != nil {
			b.mistake(operator, fmt.Sprintf("option %s: %v", op.name, err), "correct its argument")
		}
	}
	return s
}

func (s *settings) has(name string) bool { return slices.Contains(s.given, name) }

// storeOptions are the options of operators that keep a store.
var storeOptions = []string{"InMemory", "NoCache", "Cached", "NoChangelog", "ChangelogConfig", "KeepHeaders"}

// Named gives the operator's node a name of its own, and the repartition topic it may need. Kafka: Named, Grouped.as.
func Named(name string) Option {
	return Option{"Named", func(s *settings) error {
		s.name = name
		return topology.CheckName(name)
	}}
}

// Materialize keeps the result of a stateless step on a table in a store of that name, which can be queried.
func Materialize(store string) Option {
	return Option{"Materialize", func(s *settings) error {
		s.store = store
		return topology.CheckName(store)
	}}
}

// InMemory keeps the operator's store in memory. Its contents come back from its changelog after a restart.
func InMemory() Option { return option("InMemory", func(s *settings) { s.inMemory = true }) }

// Versioned keeps the history of a table for that long, so that lookups can ask for the value as of a time (KIP-889).
func Versioned(history time.Duration) Option {
	return Option{"Versioned", func(s *settings) error {
		s.versioned = history
		if history < 0 {
			return fmt.Errorf("history is negative (%v)", history)
		}
		return nil
	}}
}

// Retention keeps the windows of an aggregate for that long; the least, and the default, is the size of the window and its grace.
func Retention(d time.Duration) Option {
	return Option{"Retention", func(s *settings) error {
		s.retention = d
		if d < 0 {
			return fmt.Errorf("retention is negative (%v)", d)
		}
		return nil
	}}
}

// NoCache sends every update of the operator's store downstream and to the changelog at once. Without it updates of a
// key between two commits become one (KIP-63).
func NoCache() Option {
	return option("NoCache", func(s *settings) { off := false; s.cache = &off })
}

// NoChangelog keeps no changelog of the operator's store: its contents are lost with the machine.
func NoChangelog() Option { return option("NoChangelog", func(s *settings) { s.noChangelog = true }) }

// ChangelogConfig sets topic configs of the store's changelog, by Kafka's names.
func ChangelogConfig(kv map[string]string) Option {
	return option("ChangelogConfig", func(s *settings) { s.changelogConfig = kv })
}

// Partitions fixes the number of partitions of a repartition topic. By default it is that of the topics read.
func Partitions(n int) Option {
	return Option{"Partitions", func(s *settings) error {
		s.partitions = n
		if n < 1 {
			return fmt.Errorf("%d partitions", n)
		}
		return nil
	}}
}

// PartitionBy chooses the partition of each record that is written, of n. By default it is that of Kafka's producers:
// murmur2 of the key's bytes. A partition outside 0 to n-1 is an error of the record.
func PartitionBy[K, V any](f func(k K, v V, n int) int) Option {
	return option("PartitionBy", func(s *settings) { s.partitionBy = f })
}

// PartitionsBy sends each record to the partitions f returns: to none it is dropped, to several it is repeated (KIP-837);
// ok=false leaves the choice to the default partitioner.
func PartitionsBy[K, V any](f func(k K, v V, n int) (partitions []int, ok bool)) Option {
	return option("PartitionsBy", func(s *settings) { s.partitionsBy = f })
}

// Timestamps takes the time of each record from f, which also sees the partition's time so far (-1 at the beginning).
// Records with a negative time are dropped. By default it is the time the record has; one without is an error.
func Timestamps[K, V any](f func(r Record[K, V], part Time) Time) Option {
	return option("Timestamps", func(s *settings) { s.timestamps = f })
}

// StartAt says where a source begins when nothing was committed. The default is the beginning.
func StartAt(p Offset) Option { return option("StartAt", func(s *settings) { s.startAt = p }) }

// TableGrace lets a stream-table join wait for the table's late records: a record is joined when stream time has passed its
// own by that much. The table must be Versioned with at least that history (KIP-923).
func TableGrace(d time.Duration) Option {
	return Option{"TableGrace", func(s *settings) error {
		s.tableGrace, s.hasTableGrace = d, true
		if d < 0 {
			return fmt.Errorf("grace is negative (%v)", d)
		}
		return nil
	}}
}

// KeepHeaders keeps the headers of the record that wrote a value beside it (KIP-1271).
func KeepHeaders() Option { return option("KeepHeaders", func(s *settings) { s.keepHeaders = true }) }

// Init gives an aggregate another start than A's zero value.
func Init[A any](f func() A) Option { return option("Init", func(s *settings) { s.initial = f }) }

// Slices keeps one partial result for each advance of a hopping window and merges them on emit, in place of one result
// for each window: a record then costs one update, not size/advance. merge must be associative, with Init's value neutral.
func Slices[A any](merge func(A, A) A) Option {
	return option("Slices", func(s *settings) { s.merge = merge })
}

// Offset is a place to begin reading a topic at.
type Offset struct {
	kind string
	back time.Duration
}

// Where a source begins that has no committed offset.
var (
	Earliest = Offset{kind: "earliest"}
	Latest   = Offset{kind: "latest"}
	// Required makes a missing committed offset an error.
	Required = Offset{kind: "none"}
)

// Since begins at the records of the last d (KIP-1106).
func Since(d time.Duration) Offset { return Offset{"by_duration", d} }

// Name is the name of a store, a node or a topic.
//
// Methods that take one, or windows or a buffer, are generic in its type for the compiler's sake: it compiles the body of a
// generic method, and all that follows from it, only for those who call the method. Every type that a program uses would
// otherwise bring windows, sessions and suppression with it.
type Name interface{ ~string }
