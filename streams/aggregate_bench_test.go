package streams

import (
	"fmt"
	"testing"
	"time"

	"leat.dev/streams/internal/engine"
	"leat.dev/streams/internal/state"
)

// The cost of one record in an aggregate, from the decoded source record to the cache: 10,000 keys, time goes on by 1 ms
// every ten records, a commit every 100,000.
//
//	go test ./streams -run - -bench 'Count|Hop|Slices|Sessions' -benchmem

type benchEnv struct{}

func (benchEnv) Send(*engine.Out) error             { return nil }
func (benchEnv) Partitions(string) (int, error)     { return 1, nil }
func (benchEnv) Now() int64                         { return 0 }
func (benchEnv) Count(engine.Metric, string, int64) {}

func benchAggregate(b *testing.B, build func(g *Grouped[string, string])) {
	for _, on := range []string{"memory", "pebble"} {
		b.Run(on, func(b *testing.B) {
			p, err := compile("bench", func(bld *Builder) {
				build(NewTopic("in", String, String).Stream(bld).GroupByKey())
			}, newConfig([]AppOption{CacheBytes(64 << 20)}))
			if err != nil {
				b.Fatal(err)
			}
			db := state.Memory()
			if on == "pebble" {
				if db, err = state.Open(b.TempDir(), state.Options{}); err != nil {
					b.Fatal(err)
				}
			}
			defer func() { _ = db.Close() }()
			st, err := db.Task("0_0")
			if err != nil {
				b.Fatal(err)
			}
			made, err := p.NewTask(engine.TaskID{}, benchEnv{}, st, nil)
			if err != nil {
				b.Fatal(err)
			}
			if err := made.Initialize(); err != nil {
				b.Fatal(err)
			}
			t := made.(*task)
			h := t.heads[0].(*sourceHead[string, string])
			keys := make([]string, 10_000)
			for i := range keys {
				keys[i] = fmt.Sprintf("key-%06d", i)
			}
			t.rc = recordContext{topic: "in", key: []byte("key-000000"), value: []byte("v")}
			one := func(i int) {
				h.record = Record[string, string]{Key: keys[(i*7919)%len(keys)], Value: "v", Time: Time(i / 10)}
				if err := h.send(); err != nil {
					b.Fatal(err)
				}
				if i%100_000 == 99_999 {
					if err := made.Flush(); err != nil {
						b.Fatal(err)
					}
					if err := made.Committed(nil); err != nil {
						b.Fatal(err)
					}
				}
			}
			for i := range 20_000 {
				one(i)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				one(20_000 + i)
			}
		})
	}
}

func BenchmarkCount(b *testing.B) {
	benchAggregate(b, func(g *Grouped[string, string]) { g.Count("c").ToStream() })
}

func BenchmarkCountNoCache(b *testing.B) {
	benchAggregate(b, func(g *Grouped[string, string]) { g.Count("c", NoCache()).ToStream() })
}

func BenchmarkCountTumblingWindows(b *testing.B) {
	benchAggregate(b, func(g *Grouped[string, string]) {
		g.Windowed(Tumbling(time.Minute).NoGrace()).Count("c").ToStream()
	})
}

func BenchmarkCountFinalWindows(b *testing.B) {
	benchAggregate(b, func(g *Grouped[string, string]) {
		g.Windowed(Tumbling(10 * time.Second).NoGrace()).EmitFinal().Count("c").ToStream()
	})
}

func BenchmarkCountHoppingWindows(b *testing.B) {
	benchAggregate(b, func(g *Grouped[string, string]) {
		g.Windowed(Hopping(10*time.Second, time.Second).NoGrace()).Count("c").ToStream()
	})
}

// The workloads of test/bench: 5 s hopping by 1 s, an aggregate of three numbers.
func benchHop(b *testing.B, sliced bool, o ...Option) {
	type total struct{ Count, Sum, Max int64 }
	merge := func(a, b total) total { return total{a.Count + b.Count, a.Sum + b.Sum, max(a.Max, b.Max)} }
	if sliced {
		o = append(o, Slices(merge))
	}
	benchAggregate(b, func(g *Grouped[string, string]) {
		g.Windowed(Hopping(5*time.Second, time.Second).NoGrace()).Aggregate("c", JSON[total](), func(t total, v string) total {
			return merge(t, total{1, int64(len(v)), int64(len(v))})
		}, o...).ToStream()
	})
}

func BenchmarkHop(b *testing.B)           { benchHop(b, false) }
func BenchmarkHopNoCache(b *testing.B)    { benchHop(b, false, NoCache()) }
func BenchmarkSlices(b *testing.B)        { benchHop(b, true) }
func BenchmarkSlicesNoCache(b *testing.B) { benchHop(b, true, NoCache()) }

func BenchmarkCountHoppingFinalSlices(b *testing.B) {
	benchAggregate(b, func(g *Grouped[string, string]) {
		g.Windowed(Hopping(10*time.Second, time.Second).NoGrace()).EmitFinal().
			Count("c", Slices(func(a, b int64) int64 { return a + b })).ToStream()
	})
}

func BenchmarkCountSlidingWindows(b *testing.B) {
	benchAggregate(b, func(g *Grouped[string, string]) {
		g.Windowed(Sliding(time.Second).NoGrace()).Count("c").ToStream()
	})
}

func BenchmarkCountSessions(b *testing.B) {
	benchAggregate(b, func(g *Grouped[string, string]) {
		g.Sessions(SessionGap(500 * time.Millisecond).NoGrace()).Count("c").ToStream()
	})
}
