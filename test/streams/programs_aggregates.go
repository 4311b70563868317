package oracle

import "leat.dev/streams"

func byLetter(p *P, topic string) *streams.Grouped[S, S] {
	return p.stream(topic).GroupBy(text, letter, streams.Named("g-"+topic))
}

func init() {
	first := len(Programs)
	add("count", onA, func(p *P) { p.outN(see(p, "agg", p.stream("a").GroupByKey().Count("agg", p.store()...))) })
	add("reduce", onA, func(p *P) { p.outT(see(p, "agg", p.stream("a").GroupByKey().Reduce("agg", fold, p.store()...))) })
	add("aggregate", onA, func(p *P) { p.outT(aggregate(p, p.stream("a").GroupByKey(), fold)) })
	add("aggregate-key", onA, func(p *P) {
		p.outT(see(p, "agg", p.stream("a").GroupByKey().AggregateKV("agg", text, func(k, a, v S) S { return fold(a, pair(k, v)) }, p.store(initial())...)))
	})
	add("aggregate-null", onA, func(p *P) { p.outT(aggregate(p, p.stream("a").GroupByKey(), foldOrNull)) })
	add("reduce-null", onA, func(p *P) { p.outT(see(p, "agg", p.stream("a").GroupByKey().Reduce("agg", foldOrNull, p.store()...))) })
	add("by-count", onA, func(p *P) { p.outN(see(p, "agg", byLetter(p, "a").Count("agg", p.store()...))) })
	add("by-reduce", onA, func(p *P) { p.outT(see(p, "agg", byLetter(p, "a").Reduce("agg", fold, p.store()...))) })
	add("by-aggregate", onA, func(p *P) { p.outT(aggregate(p, byLetter(p, "a"), fold)) })
	add("select-count", onA, func(p *P) {
		p.outN(see(p, "agg", p.stream("a").SelectKey(text, letter).GroupByKey().Count("agg", p.store()...)))
	})
	add("two-aggregates", onA, func(p *P) {
		g := p.stream("a").SelectKey(text, letter).GroupByKey(streams.Named("g"))
		p.outN(see(p, "agg", g.Count("agg", p.store()...)))
		p.outT(see(p, "agg2", g.Reduce("agg2", fold, p.store()...)))
	})
	add("aggregate-filter", onA, func(p *P) {
		p.outT(aggregate(p, p.stream("a").GroupByKey(), foldOrNull).Filter(func(v S) bool { return len(*v)%2 == 0 }).
			MapValues(func(v S) S { return addTo(v, "!") }))
	})
	add("aggregate-filter-mat", onA, func(p *P) {
		p.outT(see(p, "f", aggregate(p, p.stream("a").GroupByKey(), foldOrNull).
			Filter(func(v S) bool { return len(*v)%3 == 0 }, p.store(streams.Materialize("f"))...)))
	})
	add("cogroup", onAB, func(p *P) {
		p.outT(see(p, "agg", cogroup(p, fold).Aggregate("agg", text, p.store(initial())...)))
	})
	add("cogroup-null", onAB, func(p *P) {
		p.outT(see(p, "agg", cogroup(p, foldOrNull).Aggregate("agg", text, p.store(initial())...)))
	})
	add("cogroup-by", onABC, func(p *P) {
		p.outT(see(p, "agg", byLetter(p, "a").Cogroup(fold).And(p.stream("b").GroupByKey(), undo).And(byLetter(p, "c"), mergeS).
			Aggregate("agg", text, p.store(initial())...)))
	}).Letters = []string{"b"}
	for _, p := range Programs[first:] {
		p.Memory = true
	}
}

func aggregate(p *P, g *streams.Grouped[S, S], f func(a, v S) S) *streams.Table[S, S] {
	return see(p, "agg", g.Aggregate("agg", text, f, p.store(initial())...))
}

func cogroup(p *P, f func(a, v S) S) *streams.Cogrouped[S, S] {
	return p.stream("a").GroupByKey().Cogroup(f).And(p.stream("b").GroupByKey(), undo)
}
