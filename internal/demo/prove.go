package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// readAll calls fn for each record of a topic, of all partitions or of one (-1 for all).
func readAll(ctx context.Context, seeds []string, topic string, only int32, fn func(*kgo.Record) error) error {
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
		if (only < 0 || p == only) && end.Offset > 0 {
			left[p], from[p] = end.Offset, kgo.NewOffset().AtStart()
		}
	}
	if len(left) == 0 {
		return nil
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(seeds...), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}))
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
			failure = fn(r)
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

// readCounts reads back the counts of one source partition.
func readCounts(ctx context.Context, seeds []string, partition int32) (map[bucket]count, error) {
	out := map[bucket]count{}
	err := readAll(ctx, seeds, countsTopic, partition, func(r *kgo.Record) error {
		b, c, err := parseCount(r)
		// The member before us may have had a write under way when it lost the partition: the count that got
		// furthest wins, whatever came last.
		if err == nil && c.Next > out[b].Next {
			out[b] = c
		}
		return err
	})
	return out, err
}

func parseCount(r *kgo.Record) (bucket, count, error) {
	var c count
	hour, class, ok := strings.Cut(string(r.Key), "|")
	if err := json.Unmarshal(r.Value, &c); err != nil || !ok {
		return bucket{}, c, fmt.Errorf("partition %d, offset %d is no count: %s=%s", r.Partition, r.Offset, r.Key, r.Value)
	}
	return bucket{hour, class}, c, nil
}

// prove reads everything back and compares it with the events as they were given.
func (r *run) prove(ctx context.Context) error {
	seeds := []string{r.broker.addr}
	step := r.show.step("everything is read back and compared")
	times := map[string]int{}
	if err := readAll(ctx, seeds, eventsTopic, -1, func(rec *kgo.Record) error {
		times[string(rec.Key)]++
		return nil
	}); err != nil {
		return fmt.Errorf("reading %s back: %w", eventsTopic, err)
	}
	counts := map[bucket]int64{}
	for p := range int32(partitions) {
		state, err := readCounts(ctx, seeds, p)
		if err != nil {
			return fmt.Errorf("reading %s back: %w", countsTopic, err)
		}
		for b, c := range state {
			counts[b] += c.Count
		}
	}
	step.done("%s events, %s counts", number(len(times)), number(len(counts)))

	r.show.table(counts)
	v := judge(r.events, times, counts)
	total := len(r.events)
	ok := r.show.check(v.lost == 0, "nothing lost: %s acknowledged, %s of them in the log", plural(total, "event"), number(total-v.lost))
	ok = r.show.check(v.doubled == 0, "nothing written twice by trying again: %s in the log more than once", plural(v.doubled, "event")) && ok
	ok = r.show.check(v.wrong == 0, "nothing counted twice: %s came to a member again after the crash and were recognised; %d of %d counts differ from the file's",
		plural(int(r.replays), "event"), v.wrong, v.counts) && ok
	r.show.end()
	if !ok {
		return ErrWrong
	}
	return nil
}

// verdict is how what came back differs from what was given.
type verdict struct {
	lost, doubled int // events
	wrong, counts int // counts that differ, and how many there should be
}

// judge compares the events as given with how often each came back and with the counts.
func judge(events []event, times map[string]int, counts map[bucket]int64) verdict {
	want := map[bucket]int64{}
	var v verdict
	for _, e := range events {
		want[e.bucket()]++
		switch n := times[e.ID]; {
		case n == 0:
			v.lost++
		case n > 1:
			v.doubled++
		}
	}
	v.counts = len(want)
	for b, n := range want {
		if counts[b] != n {
			v.wrong++
		}
	}
	for b := range counts {
		if want[b] == 0 {
			v.wrong++
		}
	}
	return v
}
