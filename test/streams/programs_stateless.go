package oracle

import (
	"iter"
	"strconv"

	"leat.dev/streams"
)

var (
	onA   = []string{"a"}
	onAB  = []string{"a", "b"}
	onABC = []string{"a", "b", "c"}
	onT   = []string{"t"}
	onTU  = []string{"t", "u"}
	onTUV = []string{"t", "u", "v"}
	onAT  = []string{"a", "t"}
	onAG  = []string{"a", "g"}
)

func init() {
	add("filter", onA, func(p *P) { p.out(p.stream("a").Filter(func(v S) bool { return v == nil || even(v) })) })
	add("filter-key", onA, func(p *P) { p.out(p.stream("a").FilterKV(func(k, v S) bool { return s(k) == "k1" || even(v) })) })
	add("filter-not", onA, func(p *P) { p.out(p.stream("a").Filter(func(v S) bool { return !even(v) })) })
	add("map", onA, func(p *P) {
		p.out(p.stream("a").Map(text, func(k, v S) (S, S) { return letter(v), pair(k, v) }))
	})
	add("map-values", onA, func(p *P) {
		p.out(p.stream("a").MapValues(func(v S) S {
			if num(v) == 0 {
				return nil
			}
			return addTo(v, "!")
		}))
	})
	add("map-values-key", onA, func(p *P) { p.out(p.stream("a").MapValuesKV(pair)) })
	add("flat-map", onA, func(p *P) {
		p.out(p.stream("a").FlatMap(text, func(k, v S) iter.Seq2[S, S] {
			return func(yield func(S, S) bool) {
				for i := range num(v) % 3 {
					if !yield(addTo(k, strconv.Itoa(i)), v) {
						return
					}
				}
			}
		}))
	})
	add("flat-map-values", onA, func(p *P) {
		p.out(p.stream("a").FlatMapValues(func(v S) (all []S) {
			for i := range num(v) % 3 {
				if i == 1 {
					all = append(all, nil)
				} else {
					all = append(all, addTo(v, strconv.Itoa(i)))
				}
			}
			return all
		}))
	})
	add("select-key", onA, func(p *P) { p.out(p.stream("a").SelectKey(text, letter)) })
	add("merge", onABC, func(p *P) {
		p.out(p.stream("a").Merge(p.stream("b").MapValues(func(v S) S { return addTo(v, "b") })).Merge(p.stream("c")))
	})
	add("split", onA, func(p *P) {
		split := p.stream("a").Split("s-")
		even := split.Branch("even", even)
		a := split.Branch("a", func(v S) bool { return s(letter(v)) == "a" })
		rest := split.Default("rest")
		even.To(topic("out-even"))
		a.To(topic("out-a"))
		rest.MapValues(func(v S) S { return addTo(v, "r") }).To(topic("out-rest"))
	})
	add("split-drop", onA, func(p *P) {
		split := p.stream("a").Split("s-")
		even := split.Branch("even", even)
		k1 := split.BranchKV("k1", func(k, _ S) bool { return s(k) == "k1" })
		even.To(topic("out-even"))
		k1.To(topic("out-k1"))
	})
	add("peek", onA, func(p *P) {
		p.out(p.stream("a").Peek(func(_, _ S) {}).MapValues(func(v S) S { return v }))
		p.stream("a").ForEach(func(_, _ S) {})
	})
	add("repartition", onA, func(p *P) {
		p.out(p.stream("a").SelectKey(text, letter).Repartition("rp", streams.Partitions(1)).MapValues(func(v S) S { return addTo(v, "r") }))
	})
	add("extractor", onA, func(p *P) {
		p.stream("a").ToEach(topic(""), func(_ streams.Ctx, r streams.Record[S, S]) string { return "out-" + strconv.Itoa(num(r.Value)%3) })
	})
	add("headers", onA, func(p *P) {
		p.out(p.stream("a").ProcessValues("h", func(c *streams.Context[S, S]) func(streams.Record[S, S]) error {
			return func(r streams.Record[S, S]) error {
				r.Headers = append(r.Headers[:len(r.Headers):len(r.Headers)], streams.Header{Key: "seen", Value: []byte(s(r.Key))})
				r.Value, r.NullValue = addTo(r.Value, "h"), false
				c.Forward(r)
				return nil
			}
		}).FilterKV(func(k, v S) bool { return even(v) || k == nil }))
	})
	add("process", onA, func(p *P) {
		p.out(p.stream("a").Process("p", text, func(c *streams.Context[S, S]) func(streams.Record[S, S]) error {
			return func(r streams.Record[S, S]) error {
				for i := range num(r.Value) % 3 {
					next := r
					next.Key, next.NullKey = addTo(r.Key, strconv.Itoa(i)), false
					next.Time += streams.Time(i)
					c.Forward(next)
				}
				return nil
			}
		}))
	})
	add("two-sources", onAB, func(p *P) {
		p.out(streams.FromTopics(p.b, topic(""), []string{"a", "b"}).MapValues(func(v S) S { return addTo(v, "x") }))
	})
	add("pattern", onAB, func(p *P) {
		p.out(streams.FromPattern(p.b, topic(""), "[ab]").MapValues(func(v S) S { return addTo(v, "x") }))
	})
	add("timestamps", onA, func(p *P) {
		p.out(topic("a").Stream(p.b, streams.Timestamps(func(r streams.Record[S, S], _ streams.Time) streams.Time {
			if num(r.Value) == 0 {
				return -1
			}
			return r.Time + streams.Time(num(r.Value))
		})))
	})
	add("default-branch-only", onA, func(p *P) { p.stream("a").Split("s-").Default("rest").To(topic("out-rest")) })
}
