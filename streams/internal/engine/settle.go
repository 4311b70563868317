package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A transaction ends in two steps: the coordinator decides it, and answers EndTxn; then it writes a marker to each partition.
// Apache Kafka 4.3 leaves out the markers of partitions that have no leader at that moment ("these partitions are likely
// deleted already", KRaftMetadataCache.getPartitionLeaderEndpoint), and calls the transaction complete. A broker that is
// stopped gives up its leaders while it still ends transactions; one that was killed and comes back holds leaders that the
// controller takes from it a moment later and gives back: with one replica, what a transaction wrote then stays open for ever, or
// ends as the next transaction of the same producer does. One that was committed is aborted in part, or the other way round.
//
// So a transaction is followed until it is complete before the next one writes anything (settle). If a partition has another
// leader epoch then than before its end, if a connection to a broker was lost meanwhile, or EndTxn has no answer, it is
// resolved: its outcome is asked for, and a transaction without records, with the same partitions and the same end, makes the
// coordinator write the markers again. They change nothing where a partition has its marker. The leaders of all partitions, as
// the coordinator's broker knows them, have to be the same before and after; else there was a time without, and it is done
// once more.

// outcome is how a transaction ends.
type outcome uint8

const (
	aborted   outcome = iota // it is, or is to be
	committed                // the coordinator said so
	unknown                  // EndTxn was sent, and nobody answered
	taken                    // another producer of the same id decided it
)

func (o outcome) String() string {
	return [...]string{"aborted", "committed", "unknown", "decided by another producer"}[o]
}

// transaction is one that is open, or not known to be complete.
type transaction struct {
	producer int64
	epoch    int16
	ends     outcome
	parts    map[string][]int32       // where it wrote
	leaders  map[TopicPartition]int32 // the leader epochs there before its end, as its producer knew them
	offsets  bool                     // offsets of the group are part of it
}

// line is what an outlet's client knows of its connections. Its own goroutines call it.
type line struct{ lost atomic.Bool }

// OnBrokerConnect is kgo's hook.
func (l *line) OnBrokerConnect(_ kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	if err != nil {
		l.lost.Store(true)
	}
}

// OnBrokerDisconnect is kgo's hook.
func (l *line) OnBrokerDisconnect(kgo.BrokerMetadata, net.Conn) { l.lost.Store(true) }

// unused is how long a connection of an outlet may be idle: less than connections.max.idle.ms of brokers, so that none is lost
// for that reason.
const unused = 9 * time.Minute

// outages remembers when a broker could not be reached. All clients of a process tell it.
type outages struct {
	now  func() int64
	last atomic.Int64 // ms; 0: never
}

// OnBrokerConnect is kgo's hook.
func (o *outages) OnBrokerConnect(_ kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		o.last.Store(o.now())
	}
}

// within tells whether there was one in the time until now.
func (o *outages) within(d time.Duration) bool {
	last := o.last.Load()
	return last != 0 && o.now()-last < d.Milliseconds()
}

// begin begins a transaction, when the one before is complete.
func (o *outlet) begin(ctx context.Context) error {
	if err := o.settle(ctx); err != nil {
		return err
	}
	_, _, err := o.client.ProducerID(ctx) // which learns, too, what the brokers can do: no transaction begins as an older one
	if !unreachable(err) {
		err = o.client.BeginTransaction()
	}
	next := &transaction{}
	if err == nil {
		next.producer, next.epoch, err = o.client.ProducerID(ctx)
	}
	if err != nil {
		o.stale = err
		if fenced(err) {
			o.stale = errTaken
		}
		return &resetError{err: fmt.Errorf("beginning a transaction as %s: %w%s", o.txnID, err, advice(err)), passing: unreachable(err)}
	}
	for _, t := range o.topics {
		clear(t.wrote)
	}
	o.inTxn, o.txn = true, next
	o.acked.Store(false)
	return nil
}

// errRenewed is the error of a transaction whose producer got another epoch: franz-go takes one by itself when a broker forgot
// the producer, and what was written before is aborted then, though the client would go on to commit the rest.
var errRenewed = errors.New("the producer got another epoch in the middle of the transaction")

// same fails unless the producer is the one that began the transaction.
func (o *outlet) same(ctx context.Context) error {
	producer, epoch, err := o.client.ProducerID(ctx)
	if err == nil && (producer != o.txn.producer || epoch != o.txn.epoch) {
		o.txn.ends, o.stale = aborted, errRenewed
		err = errRenewed
	}
	return err
}

// cancel ends a transaction to which nothing was written, as every record was refused: franz-go would abort it in any case,
// and say that it was committed.
func (o *outlet) cancel(ctx context.Context) error {
	o.ending()
	if err := o.client.EndTransaction(ctx, kgo.TryAbort); err != nil {
		o.stale = err
		return err
	}
	o.inTxn = false
	o.ended(ctx, aborted)
	return nil
}

// commit ends the transaction. Without an error it is committed.
func (o *outlet) commit(ctx context.Context) error {
	if err := o.same(ctx); err != nil {
		return err
	}
	o.ending()
	o.inTxn = false
	err := o.client.EndTransaction(ctx, kgo.TryCommit)
	if err == nil {
		o.ended(ctx, committed)
		return nil
	}
	o.inTxn = true
	switch {
	case fenced(err):
		o.txn.ends, o.stale = taken, errTaken
	case errors.Is(err, kerr.OperationNotAttempted), errors.Is(err, kerr.InvalidTxnState), errors.Is(err, kerr.TransactionAbortable):
		// it was not committed
	default:
		o.txn.ends, o.stale = unknown, errLost
	}
	return err
}

// ending notes where the transaction wrote, before its end is asked for.
func (o *outlet) ending() {
	o.txn.parts, o.txn.leaders = o.written(), map[TopicPartition]int32{}
	for topic, parts := range o.txn.parts {
		for _, p := range parts {
			_, epoch, err := o.client.PartitionLeader(topic, p)
			if err != nil {
				epoch = -1
			}
			o.txn.leaders[TopicPartition{topic, p}] = epoch
		}
	}
}

// ended follows a transaction whose end was answered until it is complete.
func (o *outlet) ended(ctx context.Context, how outcome) {
	o.txn.ends = how
	settled, client, leaders := make(chan error, 1), o.client, o.txn.leaders
	o.settled = settled
	go func() { settled <- completed(ctx, client, o.txnID, leaders) }()
}

// written are the partitions that the transaction wrote to.
func (o *outlet) written() map[string][]int32 {
	parts := map[string][]int32{}
	for name, t := range o.topics {
		for p, wrote := range t.wrote {
			if wrote {
				parts[name] = append(parts[name], int32(p)) //nolint:gosec // partitions are int32
			}
		}
	}
	return parts
}

// settleSoon settles the transaction that was ended last if it is complete: perhaps nothing is written after it for long.
func (o *outlet) settleSoon(ctx context.Context) error {
	if len(o.settled) == 0 {
		return nil
	}
	return o.settle(ctx)
}

// settle waits until the transaction that was ended last is complete, and resolves it when it may have lost markers.
func (o *outlet) settle(ctx context.Context) error {
	if o.settled == nil {
		return nil
	}
	var err error
	select {
	case err = <-o.settled:
	case <-ctx.Done():
		return ctx.Err()
	}
	if err != nil || o.line.lost.Load() {
		o.client.Close() // nothing is on its way
		o.app.log.Info("the last transaction may lack markers: it is resolved", "transactional_id", o.txnID, "error", err)
		if err := o.app.resolve(ctx, o.txnID, o.txn); err != nil {
			o.settled = make(chan error, 1)
			o.settled <- err
			return &resetError{err: fmt.Errorf("completing the last transaction of %s: %w%s", o.txnID, err, advice(err)), passing: passes(err)}
		}
		if err := o.connect(); err != nil {
			return err
		}
	}
	o.settled, o.txn = nil, nil
	return nil
}

// completed waits until no markers of a transaction are missing, as far as the coordinator knows, and looks whether it may have
// left some out. It is asked through the client that ended the transaction: a connection with nothing on its way tells nobody
// that it is lost before it is used again. A cluster that does not tell makes nobody wait.
func completed(ctx context.Context, client *kgo.Client, id string, leaders map[TopicPartition]int32) error {
	for wait := time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		state, node, err := describe(ctx, client, id)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case passes(err):
			return err
		case err != nil:
			return nil //nolint:nilerr // a cluster that does not tell
		case !strings.HasPrefix(state.State, "Prepare"):
			return unmoved(ctx, client.Broker(node), leaders)
		}
		if !pause(ctx, wait) {
			return ctx.Err()
		}
	}
}

// unmoved fails unless partitions have the leader epochs given, as a broker knows them.
func unmoved(ctx context.Context, broker *kgo.Broker, leaders map[TopicPartition]int32) error {
	parts := map[string][]int32{}
	for tp := range leaders {
		parts[tp.Topic] = append(parts[tp.Topic], tp.Partition)
	}
	now, err := leadersAt(ctx, broker, parts)
	switch {
	case passes(err):
		return err
	case err != nil:
		return nil //nolint:nilerr // a cluster that does not tell
	}
	for tp, epoch := range now {
		if epoch != leaders[tp] {
			return fmt.Errorf("%s-%d: another leader: %w", tp.Topic, tp.Partition, kerr.LeaderNotAvailable)
		}
	}
	return nil
}

// describe asks the coordinator about a transactional id. node is the coordinator's.
func describe(ctx context.Context, client *kgo.Client, id string) (state *kmsg.DescribeTransactionsResponseTransactionState, node int, err error) {
	req := kmsg.NewPtrDescribeTransactionsRequest()
	req.TransactionalIDs = []string{id}
	answers := client.RequestSharded(ctx, req)
	if len(answers) != 1 {
		return nil, 0, errors.New("no transaction is described")
	}
	if answers[0].Err != nil {
		return nil, 0, answers[0].Err
	}
	resp, ok := answers[0].Resp.(*kmsg.DescribeTransactionsResponse)
	if !ok || len(resp.TransactionStates) != 1 {
		return nil, 0, errors.New("no transaction is described")
	}
	return &resp.TransactionStates[0], int(answers[0].Meta.NodeID), kerr.ErrorForCode(resp.TransactionStates[0].ErrorCode)
}

// resolve brings a transaction to its end, with all its markers, and fences whoever has the transactional id. It waits for the
// cluster for as long as a task may stand still. t may be nil: what is open then is aborted.
func (a *App) resolve(ctx context.Context, id string, t *transaction) error {
	if t == nil {
		t = &transaction{}
	}
	return again(ctx, func() error {
		err := a.resolveOnce(ctx, id, t)
		if passes(err) && !awaited(err) {
			return fmt.Errorf("%w: %w", kerr.CoordinatorNotAvailable, err) // after an outage it takes its time
		}
		return err
	})
}

func (a *App) resolveOnce(ctx context.Context, id string, t *transaction) error {
	if t.ends == unknown {
		// A commit may be repeated: it is answered as the first one was. Nothing else tells both whether it was made, and makes it.
		switch err := a.endTxn(ctx, id, t, true); {
		case err == nil:
			t.ends = committed
		case errors.Is(err, kerr.InvalidTxnState): // it timed out before
			t.ends = aborted
		case fenced(err):
			if t.ends, err = a.decided(ctx, id, t); err != nil {
				return err
			}
		default:
			return err
		}
		a.log.Info("the end of a transaction is known", "transactional_id", id, "outcome", t.ends.String())
	}
	if err := a.initProducer(ctx, id, t); err != nil || t.ends == taken || len(t.parts) == 0 && !t.offsets {
		return err
	}
	before, err := a.leaders(ctx, id, t)
	if err != nil {
		return err
	}
	if err := a.addToTxn(ctx, id, t); err != nil {
		return err
	}
	if err := a.endTxn(ctx, id, t, t.ends == committed); err != nil {
		return err
	}
	if err := a.initProducer(ctx, id, t); err != nil { // which waits for its completion
		return err
	}
	after, err := a.leaders(ctx, id, t)
	if err == nil && !maps.Equal(before, after) {
		return fmt.Errorf("leaders changed while %s ended a transaction: %w", id, kerr.LeaderNotAvailable)
	}
	return err
}

// decided is how a transaction ended that its producer may not end any more. Before transaction.version 2 one that timed out is told
// from one that another producer took over only by the coordinator's state.
func (a *App) decided(ctx context.Context, id string, t *transaction) (outcome, error) {
	state, _, err := describe(ctx, a.cluster.client, id)
	switch {
	case err != nil:
		return unknown, err
	case state.ProducerID == t.producer && state.ProducerEpoch == t.epoch+1 && (state.State == "PrepareAbort" || state.State == "CompleteAbort"):
		return aborted, nil
	}
	return taken, nil
}

// initProducer takes a transactional id over: what is open is aborted, what is decided is waited for.
func (a *App) initProducer(ctx context.Context, id string, t *transaction) error {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.TransactionalID = &id
	req.TransactionTimeoutMillis = int32(transactionTimeout.Milliseconds())
	req.ProducerID, req.ProducerEpoch = -1, -1
	return again(ctx, func() error {
		resp, err := req.RequestWith(ctx, a.cluster.client)
		if err != nil {
			return err
		}
		t.producer, t.epoch = resp.ProducerID, resp.ProducerEpoch
		return kerr.ErrorForCode(resp.ErrorCode)
	})
}

// endTxn asks the coordinator to end a transaction, until it answers.
func (a *App) endTxn(ctx context.Context, id string, t *transaction, commit bool) error {
	req := kmsg.NewPtrEndTxnRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Commit = id, t.producer, t.epoch, commit
	return again(ctx, func() error {
		resp, err := req.RequestWith(ctx, a.cluster.client)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(resp.ErrorCode)
	})
}

// addToTxn makes partitions part of a transaction that writes nothing to them.
func (a *App) addToTxn(ctx context.Context, id string, t *transaction) error {
	if t.offsets {
		req := kmsg.NewPtrAddOffsetsToTxnRequest()
		req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Group = id, t.producer, t.epoch, a.prog.ApplicationID
		err := again(ctx, func() error {
			resp, err := req.RequestWith(ctx, a.cluster.client)
			if err != nil {
				return err
			}
			return kerr.ErrorForCode(resp.ErrorCode)
		})
		if err != nil {
			return err
		}
	}
	if len(t.parts) == 0 {
		return nil
	}
	return again(ctx, func() error {
		req := kmsg.NewPtrAddPartitionsToTxnRequest()
		req.TransactionalID, req.ProducerID, req.ProducerEpoch = id, t.producer, t.epoch
		for topic, parts := range t.parts {
			one := kmsg.NewAddPartitionsToTxnRequestTopic()
			one.Topic, one.Partitions = topic, parts
			req.Topics = append(req.Topics, one)
		}
		resp, err := req.RequestWith(ctx, a.cluster.client)
		if err != nil {
			return err
		}
		for _, topic := range resp.Topics {
			for _, part := range topic.Partitions {
				if err := kerr.ErrorForCode(part.ErrorCode); err != nil {
					return fmt.Errorf("%s-%d: %w", topic.Topic, part.Partition, err)
				}
			}
		}
		return nil
	})
}

// leaders are the leader epochs of a transaction's partitions, as the coordinator's broker knows them. Each has a leader.
// Partitions that are no more are taken out of the transaction.
func (a *App) leaders(ctx context.Context, id string, t *transaction) (map[TopicPartition]int32, error) {
	if len(t.parts) == 0 {
		return nil, nil
	}
	find := kmsg.NewPtrFindCoordinatorRequest()
	find.CoordinatorType, find.CoordinatorKey, find.CoordinatorKeys = 1, id, []string{id}
	where, err := find.RequestWith(ctx, a.cluster.client)
	if err != nil {
		return nil, err
	}
	node, code := where.NodeID, where.ErrorCode
	if len(where.Coordinators) > 0 {
		node, code = where.Coordinators[0].NodeID, where.Coordinators[0].ErrorCode
	}
	if err := kerr.ErrorForCode(code); err != nil {
		return nil, err
	}
	return leadersAt(ctx, a.cluster.client.Broker(int(node)), t.parts)
}

// leadersAt are the leader epochs of partitions, as a broker knows them. Each has a leader. Topics that are no more are taken out.
func leadersAt(ctx context.Context, broker *kgo.Broker, parts map[string][]int32) (map[TopicPartition]int32, error) {
	found := map[TopicPartition]int32{}
	if len(parts) == 0 {
		return found, nil
	}
	req := kmsg.NewPtrMetadataRequest()
	for topic := range parts {
		one := kmsg.NewMetadataRequestTopic()
		one.Topic = kmsg.StringPtr(topic)
		req.Topics = append(req.Topics, one)
	}
	resp, err := req.RequestWith(ctx, broker)
	if err != nil {
		return nil, err
	}
	for i := range resp.Topics {
		topic := &resp.Topics[i]
		if topic.Topic == nil {
			continue
		}
		if topic.ErrorCode == kerr.UnknownTopicOrPartition.Code {
			delete(parts, *topic.Topic)
			continue
		}
		if err := kerr.ErrorForCode(topic.ErrorCode); err != nil {
			return nil, fmt.Errorf("topic %s: %w", *topic.Topic, err)
		}
		for _, part := range topic.Partitions {
			if !slices.Contains(parts[*topic.Topic], part.Partition) {
				continue
			}
			if part.Leader < 0 {
				return nil, fmt.Errorf("%s-%d: %w", *topic.Topic, part.Partition, kerr.LeaderNotAvailable)
			}
			found[TopicPartition{*topic.Topic, part.Partition}] = part.LeaderEpoch
		}
	}
	return found, nil
}
