package group

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkCommit is a member committing ten partitions.
func BenchmarkCommit(b *testing.B) {
	w := newWorld(b)
	req := parseCommand("commit g t-0 t-1 t-2 t-3 t-4 t-5 t-6 t-7 t-8 t-9 offset=1").request()
	ev := event(1, command{}, req)
	b.ReportAllocs()
	for b.Loop() {
		w.shard.Step(w.now, ev)
	}
}

// BenchmarkHeartbeat is one of a thousand members keeping its session.
func BenchmarkHeartbeat(b *testing.B) {
	w := newWorld(b)
	for i := range 1000 {
		w.do(parseCommand(fmt.Sprintf("join g%d v=3 client=c%d session=30s", i, i)))
	}
	w.advance(w.now.Add(4 * time.Second))
	ev := event(1, command{}, parseCommand("heartbeat g500 c500-501").request())
	b.ReportAllocs()
	for b.Loop() {
		w.shard.Step(w.now, ev)
	}
}

// BenchmarkReplay is the load of a partition full of offsets, per record.
func BenchmarkReplay(b *testing.B) {
	records := make([]LogRecord, 100_000)
	for i := range records {
		r := EncodeOffset(OffsetKey{fmt.Sprint("group-", i%1000), fmt.Sprint("some-topic-", i%10), int32(i / 10000)},
			OffsetValue{Offset: int64(i), ExpireTimestamp: -1, TopicID: [16]byte{1}})
		records[i] = LogRecord{Offset: int64(i), ProducerID: -1, Key: r.Key, Value: r.Value}
	}
	b.ReportAllocs()
	s := New(DefaultSettings(), nil)
	i := 0
	for b.Loop() {
		if err := s.Replay(records[i%len(records)]); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

// BenchmarkShareHeartbeat is a heartbeat in a share group of 199 members that have 1,000
// partitions, when nothing changes and when all of it has to be assigned anew.
func BenchmarkShareHeartbeat(b *testing.B) {
	w := newWorld(b)
	w.do(parseCommand("topic big partitions=1000"))
	for i := range 199 {
		w.do(parseCommand(fmt.Sprintf("share-beat g m%d names=big", i)))
	}
	w.do(parseCommand("share-beat g m0"))
	beat := func(line string) Event { return event(1, command{}, parseCommand(line).request()) }
	epoch := w.shard.share("g").members["m0"].current.Epoch
	b.Run("quiet", func(b *testing.B) {
		ev := beat(fmt.Sprintf("share-beat g m0 epoch=%d", epoch))
		for range b.N {
			w.shard.Step(w.now, ev)
		}
	})
	b.Run("assign", func(b *testing.B) {
		for range b.N {
			w.shard.Step(w.now, beat("share-beat g x names=big"))
			w.shard.Step(w.now, beat("share-beat g x epoch=-1"))
		}
	})
}
