package engine

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// budget bounds the bytes of all records of a process that were fetched and wait (KIP-770): above it no input that holds
// any is fetched, until it is below again. What fetches return that were on their way goes over it.
//
// Workers and the manager add what they see; now and then the housekeeper sets what there really is.
type budget struct {
	max  int64 // 0: none
	held atomic.Int64
}

func (b *budget) full() bool { return b.max > 0 && b.held.Load() > b.max }

func (b *budget) add(n int64) { b.held.Add(n) }

func (b *budget) set(n int64) { b.held.Store(n) }

// How much is fetched ahead. franz-go asks a broker for more as soon as what it answered last is polled, and throws away of an
// answer what belongs to partitions that were paused meanwhile, which is read again later. So inputs are not paused when they
// have enough: nothing is polled as long as no input wants more (manager.await). Only where inputs are so unequal that one
// holds much while another needs to be fetched, or where the budget is spent, the fuller ones are paused.
const (
	bufferedMax    = 6 << 20 // of one input, bytes and recordCost for each record; what fetches return goes over it
	recordCost     = 128     // bytes, of a record that waits
	awaitQuietMax  = 100 * time.Millisecond
	awaitLoadedMax = time.Second
)

// fewRecords is how many records an input holds, at the most, that wants more: buffered.records.per.partition.
func (p *process) fewRecords() int64 { return int64(p.app.prog.Settings.BufferedPerInput) }

// full tells whether an input holds so much that it is not fetched.
func (p *process) full(records, bytes int64) bool {
	return records > p.fewRecords() && bytes+records*recordCost > bufferedMax || bytes > 0 && p.budget.full()
}

// goesOn tells whether an input that was paused holds so little that it is fetched again.
func (p *process) goesOn(records, bytes int64) bool {
	return (records <= p.fewRecords() || bytes+records*recordCost <= bufferedMax/2) && !(bytes > 0 && p.budget.full())
}

// gate lets workers wake the manager, when it waits for an input that wants more.
type gate struct {
	shut *atomic.Bool
	wake chan struct{}
}

func newGate() gate { return gate{new(atomic.Bool), make(chan struct{}, 1)} }

func (g *gate) open() {
	if g.shut.Load() && g.shut.Swap(false) {
		select {
		case g.wake <- struct{}{}:
		default:
		}
	}
}

// await returns true when it is time to poll: when an input wants more, or none has enough. Inputs of which the broker had no
// more want nothing until a while has passed.
func (m *manager) await(ctx context.Context) bool {
	if !m.sated(nil) {
		return true
	}
	timer := m.p.app.clk.NewTimer(awaitLoadedMax)
	defer timer.Stop()
	for first := true; ; first = false {
		m.gate.shut.Store(true)
		quiet := false
		if !m.sated(&quiet) {
			m.gate.shut.Store(false)
			return true
		}
		if first && quiet {
			timer.Reset(awaitQuietMax)
		}
		select {
		case <-m.gate.wake:
		case <-timer.C():
			m.gate.shut.Store(false)
			return true
		case <-ctx.Done():
			m.gate.shut.Store(false)
			return false
		}
	}
}

// sated tells whether there are inputs with enough and none that wants more. quiet is set where the broker had no more of one.
func (m *manager) sated(quiet *bool) bool {
	loaded := false
	for _, t := range m.tasks {
		for _, f := range t.inputs {
			switch {
			case f.waiting.Load()+f.held.Load() > m.p.fewRecords():
				loaded = true
			case f.paused.Load():
			case !f.quiet:
				return false
			case quiet != nil:
				*quiet = true
			}
		}
	}
	return loaded
}

// takeAll hands on what a poll gave. Inputs that were asked for and are not in it have no more for now.
func (m *manager) takeAll(fetches kgo.Fetches) {
	if fetches.NumRecords() > 0 {
		for _, t := range m.tasks {
			for _, f := range t.inputs {
				f.quiet = !f.paused.Load()
			}
		}
	}
	fetches.EachPartition(func(f kgo.FetchTopicPartition) { m.dispatch(&f) })
}
