package replica

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/commitlog"
)

// Partition is one partition hosted by this broker.
type Partition struct {
	manager *Manager
	topic   *Topic
	index   int32
	fresh   bool // made by this process: there is no log of it in a directory that is not here

	// role is what the metadata says; log is nil while the partition has no usable directory.
	role atomic.Pointer[role]
	log  atomic.Pointer[commitlog.Log]

	flush        atomic.Int32 // flushIdle...
	pendingBytes atomic.Int64 // appended, not yet below the high watermark
	hw           atomic.Int64 // the log's high watermark, for those who only want to know whether there is news

	mu      sync.Mutex
	commits []commitEntry
	fetches watchList
	ended   error // set when the partition was removed or lost
}

// role is this broker's part in a partition, replaced as a whole when the metadata changes.
type role struct {
	leader    int32
	epoch     int32
	replicas  []int32
	isr       []int32
	minInSync int
	failed    error // why there is no log
}

type commitEntry struct {
	offset int64
	waiter CommitWaiter
	index  int
	fn     func(error)
}

// CommitWaiter is told when an offset is below the high watermark, or that it never will be. Committed is called with
// the partition's lock held: it must neither block nor call the partition.
type CommitWaiter interface {
	Committed(index int, err error)
}

// Topic returns the topic the partition belongs to.
func (p *Partition) Topic() *Topic { return p.topic }

// Index is the partition's number.
func (p *Partition) Index() int32 { return p.index }

// Log is the partition's log. It is nil only while the partition is offline because its directory could not be opened.
func (p *Partition) Log() *commitlog.Log { return p.log.Load() }

// Leader is the broker that leads the partition, -1 if none does.
func (p *Partition) Leader() int32 { return p.role.Load().leader }

// LeaderEpoch is the epoch of that leadership.
func (p *Partition) LeaderEpoch() int32 { return p.role.Load().epoch }

// Replicas and ISR are those of the metadata.
func (p *Partition) Replicas() []int32 { return p.role.Load().replicas }
func (p *Partition) ISR() []int32      { return p.role.Load().isr }

// EnoughInSync tells whether acks=all may be accepted: at least min.insync.replicas of the replicas are in sync, or all
// of them where the topic has fewer.
func (p *Partition) EnoughInSync() bool {
	r := p.role.Load()
	return len(r.isr) >= min(r.minInSync, len(r.replicas))
}

// Err tells why the partition cannot be used here, nil if it can.
func (p *Partition) Err() *kerr.Error {
	r := p.role.Load()
	if r.leader != p.manager.opts.NodeID {
		return kerr.NotLeaderForPartition
	}
	log := p.log.Load()
	if log == nil || log.Offline() != nil {
		return kerr.KafkaStorageError
	}
	return nil
}

// CheckEpoch compares the leader epoch that a client believes in with the partition's: -1 is not checked.
func (p *Partition) CheckEpoch(client int32) *kerr.Error {
	if client == -1 { // the client does not say; Kafka takes lower ones for epochs that are over
		return nil
	}
	switch epoch := p.LeaderEpoch(); {
	case client < epoch:
		return kerr.FencedLeaderEpoch
	case client > epoch:
		return kerr.UnknownLeaderEpoch
	}
	return nil
}

// AppendAsLeader appends client or coordinator batches, which it may change in place, and sees to it that they become
// durable. Errors are *commitlog.AppendError, *commitlog.StorageError, or a *kerr.Error.
func (p *Partition) AppendAsLeader(b []byte, origin commitlog.Origin, version int16) (commitlog.AppendInfo, error) {
	return p.Append(b, commitlog.AppendOptions{Origin: origin, RequestVersion: version})
}

// Append is AppendAsLeader with all that can be said of a batch. The leader epoch is the partition's own.
func (p *Partition) Append(b []byte, o commitlog.AppendOptions) (commitlog.AppendInfo, error) {
	r := p.role.Load()
	if r.leader != p.manager.opts.NodeID {
		return commitlog.AppendInfo{}, kerr.NotLeaderForPartition
	}
	log := p.log.Load()
	if log == nil {
		return commitlog.AppendInfo{}, kerr.KafkaStorageError
	}
	o.LeaderEpoch = r.epoch
	info, err := log.AppendLeader(b, o)
	if err != nil {
		var storage *commitlog.StorageError
		switch {
		case errors.As(err, &storage):
			p.storageFailed(err)
		case errors.Is(err, commitlog.ErrClosed):
			return info, kerr.NotLeaderForPartition
		}
		return info, err
	}
	if info.Duplicate {
		return info, nil
	}
	p.pendingBytes.Add(int64(info.Bytes))
	if p.manager.opts.FlushOnCommit {
		p.requestFlush()
		return info, nil
	}
	p.advance(log.EndOffset(), p.pendingBytes.Load())
	if log.FlushDue(p.manager.opts.Clock.Now()) {
		p.requestFlush()
	}
	return info, nil
}

// HighWatermark is the offset below which everything is committed.
func (p *Partition) HighWatermark() int64 { return p.hw.Load() }

// advance moves the high watermark up to offset and wakes who waited for it. bytes is what was appended below it since
// the last time.
func (p *Partition) advance(offset, bytes int64) {
	log := p.log.Load()
	if log == nil {
		return
	}
	var fns []func(error)
	p.mu.Lock()
	if offset > p.hw.Load() {
		log.SetHighWatermark(offset)
		p.hw.Store(offset)
		p.pendingBytes.Add(-bytes)
		p.fetches.wake(log, bytes)
	}
	if len(p.commits) > 0 {
		kept := p.commits[:0]
		for _, e := range p.commits {
			switch {
			case e.offset >= offset:
				kept = append(kept, e)
			case e.fn != nil:
				fns = append(fns, e.fn)
			default:
				e.waiter.Committed(e.index, nil)
			}
		}
		clear(p.commits[len(kept):])
		p.commits = kept
	}
	p.mu.Unlock()
	for _, fn := range fns {
		fn(nil)
	}
}

// OnCommitted calls fn once the record at offset is below the high watermark, or with an error when the partition is
// lost before. It may call it at once.
func (p *Partition) OnCommitted(offset int64, fn func(error)) {
	done, err := p.await(commitEntry{offset: offset, fn: fn})
	if done {
		fn(err)
	}
}

// Await is OnCommitted without a closure: waiter.Committed(index, err) is called once, unless done is returned, or the
// waiter is taken back by CancelAwait.
func (p *Partition) Await(offset int64, waiter CommitWaiter, index int) (done bool, err error) {
	return p.await(commitEntry{offset: offset, waiter: waiter, index: index})
}

func (p *Partition) await(e commitEntry) (done bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hw.Load() > e.offset {
		return true, nil
	}
	if p.ended != nil {
		return true, p.ended
	}
	if log := p.log.Load(); log == nil || log.Offline() != nil {
		// Those who waited were told already. What is at this offset once the log is back may be another record.
		return true, kerr.KafkaStorageError
	}
	p.commits = append(p.commits, e)
	return false, nil
}

// CancelAwait takes a waiter back and tells whether it was still waiting.
func (p *Partition) CancelAwait(waiter CommitWaiter, index int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, e := range p.commits {
		if e.waiter == waiter && e.index == index && e.fn == nil {
			last := len(p.commits) - 1
			copy(p.commits[i:], p.commits[i+1:])
			p.commits[last] = commitEntry{}
			p.commits = p.commits[:last]
			return true
		}
	}
	return false
}

// fail tells everybody who waits that it was in vain. With final set nobody may wait again.
func (p *Partition) fail(err error, final bool) {
	p.mu.Lock()
	commits := p.commits
	p.commits = nil
	if final {
		p.ended = err
	}
	p.fetches.wakeAll()
	for _, e := range commits {
		if e.fn == nil {
			e.waiter.Committed(e.index, err)
		}
	}
	p.mu.Unlock()
	for _, e := range commits {
		if e.fn != nil {
			e.fn(err)
		}
	}
}

// storageFailed is called by whoever sees a storage error first. The log is offline from now on; the log directory
// probes it and calls Manager.StateChanged when it is back.
func (p *Partition) storageFailed(err error) {
	p.manager.opts.Logger.Error("partition is offline", "topic", p.topic.Name, "partition", p.index, "err", err)
	p.fail(kerr.KafkaStorageError, false)
}

// recovered is called when the log is usable: after opening, and after a storage error went away.
func (p *Partition) recovered() {
	log := p.log.Load()
	p.mu.Lock()
	p.hw.Store(log.HighWatermark())
	p.pendingBytes.Store(0)
	p.fetches.wakeAll()
	p.mu.Unlock()
	if !p.manager.opts.FlushOnCommit {
		p.advance(log.EndOffset(), 0)
		return
	}
	p.advance(log.FlushedOffset(), 0)
	if log.FlushedOffset() < log.EndOffset() {
		p.requestFlush()
	}
}
