package streams_test

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"leat.dev/streams"
)

// The programs of the scripts in testdata/semantics: what testdata/semantics/java/Programs.java has in Java, under the same
// names. Values are pointers, so that null reaches callbacks as it does in Java.

type (
	text    = *string
	records = *streams.Stream[string, text]
	rows    = *streams.Table[string, text]
	windows = *streams.WTable[string, text]
)

var texts = streams.Optional(streams.String)

// builder is what a program is built with.
type builder struct {
	*streams.Builder
	cached bool
}

func (b builder) in(topic string) records { return textTopic(topic).Stream(b.Builder) }

func (b builder) table(topic, store string) rows {
	return textTopic(topic).Table(b.Builder, store, b.kept()...)
}

func (b builder) versioned(topic, store string, history time.Duration) rows {
	return textTopic(topic).Table(b.Builder, store, streams.Versioned(history))
}

// kept are the options of operators with stores.
func (b builder) kept(more ...streams.Option) []streams.Option {
	if !b.cached {
		more = append(more, streams.NoCache())
	}
	return more
}

func textTopic(name string) streams.Topic[string, text] {
	return streams.NewTopic(name, streams.String, texts)
}

func toTopic(t rows, topic string) { t.ToStream().To(textTopic(topic)) }

// toTopicBy is toTopic for keys that may be null.
func toTopicBy(t *streams.Table[text, text]) { t.ToStream().To(streams.NewTopic("out", texts, texts)) }

func toW(t windows) {
	t.ToStream().To(streams.NewWindowedTopic("w10", streams.String, texts, ms(10)))
}

func toS(t windows) {
	t.ToStream().To(streams.NewWindowedTopic("s", streams.String, texts, 0))
}

func ms(n int64) time.Duration { return time.Duration(n) * time.Millisecond }

// The words all programs share.

func shownText(v text) string {
	if v == nil {
		return "null"
	}
	return *v
}

func is(v text, s string) bool { return v != nil && *v == s }

func plus(a, v text) text {
	if is(v, "del") {
		return nil
	}
	return new(shownText(a) + "+" + shownText(v))
}

func minus(a, v text) text { return new(shownText(a) + "-" + shownText(v)) }

func pair(l, r text) text { return new("(" + shownText(l) + "," + shownText(r) + ")") }

// pairOf is pair for a side that may be missing.
func pairOf(l, r text, _ bool) text { return pair(l, r) }

func eitherPair(e streams.Either[text, text]) text { return pair(e.Left, e.Right) }

func first(v text) string {
	if v == nil || *v == "" {
		return ""
	}
	return (*v)[:1]
}

func foreign(v text) (string, bool) {
	if v == nil {
		return "", false
	}
	key, _, ok := strings.Cut(*v, ":")
	return key, ok
}

// foreignKey is foreign with a null for none.
func foreignKey(_ string, v text) text {
	if key, ok := foreign(v); ok {
		return &key
	}
	return nil
}

func marked(v text) text { return new(shownText(v) + "'") }

func notDrop(v text) bool { return !is(v, "drop") }

func zero() text { return new("0") }

// byFirst replaces the key by the first letter of the value; without one it is null.
func byFirst(s records) records {
	return s.TryMap(streams.String, func(_ streams.Ctx, r streams.Record[string, text]) (streams.Record[string, text], error) {
		r.Key = first(r.Value)
		r.NullKey = r.Key == ""
		return r, nil
	})
}

var programs = map[string]func(b builder){
	// Steps that keep nothing.
	"filter":     func(b builder) { b.in("in").Filter(notDrop).To(textTopic("out")) },
	"filter-not": func(b builder) { b.in("in").FilterNot(func(v text) bool { return is(v, "drop") }).To(textTopic("out")) },
	"map-values": func(b builder) {
		b.in("in").MapValues(func(v text) text {
			if is(v, "del") {
				return nil
			}
			return marked(v)
		}).To(textTopic("out"))
	},
	"map": func(b builder) {
		b.in("in").TryMap(streams.String, func(_ streams.Ctx, r streams.Record[string, text]) (streams.Record[string, text], error) {
			out := streams.Record[string, text]{Time: r.Time, Headers: r.Headers, NullKey: r.Value == nil, NullValue: r.NullKey}
			if r.Value != nil {
				out.Key = *r.Value
			}
			if !r.NullKey {
				out.Value = &r.Key
			}
			return out, nil
		}).To(textTopic("out"))
	},
	"select-key": func(b builder) { byFirst(b.in("in")).To(textTopic("out")) },
	"flat-map-values": func(b builder) {
		b.in("in").FlatMapValues(func(v text) []text {
			if v == nil {
				return []text{new("none")}
			}
			var all []text
			for s := range strings.SplitSeq(*v, ",") {
				all = append(all, &s)
			}
			return all
		}).To(textTopic("out"))
	},
	"merge": func(b builder) { b.in("left").Merge(b.in("right").MapValues(marked)).To(textTopic("out")) },
	"split": func(b builder) {
		s := b.in("in").Split("s-")
		s.Branch("a", func(v text) bool { return first(v) == "a" }).To(textTopic("out-a"))
		s.Branch("long", func(v text) bool { return v != nil && len(*v) > 1 }).To(textTopic("out-long"))
		s.Default("rest").To(textTopic("out-rest"))
	},
	"to-each": func(b builder) {
		b.in("in").ToEach(textTopic(""), func(_ streams.Ctx, r streams.Record[string, text]) string { return "out-" + shownText(r.Value) })
	},
	"repartition": func(b builder) { byFirst(b.in("in")).Repartition("rp").To(textTopic("out")) },
	"timestamps": func(b builder) {
		textTopic("in").Stream(b.Builder, streams.Timestamps(func(r streams.Record[string, text], part streams.Time) streams.Time {
			if r.Value == nil {
				return part
			}
			at, err := strconv.ParseInt(*r.Value, 10, 64)
			if err != nil {
				panic(err)
			}
			return streams.Time(at)
		})).To(textTopic("out"))
	},
	"fan-out": func(b builder) {
		b.in("in").MapValues(func(v text) text { return new(shownText(v) + "1") }).To(textTopic("out"))
		b.in("in").MapValues(func(v text) text { return new(shownText(v) + "2") }).To(textTopic("out"))
	},

	// Aggregates.
	"count": func(b builder) {
		b.in("in").GroupByKey().Count("store", b.kept()...).ToStream().To(streams.NewTopic("outn", streams.String, streams.Int64))
	},
	"reduce": func(b builder) { toTopic(b.in("in").GroupByKey().Reduce("store", plus, b.kept()...), "out") },
	"aggregate": func(b builder) {
		toTopic(b.in("in").GroupByKey().Aggregate("store", texts, plus, b.kept(streams.Init(zero))...), "out")
	},
	"aggregate-by": func(b builder) {
		toTopic(byFirst(b.in("in")).GroupByKey().Aggregate("store", texts, plus, b.kept(streams.Init(zero))...), "out")
	},
	"cogroup": func(b builder) {
		toTopic(b.in("left").GroupByKey().Cogroup(plus).And(b.in("right").GroupByKey(), minus).
			Aggregate("store", texts, b.kept(streams.Init(zero))...), "out")
	},

	// Windows.
	"tumbling":       func(b builder) { toW(aggregated(b, streams.Tumbling(ms(10)).NoGrace(), false)) },
	"tumbling-grace": func(b builder) { toW(aggregated(b, streams.Tumbling(ms(10)).Grace(ms(5)), false)) },
	"tumbling-count": func(b builder) {
		b.in("in").GroupByKey().Windowed(streams.Tumbling(ms(10)).NoGrace()).Count("store", b.kept()...).ToStream().
			To(streams.NewWindowedTopic("w10n", streams.String, streams.Int64, ms(10)))
	},
	"hopping":        func(b builder) { toW(aggregated(b, streams.Hopping(ms(10), ms(5)).Grace(ms(3)), false)) },
	"sliding":        func(b builder) { toW(aggregated(b, streams.Sliding(ms(10)).NoGrace(), false)) },
	"sliding-grace":  func(b builder) { toW(aggregated(b, streams.Sliding(ms(10)).Grace(ms(5)), false)) },
	"sessions":       func(b builder) { toS(sessions(b, streams.SessionGap(ms(10)).NoGrace(), false)) },
	"sessions-grace": func(b builder) { toS(sessions(b, streams.SessionGap(ms(10)).Grace(ms(5)), false)) },
	"unlimited": func(b builder) {
		aggregated(b, streams.UnlimitedFrom(7), false).ToStream().SelectKey(streams.String, func(w streams.Windowed[string], _ text) string {
			return fmt.Sprintf("%s@%d", w.Key, w.Start)
		}).To(textTopic("out"))
	},
	"tumbling-final":    func(b builder) { toW(aggregated(b, streams.Tumbling(ms(10)).Grace(ms(5)), true)) },
	"hopping-final":     func(b builder) { toW(aggregated(b, streams.Hopping(ms(10), ms(5)).Grace(ms(3)), true)) },
	"sliding-final":     func(b builder) { toW(aggregated(b, streams.Sliding(ms(10)).Grace(ms(5)), true)) },
	"sessions-final":    func(b builder) { toS(sessions(b, streams.SessionGap(ms(10)).Grace(ms(5)), true)) },
	"tumbling-suppress": func(b builder) { toW(suppressed(aggregated(b, streams.Tumbling(ms(10)).Grace(ms(5)), false))) },
	"hopping-suppress":  func(b builder) { toW(suppressed(aggregated(b, streams.Hopping(ms(10), ms(5)).Grace(ms(3)), false))) },
	"sliding-suppress":  func(b builder) { toW(suppressed(aggregated(b, streams.Sliding(ms(10)).Grace(ms(5)), false))) },
	"sessions-suppress": func(b builder) { toS(suppressed(sessions(b, streams.SessionGap(ms(10)).Grace(ms(5)), false))) },
	"final-suppress":    func(b builder) { toW(suppressed(aggregated(b, streams.Tumbling(ms(10)).Grace(ms(5)), true))) },
	"cogroup-windows": func(b builder) {
		toW(b.in("left").GroupByKey().Cogroup(plus).And(b.in("right").GroupByKey(), minus).
			Windowed(streams.Tumbling(ms(10)).NoGrace()).Aggregate("store", texts, b.kept(streams.Init(zero))...))
	},
	"windows-filter": func(b builder) {
		toW(aggregated(b, streams.Tumbling(ms(10)).NoGrace(), false).Filter(func(v text) bool { return len(*v) < 6 }).MapValues(marked))
	},

	// Joins of streams, and of streams with tables.
	"join": func(b builder) {
		b.in("left").Join("j", b.in("right"), streams.Within(ms(10)).Grace(ms(5)), pair).To(textTopic("out"))
	},
	"left-join": func(b builder) {
		b.in("left").LeftJoin("j", b.in("right"), streams.Within(ms(10)).Grace(ms(5)), pairOf).To(textTopic("out"))
	},
	"outer-join": func(b builder) {
		b.in("left").OuterJoin("j", b.in("right"), streams.Within(ms(10)).Grace(ms(5)), eitherPair).To(textTopic("out"))
	},
	"join-after": func(b builder) {
		b.in("left").OuterJoin("j", b.in("right"), streams.Between(0, ms(10)).NoGrace(), eitherPair).To(textTopic("out"))
	},
	"join-past": func(b builder) {
		b.in("left").LeftJoin("j", b.in("right"), streams.Between(ms(10), ms(-3)).NoGrace(), pairOf).To(textTopic("out"))
	},
	"self-join": func(b builder) {
		s := b.in("in")
		s.Join("j", s, streams.Within(ms(10)).Grace(ms(5)), pair).To(textTopic("out"))
	},
	"join-rekeyed": func(b builder) {
		byFirst(b.in("left")).LeftJoin("j", byFirst(b.in("right")), streams.Within(ms(10)).Grace(ms(5)), pairOf).To(textTopic("out"))
	},
	"stream-table":      func(b builder) { b.in("left").JoinTable(b.table("right", "store"), pair).To(textTopic("out")) },
	"stream-table-left": func(b builder) { b.in("left").LeftJoinTable(b.table("right", "store"), pairOf).To(textTopic("out")) },
	"stream-versioned-left": func(b builder) {
		b.in("left").LeftJoinTable(b.versioned("right", "store", ms(1000)), pairOf).To(textTopic("out"))
	},
	"stream-table-grace": func(b builder) {
		b.in("left").JoinTable(b.versioned("right", "store", ms(1000)), pair, streams.Named("g"), streams.TableGrace(ms(10))).To(textTopic("out"))
	},
	"global": func(b builder) {
		g := streams.NewTopic("right", texts, texts).GlobalTable(b.Builder, "store")
		b.in("left").JoinGlobal(g, foreignKey, pair).To(textTopic("out"))
	},
	"global-left": func(b builder) {
		g := streams.NewTopic("right", texts, texts).GlobalTable(b.Builder, "store")
		b.in("left").LeftJoinGlobal(g, foreignKey, pairOf).To(textTopic("out"))
	},

	// Tables.
	"table":        func(b builder) { toTopic(b.table("in", "store"), "out") },
	"table-filter": func(b builder) { toTopic(b.table("in", "store").Filter(notDrop), "out") },
	"table-filter-kept": func(b builder) {
		toTopic(b.table("in", "store-in").Filter(notDrop, b.kept(streams.Materialize("store"))...), "out")
	},
	"table-map": func(b builder) { toTopic(b.table("in", "store").MapValues(marked), "out") },
	"to-table":  func(b builder) { toTopic(b.in("in").Filter(notDrop).ToTable("store", b.kept()...), "out") },
	"table-join": func(b builder) {
		toTopic(b.table("left", "store-l").Join(b.table("right", "store-r"), pair), "out")
	},
	"table-left-join": func(b builder) {
		toTopic(b.table("left", "store-l").LeftJoin(b.table("right", "store-r"), pairOf), "out")
	},
	"table-outer-join": func(b builder) {
		toTopic(b.table("left", "store-l").OuterJoin(b.table("right", "store-r"), eitherPair), "out")
	},
	"table-group": func(b builder) {
		toTopicBy(groupedByFirst(b.table("in", "store-in")).Aggregate("store", texts, plus, minus, b.kept(streams.Init(zero))...))
	},
	"table-group-count": func(b builder) {
		groupedByFirst(b.table("in", "store-in")).Count("store", b.kept()...).ToStream().To(streams.NewTopic("outn", texts, streams.Int64))
	},
	"foreign-join": func(b builder) {
		toTopic(b.table("left", "store-l").JoinBy("fk", b.table("right", "store-r"), foreign, pair), "out")
	},
	"foreign-left-join": func(b builder) {
		toTopic(b.table("left", "store-l").LeftJoinBy("fk", b.table("right", "store-r"), foreign, pairOf), "out")
	},
	"foreign-join-kept": func(b builder) {
		toTopic(b.table("left", "store-l").JoinBy("fk", b.table("right", "store-r"), foreign, pair, b.kept(streams.Materialize("store"))...), "out")
	},
	"versioned": func(b builder) { toTopic(b.versioned("in", "store", ms(100)).Filter(notDrop), "out") },
	"versioned-join": func(b builder) {
		toTopic(b.versioned("left", "store-l", ms(100)).Join(b.versioned("right", "store-r", ms(100)), pair), "out")
	},
	"versioned-group": func(b builder) {
		toTopicBy(groupedByFirst(b.versioned("in", "store-in", ms(100))).Aggregate("store", texts, plus, minus, b.kept(streams.Init(zero))...))
	},
	"suppress-time": func(b builder) {
		toTopic(b.table("in", "store").Suppress(ms(10), streams.Unbounded(), streams.Named("s")), "out")
	},
	"suppress-records": func(b builder) {
		toTopic(b.table("in", "store").Suppress(ms(100), streams.MaxRecords(2).EmitEarly(), streams.Named("s")), "out")
	},
	"suppress-strict": func(b builder) {
		toW(aggregated(b, streams.Tumbling(ms(10)).NoGrace(), false).SuppressUntilClose(streams.MaxRecords(2), streams.Named("s")))
	},
	"suppress-zero": func(b builder) {
		toTopic(b.table("in", "store").Suppress(0, streams.Unbounded(), streams.Named("s")), "out")
	},

	// Processors.
	"punctuate":          func(b builder) { b.in("in").Process("clocked", streams.String, clocked(-1)).To(textTopic("out")) },
	"punctuate-anchored": func(b builder) { b.in("in").Process("clocked", streams.String, clocked(3)).To(textTopic("out")) },
	"process-store": func(b builder) {
		store := streams.KeyValueStore("store", streams.String, texts)
		b.in("in").Process("keeps", streams.String, func(c *streams.Context[string, text]) func(streams.Record[string, text]) error {
			s := store.In(c)
			return func(r streams.Record[string, text]) error {
				old, _, err := s.Get(r.Key)
				if err != nil {
					return err
				}
				if err := s.Put(r.Key, r.Value); err != nil {
					return err
				}
				r.Value, r.NullValue = new(shownText(old)+">"+shownText(r.Value)), false
				c.Forward(r)
				return nil
			}
		}, store).To(textTopic("out"))
	},
}

func aggregated(b builder, w streams.Windows, final bool) windows {
	g := b.in("in").GroupByKey().Windowed(w)
	if final {
		g = g.EmitFinal()
	}
	return g.Aggregate("store", texts, plus, b.kept(streams.Init(zero))...)
}

func sessions(b builder, w streams.Sessions, final bool) windows {
	g := b.in("in").GroupByKey().Sessions(w)
	if final {
		g = g.EmitFinal()
	}
	merge := func(x, y text) text { return new("[" + shownText(x) + " " + shownText(y) + "]") }
	return g.Aggregate("store", texts, plus, merge, b.kept(streams.Init(zero))...)
}

func suppressed(t windows) windows {
	return t.SuppressUntilClose(streams.Unbounded(), streams.Named("s"))
}

func groupedByFirst(t rows) *streams.GroupedTable[text, text] {
	return t.GroupBy(texts, texts, func(_ string, v text) (text, text) {
		if key := first(v); key != "" {
			return &key, v
		}
		return nil, v
	})
}

// clocked forwards what it is given, and the name of a clock when that strikes.
func clocked(start streams.Time) func(c *streams.Context[string, text]) func(streams.Record[string, text]) error {
	return func(c *streams.Context[string, text]) func(streams.Record[string, text]) error {
		for clock, name := range []string{"stream", "wall"} {
			strike := func(now streams.Time) error {
				said := ""
				if start < 0 {
					said = fmt.Sprint(c.StreamTime())
					if clock == int(streams.WallClock) {
						said = fmt.Sprint(c.Now())
					}
				}
				c.Forward(streams.Record[string, text]{Key: name, Value: &said, Time: now})
				return nil
			}
			if start < 0 {
				c.Every(ms(10), streams.Clock(clock), strike)
			} else {
				c.EveryFrom(start, ms(10), streams.Clock(clock), strike)
			}
		}
		return func(r streams.Record[string, text]) error {
			r.Value, r.NullValue = new(fmt.Sprintf("%s %d", shownText(r.Value), c.StreamTime())), false
			c.Forward(r)
			return nil
		}
	}
}
