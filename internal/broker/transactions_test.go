package broker

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/wire/batch"
)

// txnBench is a broker to run transactions on: one in memory, or with LEAT_TXN_BROKER set the one at that address,
// normally Apache Kafka, to see that it answers the same.
type txnBench struct {
	t      *testing.T
	h      *harness // nil if the broker is elsewhere
	addr   string
	suffix string // makes names unique among runs
}

func startTxnBench(t *testing.T, settings ...string) *txnBench {
	t.Helper()
	b := &txnBench{t: t, addr: os.Getenv("LEAT_TXN_BROKER")}
	if b.addr != "" {
		b.suffix = fmt.Sprintf("-%d", time.Now().UnixNano())
	} else {
		b.h = startBroker(t, append([]string{"transaction.state.log.num.partitions", "2"}, settings...)...)
	}
	for _, keyType := range []int8{0, 1} {
		waitFor(t, func() bool {
			req := kmsg.NewPtrFindCoordinatorRequest()
			req.CoordinatorType, req.CoordinatorKeys = keyType, []string{"x"}
			return ask[*kmsg.FindCoordinatorResponse](b.dial(), req, 4).Coordinators[0].ErrorCode == 0
		})
	}
	// Lists are refused while any partition of a coordinator loads.
	waitFor(t, func() bool {
		list := kmsg.NewPtrListTransactionsRequest()
		list.DurationFilterMillis = -1
		return ask[*kmsg.ListTransactionsResponse](b.dial(), list, 1).ErrorCode == 0 &&
			ask[*kmsg.ListGroupsResponse](b.dial(), kmsg.NewPtrListGroupsRequest(), 4).ErrorCode == 0
	})
	return b
}

// inMemory skips a test that needs more than the protocol.
func (b *txnBench) inMemory() {
	b.t.Helper()
	if b.h == nil {
		b.t.Skip("looks inside the broker")
	}
}

func (b *txnBench) dial() *conn {
	if b.h != nil {
		return b.h.dial()
	}
	nc, err := net.Dial("tcp", b.addr)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { nc.Close() })
	return &conn{t: b.t, Conn: nc, id: "test"}
}

func (b *txnBench) topic(name string, partitions int32) string {
	name += b.suffix
	if b.h != nil {
		b.h.createTopic(name, partitions)
		return name
	}
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = 10000
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, partitions, 1
	req.Topics = append(req.Topics, t)
	ask[*kmsg.CreateTopicsResponse](b.dial(), req, 7)
	for i := range partitions {
		waitFor(b.t, func() bool { return b.latest(name, i, 0) == 0 })
	}
	return name
}

// producer is a transactional producer that speaks the raw protocol.
type producer struct {
	*conn
	b     *txnBench
	name  string
	id    int64
	epoch int16
	seq   map[string]int32
}

// producer initialises one, as often as the coordinator wants to be asked.
func (b *txnBench) producer(name string) *producer {
	b.t.Helper()
	p := &producer{conn: b.dial(), b: b, name: name + b.suffix}
	p.init()
	return p
}

func (p *producer) init() {
	p.t.Helper()
	waitFor(p.t, func() bool {
		resp := p.tryInit(60000, -1, -1)
		if busy(resp.ErrorCode) {
			return false
		}
		if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
			p.t.Fatalf("InitProducerId: %v", err)
		}
		p.id, p.epoch, p.seq = resp.ProducerID, resp.ProducerEpoch, map[string]int32{}
		return true
	})
}

// busy tells that a client comes again.
func busy(code int16) bool {
	return code == kerr.ConcurrentTransactions.Code || code != 0 && kerr.IsRetriable(kerr.ErrorForCode(code))
}

func (p *producer) tryInit(timeout int32, id int64, epoch int16) *kmsg.InitProducerIDResponse {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.TransactionalID, req.TransactionTimeoutMillis, req.ProducerID, req.ProducerEpoch = &p.name, timeout, id, epoch
	return ask[*kmsg.InitProducerIDResponse](p.conn, req, 5)
}

// write produces one batch at a version and returns its answer's code.
func (p *producer) write(version int16, topic string, partition int32, values ...string) int16 {
	p.t.Helper()
	key := fmt.Sprint(topic, partition)
	code := p.writeAs(version, p.epoch, p.seq[key], topic, partition, values...)
	if code == 0 {
		p.seq[key] += int32(len(values))
	}
	return code
}

func (p *producer) writeAs(version, epoch int16, sequence int32, topic string, partition int32, values ...string) int16 {
	p.t.Helper()
	data := buildBatch(batch.BuilderOptions{Transactional: true, Producer: &batch.Producer{ID: p.id, Epoch: epoch, BaseSequence: sequence}}, values...)
	req := produceRequest(topic, partition, -1, data)
	req.TransactionID = &p.name
	return ask[*kmsg.ProduceResponse](p.conn, req, version).Topics[0].Partitions[0].ErrorCode
}

// mustWrite writes as a producer of protocol version 2 does.
func (p *producer) mustWrite(topic string, partition int32, values ...string) {
	p.t.Helper()
	waitFor(p.t, func() bool {
		code := p.write(12, topic, partition, values...)
		if code != 0 && !busy(code) {
			p.t.Fatalf("produce: %v", kerr.ErrorForCode(code))
		}
		return code == 0
	})
}

func (p *producer) add(topic string, partitions ...int32) int16 {
	req := kmsg.NewPtrAddPartitionsToTxnRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch = p.name, p.id, p.epoch
	t := kmsg.NewAddPartitionsToTxnRequestTopic()
	t.Topic, t.Partitions = topic, partitions
	req.Topics = append(req.Topics, t)
	return ask[*kmsg.AddPartitionsToTxnResponse](p.conn, req, 3).Topics[0].Partitions[0].ErrorCode
}

func (p *producer) tryEnd(version int16, commit bool) *kmsg.EndTxnResponse {
	req := kmsg.NewPtrEndTxnRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Commit = p.name, p.id, p.epoch, commit
	return ask[*kmsg.EndTxnResponse](p.conn, req, version)
}

// end ends the transaction as protocol version 2 does, and goes on with the producer that it is told.
func (p *producer) end(commit bool) {
	p.t.Helper()
	waitFor(p.t, func() bool {
		resp := p.tryEnd(5, commit)
		if busy(resp.ErrorCode) {
			return false
		}
		if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
			p.t.Fatalf("EndTxn: %v", err)
		}
		if resp.ProducerEpoch != p.epoch {
			p.seq = map[string]int32{}
		}
		p.id, p.epoch = resp.ProducerID, resp.ProducerEpoch
		return true
	})
}

func wantCode(t *testing.T, what string, code int16, want *kerr.Error) {
	t.Helper()
	wanted := int16(0)
	if want != nil {
		wanted = want.Code
	}
	if code != wanted {
		t.Errorf("%s: %v, want %v", what, kerr.ErrorForCode(code), kerr.ErrorForCode(wanted))
	}
}

// committed reads what a read_committed consumer sees, taking aborted transactions out as clients do.
func (b *txnBench) committed(topic string, partition int32) []string {
	b.t.Helper()
	out := []string{}
	for offset := int64(0); ; {
		req := fetchOf(topic, [16]byte{}, partition, offset)
		req.IsolationLevel = 1
		p := ask[*kmsg.FetchResponse](b.dial(), req, 12).Topics[0].Partitions[0]
		if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
			b.t.Fatalf("fetch: %v", err)
		}
		if len(p.RecordBatches) == 0 {
			return out
		}
		aborted := p.AbortedTransactions
		for one, err := range batch.Split(p.RecordBatches) {
			if err != nil {
				break
			}
			h := one.Header()
			if offset = h.NextOffset(); h.Control() {
				for r := range one.Records(nil, 1<<20) {
					if end, ok, _ := batch.ParseEndTxn(r); ok && !end.Commit {
						aborted = slices.DeleteFunc(aborted, func(a kmsg.FetchResponseTopicPartitionAbortedTransaction) bool {
							return a.ProducerID == h.ProducerID && a.FirstOffset <= h.BaseOffset
						})
					}
				}
				continue
			}
			skip := slices.ContainsFunc(aborted, func(a kmsg.FetchResponseTopicPartitionAbortedTransaction) bool {
				return h.Transactional() && a.ProducerID == h.ProducerID && a.FirstOffset <= h.BaseOffset
			})
			if !skip {
				out = append(out, values(b.t, one, 0)...)
			}
		}
	}
}

func (b *txnBench) wantCommitted(topic string, partition int32, want ...string) {
	b.t.Helper()
	var got []string
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		if got = b.committed(topic, partition); slices.Equal(got, want) || len(want) == 0 && len(got) == 0 {
			return
		}
	}
	b.t.Errorf("%s-%d: committed %q, want %q", topic, partition, got, want)
}

func (b *txnBench) latest(topic string, partition int32, isolation int8) int64 {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID, req.IsolationLevel = -1, isolation
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic = topic
	p := kmsg.NewListOffsetsRequestTopicPartition()
	p.Partition, p.Timestamp = partition, -1
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	return ask[*kmsg.ListOffsetsResponse](b.dial(), req, 7).Topics[0].Partitions[0].Offset
}

func TestTransactionCommitAndAbort(t *testing.T) {
	b := startTxnBench(t)
	topic := b.topic("t", 2)
	p := b.producer("p")
	first := p.epoch
	p.mustWrite(topic, 0, "a", "b")
	p.mustWrite(topic, 1, "c")
	p.mustWrite(topic, 0, "d")
	if lso, hw := b.latest(topic, 0, 1), b.latest(topic, 0, 0); lso != 0 || hw != 3 {
		t.Errorf("in the transaction: last stable offset %d, high watermark %d", lso, hw)
	}
	b.wantCommitted(topic, 0)
	p.end(true)
	b.wantCommitted(topic, 0, "a", "b", "d")
	b.wantCommitted(topic, 1, "c")
	if p.epoch != first+1 {
		t.Errorf("epoch %d after the end, %d before", p.epoch, first)
	}
	p.mustWrite(topic, 0, "x")
	p.mustWrite(topic, 1, "y")
	p.end(false)
	p.mustWrite(topic, 0, "e")
	p.end(true)
	b.wantCommitted(topic, 0, "a", "b", "d", "e")
	b.wantCommitted(topic, 1, "c")
	if lso, hw := b.latest(topic, 0, 1), b.latest(topic, 0, 0); lso != 8 || hw != 8 {
		t.Errorf("at the end: last stable offset %d, high watermark %d", lso, hw)
	}
}

// A second producer of the same id fences the first, and ends what it had open.
func TestTransactionFencing(t *testing.T) {
	b := startTxnBench(t)
	topic := b.topic("t", 1)
	old := b.producer("p")
	old.mustWrite(topic, 0, "lost")
	b.producer("p")
	wantCode(t, "produce v12", old.write(12, topic, 0, "late"), kerr.InvalidProducerEpoch)
	wantCode(t, "produce v9", old.write(9, topic, 0, "late"), kerr.InvalidProducerEpoch)
	wantCode(t, "add", old.add(topic, 0), kerr.ProducerFenced)
	wantCode(t, "end v5", old.tryEnd(5, true).ErrorCode, kerr.ProducerFenced)
	wantCode(t, "end v1", old.tryEnd(1, true).ErrorCode, kerr.InvalidProducerEpoch)
	wantCode(t, "init", old.tryInit(60000, old.id, old.epoch).ErrorCode, kerr.ProducerFenced)
	b.wantCommitted(topic, 0)
}

// A producer of protocol version 1 adds its partitions itself; what it does not add it may not write to.
func TestTransactionVerification(t *testing.T) {
	b := startTxnBench(t)
	topic := b.topic("t", 3)
	p := b.producer("p")
	for version, want := range map[int16]*kerr.Error{3: kerr.InvalidTxnState, 10: kerr.InvalidTxnState, 11: kerr.TransactionAbortable} {
		wantCode(t, fmt.Sprint("not added, v", version), p.write(version, topic, 0, "x"), want)
	}
	wantCode(t, "add", p.add(topic, 0, 1), nil)
	wantCode(t, "add a missing partition", p.add(topic, 9), kerr.UnknownTopicOrPartition)
	wantCode(t, "write", p.write(11, topic, 0, "a"), nil)
	wantCode(t, "write v7", p.write(7, topic, 1, "b"), nil)
	wantCode(t, "another partition", p.write(11, topic, 2, "x"), kerr.TransactionAbortable)
	wantCode(t, "another epoch", p.writeAs(11, p.epoch+1, 0, topic, 2, "x"), kerr.InvalidProducerEpoch)
	wantCode(t, "end", p.tryEnd(4, true).ErrorCode, nil)
	b.wantCommitted(topic, 0, "a")
	b.wantCommitted(topic, 1, "b")
	wantCode(t, "late", p.writeAs(11, p.epoch, 1, topic, 0, "x"), kerr.TransactionAbortable)
	wantCode(t, "the same again", p.tryEnd(4, true).ErrorCode, nil)
	wantCode(t, "the opposite", p.tryEnd(4, false).ErrorCode, kerr.InvalidTxnState)

	stranger := &producer{conn: b.dial(), b: b, name: "nobody" + b.suffix, id: p.id, seq: map[string]int32{}}
	wantCode(t, "unknown id v12", stranger.write(12, topic, 0, "x"), kerr.InvalidProducerIDMapping)
	wantCode(t, "unknown id v9", stranger.write(9, topic, 2, "x"), kerr.InvalidProducerIDMapping)
	wrong := &producer{conn: b.dial(), b: b, name: p.name, id: p.id + 7, seq: map[string]int32{}}
	wantCode(t, "wrong producer id", wrong.write(12, topic, 2, "x"), kerr.InvalidProducerIDMapping)
	b.wantCommitted(topic, 0, "a")
}

// Late and odd writes of version 2.
func TestTransactionLateWrites(t *testing.T) {
	b := startTxnBench(t)
	topic := b.topic("t", 2)
	p := b.producer("p")
	wantCode(t, "first sequence not 0", p.writeAs(12, p.epoch, 5, topic, 0, "x"), kerr.OutOfOrderSequenceNumber)
	p.mustWrite(topic, 0, "a")
	old := p.epoch
	p.end(true)
	b.wantCommitted(topic, 0, "a")
	wantCode(t, "after the end", p.writeAs(12, old, 1, topic, 0, "late"), kerr.InvalidProducerEpoch)
	wantCode(t, "after the end, elsewhere", p.writeAs(12, old, 0, topic, 1, "late"), kerr.InvalidProducerEpoch)
	wantCode(t, "sent again", p.writeAs(12, old, 0, topic, 0, "a"), kerr.InvalidProducerEpoch)
	p.mustWrite(topic, 0, "b")
	wantCode(t, "sent again in the transaction", p.writeAs(12, p.epoch, 0, topic, 0, "b"), nil)
	data := buildBatch(batch.BuilderOptions{Producer: &batch.Producer{ID: p.id, Epoch: p.epoch, BaseSequence: 1}}, "plain")
	resp := ask[*kmsg.ProduceResponse](b.dial(), produceRequest(topic, 0, -1, data), 9)
	wantCode(t, "not transactional", resp.Topics[0].Partitions[0].ErrorCode, kerr.InvalidTxnState)
	p.end(true)
	b.wantCommitted(topic, 0, "a", "b")
	b.wantCommitted(topic, 1)
}

func offsetCommit(p *producer, version int16, group, topic string, offset int64) int16 {
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.TransactionalID, req.Group, req.ProducerID, req.ProducerEpoch = p.name, group, p.id, p.epoch
	t := kmsg.NewTxnOffsetCommitRequestTopic()
	t.Topic = topic
	o := kmsg.NewTxnOffsetCommitRequestTopicPartition()
	o.Offset = offset
	t.Partitions = append(t.Partitions, o)
	req.Topics = append(req.Topics, t)
	return ask[*kmsg.TxnOffsetCommitResponse](p.conn, req, version).Topics[0].Partitions[0].ErrorCode
}

func (b *txnBench) fetchOffset(group, topic string, stable bool) (int64, int16) {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.RequireStable = stable
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group = group
	t := kmsg.NewOffsetFetchRequestGroupTopic()
	t.Topic, t.Partitions = topic, []int32{0}
	g.Topics = append(g.Topics, t)
	req.Groups = append(req.Groups, g)
	got := ask[*kmsg.OffsetFetchResponse](b.dial(), req, 8).Groups[0]
	if got.ErrorCode != 0 { // loading, after a restart
		return -1, got.ErrorCode
	}
	p := got.Topics[0].Partitions[0]
	return p.Offset, p.ErrorCode
}

func (b *txnBench) wantOffset(group, topic string, want int64) {
	b.t.Helper()
	waitFor(b.t, func() bool {
		offset, code := b.fetchOffset(group, topic, true)
		if code == kerr.UnstableOffsetCommit.Code {
			return false
		}
		if code != 0 || offset != want {
			b.t.Fatalf("offset %d, error %v; want %d", offset, kerr.ErrorForCode(code), want)
		}
		return true
	})
}

func TestTransactionOffsets(t *testing.T) {
	b := startTxnBench(t)
	topic := b.topic("t", 1)
	group := "g" + b.suffix
	p := b.producer("p")
	wantCode(t, "empty group", offsetCommit(p, 3, "", topic, 1), kerr.InvalidGroupID)
	wantCode(t, "not added, v3", offsetCommit(p, 3, group, topic, 1), kerr.InvalidTxnState)
	wantCode(t, "not added, v4", offsetCommit(p, 4, group, topic, 1), kerr.TransactionAbortable)
	wantCode(t, "v5 adds by itself", offsetCommit(p, 5, group, topic, 10), nil)
	wantCode(t, "unknown topic", offsetCommit(p, 5, group, "nope", 10), kerr.UnknownTopicOrPartition)
	if offset, code := b.fetchOffset(group, topic, false); offset != -1 || code != 0 {
		t.Errorf("before the end: offset %d, error %d", offset, code)
	}
	if _, code := b.fetchOffset(group, topic, true); code != kerr.UnstableOffsetCommit.Code {
		t.Errorf("before the end, stable only: error %d", code)
	}
	p.end(true)
	b.wantOffset(group, topic, 10)
	wantCode(t, "v5", offsetCommit(p, 5, group, topic, 20), nil)
	p.end(false)
	b.wantOffset(group, topic, 10)

	add := kmsg.NewPtrAddOffsetsToTxnRequest()
	add.TransactionalID, add.ProducerID, add.ProducerEpoch, add.Group = p.name, p.id, p.epoch, group
	wantCode(t, "AddOffsetsToTxn", ask[*kmsg.AddOffsetsToTxnResponse](p.conn, add, 3).ErrorCode, nil)
	wantCode(t, "added, v0", offsetCommit(p, 0, group, topic, 30), nil)
	wantCode(t, "added, v3", offsetCommit(p, 3, group, topic, 31), nil)
	wantCode(t, "end", p.tryEnd(4, true).ErrorCode, nil)
	b.wantOffset(group, topic, 31)

	old := b.producer("p")
	wantCode(t, "v5", offsetCommit(old, 5, group, topic, 40), nil)
	b.producer("p")
	wantCode(t, "fenced", offsetCommit(old, 5, group, topic, 50), kerr.InvalidProducerEpoch)
	wantCode(t, "fenced v3", offsetCommit(old, 3, group, topic, 50), kerr.InvalidProducerEpoch)
	b.wantOffset(group, topic, 31)
	if b.h != nil {
		b.h.restart()
		waitFor(t, func() bool { _, code := b.fetchOffset(group, topic, true); return code == 0 })
		b.wantOffset(group, topic, 31)
	}
}

func TestTransactionRequests(t *testing.T) {
	b := startTxnBench(t)
	topic := b.topic("t", 2)
	p := b.producer("p")
	wantCode(t, "negative timeout", p.tryInit(-1, -1, -1).ErrorCode, kerr.InvalidTransactionTimeout)
	wantCode(t, "half a producer", p.tryInit(1000, p.id, -1).ErrorCode, kerr.InvalidRequest)
	empty := *p
	empty.name = ""
	wantCode(t, "empty id: init", empty.tryInit(1000, -1, -1).ErrorCode, kerr.InvalidRequest)
	wantCode(t, "empty id: end", empty.tryEnd(3, true).ErrorCode, kerr.InvalidRequest)
	wantCode(t, "empty id: add", empty.add(topic, 0), kerr.InvalidRequest)
	add := kmsg.NewPtrAddOffsetsToTxnRequest()
	wantCode(t, "empty id: add offsets", ask[*kmsg.AddOffsetsToTxnResponse](p.conn, add, 3).ErrorCode, kerr.InvalidRequest)

	req := kmsg.NewPtrAddPartitionsToTxnRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch = p.name, p.id, p.epoch
	at := kmsg.NewAddPartitionsToTxnRequestTopic()
	at.Topic, at.Partitions = topic, []int32{0, 7, 1}
	req.Topics = append(req.Topics, at)
	got := ask[*kmsg.AddPartitionsToTxnResponse](p.conn, req, 3).Topics[0].Partitions
	codes := map[int32]int16{}
	for _, r := range got {
		codes[r.Partition] = r.ErrorCode
	}
	wantCode(t, "beside a missing one", codes[0], kerr.OperationNotAttempted)
	wantCode(t, "beside a missing one", codes[1], kerr.OperationNotAttempted)
	wantCode(t, "a missing one", codes[7], kerr.UnknownTopicOrPartition)

	d := kmsg.NewPtrDescribeTransactionsRequest()
	d.TransactionalIDs = []string{"", "nobody", p.name}
	states := ask[*kmsg.DescribeTransactionsResponse](p.conn, d, 0).TransactionStates
	byName := map[string]kmsg.DescribeTransactionsResponseTransactionState{}
	for _, s := range states {
		byName[s.TransactionalID] = s
	}
	wantCode(t, "describe the empty id", byName[""].ErrorCode, kerr.InvalidRequest)
	wantCode(t, "describe an unknown id", byName["nobody"].ErrorCode, kerr.TransactionalIDNotFound)
	if s := byName[p.name]; s.State != "Empty" || s.ProducerID != p.id || s.ProducerEpoch != p.epoch || s.TimeoutMillis != 60000 {
		t.Errorf("described %+v", s)
	}
	l := kmsg.NewPtrListTransactionsRequest()
	l.StateFilters, l.DurationFilterMillis = []string{"Nonsense"}, -1
	list := ask[*kmsg.ListTransactionsResponse](p.conn, l, 2)
	if !slices.Equal(list.UnknownStateFilters, []string{"Nonsense"}) || len(list.TransactionStates) > 0 {
		t.Errorf("listed %+v", list)
	}
	bad := "("
	l = kmsg.NewPtrListTransactionsRequest()
	l.DurationFilterMillis, l.TransactionalIDPattern = -1, &bad
	wantCode(t, "bad pattern", ask[*kmsg.ListTransactionsResponse](p.conn, l, 2).ErrorCode, kerr.InvalidRegularExpression)
}

// An administrator ends a transaction that hangs, by what DescribeProducers says of it.
func TestTransactionAbortByAdmin(t *testing.T) {
	b := startTxnBench(t)
	topic := b.topic("t", 1)
	p := b.producer("p")
	p.mustWrite(topic, 0, "a")
	describe := func() kmsg.DescribeProducersResponseTopicPartitionActiveProducer {
		req := kmsg.NewPtrDescribeProducersRequest()
		dt := kmsg.NewDescribeProducersRequestTopic()
		dt.Topic, dt.Partitions = topic, []int32{0}
		req.Topics = append(req.Topics, dt)
		return ask[*kmsg.DescribeProducersResponse](p.conn, req, 0).Topics[0].Partitions[0].ActiveProducers[0]
	}
	before := describe()
	if before.ProducerID != p.id || before.CurrentTxnStartOffset != 0 || before.CoordinatorEpoch != -1 {
		t.Errorf("producer %+v", before)
	}
	mark := func(topic string, partition int32, epoch int16, coordinatorEpoch int32, version int8) int16 {
		req := kmsg.NewPtrWriteTxnMarkersRequest()
		m := kmsg.NewWriteTxnMarkersRequestMarker()
		m.ProducerID, m.ProducerEpoch, m.CoordinatorEpoch, m.TransactionVersion = p.id, epoch, coordinatorEpoch, version
		mt := kmsg.NewWriteTxnMarkersRequestMarkerTopic()
		mt.Topic, mt.Partitions = topic, []int32{partition}
		m.Topics = append(m.Topics, mt)
		req.Markers = append(req.Markers, m)
		return ask[*kmsg.WriteTxnMarkersResponse](p.conn, req, 2).Markers[0].Topics[0].Partitions[0].ErrorCode
	}
	wantCode(t, "unknown partition", mark(topic, 5, p.epoch, 0, 0), kerr.UnknownTopicOrPartition)
	wantCode(t, "version 2 with the data's epoch", mark(topic, 0, p.epoch, 0, 2), kerr.InvalidProducerEpoch)
	wantCode(t, "abort", mark(topic, 0, p.epoch, 0, 0), nil)
	if after := describe(); after.CurrentTxnStartOffset != -1 || after.CoordinatorEpoch != 0 {
		t.Errorf("producer %+v", after)
	}
	wantCode(t, "older coordinator", mark(topic, 0, p.epoch, -1, 0), kerr.TransactionCoordinatorFenced)
	p.end(true)
	b.wantCommitted(topic, 0)
	if lso := b.latest(topic, 0, 1); lso < 2 {
		t.Errorf("last stable offset %d", lso)
	}
}

// What was decided survives a restart, and so does who was fenced.
func TestTransactionRestart(t *testing.T) {
	b := startTxnBench(t)
	b.inMemory()
	topic := b.topic("t", 2)
	p, open := b.producer("p"), b.producer("open")
	p.mustWrite(topic, 0, "a")
	open.mustWrite(topic, 1, "x")
	p.end(true)
	p.mustWrite(topic, 0, "b")
	b.h.restart()
	p.conn, open.conn = b.dial(), b.dial()
	p.mustWrite(topic, 0, "c")
	p.end(true)
	b.wantCommitted(topic, 0, "a", "b", "c")
	open.mustWrite(topic, 1, "y")
	open.end(true)
	b.wantCommitted(topic, 1, "x", "y")
	for _, name := range []string{"__transaction_state", "__consumer_offsets"} {
		if topic := b.h.meta.Image().Topic(name); topic == nil {
			t.Errorf("%s is gone", name)
		}
	}
}

// A transaction that outlives its timeout is aborted.
func TestTransactionTimeout(t *testing.T) {
	b := startTxnBench(t, "transaction.abort.timed.out.transaction.cleanup.interval.ms", "20")
	topic := b.topic("t", 1)
	p := b.producer("p")
	if resp := p.tryInit(50, -1, -1); resp.ErrorCode != 0 {
		t.Fatal(resp.ErrorCode)
	} else {
		p.epoch = resp.ProducerEpoch
	}
	p.mustWrite(topic, 0, "x")
	waitFor(t, func() bool { return b.latest(topic, 0, 1) == 2 })
	b.wantCommitted(topic, 0)
	wantCode(t, "produce", p.write(12, topic, 0, "late"), kerr.InvalidProducerEpoch)
}

// While a partition cannot take its marker the transaction goes on ending; afterwards it ends.
func TestTransactionMarkerWaitsForStorage(t *testing.T) {
	b := startTxnBench(t)
	b.inMemory()
	topic := b.topic("gone", 1)
	other := b.topic("t", 1)
	p := b.producer("p")
	p.mustWrite(topic, 0, "x")
	p.mustWrite(other, 0, "a")
	del := kmsg.NewPtrDeleteTopicsRequest()
	del.TimeoutMillis = 10000
	dt := kmsg.NewDeleteTopicsRequestTopic()
	dt.Topic = &topic
	del.Topics = append(del.Topics, dt)
	ask[*kmsg.DeleteTopicsResponse](b.dial(), del, 6)
	p.end(true)
	p.mustWrite(other, 0, "b")
	p.end(true)
	b.wantCommitted(other, 0, "a", "b")
}

func TestTransactionFindCoordinator(t *testing.T) {
	b := startTxnBench(t)
	for version := int16(1); version <= 6; version++ {
		req := kmsg.NewPtrFindCoordinatorRequest()
		req.CoordinatorType, req.CoordinatorKey, req.CoordinatorKeys = 1, "x", []string{"x"}
		resp := ask[*kmsg.FindCoordinatorResponse](b.dial(), req, version)
		if version >= 4 {
			resp.ErrorCode, resp.NodeID = resp.Coordinators[0].ErrorCode, resp.Coordinators[0].NodeID
		}
		if resp.ErrorCode != 0 || resp.NodeID != 1 {
			t.Errorf("version %d: %+v", version, resp)
		}
	}
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = "test", "1"
	resp := ask[*kmsg.ApiVersionsResponse](b.dial(), req, 3)
	i := slices.IndexFunc(resp.FinalizedFeatures, func(f kmsg.ApiVersionsResponseFinalizedFeature) bool {
		return strings.HasPrefix(f.Name, "transaction.version")
	})
	if i < 0 || resp.FinalizedFeatures[i].MaxVersionLevel != 2 {
		t.Errorf("finalized features %+v", resp.FinalizedFeatures)
	}
}
