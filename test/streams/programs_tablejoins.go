package oracle

import "leat.dev/streams"

func joinTables(kind string, l, r *streams.Table[S, S], o ...streams.Option) *streams.Table[S, S] {
	switch kind {
	case "inner":
		return l.Join(r, pair, o...)
	case "left":
		return l.LeftJoin(r, pairLeft, o...)
	default:
		return l.OuterJoin(r, pairOuter, o...)
	}
}

func init() {
	first := len(Programs)
	for _, kind := range []string{"inner", "left", "outer"} {
		n := "tt-" + kind
		exclaim := func(v S) S { return addTo(v, "!") }
		add(n, onTU, func(p *P) { p.outT(joinTables(kind, p.table("t", ""), p.table("u", ""))) })
		add(n+"-src", onTU, func(p *P) { p.outT(joinTables(kind, p.table("t", "st"), p.table("u", "su"))) })
		add(n+"-mat", onTU, func(p *P) {
			p.outT(see(p, "j", joinTables(kind, p.table("t", "st"), p.table("u", ""), p.store(streams.Materialize("j"))...)))
		})
		add(n+"-steps", onTU, func(p *P) { p.outT(joinTables(kind, p.table("t", "").Filter(even), p.table("u", "").MapValues(mark))) })
		add(n+"-steps-mat", onTU, func(p *P) {
			l := see(p, "f", p.table("t", "").Filter(even, p.store(streams.Materialize("f"))...))
			r := see(p, "m", p.table("u", "su").MapValues(mark, p.store(streams.Materialize("m"))...))
			p.outT(see(p, "j", joinTables(kind, l, r, p.store(streams.Materialize("j"))...)).Filter(func(v S) bool { return len(*v)%2 == 0 }))
		})
		add(n+"-versioned", onTU, func(p *P) { p.outT(joinTables(kind, p.versioned("t", "st", 50), p.versioned("u", "su", 50))) })
		add(n+"-versioned-mat", onTU, func(p *P) {
			p.outT(see(p, "j", joinTables(kind, p.versioned("t", "st", 50), p.table("u", ""), p.store(streams.Materialize("j"))...)))
		})
		add(n+"-chain", onTUV, func(p *P) {
			p.outT(see(p, "j", joinTables(kind, joinTables(kind, p.table("t", ""), p.table("u", "")), p.table("v", ""), p.store(streams.Materialize("j"))...)))
		})
		add(n+"-chain2", onTUV, func(p *P) {
			p.outT(joinTables("left", p.table("v", ""), joinTables(kind, p.table("t", ""), p.table("u", ""))))
		})
		add(n+"-agg", onAT, func(p *P) {
			p.outT(joinTables(kind, aggregate(p, p.stream("a").GroupByKey(), foldOrNull), p.table("t", "")))
		})
		add(n+"-group", onTU, func(p *P) {
			p.outT(see(p, "agg", joinTables(kind, p.table("t", ""), p.table("u", "")).
				GroupBy(text, text, func(_, v S) (S, S) { return letter(v), v }).Aggregate("agg", text, fold, undo, p.store(initial())...)))
		})
		add(n+"-self", onT, func(p *P) {
			t := p.table("t", "")
			p.outT(joinTables(kind, t, t.MapValues(exclaim)))
		})
	}
	for _, left := range []bool{false, true} {
		foreign(left)
	}
	for _, p := range Programs[first:] {
		p.Memory = true
	}
}

// fk joins by the letter of the value; a 9 at its end has none.
func fk(left bool, l, r *streams.Table[S, S], o ...streams.Option) *streams.Table[S, S] {
	key := func(v S) (S, bool) { k := letter(v); return k, k != nil }
	if left {
		return l.LeftJoinBy("fk", r, key, pairLeft, o...)
	}
	return l.JoinBy("fk", r, key, pair, o...)
}

func foreign(left bool) {
	first := len(Programs)
	n := map[bool]string{false: "fk-inner", true: "fk-left"}[left]
	add(n, onTU, func(p *P) { p.outT(fk(left, p.table("t", ""), p.table("u", ""))) })
	add(n+"-src", onTU, func(p *P) { p.outT(fk(left, p.table("t", "st"), p.table("u", "su"))) })
	add(n+"-mat", onTU, func(p *P) {
		p.outT(see(p, "j", fk(left, p.table("t", ""), p.table("u", ""), p.store(streams.Materialize("j"))...)))
	})
	add(n+"-versioned-left", onTU, func(p *P) {
		p.outT(see(p, "j", fk(left, p.versioned("t", "st", 50), p.table("u", ""), p.store(streams.Materialize("j"))...)))
	})
	add(n+"-versioned-right", onTU, func(p *P) { p.outT(fk(left, p.table("t", ""), p.versioned("u", "su", 50))) })
	add(n+"-versioned", onTU, func(p *P) { p.outT(fk(left, p.versioned("t", "st", 50), p.versioned("u", "su", 50))) })
	add(n+"-steps", onTU, func(p *P) {
		p.outT(fk(left, p.table("t", "").Filter(func(v S) bool { return num(v) != 2 }), p.table("u", "").MapValues(mark)).
			Filter(func(v S) bool { return len(*v)%2 == 0 }))
	})
	add(n+"-group", onTU, func(p *P) {
		p.outN(see(p, "agg", see(p, "j", fk(left, p.table("t", ""), p.table("u", ""), p.store(streams.Materialize("j"))...)).
			GroupBy(text, text, func(_, v S) (S, S) { return letter(v), v }).Count("agg", p.store()...)))
	})
	add(n+"-self", onT, func(p *P) {
		t := p.table("t", "st")
		p.outT(see(p, "j", fk(left, t, t, p.store(streams.Materialize("j"))...)))
	}).Letters = onT
	add(n+"-agg", onAT, func(p *P) {
		p.outT(fk(left, p.table("t", ""), see(p, "agg", p.stream("a").GroupByKey().Reduce("agg", fold, p.store()...))))
	}).Letters = onA
	for _, p := range Programs[first:] {
		if p.Letters == nil {
			p.Letters = []string{"u"}
		}
	}
}
