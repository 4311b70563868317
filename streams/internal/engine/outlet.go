package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// outlet is where the tasks of one worker write: a producer, transactional under exactly-once. It belongs to the worker;
// franz-go calls back from its own goroutine about records that are written or failed.
type outlet struct {
	app    *App
	client *kgo.Client
	txnID  string // "": no transactions

	line    *line        // the client's
	inTxn   bool         // begun, by the first record
	txn     *transaction // open, or not known to be complete; nil: none
	settled chan error   // gives when txn, which has been ended, is complete; nil: it has not been ended
	slab    *slab        // that is being filled
	turn    int32        // for records without a key: the partition of the moment
	topics  map[string]*outTopic
	acked   atomic.Bool // something was written in the transaction

	mu      sync.Mutex
	failed  []ProduceFailure
	broken  atomic.Bool // failed is not empty, or refused is set
	refused error       // the worker's: what check found, until what was sent is given up; nobody's callback can lose it
	stale   error       // why another one has to take its place; nil: it can go on
}

// changelog is the position of one changelog partition that a task writes.
type changelog struct {
	tp   TopicPartition
	next atomic.Int64 // the offset after the last record that is written; 0: none yet
}

func newOutlet(a *App, txnID string) (*outlet, error) {
	o := &outlet{app: a, txnID: txnID, topics: map[string]*outTopic{}}
	if err := o.connect(); err != nil {
		return nil, err
	}
	return o, nil
}

// connect makes the producer.
func (o *outlet) connect() error {
	a, line := o.app, &line{}
	opts := []kgo.Opt{
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.AllowAutoTopicCreation(), // as Kafka's producer: whether topics are made is the broker's setting
		kgo.MaxBufferedRecords(8_000),
		kgo.MaxBufferedBytes(64 << 20),
		kgo.ProducerBatchMaxBytesFn(a.cluster.limits.of),
	}
	// No delivery timeout: franz-go counts it from the time of the record, which here is that of an event.
	if o.txnID != "" {
		opts = append(opts, kgo.TransactionalID(o.txnID), kgo.TransactionTimeout(transactionTimeout), kgo.WithHooks(line), kgo.ConnIdleTimeout(unused))
	}
	client, err := a.client(opts...)
	if err != nil {
		return err
	}
	o.client, o.line = client, line
	return nil
}

// producerLinger is how long a batch waits for more records. Kafka Streams waits for 100 ms; a commit ends the waiting here
// as there.
const producerLinger = 20 * time.Millisecond

// transactionTimeout is transaction.timeout.ms as Kafka Streams sets it.
const transactionTimeout = 10 * time.Second

// send begins to write a record for a task.
func (o *outlet) send(ctx context.Context, env *taskEnv, out *Out) error {
	topic := o.topic(out)
	partition, err := o.partition(ctx, topic, out)
	if err != nil {
		return err
	}
	if o.txnID != "" && !o.inTxn {
		if err := o.begin(ctx); err != nil {
			return err
		}
	}
	topic.write(partition)
	s := o.take()
	s.env, s.node, s.log, s.topic, s.asked = env, out.Node, nil, topic, false
	if out.Changelog {
		s.log = env.log(out.Topic, partition)
	}
	keep := s.slab.copy
	s.record = kgo.Record{Topic: out.Topic, Partition: partition, Key: keep(out.Key), Value: keep(out.Value)}
	if out.Time >= 0 {
		s.record.Timestamp = time.UnixMilli(out.Time)
	} else {
		s.record.Timestamp = o.app.clk.Now()
	}
	if out.Source != nil {
		if s.source == nil {
			s.source = &Source{}
		}
		*s.source, s.asked = *out.Source, true
		s.source.Key, s.source.Value, s.source.Headers = keep(out.Source.Key), keep(out.Source.Value), slices.Clone(out.Source.Headers)
	}
	if len(out.Headers) > 0 {
		s.record.Headers = make([]kgo.RecordHeader, len(out.Headers))
		for i, h := range out.Headers {
			s.record.Headers[i] = kgo.RecordHeader{Key: h.Key, Value: keep(h.Value)}
		}
	}
	o.client.Produce(ctx, &s.record, s.promise)
	return nil
}

// partition is where a record goes: as it says, by its key, or where the last one without a key went, for a while.
func (o *outlet) partition(ctx context.Context, t *outTopic, out *Out) (int32, error) {
	if out.Partition >= 0 && out.Changelog {
		return out.Partition, nil
	}
	if t.partitions == 0 {
		n, err := o.app.partitions(ctx, out.Topic)
		if err != nil {
			return 0, fmt.Errorf("node %s writes to topic %s: %w", out.Node, out.Topic, err)
		}
		t.partitions = n
	}
	n := t.partitions
	switch {
	case out.Partition >= 0:
		if int(out.Partition) >= n {
			return 0, fmt.Errorf("node %s: partition %d was chosen for topic %s, which has %d", out.Node, out.Partition, out.Topic, n)
		}
		return out.Partition, nil
	case out.PartitionKey != nil:
		return partitionOf(out.PartitionKey, n), nil
	}
	o.turn++
	return o.turn / 256 % int32(n), nil //nolint:gosec // partitions are int32
}

// flush waits until all records are written, and lets the handler decide on those that failed.
func (o *outlet) flush(ctx context.Context) error {
	for {
		if err := o.flushed(ctx); err != nil {
			return err
		}
		if !o.broken.Load() {
			return nil
		}
		if err := o.check(ctx); err != nil {
			return err
		}
	}
}

// flushed waits until nothing is on its way, up to the task timeout.
func (o *outlet) flushed(ctx context.Context) error {
	within, limit := ctx, time.Duration(o.app.prog.Settings.TaskTimeoutMs)*time.Millisecond
	if limit > 0 {
		var cancel context.CancelFunc
		within, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	err := o.client.Flush(within)
	switch {
	case err == nil:
		return nil
	case within.Err() != nil && ctx.Err() == nil:
		return fmt.Errorf("what was sent could not be written for %v: the cluster does not answer", limit)
	}
	return &resetError{err: fmt.Errorf("writing what was sent: %w", err)}
}

// check asks the production handler about records that could not be written. What it finds once stays: a store's user may drop
// the error that a write gave, and nothing is committed all the same.
func (o *outlet) check(ctx context.Context) error {
	if o.refused == nil && o.broken.Load() {
		if o.refused = o.judge(ctx); o.refused != nil {
			o.broken.Store(true)
		}
	}
	return o.refused
}

func (o *outlet) judge(ctx context.Context) error {
	o.mu.Lock()
	failed := o.failed
	o.failed = nil
	o.broken.Store(false)
	o.mu.Unlock()
	for i := range failed {
		f := &failed[i]
		if o.batchRefused(ctx, f) {
			o.stale = errLimits
			return &resetError{err: fmt.Errorf("task %s: node %s: max.message.bytes of topic %s is smaller than it was: %w", f.Task, f.Node, f.Topic, f.Err)}
		}
		if fenced(f.Err) { // the transaction was ended by who took over while this member was away
			o.stale = errTaken
			return &resetError{err: fmt.Errorf("task %s: node %s: writing to %s-%d: %w", f.Task, f.Node, f.Topic, f.Partition, f.Err)}
		}
		if unreachable(f.Err) {
			return &resetError{err: fmt.Errorf("task %s: node %s: writing to %s-%d: %w", f.Task, f.Node, f.Topic, f.Partition, f.Err), passing: true}
		}
		d, letter := o.app.produceFailed(f)
		switch {
		case f.Changelog && lasting(f.Err):
			return &produceError{*f}
		case f.Changelog: // state and changelog would differ
			return &resetError{err: fmt.Errorf("task %s: writing a change of store %s to %s-%d: %w%s", f.Task, f.Node, f.Topic, f.Partition, f.Err, advice(f.Err))}
		case d == Retry && retriable(f.Err):
			return &resetError{err: fmt.Errorf("task %s: node %s: writing to %s-%d: %w", f.Task, f.Node, f.Topic, f.Partition, f.Err)}
		}
		if letter != nil && letter.Topic != f.Topic { // else it is a letter that is refused
			letter.Source = &f.Source
			if err := o.send(ctx, &taskEnv{app: o.app, id: f.Task}, letter); err != nil {
				return err
			}
		}
		if d != Skip {
			return &produceError{*f}
		}
		o.app.met.count(Dropped, f.Node, 1)
		o.app.log.Warn("record skipped", "kind", "production", "task", f.Task.String(), "node", f.Node, "topic", f.Source.Topic,
			"partition", f.Source.Partition, "offset", f.Source.Offset, "error", fmt.Errorf("writing to %s-%d: %w", f.Topic, f.Partition, f.Err))
	}
	return nil
}

// drop gives up what was sent and not written, ends the transaction and waits until nothing is on its way. With an error the
// outlet is of no use any more: it is closed, and its transaction resolved.
func (o *outlet) drop(ctx context.Context, wait time.Duration) error {
	limit, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	if o.txnID == "" {
		err := o.client.Flush(limit) // what is on its way may still arrive: state is read again from behind it
		o.forget()
		return errors.Join(err, o.stale)
	}
	if o.stale == nil && o.txn != nil && o.line.lost.Load() {
		o.stale = errLost
	}
	if o.stale != nil {
		return o.stale
	}
	err := o.client.AbortBufferedRecords(limit)
	if o.inTxn {
		o.ending()
		err = errors.Join(err, o.client.EndTransaction(limit, kgo.TryAbort))
	}
	if err != nil {
		return err
	}
	if o.inTxn {
		o.inTxn = false
		o.ended(ctx, aborted)
	}
	o.forget()
	return nil
}

// forget takes records that failed as dealt with.
func (o *outlet) forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.failed, o.refused = nil, nil
	o.broken.Store(false)
}

// Why an outlet is made anew.
var (
	errTaken  = errors.New("another producer took its transactional id over, or its transaction timed out")
	errLost   = errors.New("a broker could not be reached: what became of its transaction is asked")
	errLimits = errors.New("it was made for larger batches than a topic takes now")
)

// abandon closes an outlet after an error of drop, and resolves its transaction: nothing of it arrives later.
func (o *outlet) abandon(ctx context.Context) error {
	if o.txnID == "" {
		o.close()
		return nil
	}
	if o.txn != nil && o.settled == nil {
		o.txn.parts = o.written()
	}
	o.close()
	return o.app.resolve(ctx, o.txnID, o.txn)
}

func (o *outlet) close() { o.client.Close() }
