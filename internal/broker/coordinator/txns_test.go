package coordinator

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/commitlog"
	"leat.dev/internal/coord"
	"leat.dev/internal/coord/txn"
)

// txnBench is a transaction coordinator of one partition in memory, and partitions that take markers.
type txnBench struct {
	*Txns
	t   *testing.T
	log *memLog

	mu      sync.Mutex
	ids     int64
	markers []sentMarker
	answer  *kerr.Error // to markers
	held    bool        // markers wait for answerAll
}

type sentMarker struct {
	tp   txn.TopicPartition
	p    txn.Producer
	end  coord.EndTxn
	done func(*kerr.Error)
}

func newTxnBench(t *testing.T) *txnBench {
	b := &txnBench{t: t, log: &memLog{}}
	b.Txns = NewTxns(TxnOptions{
		Surroundings: quietSurroundings(1),
		Settings:     txn.DefaultSettings,
		NewProducerID: func() (int64, bool) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.ids++
			return b.ids, true
		},
		Mark: func(tp txn.TopicPartition, p txn.Producer, end coord.EndTxn, done func(*kerr.Error)) {
			b.mu.Lock()
			b.markers = append(b.markers, sentMarker{tp, p, end, done})
			answer, held := b.answer, b.held
			b.mu.Unlock()
			if !held {
				done(answer)
			}
		},
	})
	t.Cleanup(b.Close)
	b.Lead(0, 3, b.log)
	synctest.Wait()
	return b
}

func (b *txnBench) sent() []sentMarker {
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]sentMarker(nil), b.markers...)
}

func (b *txnBench) set(held bool, answer *kerr.Error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held, b.answer = held, answer
}

func (b *txnBench) begin(partitions ...txn.TopicPartition) txn.Producer {
	b.t.Helper()
	p, err := b.InitProducer(b.t.Context(), txn.InitProducer{TransactionalID: "x", TimeoutMillis: 60000, Expected: txn.NoProducer})
	if err != nil {
		b.t.Fatal(err)
	}
	b.add(p, partitions...)
	return p
}

func (b *txnBench) add(p txn.Producer, partitions ...txn.TopicPartition) {
	b.t.Helper()
	r := b.AddPartitions(b.t.Context(), txn.AddPartitions{TransactionalID: "x", Producer: p, Partitions: partitions, Version: 2})
	if r.Err != nil {
		b.t.Fatal(r.Err)
	}
}

func (b *txnBench) commit(p txn.Producer) (txn.Producer, *kerr.Error) {
	return b.End(b.t.Context(), txn.EndTransaction{TransactionalID: "x", Producer: p, Commit: true, Version: 2})
}

func (b *txnBench) state() txn.State { return b.Describe(b.t.Context(), []string{"x"})[0].State }

var t0, t1 = txn.TopicPartition{Topic: "t"}, txn.TopicPartition{Topic: "t", Partition: 1}

// Neither the answer nor a marker leaves before the decision is committed.
func TestMarkersWaitForTheDecision(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTxnBench(t)
		p := b.begin(t0, t1)
		b.log.hold()
		end := async(func() *kerr.Error { _, err := b.commit(p); return err })
		isWaiting(t, end, "the end")
		if n := len(b.sent()); n != 0 {
			t.Fatalf("%d markers left early", n)
		}
		b.log.release()
		if err := <-end; err != nil {
			t.Fatal(err)
		}
		sent := b.sent()
		if len(sent) != 2 || !sent[0].end.Commit || sent[0].end.CoordinatorEpoch != 3 || sent[0].p != (txn.Producer{ID: 1, Epoch: 1}) {
			t.Fatalf("markers %+v", sent)
		}
		expect(t, b.state(), txn.CompleteCommit, "state")
	})
}

// A decision that is lost was none: nobody has heard of it.
func TestDecisionLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTxnBench(t)
		p := b.begin(t0)
		b.log.hold()
		end := async(func() *kerr.Error { _, err := b.commit(p); return err })
		synctest.Wait()
		b.log.lose(kerr.NotLeaderForPartition)
		expect(t, <-end, kerr.NotCoordinator, "end")
		time.Sleep(time.Minute) // the shard loads again
		if n := len(b.sent()); n != 0 {
			t.Fatalf("%d markers for a decision that is lost", n)
		}
		expect(t, b.state(), txn.Ongoing, "state")
		if _, err := b.commit(p); err != nil {
			t.Fatal(err)
		}
		expect(t, len(b.sent()), 1, "markers")
	})
}

// Partitions that cannot take a marker get it again until they can.
func TestMarkersAreRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTxnBench(t)
		p := b.begin(t0, t1)
		b.set(false, kerr.KafkaStorageError)
		if _, err := b.commit(p); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		expect(t, b.state(), txn.PrepareCommit, "state")
		time.Sleep(10 * time.Second)
		if n := len(b.sent()); n < 12 || n > 30 {
			t.Errorf("%d markers in ten seconds", n)
		}
		b.set(false, nil)
		time.Sleep(2 * time.Second)
		expect(t, b.state(), txn.CompleteCommit, "state")
	})
}

// A new leader goes on with what was decided; answers to the old one's markers mean nothing to it.
func TestMarkersAfterFailover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTxnBench(t)
		p := b.begin(t0)
		b.set(true, nil)
		if _, err := b.commit(p); err != nil {
			t.Fatal(err)
		}
		old := b.sent()
		b.Lead(0, 4, b.log)
		sent := b.sent()
		if len(sent) != 2 || sent[1].end.CoordinatorEpoch != 4 {
			t.Fatalf("markers %+v", sent)
		}
		old[0].done(nil)
		synctest.Wait()
		expect(t, b.state(), txn.PrepareCommit, "state after the old answer")
		sent[1].done(nil)
		synctest.Wait()
		expect(t, b.state(), txn.CompleteCommit, "state after the new answer")
	})
}

// Adding partitions waits for the end of the transaction before.
func TestAddWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTxnBench(t)
		p := b.begin(t0)
		b.set(true, nil)
		p, err := b.commit(p)
		if err != nil {
			t.Fatal(err)
		}
		add := func() *kerr.Error {
			return b.AddPartitions(t.Context(), txn.AddPartitions{TransactionalID: "x", Producer: p, Partitions: []txn.TopicPartition{t1},
				Version: 2, Patience: 100 * time.Millisecond}).Err
		}
		first := async(add)
		isWaiting(t, first, "adding")
		expect(t, <-first, kerr.ConcurrentTransactions, "adding for too long")
		second := async(add)
		synctest.Wait()
		b.sent()[0].done(nil)
		expect(t, <-second, nil, "adding")
	})
}

func txnCommitRequest(groupID string, pid, offset int64) *kmsg.TxnOffsetCommitRequest {
	r := kmsg.NewPtrTxnOffsetCommitRequest()
	r.Version, r.Group, r.ProducerID, r.Generation = 3, groupID, pid, -1
	topic := kmsg.NewTxnOffsetCommitRequestTopic()
	topic.Topic = "t"
	p := kmsg.NewTxnOffsetCommitRequestTopicPartition()
	p.Offset = offset
	topic.Partitions = append(topic.Partitions, p)
	r.Topics = append(r.Topics, topic)
	return r
}

// Offsets of a transaction show at its end; what the log refuses changes nothing, and the shard goes on.
func TestGroupTransactions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		b.lead(1)
		commit := func(pid, offset int64) int16 {
			return b.TxnOffsetCommit(t.Context(), txnCommitRequest("g", pid, offset), true, 7).Topics[0].Partitions[0].ErrorCode
		}
		end := func(pid int64, commit bool) *kerr.Error {
			done := make(chan *kerr.Error, 1)
			b.EndTxn(0, pid, 0, coord.EndTxn{Commit: commit}, func(err *kerr.Error) { done <- err })
			return <-done
		}
		expect(t, commit(1, 10), 0, "commit")
		expect(t, b.fetch("g"), -1, "fetch before the end")
		b.logs[0].failAppends(&commitlog.AppendError{Code: kerr.InvalidProducerEpoch})
		expect(t, commit(2, 20), kerr.InvalidProducerEpoch.Code, "fenced commit")
		expect(t, end(2, true), kerr.InvalidProducerEpoch, "fenced marker")
		b.logs[0].failAppends(nil)
		expect(t, b.count("loads"), 1, "loads")
		expect(t, end(1, true), nil, "marker")
		expect(t, b.fetch("g"), 10, "fetch after the end")
		expect(t, commit(3, 30), 0, "commit")
		expect(t, end(3, false), nil, "marker")
		expect(t, b.fetch("g"), 10, "fetch after the abort")
		b.logs[0].mu.Lock()
		var control, transactional int
		for _, one := range b.logs[0].batches {
			h := one.Header()
			if h.Control() {
				control++
			} else if h.Transactional() {
				transactional++
			}
		}
		b.logs[0].mu.Unlock()
		if control != 2 || transactional != 2 {
			t.Errorf("%d markers and %d transactional batches", control, transactional)
		}
		b.lead(2)
		expect(t, b.fetch("g"), 10, "fetch after a load")
		b.Resign(0, 2)
		expect(t, end(1, true), kerr.NotCoordinator, "marker without a shard")
	})
}
