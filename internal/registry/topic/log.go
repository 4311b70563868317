package topic

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/base/clock"
)

// log is the topic's one partition: where its leader is, and single requests to it.
type log struct {
	client *kgo.Client
	topic  string
	clock  clock.Clock

	mu     sync.Mutex
	known  bool
	leader int32
	id     [16]byte // of the topic, for protocol versions that name it so
}

func newLog(client *kgo.Client, topic string, c clock.Clock) *log {
	return &log{client: client, topic: topic, clock: c}
}

// pause is what lies between two tries.
func (l *log) pause(ctx context.Context) error {
	t := l.clock.NewTimer(retryPause)
	defer t.Stop()
	select {
	case <-t.C():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// moved forgets where the leader is.
func (l *log) moved() {
	l.mu.Lock()
	l.known = false
	l.mu.Unlock()
}

// broker finds the partition's leader.
func (l *log) broker(ctx context.Context) (*kgo.Broker, [16]byte, error) {
	l.mu.Lock()
	known, leader, id := l.known, l.leader, l.id
	l.mu.Unlock()
	if known {
		return l.client.Broker(int(leader)), id, nil
	}
	req := kmsg.NewPtrMetadataRequest()
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = &l.topic
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(ctx, l.client)
	if err != nil {
		return nil, id, err
	}
	if len(resp.Topics) != 1 || resp.Topics[0].ErrorCode != 0 || len(resp.Topics[0].Partitions) == 0 {
		err = kerr.UnknownTopicOrPartition
		if len(resp.Topics) == 1 && resp.Topics[0].ErrorCode != 0 {
			err = kerr.ErrorForCode(resp.Topics[0].ErrorCode)
		}
		return nil, id, fmt.Errorf("topic %s: %w", l.topic, err)
	}
	p := resp.Topics[0].Partitions[0]
	if p.Leader < 0 {
		return nil, id, fmt.Errorf("topic %s: %w", l.topic, kerr.LeaderNotAvailable)
	}
	l.mu.Lock()
	l.known, l.leader, l.id = true, p.Leader, resp.Topics[0].TopicID
	id = l.id
	l.mu.Unlock()
	return l.client.Broker(int(p.Leader)), id, nil
}

// ask sends a request to the partition's leader. What it answers about the partition is for the caller to look at, who calls
// settle with it.
func ask[R kmsg.Response](ctx context.Context, l *log, request func(id [16]byte) kmsg.Request) (R, error) {
	var none R
	b, id, err := l.broker(ctx)
	if err != nil {
		return none, err
	}
	resp, err := b.Request(ctx, request(id))
	if err != nil {
		l.moved()
		return none, err
	}
	r, ok := resp.(R)
	if !ok {
		return none, fmt.Errorf("the broker answers with a %T", resp)
	}
	return r, nil
}

// settle turns the partition's error code into an error, and forgets the leader where it is another one now.
func (l *log) settle(code int16) error {
	err := kerr.ErrorForCode(code)
	if err != nil && !errors.Is(err, kerr.OffsetOutOfRange) {
		l.moved()
	}
	return err
}

// Places of ListOffsets.
const (
	atStart = -2
	atEnd   = -1
)

// list asks for an offset: that of the first record, or the one after the last.
func (l *log) list(ctx context.Context, at int64) (int64, error) {
	resp, err := ask[*kmsg.ListOffsetsResponse](ctx, l, func([16]byte) kmsg.Request {
		req := kmsg.NewPtrListOffsetsRequest()
		t := kmsg.NewListOffsetsRequestTopic()
		t.Topic = l.topic
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Timestamp = at
		t.Partitions = append(t.Partitions, p)
		req.Topics = append(req.Topics, t)
		return req
	})
	if err != nil {
		return 0, err
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return 0, errEmptyAnswer
	}
	p := resp.Topics[0].Partitions[0]
	return p.Offset, l.settle(p.ErrorCode)
}

// end is the offset after the last record. It is asked for until the partition's leader answers or ctx ends.
func (l *log) end(ctx context.Context) (int64, error) {
	for {
		offset, err := l.list(ctx, atEnd)
		if err == nil || isAnswer(err) && !kerr.IsRetriable(err) {
			return offset, err
		}
		if err := l.pause(ctx); err != nil {
			return 0, err
		}
	}
}

var errEmptyAnswer = errors.New("the broker's answer lacks the partition that was asked for")

// What one fetch may bring, in bytes, and how long it waits for it. A record is at most one million bytes and something.
const (
	fetchBytes      = 8 << 20
	fetchWaitMillis = 500
)

// fetch reads from an offset; it waits a moment if there is nothing.
func (l *log) fetch(ctx context.Context, offset int64) (*kmsg.FetchResponseTopicPartition, error) {
	resp, err := ask[*kmsg.FetchResponse](ctx, l, func(id [16]byte) kmsg.Request {
		req := kmsg.NewPtrFetchRequest()
		req.MaxWaitMillis, req.MinBytes, req.MaxBytes = fetchWaitMillis, 1, fetchBytes
		t := kmsg.NewFetchRequestTopic()
		t.Topic, t.TopicID = l.topic, id
		p := kmsg.NewFetchRequestTopicPartition()
		p.FetchOffset, p.PartitionMaxBytes, p.CurrentLeaderEpoch = offset, fetchBytes, -1
		t.Partitions = append(t.Partitions, p)
		req.Topics = append(req.Topics, t)
		return req
	})
	if err != nil {
		return nil, err
	}
	if err := l.settle(resp.ErrorCode); err != nil {
		return nil, err
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return nil, errEmptyAnswer
	}
	p := &resp.Topics[0].Partitions[0]
	return p, l.settle(p.ErrorCode)
}

// produce appends an encoded batch and returns the offset of its first record.
func (l *log) produce(ctx context.Context, batch []byte, timeoutMillis int32) (int64, error) {
	resp, err := ask[*kmsg.ProduceResponse](ctx, l, func(id [16]byte) kmsg.Request {
		req := kmsg.NewPtrProduceRequest()
		req.Acks, req.TimeoutMillis = -1, timeoutMillis
		t := kmsg.NewProduceRequestTopic()
		t.Topic, t.TopicID = l.topic, id
		p := kmsg.NewProduceRequestTopicPartition()
		p.Records = batch
		t.Partitions = append(t.Partitions, p)
		req.Topics = append(req.Topics, t)
		return req
	})
	if err != nil {
		return 0, err
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return 0, errEmptyAnswer
	}
	p := resp.Topics[0].Partitions[0]
	return p.BaseOffset, l.settle(p.ErrorCode)
}
