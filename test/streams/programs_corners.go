package oracle

import (
	"fmt"

	"leat.dev/streams"
)

// Corners are where rules meet: joins that give null, processors that change times and headers, versioned aggregates,
// records that go several ways which meet again.

func pairNull(l, r S) S { return unless((num(l)+num(r))%3 == 0, pair(l, r)) }

func pairNullLeft(l, r S, ok bool) S { return pairNull(l, unless(!ok, r)) }

func pairNullOuter(e streams.Either[S, S]) S {
	return pairNull(unless(!e.HasLeft, e.Left), unless(!e.HasRight, e.Right))
}

// shift changes times and headers by the digit of the value.
func shift(s *streams.Stream[S, S], name string) *streams.Stream[S, S] {
	return s.ProcessValues(name, func(c *pctx) func(rec) error {
		return func(r rec) error {
			n := num(r.Value)
			if r.Time += streams.Time(3 * n); n%2 == 1 {
				r.Time = max(0, r.Time-streams.Time(6*n))
			}
			switch n % 3 {
			case 0:
				r.Headers = nil
			case 1:
				r.Headers = append(r.Headers[:len(r.Headers):len(r.Headers)], streams.Header{Key: "sh"}, streams.Header{Key: "sh", Value: []byte("x")})
			}
			c.Forward(r)
			return nil
		}
	})
}

func init() {
	for _, kind := range []string{"inner", "left", "outer"} {
		cornersOfJoins(kind)
	}
	for _, w := range []struct {
		name string
		w    streams.JoinWindow
	}{
		{"zero", streams.Within(0).Grace(ms(10))}, {"point", streams.Between(ms(-5), ms(5)).Grace(ms(3))}, {"past", streams.Between(ms(20), ms(-5)).Grace(ms(3))},
	} {
		add("x-ss-"+w.name, onAB, func(p *P) { p.out(join("outer", p.stream("a"), p.stream("b"), w.w, "j")) })
	}
	add("x-shift-window", onA, func(p *P) {
		p.outWN(seeW(p, "agg", shift(p.stream("a"), "sh").GroupByKey().Windowed(streams.Hopping(ms(10), ms(3)).Grace(ms(4))).Count("agg", p.store()...)))
	})
	add("x-shift-session", onA, func(p *P) {
		p.outSN(seeW(p, "agg", shift(p.stream("a"), "sh").GroupByKey().Sessions(streams.SessionGap(ms(7)).Grace(ms(3))).Count("agg", p.store()...)))
	})
	add("x-window-steps-suppress", onA, func(p *P) {
		p.outW(steps(seeW(p, "agg", p.stream("a").GroupByKey().Windowed(window("sldg")).Aggregate("agg", text, foldOrNull, p.store(initial())...))).
			SuppressUntilClose(streams.Unbounded(), streams.Named("sup")).Filter(func(v S) bool { return len(*v)%2 == 0 }))
	})
	add("x-session-steps-suppress", onA, func(p *P) {
		p.outS(steps(seeW(p, "agg", p.stream("a").GroupByKey().Sessions(streams.SessionGap(ms(7)).Grace(ms(3))).
			Aggregate("agg", text, foldOrNull, mergeS, p.store(initial())...))).SuppressUntilClose(streams.Unbounded(), streams.Named("sup")))
	})
	add("x-session-group", onA, func(p *P) {
		p.outT(see(p, "agg2", p.stream("a").GroupByKey().Sessions(streams.SessionGap(ms(7)).Grace(ms(3))).Aggregate("agg", text, foldOrNull, mergeS, p.store(initial())...).
			GroupBy(text, text, func(w streams.Windowed[S], v S) (S, S) { return w.Key, v }, streams.Named("g")).Aggregate("agg2", text, fold, undo, p.store(initial())...)))
	})
	add("x-suppress-none", onT, func(p *P) {
		p.outT(p.table("t", "").Suppress(ms(30), streams.MaxRecords(0).EmitEarly(), streams.Named("sup")))
	})
	add("x-suppress-none-bytes", onT, func(p *P) {
		p.outT(p.table("t", "").Suppress(ms(30), streams.Unbounded().AndBytes(0), streams.Named("sup")))
	})
	versionedAggregates()
	add("x-many-ways", onAB, func(p *P) {
		a := p.stream("a").SelectKey(text, letter)
		p.outN(see(p, "agg", a.MapValues(func(v S) S { return addTo(v, "m") }).GroupByKey().Count("agg", p.store()...)))
		p.outWN(seeW(p, "agg2", a.GroupByKey().Windowed(streams.Tumbling(ms(10)).Grace(ms(5))).Count("agg2", p.store()...)))
		p.out(join("left", a.Filter(even), p.stream("b"), within("sym"), "j"))
		p.outT(a.ToTable("st", p.store(streams.Named("tt"))...))
	}).Letters = []string{"b"}
}

func cornersOfJoins(kind string) {
	add("x-ss-"+kind+"-null", onAB, func(p *P) {
		var j *streams.Stream[S, S]
		switch l, r, w := p.stream("a"), p.stream("b"), within("asym"); kind {
		case "inner":
			j = l.Join("j", r, w, pairNull)
		case "left":
			j = l.LeftJoin("j", r, w, pairNullLeft)
		default:
			j = l.OuterJoin("j", r, w, pairNullOuter)
		}
		p.out(j)
		p.outN(see(p, "agg", j.GroupByKey().Count("agg", p.store()...)))
	})
	nulls := func(p *P, o ...streams.Option) *streams.Table[S, S] {
		switch l, r := p.table("t", ""), p.table("u", ""); kind {
		case "inner":
			return l.Join(r, pairNull, o...)
		case "left":
			return l.LeftJoin(r, pairNullLeft, o...)
		default:
			return l.OuterJoin(r, pairNullOuter, o...)
		}
	}
	add("x-tt-"+kind+"-null", onTU, func(p *P) { p.outT(nulls(p)) })
	add("x-tt-"+kind+"-null-mat", onTU, func(p *P) { p.outT(see(p, "j", nulls(p, p.store(streams.Materialize("j"))...))) })
	add("x-ss-"+kind+"-shift", onAB, func(p *P) {
		p.out(join(kind, shift(p.stream("a"), "sh1"), shift(p.stream("b"), "sh2"), within("asym"), "j"))
	})
	// One record comes to both sides of the second join, by two topics and at the same time.
	add("x-ss-"+kind+"-meet", onABC, func(p *P) {
		m := p.stream("a").Merge(p.stream("c"))
		j := join(kind, m, p.stream("b"), within("sym"), "j1")
		p.out(join(kind, j.SelectKey(text, letter), m.SelectKey(text, letter), within("asym"), "j2"))
	})
}

func versionedAggregates() {
	kept := func(p *P) []streams.Option {
		p.versions["agg"] = true
		return []streams.Option{initial(), streams.Versioned(ms(30))}
	}
	add("x-versioned-aggregate", onA, func(p *P) { p.outT(p.stream("a").GroupByKey().Aggregate("agg", text, foldOrNull, kept(p)...)) })
	add("x-versioned-cogroup", onAB, func(p *P) { p.outT(cogroup(p, foldOrNull).Aggregate("agg", text, kept(p)...)) })
	add("x-versioned-group", onT, func(p *P) {
		p.outT(groups(p.table("t", "")).Aggregate("agg", text,
			func(a, v S) S { return unless(num(v) == 5, fold(a, v)) }, func(a, v S) S { return unless(num(v) == 7, undo(a, v)) }, kept(p)...))
	})
	add("x-words", onA, func(p *P) { // several records of one, each to both sides
		w := p.stream("a").FlatMapValues(func(v S) (all []S) {
			for i := range num(v) % 4 {
				all = append(all, addTo(v, fmt.Sprint(i)))
			}
			return all
		}).SelectKey(text, letter)
		p.out(w.LeftJoinTable(w.GroupByKey(streams.Named("g")).Reduce("agg", fold, p.store()...), pairLeft, streams.Named("jt")))
	})
}
