package oracle

import (
	"fmt"

	"leat.dev/streams"
)

func init() {
	add("c-agg-join", onAB, func(p *P) {
		p.out(join("left", see(p, "agg", p.stream("a").GroupByKey().Reduce("agg", fold, p.store()...)).ToStream(), p.stream("b"), within("asym"), "j"))
	})
	add("c-agg-agg", onA, func(p *P) {
		p.outN(see(p, "agg2", p.stream("a").GroupByKey().Reduce("agg", fold, p.store()...).ToStream().
			GroupBy(text, letter, streams.Named("g")).Count("agg2", p.store()...)))
	})
	add("c-agg-group", onA, func(p *P) {
		p.outT(see(p, "agg2", aggregate(p, p.stream("a").GroupByKey(), foldOrNull).
			GroupBy(text, text, func(k, v S) (S, S) { return str(fmt.Sprintf("n%d", num(v)%3)), addTo(k, s(v)) }, streams.Named("g")).
			Aggregate("agg2", text, fold, undo, p.store(initial())...)))
	})
	add("c-window-map-agg", onA, func(p *P) {
		p.outT(see(p, "agg2", p.stream("a").GroupByKey().Windowed(window("tumg")).Reduce("agg", fold, p.store()...).
			ToStream().Map(text, func(w streams.Windowed[S], v S) (S, S) { return w.Key, v }).
			GroupByKey(streams.Named("g")).Reduce("agg2", mergeS, p.store()...)))
	})
	add("c-final-drop-agg", onA, func(p *P) {
		counts := see(p, "agg2", p.stream("a").GroupByKey().Windowed(window("tumg")).EmitFinal().Reduce("agg", fold, p.store()...).
			ToStream().SelectKey(text, func(w streams.Windowed[S], _ S) S { return str(fmt.Sprintf("%s@%d", s(w.Key), w.Start)) }).
			GroupByKey(streams.Named("g")).Count("agg2", p.store()...))
		p.outT(counts.MapValues(func(n int64) S { return str(fmt.Sprintf("n%d", n)) }))
	})
	add("c-join-window", onAB, func(p *P) {
		p.outW(seeW(p, "agg", join("outer", p.stream("a"), p.stream("b"), within("sym"), "j").GroupByKey().
			Windowed(window("hopg")).Reduce("agg", fold, p.store()...)))
	})
	add("c-join-session", onAB, func(p *P) {
		p.outS(seeW(p, "agg", join("left", p.stream("a"), p.stream("b"), within("asym"), "j").GroupByKey().
			Sessions(streams.SessionGap(ms(10)).Grace(ms(12))).Reduce("agg", fold, p.store()...)))
	})
	add("c-fk-group", onTU, func(p *P) {
		p.outT(see(p, "agg", fk(true, p.table("t", ""), p.table("u", "")).
			GroupBy(text, text, func(_, v S) (S, S) { return letter(v), v }, streams.Named("g")).Aggregate("agg", text, fold, undo, p.store(initial())...)))
	}).Letters = []string{"u"}
	add("c-fk-fk", onTUV, func(p *P) {
		key := func(v S) (S, bool) { return str(fmt.Sprintf("k%d", num(str((*v)[:len(*v)-1]))%4)), true }
		p.outT(fk(false, p.table("t", ""), p.table("u", "")).LeftJoinBy("fk2", p.table("v", ""), key, pairLeft))
	}).Letters = []string{"u"}
	add("c-suppress-join", onAB, func(p *P) {
		l := p.stream("a").GroupByKey().Windowed(window("tumg")).Reduce("agg", fold, p.store()...).
			SuppressUntilClose(streams.Unbounded(), streams.Named("sup")).
			ToStream().Map(text, func(w streams.Windowed[S], v S) (S, S) { return w.Key, v })
		p.out(join("left", l, p.stream("b"), within("asym"), "j"))
	})
	add("c-window-join", onAB, func(p *P) {
		l := p.stream("a").GroupByKey().Windowed(window("tumg")).Reduce("agg", fold, p.store()...)
		r := p.stream("b").GroupByKey().Windowed(window("tumg")).Reduce("agg2", mergeS, p.store()...)
		p.outW(l.OuterJoin(r, pairOuter))
	})
	add("c-window-group", onA, func(p *P) {
		p.outN(see(p, "agg2", p.stream("a").GroupByKey().Windowed(window("tumg")).Aggregate("agg", text, foldOrNull, p.store(initial())...).
			GroupBy(text, text, func(w streams.Windowed[S], v S) (S, S) { return w.Key, v }, streams.Named("g")).Count("agg2", p.store()...)))
	})
	add("c-enrich", []string{"a", "b", "t"}, func(p *P) {
		j := join("inner", p.stream("a"), p.stream("b"), within("asym"), "j")
		p.out(joinTable(true, j.SelectKey(text, letter), p.table("t", "st")))
	}).Letters = onT
	add("c-table-stream-table", onTU, func(p *P) {
		t := p.table("t", "st").ToStream().MapValues(func(v S) S { return unless(v == nil, addTo(v, "!")) }).ToTable("st2", p.store(streams.Named("tt"))...)
		p.outT(see(p, "st2", t).Join(p.table("u", ""), pair))
	})
	add("c-stream-table-both", onA, func(p *P) {
		t := see(p, "agg", p.stream("a").GroupByKey().Reduce("agg", fold, p.store()...))
		p.out(joinTable(true, p.stream("a"), t))
	})
	add("c-global-agg", onAG, func(p *P) {
		p.outT(see(p, "agg", p.stream("a").LeftJoinGlobal(p.global("g", "gs"), letterKV, pairLeft).GroupByKey().Reduce("agg", fold, p.store()...)))
	}).Letters = []string{"g"}
	add("c-relaxed", onAB, func(p *P) {
		p.out(join("left", p.stream("a").SelectKey(text, letter).Repartition("rp"), p.stream("b"), within("sym"), "j"))
	}).Letters = []string{"b"}
	add("c-merge-agg", onAB, func(p *P) {
		p.outN(see(p, "agg", p.stream("a").SelectKey(text, letter).Merge(p.stream("b")).GroupByKey(streams.Named("g")).Count("agg", p.store()...)))
	}).Letters = []string{"b"}
	add("c-branch-agg", onA, func(p *P) {
		split := p.stream("a").Split("s-")
		even, odd := split.Branch("even", even), split.Default("odd")
		p.outT(see(p, "agg", even.GroupByKey().Reduce("agg", fold, p.store()...)).
			OuterJoin(see(p, "agg2", odd.GroupByKey().Reduce("agg2", mergeS, p.store()...)), pairOuter))
	})
	optimised()
}

func optimised() {
	first := len(Programs)
	add("o-table", onT, func(p *P) { p.outT(p.table("t", "st").MapValues(func(v S) S { return addTo(v, "!") })) })
	add("o-table-join", onAT, func(p *P) { p.out(joinTable(false, p.stream("a"), p.table("t", "st"))) })
	add("o-repartition", onA, func(p *P) {
		a := p.stream("a").SelectKey(text, letter)
		p.outN(see(p, "agg", a.GroupByKey().Count("agg", p.store()...)))
		p.outT(see(p, "agg2", a.GroupByKey().Reduce("agg2", fold, p.store()...)))
	})
	add("o-repartition-map", onA, func(p *P) {
		a := p.stream("a").SelectKey(text, letter)
		p.outN(see(p, "agg", a.MapValues(func(v S) S { return addTo(v, "x") }).GroupByKey().Count("agg", p.store()...)))
		p.outT(see(p, "agg2", a.Filter(even).GroupByKey().Reduce("agg2", fold, p.store()...)))
		a.MapValues(func(v S) S { return v }).To(topic("out-x"))
	})
	add("o-repartition-join", onAB, func(p *P) {
		a := p.stream("a").SelectKey(text, letter)
		p.outN(see(p, "agg", a.GroupByKey().Count("agg", p.store()...)))
		p.out(join("inner", a, p.stream("b"), within("asym"), "j"))
	}).Letters = []string{"b"}
	for _, p := range Programs[first:] {
		p.Optimize = true
	}
}
