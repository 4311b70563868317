package broker

import (
	"context"
	"encoding/binary"
	"errors"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/broker/quota"
	"leat.dev/internal/broker/replica"
	"leat.dev/internal/broker/transport"
	"leat.dev/internal/commitlog"
	"leat.dev/internal/wire/batch"
	"leat.dev/internal/wire/field"
	"leat.dev/internal/wire/produce"
)

// adminClientID may produce to internal topics, as in Kafka, whose own tools use it for that.
const adminClientID = "__admin_client"

// produceState is a Produce request between its append, on the connection's reader, and its answer, on the worker. It
// stays with the call it belongs to and is used again.
type produceState struct {
	broker *Broker
	req    produce.Request
	resp   produce.Response
	names  []byte // topic names of the response; the request's own are gone when it is answered

	// slots are the partitions whose data has to be committed before the answer. The slice is sized before the first
	// of them is waited for and stays as it is, because flushes write to the slots meanwhile.
	slots   []produceSlot
	checks  []txnCheck // one for each partition of a transactional request, otherwise none
	denied  []bool     // which topics the client may not write to; empty if it may write to all
	used    int
	waiting atomic.Int32
	done    chan struct{} // gets one token per request that was appended, when waiting falls to 0
	begun   bool          // the token has to be taken
	timer   clock.Timer
	failed  bool

	watch    stopwatch     // runs while the request is begun, but not while it waits to be committed
	throttle time.Duration // because of the bytes
}

type produceSlot struct {
	partition *replica.Partition
	answer    *produce.PartitionResponse
	err       error // set by Committed, read after done
}

// leaderTimeout is the least that acks=1 waits for this broker's disk.
const leaderTimeout = 30 * time.Second

// errAcksZero closes the connection of a producer that asked for no answers: it is how Kafka tells it of an error.
var errAcksZero = errors.New("produce with acks=0 failed")

func produceStateOf(b *Broker, c *transport.Call) *produceState {
	if s, ok := c.State.(*produceState); ok {
		return s
	}
	s := &produceState{broker: b, done: make(chan struct{}, 1)}
	c.State = s
	return s
}

// beginProduce appends what a request carries. Its memory goes back at once: the data is in the log's files now.
func (b *Broker) beginProduce(c *transport.Call) error {
	s := produceStateOf(b, c)
	s.reset()
	s.watch = b.watch(c)
	size := len(c.Body)
	if err := s.req.Decode(c.Body, c.Version); err != nil {
		b.metrics.malformed(c.Key)
		return malformed(c, err)
	}
	s.resp.Shape(&s.req)
	code := s.refuseWhole()
	if code == nil {
		code = s.authorize(c)
	}
	if code == nil && s.req.TransactionID != nil {
		code = s.verify(c)
	}
	if code != nil {
		s.refuseAll(code)
	} else {
		s.appendAll(c)
	}
	s.keepNames()
	s.forgetBody()
	c.ReleaseBody()
	if s.throttle = 0; b.throttles(quota.Produce, c.Conn) {
		// Muted from here on, or the reader would begin what comes next before this is answered.
		s.throttle = b.use(quota.Produce, c, float64(size))
		c.Conn.Mute(s.throttle)
	}
	s.watch.pause()
	return nil
}

// forgetBody drops what points into the request's body, and keeps the structure around it for the next request.
func (s *produceState) forgetBody() {
	for i := range s.req.Topics {
		t := &s.req.Topics[i]
		t.Name = nil
		for j := range t.Partitions {
			t.Partitions[j].Records = nil
		}
	}
	s.req.Topics, s.req.TransactionID = s.req.Topics[:0], nil
}

func (s *produceState) reset() {
	s.slots, s.used = s.slots[:0], 0
	s.checks = s.checks[:0]
	s.failed, s.begun = false, false
}

// refuseWhole checks what concerns the request as a whole.
func (s *produceState) refuseWhole() *kerr.Error {
	if s.req.Acks < -1 || s.req.Acks > 1 {
		return kerr.InvalidRequiredAcks
	}
	if s.req.TransactionID == nil && s.anyTransactional() {
		return kerr.TransactionalIDAuthorizationFailed
	}
	return nil
}

func (s *produceState) anyTransactional() bool {
	for i := range s.req.Topics {
		for j := range s.req.Topics[i].Partitions {
			if transactional(s.req.Topics[i].Partitions[j].Records) {
				return true
			}
		}
	}
	return false
}

// transactional looks at the attributes of the first batch, which is the only one a request may carry per partition.
func transactional(records []byte) bool {
	return len(records) >= 23 && records[16] == 2 && binary.BigEndian.Uint16(records[21:])&(1<<4) != 0
}

func (s *produceState) refuseAll(code *kerr.Error) {
	for i := range s.resp.Topics {
		for j := range s.resp.Topics[i].Partitions {
			s.refuse(&s.resp.Topics[i].Partitions[j], nil, code)
		}
	}
}

func (s *produceState) appendAll(c *transport.Call) {
	n := 0
	for i := range s.req.Topics {
		n += len(s.req.Topics[i].Partitions)
	}
	s.slots = append(s.slots[:0], make([]produceSlot, n)...)
	s.begun = true
	// One more than there can be, so that no early commit ends the wait before all partitions are under way.
	s.waiting.Store(1)
	place := 0
	for i := range s.req.Topics {
		topic := s.topic(c, i)
		for j, in := range s.req.Topics[i].Partitions {
			answer := &s.resp.Topics[i].Partitions[j]
			var check txnCheck
			if len(s.checks) > 0 {
				check = s.checks[place]
				place++
			}
			if s.isDenied(i) {
				s.refuse(answer, nil, kerr.TopicAuthorizationFailed)
				continue
			}
			if topic == nil {
				s.refuse(answer, nil, missingTopic(c.Version))
				continue
			}
			s.appendOne(c, topic, in, check, answer)
		}
	}
	s.release(1)
}

// topic is the i-th topic of the request, nil if this broker does not know it or the client may not write to it.
func (s *produceState) topic(c *transport.Call, i int) *replica.Topic {
	if s.isDenied(i) {
		return nil
	}
	t := &s.req.Topics[i]
	if c.Version >= 13 {
		return s.broker.replicas.TopicByID(t.ID)
	}
	return s.broker.replicas.TopicBytes(t.Name)
}

func missingTopic(version int16) *kerr.Error {
	if version >= 13 {
		return kerr.UnknownTopicID
	}
	return kerr.UnknownTopicOrPartition
}

// appendOne appends to one partition.
func (s *produceState) appendOne(c *transport.Call, topic *replica.Topic, in produce.Partition, check txnCheck, answer *produce.PartitionResponse) {
	if topic.Internal && c.ClientID != adminClientID {
		s.refuse(answer, nil, kerr.InvalidTopicException)
		return
	}
	p, kerror := topic.Leading(in.Index)
	if kerror != nil {
		s.refuse(answer, topic.Partition(in.Index), kerror)
		return
	}
	if s.req.Acks == -1 && !p.EnoughInSync() {
		s.refuse(answer, p, kerr.NotEnoughReplicas)
		return
	}
	if check.err != nil {
		s.refuse(answer, p, check.err)
		return
	}
	info, err := p.Append(in.Records, commitlog.AppendOptions{
		Origin: commitlog.Client, RequestVersion: c.Version, Verify: check.verify, Guard: check.guard,
	})
	if err != nil {
		s.refuseErr(answer, p, err)
		if len(in.Records) < batch.HeaderSize {
			answer.LogStartOffset = -1 // there is no batch that could have been looked for in the log
		}
		return
	}
	answer.BaseOffset = info.FirstOffset
	answer.LogAppendTimeMs = info.LogAppendTime
	answer.LogStartOffset = info.LogStartOffset
	s.broker.metrics.produced(info.Bytes)
	if s.req.Acks == 0 {
		return
	}
	// acks=1 waits too: for this broker's disk, which with one in-sync replica is what the high watermark follows. So an
	// acknowledged record can be read at once, as from Kafka's single replica, and it survives a power cut. Once there
	// are more replicas acks=1 has to wait for the flushed offset instead.
	index := s.used
	s.used++
	s.slots[index] = produceSlot{partition: p, answer: answer}
	s.waiting.Add(1)
	if done, err := p.Await(info.LastOffset, s, index); done {
		s.slots[index].err = err
		s.slots[index].partition = nil
		s.release(1)
	}
}

// Committed implements replica.CommitWaiter.
func (s *produceState) Committed(index int, err error) {
	s.slots[index].err = err
	s.release(1)
}

func (s *produceState) release(n int32) {
	if s.waiting.Add(-n) == 0 {
		s.done <- struct{}{} // there is room for the one token
	}
}

func (s *produceState) refuseErr(answer *produce.PartitionResponse, p *replica.Partition, err error) {
	var refused *commitlog.AppendError
	if errors.As(err, &refused) {
		s.refuse(answer, p, refused.Code)
		answer.ErrorMessage = refused.Message
		switch {
		case refused.Code == kerr.MessageTooLarge, refused.Code == kerr.RecordListTooLarge, refused.Code == kerr.CorruptMessage,
			refused.Code == kerr.UnsupportedCompressionType:
		default:
			answer.LogStartOffset = p.Log().StartOffset() // Kafka tells it with errors found in the log
		}
		for _, re := range refused.RecordErrors {
			answer.RecordErrors = append(answer.RecordErrors, produce.RecordError{BatchIndex: re.BatchIndex, Message: re.Message})
		}
		return
	}
	s.refuse(answer, p, errorCode(err))
}

// refuse answers a partition with an error. From version 10 on the error that the leader is elsewhere says where.
func (s *produceState) refuse(answer *produce.PartitionResponse, p *replica.Partition, code *kerr.Error) {
	*answer = produce.PartitionResponse{
		Index: answer.Index, ErrorCode: code.Code, BaseOffset: -1, LogAppendTimeMs: -1, LogStartOffset: -1,
	}
	s.failed = true
	s.broker.metrics.failed(int16(kmsg.Produce), code.Code)
	if s.req.Version >= 10 && code == kerr.NotLeaderForPartition && p != nil {
		answer.CurrentLeader = &field.CurrentLeader{ID: p.Leader(), Epoch: p.LeaderEpoch()}
		s.resp.NodeEndpoints = s.broker.endpointOf(s.resp.NodeEndpoints, p.Leader())
	}
}

// errorCode is the Kafka error that stands for err in a response.
func errorCode(err error) *kerr.Error {
	var ke *kerr.Error
	if errors.As(err, &ke) {
		return ke
	}
	var storage *commitlog.StorageError
	switch {
	case errors.As(err, &storage), errors.Is(err, commitlog.ErrCorrupt):
		return kerr.KafkaStorageError
	case errors.Is(err, commitlog.ErrOffsetOutOfRange):
		return kerr.OffsetOutOfRange
	case errors.Is(err, commitlog.ErrClosed):
		return kerr.NotLeaderForPartition
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return kerr.RequestTimedOut
	}
	return kerr.UnknownServerError
}

// keepNames copies the topic names that the response repeats.
func (s *produceState) keepNames() {
	s.names = s.names[:0]
	for i := range s.resp.Topics {
		s.names = append(s.names, s.resp.Topics[i].Name...)
	}
	rest := s.names
	for i := range s.resp.Topics {
		n := len(s.resp.Topics[i].Name)
		s.resp.Topics[i].Name = rest[:n:n]
		rest = rest[n:]
	}
}

// finishProduce waits until what was appended is committed, or the request's time is up, and answers.
func (b *Broker) finishProduce(ctx context.Context, c *transport.Call) error {
	s := c.State.(*produceState)
	if s.begun {
		s.wait(ctx, c)
		s.begun = false
	}
	if s.req.Acks == 0 {
		if s.failed {
			return errAcksZero
		}
		c.NoResponse = true
		b.metrics.done(c.Key, b.clock.Now().Sub(c.Received), 0)
		return nil
	}
	for i := range s.slots[:s.used] {
		slot := &s.slots[i]
		if slot.err != nil {
			s.refuse(slot.answer, nil, errorCode(slot.err))
		}
		*slot = produceSlot{}
	}
	s.watch.resume()
	if wait := s.watch.charge(c); wait > s.throttle {
		s.throttle = wait
		c.Conn.Mute(wait)
	}
	s.resp.ThrottleMillis = int32(s.throttle.Milliseconds())
	c.Out = s.resp.AppendTo(c.Out, c.Version)
	b.metrics.done(c.Key, b.clock.Now().Sub(c.Received), len(c.Out))
	return nil
}

func (s *produceState) wait(ctx context.Context, c *transport.Call) {
	select {
	case <-s.done:
		return
	default:
	}
	timeout := time.Duration(s.req.TimeoutMillis) * time.Millisecond
	if s.req.Acks == 1 {
		timeout = max(timeout, leaderTimeout) // the request's own is about replicas
	}
	timeout -= s.broker.clock.Now().Sub(c.Received)
	if timeout > 0 {
		if s.timer == nil {
			s.timer = s.broker.clock.NewTimer(timeout)
		} else {
			select {
			case <-s.timer.C():
			default:
			}
			s.timer.Reset(timeout)
		}
		select {
		case <-s.done:
			s.timer.Stop()
			return
		case <-s.timer.C():
		case <-ctx.Done():
			s.timer.Stop()
		}
	}
	s.cancelWaits()
	<-s.done // those that could not be cancelled are being told at this moment
}

// cancelWaits takes back what is not committed; those partitions are answered with a timeout.
func (s *produceState) cancelWaits() {
	for i := range s.slots[:s.used] {
		if p := s.slots[i].partition; p != nil && p.CancelAwait(s, i) {
			s.slots[i].err = kerr.RequestTimedOut
			s.release(1)
		}
	}
}

// abandonProduce ends a request whose connection is gone: nothing of it may be referred to when the call is used again.
func (b *Broker) abandonProduce(c *transport.Call) {
	if s, ok := c.State.(*produceState); ok {
		s.cancelWaits()
		c.State = nil // a flush may still write to it
	}
}
