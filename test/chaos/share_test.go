package chaos

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/test/launch"
)

const (
	shareTopic      = "chaos-share"
	shareGroup      = "chaos-share-group"
	sharePartitions = 3
	shareMembers    = 3
)

// shareLedger is what is known of the records: which were produced, which delivered, of which a member was told that they
// are done with, and which were accepted last by a member that got no answer: those are done with or come again.
type shareLedger struct {
	mu        sync.Mutex
	produced  map[string]bool
	delivered map[string]int
	finished  map[string]bool
	unknown   map[string]bool
	wrong     []string
}

// TestKillShareGroup kills the broker in a loop while records are produced and the members of a share group accept and
// release them. Nothing that was produced is lost, and nothing that a member was told is accepted comes again.
func TestKillShareGroup(t *testing.T) {
	lasts, random := chaos(t)
	b := startBroker(t, "", map[string]string{
		"share.coordinator.state.topic.num.partitions": "4", "share.coordinator.snapshot.update.records.per.snapshot": "20",
		"share.coordinator.state.topic.replication.factor": "1", "share.coordinator.state.topic.min.isr": "1",
	})
	createTopic(t, b, shareTopic, sharePartitions)
	fromTheStart(t, b)
	l := &shareLedger{produced: map[string]bool{}, delivered: map[string]int{}, finished: map[string]bool{}, unknown: map[string]bool{}}

	load, endLoad := context.WithTimeout(t.Context(), lasts)
	defer endLoad()
	reading, endReading := context.WithCancel(t.Context())
	defer endReading()
	var writers, readers sync.WaitGroup
	writers.Go(func() { l.produce(load, t, b) })
	for range shareMembers {
		readers.Go(func() { l.consume(reading, t, b) })
	}
	kills := 0
	for pause(load, time.Second+time.Duration(random.Int64N(int64(3*time.Second)))) {
		if !b.Running() {
			t.Fatalf("the broker ended by itself:\n%s", b.LogTail(40))
		}
		if err := b.Kill(); err != nil {
			t.Fatal(err)
		}
		kills++
		restart(t, b)
	}
	writers.Wait()
	// Members take as long as the machine needs; what was locked by one that is gone comes again after 30 s.
	const patience = 90 * time.Second
	for before, since := -1, time.Now(); !l.complete() && time.Since(since) < patience; pause(t.Context(), 100*time.Millisecond) {
		if n := l.ended(); n != before {
			before, since = n, time.Now()
		}
	}
	endReading()
	readers.Wait()

	l.mu.Lock()
	defer l.mu.Unlock()
	lost, again := 0, 0
	for v := range l.produced {
		if !l.finished[v] && !l.unknown[v] {
			lost++
		}
		if l.delivered[v] > 1 {
			again++
		}
	}
	t.Logf("%d kills, %d records produced, %d delivered more than once, %d accepted without an answer", kills, len(l.produced), again, len(l.unknown))
	if lost > 0 || len(l.wrong) > 0 {
		t.Errorf("%d of %d records were never accepted; %d came again after they were: %q", lost, len(l.produced), len(l.wrong), l.wrong[:min(5, len(l.wrong))])
	}
	if kills == 0 || len(l.produced) == 0 {
		t.Error("the load did too little to show anything")
	}
}

// fromTheStart lets the group begin with the oldest records.
func fromTheStart(t *testing.T, b *launch.Broker) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	earliest := "earliest"
	req.Resources = []kmsg.IncrementalAlterConfigsRequestResource{{
		ResourceType: kmsg.ConfigResourceTypeGroupConfig, ResourceName: shareGroup,
		Configs: []kmsg.IncrementalAlterConfigsRequestResourceConfig{{Name: "share.auto.offset.reset", Value: &earliest}},
	}}
	resp, err := req.RequestWith(ctx, client(t, b))
	if err != nil || resp.Resources[0].ErrorCode != 0 {
		t.Fatalf("%+v %v", resp, err)
	}
}

// produce writes records until the load ends; a record whose fate is not known counts for nothing.
func (l *shareLedger) produce(ctx context.Context, t *testing.T, b *launch.Broker) {
	cl := client(t, b, kgo.DefaultProduceTopic(shareTopic), kgo.RecordDeliveryTimeout(3*time.Minute), kgo.ProducerLinger(time.Millisecond))
	for i := 0; pause(ctx, 5*time.Millisecond); i++ {
		for j := range 20 {
			v := fmt.Sprintf("%d-%d", i, j)
			cl.Produce(context.Background(), &kgo.Record{Value: []byte(v)}, func(_ *kgo.Record, err error) {
				if err == nil {
					l.mu.Lock()
					l.produced[v] = true
					l.mu.Unlock()
				}
			})
		}
	}
	flush, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	if err := cl.Flush(flush); err != nil {
		t.Errorf("flush: %v", err)
	}
}

// consume is a member: it gives back a few records and accepts the others, and remembers what it was told.
func (l *shareLedger) consume(ctx context.Context, t *testing.T, b *launch.Broker) {
	var failed atomic.Int64
	cl := client(t, b, kgo.ConsumeTopics(shareTopic), kgo.ShareGroup(shareGroup), kgo.ShareMaxRecords(50),
		kgo.ShareAckCallback(func(_ *kgo.Client, results kgo.ShareAckResults) {
			if !results.Ok() {
				failed.Add(1)
			}
		}))
	for n := 0; ctx.Err() == nil; n++ {
		poll, cancel := context.WithTimeout(ctx, time.Second)
		fetches := cl.PollRecords(poll, 50)
		cancel()
		before := failed.Load()
		var accepted []string
		fetches.EachRecord(func(r *kgo.Record) {
			v := string(r.Value)
			l.mu.Lock()
			l.delivered[v]++
			delete(l.unknown, v)
			if l.finished[v] {
				l.wrong = append(l.wrong, v)
			}
			first := l.delivered[v] == 1
			l.mu.Unlock()
			if first && len(v)%7 == 0 {
				r.Ack(kgo.AckRelease)
				return
			}
			r.Ack(kgo.AckAccept)
			accepted = append(accepted, v)
		})
		if len(accepted) == 0 {
			continue
		}
		flush, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		err := cl.FlushAcks(flush)
		cancel()
		answered := err == nil && failed.Load() == before
		l.mu.Lock()
		for _, v := range accepted {
			switch {
			case answered:
				l.finished[v] = true
			case !l.finished[v]:
				l.unknown[v] = true
			}
		}
		l.mu.Unlock()
	}
	leave, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := cl.LeaveGroupContext(leave); err != nil {
		t.Logf("leaving: %v", err)
	}
}

// ended is how many records are done with, as far as is known.
func (l *shareLedger) ended() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.finished) + len(l.unknown)
}

// complete tells whether everything that was produced is done with.
func (l *shareLedger) complete() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for v := range l.produced {
		if !l.finished[v] && !l.unknown[v] {
			return false
		}
	}
	return true
}
