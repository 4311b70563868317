package oracle

import (
	"fmt"

	"leat.dev/streams"
)

// timeWindows are the windows each operator is tried with.
var timeWindows = []struct {
	name      string
	w         streams.Windows
	scale     int64
	retention int64
}{
	{"tum", streams.Tumbling(ms(10)).NoGrace(), 1, 0},
	{"tumg", streams.Tumbling(ms(10)).Grace(ms(15)), 1, 0},
	{"tumr", streams.Tumbling(ms(10)).Grace(ms(5)), 1, 200_000},
	{"tumbig", streams.Tumbling(ms(40_000)).Grace(ms(30_000)), 3000, 0},
	{"hop", streams.Hopping(ms(20), ms(5)).NoGrace(), 1, 0},
	{"hopg", streams.Hopping(ms(20), ms(5)).Grace(ms(12)), 1, 0},
	{"hopgap", streams.Hopping(ms(15), ms(10)).Grace(ms(7)), 1, 0},
	{"sld", streams.Sliding(ms(10)).NoGrace(), 1, 0},
	{"sldg", streams.Sliding(ms(10)).Grace(ms(12)), 1, 0},
	{"sldbig", streams.Sliding(ms(20_000)).Grace(ms(20_000)), 2000, 0},
	{"unl", streams.UnlimitedFrom(7), 1, 0},
}

var sessionWindows = []struct {
	name  string
	w     streams.Sessions
	scale int64
}{
	{"ses", streams.SessionGap(ms(10)).NoGrace(), 1},
	{"sesg", streams.SessionGap(ms(10)).Grace(ms(12)), 1},
	{"sesbig", streams.SessionGap(ms(20_000)).Grace(ms(30_000)), 2000},
}

func window(name string) streams.Windows {
	for _, w := range timeWindows {
		if w.name == name {
			return w.w
		}
	}
	panic(name)
}

func init() {
	for _, w := range timeWindows {
		first := len(Programs)
		store := func(p *P, o ...streams.Option) []streams.Option {
			if w.retention > 0 {
				o = append(o, streams.Retention(ms(w.retention)))
			}
			return p.store(o...)
		}
		for _, final := range []bool{false, true} {
			if final && w.name == "unl" {
				continue
			}
			name := w.name
			if final {
				name += "-final"
			}
			of := func(g *streams.Grouped[S, S]) *streams.WGrouped[S, S] {
				if final {
					return g.Windowed(w.w).EmitFinal()
				}
				return g.Windowed(w.w)
			}
			add(name+"-count", onA, func(p *P) { p.outWN(seeW(p, "agg", of(p.stream("a").GroupByKey()).Count("agg", store(p)...))) })
			add(name+"-reduce", onA, func(p *P) { p.outW(seeW(p, "agg", of(p.stream("a").GroupByKey()).Reduce("agg", fold, store(p)...))) })
			add(name+"-aggregate", onA, func(p *P) {
				p.outW(seeW(p, "agg", of(p.stream("a").GroupByKey()).Aggregate("agg", text, fold, store(p, initial())...)))
			})
			add(name+"-null", onA, func(p *P) {
				p.outW(seeW(p, "agg", of(p.stream("a").GroupByKey()).Aggregate("agg", text, foldOrNull, store(p, initial())...)))
			})
			add(name+"-by", onA, func(p *P) {
				p.outW(seeW(p, "agg", of(byLetter(p, "a")).Aggregate("agg", text, fold, store(p, initial())...)))
			})
		}
		if w.name != "unl" {
			add(w.name+"-suppress", onA, func(p *P) {
				p.outW(seeW(p, "agg", p.stream("a").GroupByKey().Windowed(w.w).Aggregate("agg", text, fold, store(p, initial())...)).
					SuppressUntilClose(streams.Unbounded(), streams.Named("sup")))
			})
			add(w.name+"-final-suppress", onA, func(p *P) {
				p.outWN(seeW(p, "agg", p.stream("a").GroupByKey().Windowed(w.w).EmitFinal().Count("agg", store(p)...)).
					SuppressUntilClose(streams.Unbounded(), streams.Named("sup")))
			})
			add(w.name+"-limit", onA, func(p *P) {
				p.outWN(seeW(p, "agg", p.stream("a").GroupByKey().Windowed(w.w).Count("agg", store(p)...)).
					Suppress(ms(15), streams.MaxRecords(3).EmitEarly(), streams.Named("sup")))
			})
		}
		add(w.name+"-cogroup", onAB, func(p *P) {
			p.outW(seeW(p, "agg", cogroup(p, fold).Windowed(w.w).Aggregate("agg", text, store(p, initial())...)))
		})
		add(w.name+"-steps", onA, func(p *P) {
			p.outW(steps(seeW(p, "agg", p.stream("a").GroupByKey().Windowed(w.w).Aggregate("agg", text, foldOrNull, store(p, initial())...))))
		})
		for _, p := range Programs[first:] {
			p.Scale = w.scale
		}
	}
	sessions()
}

// steps are stateless ones on windows.
func steps(t *streams.WTable[S, S]) *streams.WTable[S, S] {
	return t.Filter(func(v S) bool { return len(*v)%3 != 0 }).
		MapValuesKV(func(w streams.Windowed[S], v S) S { return addTo(v, fmt.Sprintf("@%d", w.Start)) })
}

func sessions() {
	for _, w := range sessionWindows {
		first := len(Programs)
		for _, final := range []bool{false, true} {
			name := w.name
			if final {
				name += "-final"
			}
			of := func(g *streams.Grouped[S, S]) *streams.SGrouped[S, S] {
				if final {
					return g.Sessions(w.w).EmitFinal()
				}
				return g.Sessions(w.w)
			}
			add(name+"-count", onA, func(p *P) { p.outSN(seeW(p, "agg", of(p.stream("a").GroupByKey()).Count("agg", p.store()...))) })
			add(name+"-reduce", onA, func(p *P) { p.outS(seeW(p, "agg", of(p.stream("a").GroupByKey()).Reduce("agg", fold, p.store()...))) })
			add(name+"-aggregate", onA, func(p *P) {
				p.outS(seeW(p, "agg", of(p.stream("a").GroupByKey()).Aggregate("agg", text, fold, mergeS, p.store(initial())...)))
			})
			add(name+"-null", onA, func(p *P) {
				p.outS(seeW(p, "agg", of(p.stream("a").GroupByKey()).Aggregate("agg", text, foldOrNull, mergeS, p.store(initial())...)))
			})
			add(name+"-by", onA, func(p *P) {
				p.outS(seeW(p, "agg", of(byLetter(p, "a")).Aggregate("agg", text, fold, mergeS, p.store(initial())...)))
			})
		}
		add(w.name+"-suppress", onA, func(p *P) {
			p.outS(seeW(p, "agg", p.stream("a").GroupByKey().Sessions(w.w).Aggregate("agg", text, fold, mergeS, p.store(initial())...)).
				SuppressUntilClose(streams.Unbounded(), streams.Named("sup")))
		})
		add(w.name+"-final-suppress", onA, func(p *P) {
			p.outSN(seeW(p, "agg", p.stream("a").GroupByKey().Sessions(w.w).EmitFinal().Count("agg", p.store()...)).
				SuppressUntilClose(streams.Unbounded(), streams.Named("sup")))
		})
		add(w.name+"-limit", onA, func(p *P) {
			p.outSN(seeW(p, "agg", p.stream("a").GroupByKey().Sessions(w.w).Count("agg", p.store()...)).
				Suppress(ms(15), streams.MaxRecords(3).EmitEarly(), streams.Named("sup")))
		})
		add(w.name+"-cogroup", onAB, func(p *P) {
			p.outS(seeW(p, "agg", cogroup(p, fold).Sessions(w.w).Aggregate("agg", text, mergeS, p.store(initial())...)))
		})
		add(w.name+"-steps", onA, func(p *P) {
			p.outS(steps(seeW(p, "agg", p.stream("a").GroupByKey().Sessions(w.w).Aggregate("agg", text, foldOrNull, mergeS, p.store(initial())...))))
		})
		for _, p := range Programs[first:] {
			p.Scale = w.scale
		}
	}
}
