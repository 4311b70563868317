package oracle

import "leat.dev/streams"

func init() {
	first := len(Programs)
	add("table", onT, func(p *P) { p.outT(p.table("t", "")) })
	add("table-store", onT, func(p *P) { p.outT(p.table("t", "st")) })
	add("table-versioned", onT, func(p *P) { p.outT(p.versioned("t", "st", 50)) })
	add("to-table", onA, func(p *P) {
		p.outT(see(p, "st", p.stream("a").ToTable("st", p.store(streams.Named("tt"))...)))
	})
	add("to-table-key", onA, func(p *P) {
		p.outT(see(p, "st", p.stream("a").SelectKey(text, letter).ToTable("st", p.store(streams.Named("tt"))...)))
	})
	add("to-stream-key", onT, func(p *P) { p.out(p.table("t", "st").ToStream().SelectKey(text, letter)) })
	tableSteps("", "")
	tableSteps("-src", "st")
	suppress()
	grouped()
	for _, p := range Programs[first:] {
		p.Memory = p.Name != "table-versioned"
	}
}

func tableSteps(suffix, store string) {
	add("table-filter"+suffix, onT, func(p *P) { p.outT(p.table("t", store).Filter(even)) })
	add("table-filter-mat"+suffix, onT, func(p *P) {
		p.outT(see(p, "f", p.table("t", store).Filter(even, p.store(streams.Materialize("f"))...)))
	})
	add("table-map"+suffix, onT, func(p *P) { p.outT(p.table("t", store).MapValues(mark)) })
	add("table-map-mat"+suffix, onT, func(p *P) {
		p.outT(see(p, "m", p.table("t", store).MapValues(mark, p.store(streams.Materialize("m"))...)))
	})
	add("table-transform"+suffix, onT, func(p *P) { p.outT(p.table("t", store).ProcessValues("tv", marker)) })
	add("table-steps"+suffix, onT, func(p *P) {
		t := p.table("t", store).Filter(func(v S) bool { return num(v) != 1 })
		t = see(p, "m", t.MapValuesKV(pair, p.store(streams.Materialize("m"))...))
		t = t.Filter(func(v S) bool { return num(v) != 2 }).MapValues(func(v S) S { return addTo(v, "!") })
		p.outT(see(p, "g", t.FilterKV(func(k, _ S) bool { return s(k) != "k3" }, p.store(streams.Materialize("g"))...)))
	})
	add("table-transform-join"+suffix, onTU, func(p *P) {
		p.outT(p.table("t", store).ProcessValues("tv", marker).Join(p.table("u", ""), pair))
	})
	add("table-transform-group"+suffix, onT, func(p *P) {
		p.outT(see(p, "agg", p.table("t", store).ProcessValues("tv", marker).GroupBy(text, text, func(_, v S) (S, S) { return letter(v), v }).
			Aggregate("agg", text, fold, undo, p.store(initial())...)))
	})
	add("table-filter-group"+suffix, onT, func(p *P) {
		p.outN(see(p, "agg", p.table("t", store).Filter(even).GroupBy(text, text, func(_, v S) (S, S) { return letter(v), v }).
			Count("agg", p.store()...)))
	})
}

// marker remembers nothing and is called for everything.
func marker(*streams.Context[S, S]) func(S, S) (S, error) {
	return func(k, v S) (S, error) {
		if num(v) == 3 {
			return nil, nil
		}
		return pair(k, v), nil
	}
}

func suppress() {
	sup := streams.Named("sup")
	add("suppress-limit", onT, func(p *P) { p.outT(p.table("t", "st").Suppress(ms(20), streams.Unbounded(), sup)) })
	add("suppress-limit-0", onT, func(p *P) { p.outT(p.table("t", "").Suppress(ms(0), streams.Unbounded(), sup)) })
	add("suppress-early", onT, func(p *P) { p.outT(p.table("t", "").Suppress(ms(50), streams.MaxRecords(2).EmitEarly(), sup)) })
	add("suppress-strict", onT, func(p *P) { p.outT(p.table("t", "").Suppress(ms(50), streams.MaxRecords(2), sup)) })
	add("suppress-bytes", onT, func(p *P) { p.outT(p.table("t", "").Suppress(ms(50), streams.MaxBytes(200).EmitEarly(), sup)) })
	add("suppress-map", onT, func(p *P) {
		p.outT(see(p, "m", p.table("t", "").Suppress(ms(20), streams.Unbounded(), sup).
			MapValues(func(v S) S { return addTo(v, "!") }, p.store(streams.Materialize("m"))...)))
	})
	add("suppress-count", onA, func(p *P) {
		p.outN(see(p, "agg", p.stream("a").GroupByKey().Count("agg", p.store()...)).Suppress(ms(20), streams.MaxRecords(2).EmitEarly(), sup))
	})
	add("suppress-join", onTU, func(p *P) {
		p.outT(p.table("t", "").Suppress(ms(20), streams.Unbounded(), sup).LeftJoin(p.table("u", ""), pairLeft))
	})
	add("suppress-group", onT, func(p *P) {
		p.outT(see(p, "agg", p.table("t", "").Suppress(ms(20), streams.Unbounded(), sup).
			GroupBy(text, text, func(_, v S) (S, S) { return letter(v), v }).Aggregate("agg", text, fold, undo, p.store(initial())...)))
	})
}

func grouped() {
	add("group-count", onT, func(p *P) { p.outN(see(p, "agg", groups(p.table("t", "")).Count("agg", p.store()...))) })
	add("group-reduce", onT, func(p *P) { p.outT(see(p, "agg", groups(p.table("t", "")).Reduce("agg", fold, undo, p.store()...))) })
	add("group-aggregate", onT, func(p *P) {
		p.outT(see(p, "agg", groups(p.table("t", "st")).Aggregate("agg", text, fold, undo, p.store(initial())...)))
	})
	add("group-aggregate-null", onT, func(p *P) {
		p.outT(see(p, "agg", groups(p.table("t", "")).Aggregate("agg", text,
			func(a, v S) S { return unless(num(v) == 5, fold(a, v)) }, func(a, v S) S { return unless(num(v) == 7, undo(a, v)) }, p.store(initial())...)))
	})
	add("group-same-key", onT, func(p *P) {
		p.outT(see(p, "agg", p.table("t", "").GroupBy(text, text, func(k, v S) (S, S) { return k, unless(num(v) == 4, v) }, streams.Named("g")).
			Aggregate("agg", text, fold, undo, p.store(initial())...)))
	})
	add("group-versioned", onT, func(p *P) {
		p.outT(see(p, "agg", groups(p.versioned("t", "st", 50)).Aggregate("agg", text, fold, undo, p.store(initial())...)))
	})
	add("group-versioned-count", onT, func(p *P) {
		p.outN(see(p, "agg", groups(p.versioned("t", "st", 50).Filter(even)).Count("agg", p.store()...)))
	})
}

func groups(t *streams.Table[S, S]) *streams.GroupedTable[S, S] {
	return t.GroupBy(text, text, func(k, v S) (S, S) { return letter(v), addTo(k, s(v)) }, streams.Named("g"))
}

func unless(null bool, v S) S {
	if null {
		return nil
	}
	return v
}
