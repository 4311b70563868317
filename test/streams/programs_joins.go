package oracle

import "leat.dev/streams"

var joinWindows = []struct {
	name  string
	w     streams.JoinWindow
	scale int64
}{
	{"sym", streams.Within(ms(10)).NoGrace(), 1},
	{"asym", streams.Between(ms(5), ms(20)).Grace(ms(10)), 1},
	{"after", streams.Between(0, ms(10)).Grace(ms(5)), 1},
	{"neg", streams.Between(ms(-5), ms(10)).NoGrace(), 1},
	{"big", streams.Within(ms(20_000)).Grace(ms(30_000)), 2000},
}

func within(name string) streams.JoinWindow {
	for _, w := range joinWindows {
		if w.name == name {
			return w.w
		}
	}
	panic(name)
}

func join(kind string, l, r *streams.Stream[S, S], w streams.JoinWindow, name string) *streams.Stream[S, S] {
	switch kind {
	case "inner":
		return l.Join(name, r, w, pair)
	case "left":
		return l.LeftJoin(name, r, w, pairLeft)
	default:
		return l.OuterJoin(name, r, w, pairOuter)
	}
}

func init() {
	for _, kind := range []string{"inner", "left", "outer"} {
		for _, w := range joinWindows {
			add("ss-"+kind+"-"+w.name, onAB, func(p *P) { p.out(join(kind, p.stream("a"), p.stream("b"), w.w, "j")) }).Scale = w.scale
		}
		add("ss-"+kind+"-by", onAB, func(p *P) {
			p.out(join(kind, p.stream("a").SelectKey(text, letter), p.stream("b"), within("asym"), "j"))
		}).Letters = []string{"b"}
		add("ss-"+kind+"-by2", onAB, func(p *P) {
			p.out(join(kind, p.stream("a"), p.stream("b").SelectKey(text, letter), within("sym"), "j"))
		}).Letters = []string{"a"}
		add("ss-"+kind+"-self", onA, func(p *P) {
			a := p.stream("a")
			p.out(join(kind, a, a, within("asym"), "j"))
		}).Optimize = true
		add("ss-"+kind+"-self2", onA, func(p *P) {
			a := p.stream("a")
			p.out(join(kind, a, a.MapValues(func(v S) S { return unless(v == nil, addTo(v, "!")) }), within("sym"), "j"))
		}).Optimize = true
	}
	add("ss-chain", onABC, func(p *P) {
		p.out(join("left", join("inner", p.stream("a"), p.stream("b"), within("asym"), "j1"), p.stream("c"), within("sym"), "j2"))
	})
	add("ss-outer-chain", onABC, func(p *P) {
		p.out(join("outer", join("outer", p.stream("a"), p.stream("b"), within("asym"), "j1"), p.stream("c"), within("asym"), "j2"))
	})
	for _, left := range []bool{false, true} {
		streamTable(left)
		global(left)
	}
}

func joinTable(left bool, l *streams.Stream[S, S], t *streams.Table[S, S], o ...streams.Option) *streams.Stream[S, S] {
	o = append(o, streams.Named("jt"))
	if left {
		return l.LeftJoinTable(t, pairLeft, o...)
	}
	return l.JoinTable(t, pair, o...)
}

func streamTable(left bool) {
	n := map[bool]string{false: "st-inner", true: "st-left"}[left]
	add(n, onAT, func(p *P) { p.out(joinTable(left, p.stream("a"), p.table("t", ""))) }).Memory = true
	add(n+"-store", onAT, func(p *P) { p.out(joinTable(left, p.stream("a"), p.table("t", "st"))) }).Memory = true
	by := add(n+"-by", onAT, func(p *P) { p.out(joinTable(left, p.stream("a").SelectKey(text, letter), p.table("t", "st"))) })
	by.Letters, by.Memory = onT, true
	add(n+"-filtered", onAT, func(p *P) {
		p.out(joinTable(left, p.stream("a"), p.table("t", "st").Filter(even).MapValues(func(v S) S { return addTo(v, "!") })))
	})
	add(n+"-agg", onAB, func(p *P) {
		p.out(joinTable(left, p.stream("a"), see(p, "agg", p.stream("b").GroupByKey().Reduce("agg", fold, p.store()...))))
	})
	add(n+"-versioned", onAT, func(p *P) { p.out(joinTable(left, p.stream("a"), p.versioned("t", "st", 50))) })
	add(n+"-versioned-big", onAT, func(p *P) { p.out(joinTable(left, p.stream("a"), p.versioned("t", "st", 50_000))) }).Scale = 3000
	add(n+"-grace", onAT, func(p *P) {
		p.out(joinTable(left, p.stream("a"), p.versioned("t", "st", 1000), streams.TableGrace(ms(20))))
	}).NoNullKey = left
	add(n+"-grace-0", onAT, func(p *P) {
		p.out(joinTable(left, p.stream("a"), p.versioned("t", "st", 1000), streams.TableGrace(0)))
	}).NoNullKey = left
	if left {
		return // its keys may be null: see known.go
	}
	add(n+"-grace-by", onAT, func(p *P) {
		p.out(joinTable(left, p.stream("a").SelectKey(text, letter), p.versioned("t", "st", 100), streams.TableGrace(ms(10))))
	}).Letters = onT
}

func global(left bool) {
	n := map[bool]string{false: "sg-inner", true: "sg-left"}[left]
	join := func(p *P, key func(k, v S) S) *streams.Stream[S, S] {
		if left {
			return p.stream("a").LeftJoinGlobal(p.global("g", "gs"), key, pairLeft)
		}
		return p.stream("a").JoinGlobal(p.global("g", "gs"), key, pair)
	}
	add(n, onAG, func(p *P) { p.out(join(p, letterKV)) }).Letters = []string{"g"}
	add(n+"-key", onAG, func(p *P) { p.out(join(p, func(k, _ S) S { return k })) })
}
