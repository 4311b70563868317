package demo

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"leat.dev/examples/quakes/regions"
	"leat.dev/streams"
)

// readAll calls fn for each committed record of a topic.
func readAll(ctx context.Context, seeds []string, topic string, fn func(*kgo.Record) error) error {
	admin, err := kadm.NewOptClient(kgo.SeedBrokers(seeds...))
	if err != nil {
		return err
	}
	defer admin.Close()
	ends, err := admin.ListEndOffsets(ctx, topic)
	if err != nil {
		return err
	}
	left := map[int32]int64{}
	from := map[int32]kgo.Offset{}
	for p, end := range ends[topic] {
		if end.Offset > 0 {
			left[p], from[p] = end.Offset, kgo.NewOffset().AtStart()
		}
	}
	if len(left) == 0 {
		return nil
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(seeds...), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords()) // the end may be a transaction's marker
	if err != nil {
		return err
	}
	defer client.Close()
	for len(left) > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		var failure error
		fetches.EachRecord(func(r *kgo.Record) {
			if end, reading := left[r.Partition]; !reading || r.Offset >= end || failure != nil {
				return
			}
			if !r.Attrs.IsControl() {
				failure = fn(r)
			}
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
		})
		if failure != nil {
			return failure
		}
	}
	return nil
}

// result is what the application says of a region and an hour.
type result struct {
	quakes    int64
	strongest float64
}

func parseResult(r *kgo.Record) (bucket, result, error) {
	w, err := streams.WindowedSerde(regions.Hours.Key, regions.Hours.Size).Decode(r.Key, r.Topic, nil)
	if err != nil {
		return bucket{}, result{}, fmt.Errorf("partition %d, offset %d: key: %w", r.Partition, r.Offset, err)
	}
	h, err := regions.Hours.Value.Decode(r.Value, r.Topic, nil)
	if err != nil {
		return bucket{}, result{}, fmt.Errorf("partition %d, offset %d: value: %w", r.Partition, r.Offset, err)
	}
	return bucket{w.Key, int64(w.Start)}, result{h.Quakes, h.Strongest}, nil
}

// prove reads everything back and compares it with the events as they were given.
func (r *run) prove(ctx context.Context) error {
	seeds := []string{r.broker.addr}
	step := r.show.step("everything is read back and compared")
	times := map[string]int{}
	if err := readAll(ctx, seeds, eventsTopic, func(rec *kgo.Record) error {
		times[string(rec.Key)]++
		return nil
	}); err != nil {
		return fmt.Errorf("reading %s back: %w", eventsTopic, err)
	}
	results := map[bucket]result{} // the last of each
	updates := 0
	if err := readAll(ctx, seeds, countsTopic, func(rec *kgo.Record) error {
		b, c, err := parseResult(rec)
		results[b] = c
		updates++
		return err
	}); err != nil {
		return fmt.Errorf("reading %s back: %w", countsTopic, err)
	}
	step.done("%s events, %s results in %s updates", number(len(times)), number(len(results)), number(updates))

	r.show.table(results)
	v := judge(r.events, times, results)
	total := len(r.events)
	ok := r.show.check(v.lost == 0, "nothing lost: %s acknowledged, %s of them in the log", plural(total, "event"), number(total-v.lost))
	ok = r.show.check(v.doubled == 0, "nothing written twice by trying again: %s in the log more than once", plural(v.doubled, "event")) && ok
	ok = r.show.check(v.wrong == 0, "nothing counted twice or left out: %d of %d results differ from the file's", v.wrong, v.results) && ok
	r.show.end()
	if !ok {
		return ErrWrong
	}
	return nil
}

// verdict is how what came back differs from what was given.
type verdict struct {
	lost, doubled  int // events
	wrong, results int // results that differ, and how many there should be
}

// judge compares the events as given with how often each came back and with the results.
func judge(events []event, times map[string]int, results map[bucket]result) verdict {
	want := map[bucket]result{}
	var v verdict
	for _, e := range events {
		b := e.bucket()
		w, again := want[b]
		w.quakes++
		if !again || e.quake.Mag > w.strongest {
			w.strongest = e.quake.Mag
		}
		want[b] = w
		switch n := times[e.quake.ID]; {
		case n == 0:
			v.lost++
		case n > 1:
			v.doubled++
		}
	}
	v.results = len(want)
	for b, w := range want {
		if results[b] != w {
			v.wrong++
		}
	}
	for b := range results {
		if _, ok := want[b]; !ok {
			v.wrong++
		}
	}
	return v
}
