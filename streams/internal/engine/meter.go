package engine

import (
	"math/bits"
	"time"

	"leat.dev/internal/base/clock"
)

// A Meter counts what one task does, in plain integers that belong to who has the task. Between two rounds it is emptied
// into the app's metrics, so that a record costs a few additions and no atomic operation.
//
// What would cost a look at the clock is sampled: one of SampleEvery calls.
type Meter struct {
	clk     clock.Clock // nil: nothing is timed
	Refresh func(*Meter)

	Lateness   Spread // ms that records are behind the stream time
	CacheBytes int64  // of the record cache
	ObjectSize int64  // bytes of objects kept for reading
	Enforced   int64  // records taken while an input was empty, because waiting for it was over

	nodes  []*NodeMeter
	stores []*StoreMeter
}

// SampleEvery is how many calls there are to one that is timed.
const SampleEvery = 64

// MeterOf is the meter of an Env that has one, else one that nobody reads.
func MeterOf(env Env) *Meter {
	if e, ok := env.(interface{ Meter() *Meter }); ok {
		return e.Meter()
	}
	return &Meter{}
}

// Node is the meter of a node.
func (m *Meter) Node(name string) *NodeMeter {
	for _, n := range m.nodes {
		if n.name == name {
			return n
		}
	}
	n := &NodeMeter{name: name}
	m.nodes = append(m.nodes, n)
	return n
}

// Store is the meter of a store.
func (m *Meter) Store(name string) *StoreMeter {
	for _, s := range m.stores {
		if s.name == name {
			return s
		}
	}
	s := &StoreMeter{name: name, clk: m.clk}
	m.stores = append(m.stores, s)
	return s
}

// Clock tells the time for what is sampled; ok is false where nobody reads the meter.
func (m *Meter) Clock() (now time.Time, ok bool) {
	if m.clk == nil {
		return time.Time{}, false
	}
	return m.clk.Now(), true
}

// NodeMeter counts what one node does.
type NodeMeter struct {
	name     string
	Records  int64  // taken: at sources from their topics, at sinks to be written
	Emitted  int64  // results that a node held back: of suppress and of windows that closed
	EndToEnd Spread // ms from a record's time to now, at sources and sinks
	Seconds  Spread // ns of sampled calls

	toldRecords int64
	out         *nodeSeries
}

// Sampled counts a record, and tells whether it is one to time.
func (n *NodeMeter) Sampled() bool {
	n.Records++
	return n.Records&(SampleEvery-1) == 0
}

// Operation is what is done with a store.
type Operation uint8

// The operations.
const (
	Get Operation = iota
	Put
	Scan // fetch, range, all, prefix
	StoreFlush
	RestoreBatch
	operations
)

var operationNames = [operations]string{"get", "put", "scan", "flush", "restore"}

// StoreMeter counts what is done with one store of one task.
type StoreMeter struct {
	name string
	clk  clock.Clock

	left  [operations]int32 // since the last sample
	done  [operations]int64 // until then
	told  [operations]int64 // to the app's metrics
	times [operations]Spread

	Hits      int64 // gets that found a decoded object
	Iterators int64 // open now
	Entries   int64 // that a buffer holds now
	Bytes     int64 // and their bytes

	out    *storeSeries
	gauges [3]int64 // iterators, entries and bytes as told
}

// Sampled counts an operation, and tells whether it is one to time: then the caller calls Begin, does the operation by calling
// itself, which counts it, and calls End.
func (s *StoreMeter) Sampled(op Operation) bool {
	s.left[op]++
	return s.left[op] == SampleEvery
}

// Begin begins the timing of an operation that Sampled chose.
func (s *StoreMeter) Begin(op Operation) time.Time {
	s.done[op] += SampleEvery - 1
	s.left[op] = 0
	if s.clk == nil {
		return time.Time{}
	}
	return s.clk.Now()
}

// End ends it.
func (s *StoreMeter) End(op Operation, began time.Time) {
	if s.clk != nil {
		s.times[op].Add(s.clk.Now().Sub(began).Nanoseconds())
	}
}

// Timed counts and times an operation that is rare.
func (s *StoreMeter) Timed(op Operation, f func() error) error {
	s.done[op]++
	if s.clk == nil {
		return f()
	}
	began := s.clk.Now()
	err := f()
	s.End(op, began)
	return err
}

// A Spread is a distribution: how many values lie between two powers of two.
type Spread struct {
	n   [spreadBits]int64 // [i]: at most 2^i, and more than 2^(i-1)
	sum int64
	any bool
}

// spreadBits bounds what is told apart: 2^44 ms are 557 years, 2^44 ns are 4.9 hours.
const spreadBits = 45

// Add adds a value. Negative ones, as of clocks that differ, count as zero.
func (s *Spread) Add(v int64) {
	s.n[min(bits.Len64(uint64(max(v, 1)-1)), spreadBits-1)]++ //nolint:gosec // not negative
	s.sum += max(v, 0)
	s.any = true
}
