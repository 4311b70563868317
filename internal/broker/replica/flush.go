package replica

import (
	"errors"
	"sync"

	"leat.dev/internal/commitlog"
)

// The states of a partition's flush. An append during a flush asks for one more, which then covers all appends that
// came meanwhile.
const (
	flushIdle int32 = iota
	flushQueued
	flushRunning
	flushRunningDirty
)

func (p *Partition) requestFlush() {
	for {
		switch p.flush.Load() {
		case flushIdle:
			if p.flush.CompareAndSwap(flushIdle, flushQueued) {
				p.manager.flusher.enqueue(p)
				return
			}
		case flushRunning:
			if p.flush.CompareAndSwap(flushRunning, flushRunningDirty) {
				return
			}
		default:
			return
		}
	}
}

// flushOnce makes durable what was appended so far and moves the high watermark.
func (p *Partition) flushOnce() {
	p.flush.Store(flushRunning)
	bytes := p.pendingBytes.Load()
	if log := p.log.Load(); log != nil {
		start := p.manager.opts.Clock.Now()
		to, err := log.Flush()
		switch {
		case err == nil:
			if observe := p.manager.opts.ObserveFlush; observe != nil {
				observe(p.manager.opts.Clock.Now().Sub(start))
			}
			if p.manager.opts.FlushOnCommit {
				p.advance(to, bytes)
			}
		case errors.As(err, new(*commitlog.StorageError)):
			p.storageFailed(err)
		}
	}
	if !p.flush.CompareAndSwap(flushRunning, flushIdle) {
		p.flush.Store(flushQueued)
		p.manager.flusher.enqueue(p)
	}
}

// flusher runs flushes on a bounded number of goroutines, in the order they were asked for, so that one busy
// partition does not keep others from their turn.
//
// It keeps to few goroutines while they get on: a partition that waits a little for its turn gathers more appends into
// one fsync, which at small batches is most of what a broker's processor does. A queue that grows gets more, because
// a disk takes many fsyncs at once better than one after the other.
type flusher struct {
	limit int

	mu      sync.Mutex
	queue   []*Partition // a ring would save the copy, but the queue is short
	head    int
	running int
	wg      sync.WaitGroup
}

// fewFlushes run at once in any case; each one more takes a queue of queuePerFlush for every one that runs.
const (
	fewFlushes    = 4
	queuePerFlush = 4
)

func (f *flusher) enqueue(p *Partition) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queue = append(f.queue, p)
	if waiting := len(f.queue) - f.head; f.running < f.limit && (f.running < fewFlushes || waiting > f.running*queuePerFlush) {
		f.running++
		f.wg.Go(f.run)
	}
}

func (f *flusher) run() {
	for {
		f.mu.Lock()
		if f.head == len(f.queue) {
			f.queue, f.head = f.queue[:0], 0
			f.running--
			f.mu.Unlock()
			return
		}
		p := f.queue[f.head]
		f.queue[f.head] = nil
		f.head++
		if f.head > 64 && f.head*2 > len(f.queue) {
			n := copy(f.queue, f.queue[f.head:])
			f.queue, f.head = f.queue[:n], 0
		}
		f.mu.Unlock()
		p.flushOnce()
	}
}

// wait returns when no flush is queued or running. Nobody may append any more.
func (f *flusher) wait() { f.wg.Wait() }
