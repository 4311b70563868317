package topic

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/registry/rest"
	"leat.dev/internal/registry/store"
)

// Defaults of Options.
const (
	DefaultTopic   = "_schemas"
	DefaultGroup   = "schema-registry"
	DefaultTimeout = 5 * time.Second
	DefaultStart   = time.Minute
	// DefaultReplicas is how many copies a topic gets that this package creates, fewer if there are fewer brokers.
	DefaultReplicas = 3
)

// Options of a Backend.
type Options struct {
	// Client are the options of the Kafka client: where brokers are, how to reach them, who one is.
	Client []kgo.Opt
	// Topic and Group default to Confluent's names.
	Topic, Group string
	// Identity is where the other registries of the group find this one.
	Identity Identity
	// Sticky keeps the leader that there is when one with a smaller URL joins. All members should have it equal.
	Sticky bool
	// Timeout bounds each wait of a write (for a leader, for the end of the log, for the own record): kafkastore.timeout.ms.
	Timeout time.Duration
	// StartTimeout bounds how long Open waits for the cluster, and a new leader for its producer id.
	StartTimeout time.Duration
	Replicas     int
	Clock        clock.Clock
	Logger       *slog.Logger
}

func (o *Options) setDefaults() {
	if o.Topic == "" {
		o.Topic = DefaultTopic
	}
	if o.Group == "" {
		o.Group = DefaultGroup
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.StartTimeout == 0 {
		o.StartTimeout = DefaultStart
	}
	if o.Replicas == 0 {
		o.Replicas = DefaultReplicas
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// Backend is a [rest.Backend] over a topic. Its methods may be called from many goroutines.
type Backend struct {
	o       Options
	client  *kgo.Client
	cluster string
	elected *election
	reader  *reader
	writer  *writer
	turn    chan struct{} // holds one token: whose turn it is to write
	stop    context.CancelFunc
	running sync.WaitGroup
}

var _ rest.Backend = (*Backend)(nil)

// Open connects to the cluster, creates the topic if there is none, reads it to its end, and joins the group of registries. It
// fails if the topic is not a compacted one: what it holds would be deleted some day.
func Open(ctx context.Context, o Options) (*Backend, error) {
	o.setDefaults()
	client, err := kgo.NewClient(append([]kgo.Opt{
		kgo.ClientID("sr-1"), kgo.DisableClientMetrics(), kgo.MetadataMinAge(50 * time.Millisecond),
		kgo.RetryBackoffFn(func(int) time.Duration { return retryPause }),
	}, o.Client...)...)
	if err != nil {
		return nil, fmt.Errorf("schema registry: Kafka client: %w", err)
	}
	b := &Backend{o: o, client: client, turn: make(chan struct{}, 1)}
	b.turn <- struct{}{}
	ctx, cancel := context.WithTimeoutCause(ctx, o.StartTimeout, fmt.Errorf("no answer within %s", o.StartTimeout))
	defer cancel()
	if err := b.prepare(ctx); err != nil {
		client.Close()
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("%w (%w)", err, context.Cause(ctx))
		}
		return nil, fmt.Errorf("schema registry: %w", err)
	}
	running, stop := context.WithCancel(context.Background())
	b.stop = stop
	log := newLog(client, o.Topic, o.Clock)
	b.reader = newReader(log, o.Logger)
	b.writer = &writer{log: log, group: o.Group, clock: o.Clock, logger: o.Logger}
	b.elected = newElection(client, o.Group, o.Identity, o.Sticky, o.Clock, o.Logger)
	b.running.Go(func() { b.reader.run(running) })
	if err := b.catchUp(ctx); err != nil {
		b.Close()
		return nil, fmt.Errorf("schema registry: read topic %s: %w", o.Topic, err)
	}
	b.running.Go(func() { b.elected.run(running) })
	b.running.Go(func() { b.lead(running) })
	b.settle(ctx)
	return b, nil
}

// settleTimeout is how long Open waits for the group to choose a leader, so that who is told that a registry is ready can write.
// Without one it is ready for reads.
const settleTimeout = 15 * time.Second

func (b *Backend) settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	for {
		t, changed := b.elected.current()
		if t.url != "" {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// lead makes this process the only writer as soon as it is the leader, so that the first write need not wait for that.
func (b *Backend) lead(ctx context.Context) {
	for ctx.Err() == nil {
		t, changed := b.elected.current()
		if t.leads && b.prime(ctx, t) != nil && b.elected.holds(t) && b.reader.log.pause(ctx) == nil {
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// prime is a write that writes nothing.
func (b *Backend) prime(ctx context.Context, t term) error {
	select {
	case <-b.turn:
		defer func() { b.turn <- struct{}{} }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if !b.elected.holds(t) {
		return nil
	}
	err := b.begin(ctx, t)
	if err != nil && ctx.Err() == nil {
		b.o.Logger.Warn("schema registry is the leader and cannot write yet", "topic", b.o.Topic, "error", err)
	}
	return err
}

// prepare asks who the cluster is and sees to the topic.
func (b *Backend) prepare(ctx context.Context) error {
	admin := kadm.NewClient(b.client)
	meta, err := admin.BrokerMetadata(ctx)
	if err != nil {
		return fmt.Errorf("reach the Kafka cluster: %w", err)
	}
	b.cluster = meta.Cluster
	return ensure(ctx, admin, b.o, len(meta.Brokers))
}

// catchUp waits until everything is read that is in the log now.
func (b *Backend) catchUp(ctx context.Context) error {
	end, err := b.reader.log.end(ctx)
	if err != nil {
		return err
	}
	return b.reader.wait(ctx, end)
}

// CatchUp waits until the state has everything that was written before the call, at most for the timeout.
func (b *Backend) CatchUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, b.o.Timeout)
	defer cancel()
	return b.catchUp(ctx)
}

// Close leaves the group, so that another leads at once, and ends the goroutines.
func (b *Backend) Close() {
	b.stop()
	b.running.Wait()
	b.client.Close()
}

// Read implements rest.Backend.
func (b *Backend) Read(look func(*store.State)) { b.reader.look(look) }

// ClusterIDs implements rest.Backend.
func (b *Backend) ClusterIDs() (kafka, group string) { return b.cluster, b.o.Group }

// Leader tells whether this process leads, and the URL of the leader; it is empty if there is none.
func (b *Backend) Leader() (leads bool, url string) {
	t, _ := b.elected.current()
	return t.leads, t.url
}

// Skipped is how many records were not understood and passed over.
func (b *Backend) Skipped() int64 { return b.reader.skipped.Load() }

// Reading reports whether the topic could be read when that was tried last.
func (b *Backend) Reading() error { return b.reader.trouble() }

// Write implements rest.Backend.
func (b *Backend) Write(ctx context.Context, decide func(*store.State) ([]store.Record, error)) error {
	t, err := b.await(ctx)
	if err != nil {
		return err
	}
	select {
	case <-b.turn:
		defer func() { b.turn <- struct{}{} }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if !b.elected.holds(t) {
		return b.away()
	}
	// From here on whoever asked may go: what has begun is brought to its end.
	ctx = context.WithoutCancel(ctx)
	if err := b.begin(ctx, t); err != nil {
		return b.failed(err)
	}
	bounded, cancel := context.WithTimeout(ctx, b.o.Timeout)
	defer cancel()
	if err := b.catchUp(bounded); err != nil {
		return b.failed(err)
	}
	var records []store.Record
	b.reader.change(func(s *store.State) {
		records, err = decide(s)
		if slices.ContainsFunc(records, func(r store.Record) bool { return r.Value == nil }) {
			records = append(records, s.Noop())
		}
	})
	if err != nil || len(records) == 0 {
		return err
	}
	return b.append(bounded, t, records)
}

// append writes records and waits until they are part of the state.
func (b *Backend) append(ctx context.Context, t term, records []store.Record) error {
	if !b.elected.holds(t) {
		return b.away()
	}
	offset, err := b.writer.append(ctx, records)
	if err != nil {
		b.writer.forget()
		return b.failed(err)
	}
	if err := b.reader.wait(ctx, offset+int64(len(records))); err != nil {
		b.writer.forget()
		return b.failed(err)
	}
	return nil
}

// begin makes this process the only writer, once in a term: a new producer epoch, then a NOOP with it, read back.
func (b *Backend) begin(ctx context.Context, t term) error {
	if b.writer.ready(t) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, b.o.StartTimeout)
	defer cancel()
	if err := b.writer.begin(ctx); err != nil {
		return err
	}
	if err := b.catchUp(ctx); err != nil {
		return err
	}
	var noop store.Record
	b.reader.look(func(s *store.State) { noop = s.Noop() })
	if err := b.append(ctx, t, []store.Record{noop}); err != nil {
		return err
	}
	b.writer.term = t
	return nil
}

// await returns the term if this process leads. While the group is choosing it waits, at most for the timeout.
func (b *Backend) await(ctx context.Context) (term, error) {
	deadline := b.o.Clock.NewTimer(b.o.Timeout)
	defer deadline.Stop()
	for {
		t, changed := b.elected.current()
		switch {
		case b.elected.holds(t):
			return t, nil
		case t.url != "" && !t.leads:
			return t, b.away()
		}
		select {
		case <-changed:
		case <-deadline.C():
			return t, b.away()
		case <-ctx.Done():
			return t, ctx.Err()
		}
	}
}

// away is what a process answers that does not lead.
func (b *Backend) away() error {
	t, _ := b.elected.current()
	if t.leads {
		return &rest.NotLeader{} // but its lease has run out
	}
	return &rest.NotLeader{URL: t.url}
}

// failed makes the error that the caller is shown.
func (b *Backend) failed(err error) error {
	var away *rest.NotLeader
	var refused *store.Error
	switch {
	case errors.As(err, &away), errors.As(err, &refused):
		return err
	case errors.Is(err, errFenced):
		b.o.Logger.Warn("another schema registry writes: this one was the leader and no longer is", "topic", b.o.Topic)
		return &rest.NotLeader{}
	case errors.Is(err, context.Canceled):
		return err // the process ends: what clients asked for goes on, whoever cancels
	case errors.Is(err, context.DeadlineExceeded):
		b.o.Logger.Warn("schema registry write timed out", "topic", b.o.Topic, "timeout", b.o.Timeout)
		return err
	case errors.Is(err, errTooLarge):
		return &store.Error{Code: store.CodeSchemaTooLarge, Message: "Register operation failed because schema is too large"}
	}
	b.o.Logger.Error("schema registry write failed", "topic", b.o.Topic, "error", err)
	return &store.Error{Code: store.CodeStore, Message: "Error while registering the schema in the backend Kafka store: " + err.Error()}
}
