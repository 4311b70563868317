package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// commitOffsets commits input offsets with their metadata. When the outlet is in a transaction, they become part of it and it
// is committed; without one they are committed alone, which is as good: nothing was written.
func (p *process) commitOffsets(ctx context.Context, out *outlet, positions map[TopicPartition]Committed) error {
	if out != nil && out.inTxn && !out.acked.Load() {
		if err := out.cancel(ctx); err != nil {
			return &resetError{err: fmt.Errorf("ending the transaction %s, to which nothing was written: %w%s", out.txnID, err, advice(err))}
		}
	}
	if out == nil || !out.inTxn {
		if len(positions) == 0 {
			return nil
		}
		return p.commitPlain(ctx, positions)
	}
	if len(positions) > 0 {
		if err := p.commitInTransaction(ctx, out, positions); err != nil {
			return &resetError{err: fmt.Errorf("adding offsets to the transaction %s: %w%s", out.txnID, err, advice(err))}
		}
	}
	if err := out.commit(ctx); err != nil {
		return &resetError{err: fmt.Errorf("committing the transaction %s: %w%s", out.txnID, err, advice(err))}
	}
	return nil
}

// retryWait is between two tries of a request that may be answered otherwise soon.
const retryWait = 20 * time.Millisecond

func (p *process) commitPlain(ctx context.Context, positions map[TopicPartition]Committed) error {
	for tries := 0; ; tries++ {
		member, generation := p.group.identity()
		err := p.commitOnce(ctx, positions, member, generation)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, kerr.StaleMemberEpoch), errors.Is(err, kerr.FencedMemberEpoch):
			p.group.refused(ctx, generation) // the member hears of its epoch with the next heartbeat
			return fmt.Errorf("committing offsets: %w: %w", errLater, err)
		case errors.Is(err, kerr.RebalanceInProgress), errors.Is(err, kerr.IllegalGeneration), errors.Is(err, kerr.UnknownMemberID):
			// The group is between two generations. Tasks that leave are told so; for the others it is tried again.
			return fmt.Errorf("committing offsets: %w: %w", errLater, err)
		case passes(err):
			if tries < 50 && pause(ctx, retryWait) {
				continue
			}
			return fmt.Errorf("committing offsets: %w: %w", errLater, err)
		}
		return fmt.Errorf("committing offsets of group %s: %w%s", p.app.prog.ApplicationID, err, advice(err))
	}
}

func (p *process) commitOnce(ctx context.Context, positions map[TopicPartition]Committed, member string, generation int32) error {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.Generation, req.MemberID, req.InstanceID = p.app.prog.ApplicationID, generation, member, p.instanceID()
	for topic, partitions := range byTopic(positions) {
		t := kmsg.NewOffsetCommitRequestTopic()
		t.Topic = topic
		for p, c := range partitions {
			part := kmsg.NewOffsetCommitRequestTopicPartition()
			part.Partition, part.Offset, part.LeaderEpoch, part.Metadata = p, c.Offset, c.LeaderEpoch, kmsg.StringPtr(c.Metadata)
			t.Partitions = append(t.Partitions, part)
		}
		req.Topics = append(req.Topics, t)
	}
	resp, err := req.RequestWith(ctx, p.client)
	if err != nil {
		return err
	}
	for _, t := range resp.Topics {
		for _, part := range t.Partitions {
			if err := kerr.ErrorForCode(part.ErrorCode); err != nil {
				return fmt.Errorf("%s-%d: %w", t.Topic, part.Partition, err)
			}
		}
	}
	return nil
}

// commitInTransaction adds the offsets to the outlet's transaction (KIP-447): the group fences who is no member any more.
func (p *process) commitInTransaction(ctx context.Context, out *outlet, positions map[TopicPartition]Committed) error {
	if err := out.same(ctx); err != nil {
		return err
	}
	producer, epoch := out.txn.producer, out.txn.epoch
	out.txn.offsets = true
	if !p.app.transactions2 { // from transaction.version 2 on, TxnOffsetCommit says it (KIP-890)
		add := kmsg.NewPtrAddOffsetsToTxnRequest()
		add.TransactionalID, add.ProducerID, add.ProducerEpoch, add.Group = out.txnID, producer, epoch, p.app.prog.ApplicationID
		err := again(ctx, func() error {
			resp, err := add.RequestWith(ctx, out.client)
			if err != nil {
				return err
			}
			return kerr.ErrorForCode(resp.ErrorCode)
		})
		if err != nil {
			return err
		}
	}
	return again(ctx, func() error {
		member, generation := p.group.identity()
		req := kmsg.NewPtrTxnOffsetCommitRequest()
		req.TransactionalID, req.ProducerID, req.ProducerEpoch = out.txnID, producer, epoch
		req.Group, req.Generation, req.MemberID, req.InstanceID = p.app.prog.ApplicationID, generation, member, p.instanceID()
		for topic, partitions := range byTopic(positions) {
			t := kmsg.NewTxnOffsetCommitRequestTopic()
			t.Topic = topic
			for p, c := range partitions {
				part := kmsg.NewTxnOffsetCommitRequestTopicPartition()
				part.Partition, part.Offset, part.LeaderEpoch, part.Metadata = p, c.Offset, c.LeaderEpoch, kmsg.StringPtr(c.Metadata)
				t.Partitions = append(t.Partitions, part)
			}
			req.Topics = append(req.Topics, t)
		}
		resp, err := req.RequestWith(ctx, out.client)
		if err != nil {
			return err
		}
		for _, t := range resp.Topics {
			for _, part := range t.Partitions {
				if err := kerr.ErrorForCode(part.ErrorCode); err != nil {
					if errors.Is(err, kerr.IllegalGeneration) && p.group.refused(ctx, generation) {
						err = kerr.RebalanceInProgress // the group moved on meanwhile: ask again as its member
					}
					return fmt.Errorf("%s-%d: %w", t.Topic, part.Partition, err)
				}
			}
		}
		return nil
	})
}

func (p *process) instanceID() *string {
	if id := p.app.prog.Settings.GroupInstanceID; id != "" {
		return &id
	}
	return nil
}

// again repeats a request while its error may pass: for a while when the cluster says no, for as long as a task may stand
// still when the cluster cannot be reached.
func again(ctx context.Context, f func() error) error {
	var waited time.Duration
	for wait := retryWait; ; wait = min(2*wait, time.Second) {
		err := f()
		limit := refusedMax
		if awaited(err) {
			limit = taskTimeout
		}
		if err == nil || !passes(err) || waited > limit || !pause(ctx, wait) {
			return err
		}
		waited += wait
	}
}

// How long again goes on.
const (
	refusedMax  = 10 * time.Second
	taskTimeout = 5 * time.Minute // task.timeout.ms of Kafka Streams
)

// passes tells whether the same request may succeed later.
func passes(err error) bool {
	return kerr.IsRetriable(err) || errors.Is(err, kerr.RebalanceInProgress) || errors.Is(err, kerr.ConcurrentTransactions) || unreachable(err)
}

// awaited are errors that end with an outage, or with a transaction whose producer is gone.
func awaited(err error) bool {
	for _, e := range []error{kerr.UnstableOffsetCommit, kerr.CoordinatorLoadInProgress, kerr.CoordinatorNotAvailable, kerr.NotCoordinator} {
		if errors.Is(err, e) {
			return true
		}
	}
	return unreachable(err)
}

// unreachable tells whether no broker gave the error: nobody could be asked.
func unreachable(err error) bool {
	var said *kerr.Error
	return err != nil && !errors.As(err, &said) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) &&
		!errors.Is(err, kgo.ErrClientClosed)
}

// committedOffsets asks the group what is committed, when no transaction is about to change it.
func (p *process) committedOffsets(ctx context.Context, tps []TopicPartition) (map[TopicPartition]Committed, error) {
	return p.committedAs(ctx, tps, nil, -1)
}

// committedAs asks as a member, whom the group refuses when it is none.
func (p *process) committedAs(ctx context.Context, tps []TopicPartition, member *string, epoch int32) (map[TopicPartition]Committed, error) {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.RequireStable = true
	group := kmsg.NewOffsetFetchRequestGroup()
	group.Group, group.MemberID, group.MemberEpoch = p.app.prog.ApplicationID, member, epoch
	topics := map[string]int{}
	for _, tp := range tps {
		i, ok := topics[tp.Topic]
		if !ok {
			t := kmsg.NewOffsetFetchRequestGroupTopic()
			t.Topic = tp.Topic
			i = len(group.Topics)
			topics[tp.Topic] = i
			group.Topics = append(group.Topics, t)
		}
		group.Topics[i].Partitions = append(group.Topics[i].Partitions, tp.Partition)
	}
	req.Groups = append(req.Groups, group)
	out := map[TopicPartition]Committed{}
	err := again(ctx, func() error {
		resp, err := req.RequestWith(ctx, p.client)
		if err != nil {
			return err
		}
		for _, g := range resp.Groups {
			if err := kerr.ErrorForCode(g.ErrorCode); err != nil {
				return err
			}
			for _, t := range g.Topics {
				for _, part := range t.Partitions {
					if err := kerr.ErrorForCode(part.ErrorCode); err != nil {
						return err
					}
					out[TopicPartition{t.Topic, part.Partition}] = committedOf(&part)
				}
			}
		}
		return nil
	})
	return out, err
}

// byTopic groups positions as requests list them.
func byTopic(positions map[TopicPartition]Committed) map[string]map[int32]Committed {
	topics := map[string]map[int32]Committed{}
	for tp, c := range positions {
		if topics[tp.Topic] == nil {
			topics[tp.Topic] = map[int32]Committed{}
		}
		topics[tp.Topic][tp.Partition] = c
	}
	return topics
}
