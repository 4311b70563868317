package main

import (
	"context"
	"encoding/json/v2"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	streamsInput      = "in-"
	streamsPartitions = 4
	streamsKeys       = 10_000
	streamsItems      = 10_000
	eventsPerMs       = 10 // in event time
	restoreKeysAll    = 5_000_000
)

// eventsBegin is the time of the first event, ms. It is not long ago: topics' retention counts by the time of records.
var eventsBegin = time.Now().Add(-time.Hour).Truncate(time.Minute).UnixMilli()

// restoreKeys is how many keys are restored.
var restoreKeys = restoreKeysAll

// load writes the inputs that all jobs read.
func (r *streamsBench) load(ctx context.Context) error {
	if r.quick {
		restoreKeys = restoreKeysAll / 5
	}
	half := r.records / 2
	for _, in := range []struct {
		topic string
		n     int64
		make  func(i int64) event
	}{
		{"events", r.records, func(i int64) event { return eventAt(i, i/eventsPerMs) }},
		{"left", half, func(i int64) event { return eventAt(2*i, 2*i/eventsPerMs) }},
		{"right", half, func(i int64) event { return eventAt(2*i+1, (2*i+1)/eventsPerMs) }},
		{"items", streamsItems, func(i int64) event {
			e := eventAt(i, -1)
			e.User = itemName(i)
			return e
		}},
	} {
		if has, err := r.holds(ctx, streamsInput+in.topic, in.n); err != nil || has {
			if err != nil {
				return err
			}
			continue
		}
		if err := r.node.createTopic(ctx, streamsInput+in.topic, streamsPartitions); err != nil {
			return err
		}
		if err := r.produceEvents(ctx, streamsInput+in.topic, in.n, in.make); err != nil {
			return err
		}
	}
	return nil
}

// holds tells that a broker that ran before has the topic.
func (r *streamsBench) holds(ctx context.Context, topic string, n int64) (bool, error) {
	if r.broker == "" {
		return false, nil
	}
	cl, err := r.node.client()
	if err != nil {
		return false, err
	}
	defer cl.Close()
	ends, err := kadm.NewClient(cl).ListEndOffsets(ctx, topic)
	if err != nil {
		return false, err
	}
	ends.Each(func(o kadm.ListedOffset) { n -= max(o.Offset, 0) })
	return n == 0, nil
}

// eventAt is the i-th event. Keys and items come in an order without pattern, which is the same in every run.
func eventAt(i, ms int64) event {
	x := uint64(i) * 0x9e3779b97f4a7c15 //nolint:gosec // the bits
	x ^= x >> 29
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 32
	return event{
		ID: i, User: fmt.Sprintf("user-%05d", x%streamsKeys), Item: itemName(int64(x >> 20 % streamsItems)), Amount: int64(x >> 40 % 10_000), //nolint:gosec // small
		Price: float64(x>>24%100_000) / 100, Time: eventsBegin + ms, Ok: x&1 == 0,
	}
}

func itemName(i int64) string { return fmt.Sprintf("item-%05d", i) }

// loadChangelog writes the changelog of the table that is restored, the table's topic, and the record that probes it.
func (r *streamsBench) loadChangelog(ctx context.Context, app string) error {
	compact := map[string]*string{"cleanup.policy": new("compact")}
	cl, err := r.node.client()
	if err != nil {
		return err
	}
	defer cl.Close()
	if _, err := kadm.NewClient(cl).CreateTopic(ctx, streamsPartitions, 1, compact, app+"-restored-changelog"); err != nil {
		return err
	}
	for _, topic := range []string{app + "-items", app + "-probe"} {
		if err := r.node.createTopic(ctx, topic, streamsPartitions); err != nil {
			return err
		}
	}
	err = r.produceEvents(ctx, app+"-restored-changelog", int64(restoreKeys), func(i int64) event {
		e := eventAt(i, i/eventsPerMs)
		e.User = fmt.Sprintf("user-%07d", i)
		return e
	})
	if err != nil {
		return err
	}
	return r.produceEvents(ctx, app+"-probe", 1, func(int64) event {
		e := eventAt(0, int64(restoreKeys))
		e.User = "user-0000042"
		return e
	})
}

// produceEvents writes n events under their users, as Kafka's producer places them.
func (r *streamsBench) produceEvents(ctx context.Context, topic string, n int64, make func(i int64) event) error {
	cl, err := r.node.client(kgo.DefaultProduceTopic(topic), kgo.ProducerLinger(5*time.Millisecond), kgo.MaxBufferedRecords(50_000),
		kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)))
	if err != nil {
		return err
	}
	defer cl.Close()
	var failed atomic.Pointer[error]
	for i := range n {
		e := make(i)
		value, err := json.Marshal(&e)
		if err != nil {
			return err
		}
		cl.Produce(ctx, &kgo.Record{Key: []byte(e.User), Value: value, Timestamp: time.UnixMilli(e.Time)}, func(_ *kgo.Record, err error) {
			if err != nil {
				failed.Store(&err)
			}
		})
		if err := failed.Load(); err != nil {
			return *err
		}
	}
	if err := cl.Flush(ctx); err != nil {
		return err
	}
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}
