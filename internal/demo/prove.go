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
	want := map[bucket]int64{}
	lost, doubled := 0, 0
	for _, e := range r.events {
		want[e.bucket()]++
		switch n := times[e.ID]; {
		case n == 0:
			lost++
		case n > 1:
			doubled++
		}
	}
	wrong := 0
	for b, n := range want {
		if counts[b] != n {
			wrong++
		}
	}
	for b := range counts {
		if want[b] == 0 {
			wrong++
		}
	}
	total := len(r.events)
	ok := r.show.check(lost == 0, "nothing lost: %s acknowledged, %s of them in the log", plural(total, "event"), number(total-lost))
	ok = r.show.check(doubled == 0, "nothing written twice by trying again: %s in the log more than once", plural(doubled, "event")) && ok
	ok = r.show.check(wrong == 0, "nothing counted twice: %s events came to a member again after the crash and were recognised; %d of %d counts differ from the file's",
		number(int(r.replays)), wrong, len(want)) && ok
	r.show.end()
	if !ok {
		return ErrWrong
	}
	return nil
}
