package streams_test

import (
	"errors"
	"iter"
	"strconv"
	"strings"
	"testing"
	"time"

	"leat.dev/streams"
	"leat.dev/streams/streamstest"
)

// The forms of steps that no other test builds: each gets records a:1, a:2, b:3 at 1, 2 and 3 ms.
func TestForms(t *testing.T) {
	in := streams.NewTopic("in", streams.String, streams.String)
	out := streams.NewTopic("out", streams.String, streams.String)
	bad := errors.New("bad")
	number := func(s string) (int64, error) { return strconv.ParseInt(s, 10, 64) }
	text := func(n int64) string { return strconv.FormatInt(n, 10) }
	join := func(k, v string) string { return k + v }
	tumbling := streams.Tumbling(time.Second).NoGrace()
	gap := streams.SessionGap(time.Second).NoGrace()
	plain := func(w streams.Windowed[string], v string) (string, string) { return w.Key, v }
	addKV := func(k, a, v string) string { return a + k + v }
	keepShort := func(_ streams.Ctx, a string, r streams.Record[string, string]) (string, bool, error) {
		return a + r.Value, r.Value != "2", nil // the second record of a deletes the row
	}
	for name, c := range map[string]struct {
		build func(s *streams.Stream[string, string]) *streams.Stream[string, string]
		want  string
	}{
		"Try1": {func(s *streams.Stream[string, string]) *streams.Stream[string, string] {
			return s.MapValues(streams.Try1(number)).MapValues(text)
		}, "a | 1 @1\na | 2 @2\nb | 3 @3"},
		"Try2": {func(s *streams.Stream[string, string]) *streams.Stream[string, string] {
			return s.MapValuesKV(streams.Try2(func(k, v string) (string, error) { return join(k, v), nil }))
		}, "a | a1 @1\na | a2 @2\nb | b3 @3"},
		"Try3": {func(s *streams.Stream[string, string]) *streams.Stream[string, string] {
			return s.GroupByKey().AggregateKV("n", streams.String, streams.Try3(func(k, a, v string) (string, error) { return a + k + v, nil })).ToStream()
		}, "a | a1 @1\na | a1a2 @2\nb | b3 @3"},
		"FlatMapValuesSeq": {func(s *streams.Stream[string, string]) *streams.Stream[string, string] {
			return s.FlatMapValuesSeq(func(v string) iter.Seq[string] {
				return func(yield func(string) bool) { _ = yield(v) && yield(v+"!") }
			})
		}, "a | 1 @1\na | 1! @1\na | 2 @2\na | 2! @2\nb | 3 @3\nb | 3! @3"},
		"TryFlatMap": {func(s *streams.Stream[string, string]) *streams.Stream[string, string] {
			return s.TryFlatMap(streams.String, func(_ streams.Ctx, r streams.Record[string, string], emit func(streams.Record[string, string])) error {
				if r.Key == "a" {
					r.Key, r.Time = r.Value, r.Time+10
					emit(r)
				}
				return nil
			})
		}, "1 | 1 @11\n2 | 2 @12"},
		"SelectKeyKV": {func(s *streams.Stream[string, string]) *streams.Stream[string, string] {
			return s.SelectKeyKV(streams.String, join)
		}, "a1 | 1 @1\na2 | 2 @2\nb3 | 3 @3"},
		"GroupByKV": {func(s *streams.Stream[string, string]) *streams.Stream[string, string] {
			return s.GroupByKV(streams.String, func(k, _ string) string { return strings.ToUpper(k) }).Count("n").ToStream().MapValues(text)
		}, "A | 1 @1\nA | 2 @2\nB | 1 @3"},
		"TryAggregate": {func(s *streams.Stream[string, string]) *streams.Stream[string, string] {
			return s.GroupByKey().TryAggregate("n", streams.String, keepShort).ToStream()
		}, "a | 1 @1\na | null @2\nb | 3 @3"},
		"windowed TryAggregate": {func(s *streams.Stream[string, string]) *streams.Stream[string, string] {
			return s.GroupByKey().Windowed(tumbling).TryAggregate("n", streams.String, keepShort).ToStream().Map(streams.String, plain)
		}, "a | 1 @1\na | null @2\nb | 3 @3"},
		"windowed AggregateKV": {func(s *streams.Stream[string, string]) *streams.Stream[string, string] {
			return s.GroupByKey().Windowed(tumbling).AggregateKV("n", streams.String, addKV).ToStream().
				MapValuesKV(func(w streams.Windowed[string], v string) string { return w.Key + "=" + v }).Map(streams.String, plain)
		}, "a | a=a1 @1\na | a=a1a2 @2\nb | b=b3 @3"},
		"KeyedByWindow": {func(s *streams.Stream[string, string]) *streams.Stream[string, string] {
			windows := s.GroupByKey().Windowed(tumbling).Reduce("n", join).ToStream()
			return streams.KeyedByWindow(windows).Map(streams.String, plain)
		}, "a | 1 @1\na | 12 @2\nb | 3 @3"},
		"session AggregateKV": {func(s *streams.Stream[string, string]) *streams.Stream[string, string] {
			merge := func(_, a, b string) string { return a + b }
			return s.GroupByKey().Sessions(gap).AggregateKV("n", streams.String, addKV, merge).ToStream().
				Filter(func(v string) bool { return v != "" }).Map(streams.String, plain)
		}, "a | a1 @1\na | null @1\na | a1a2 @2\nb | b3 @3"},
		"InPlace": {func(s *streams.Stream[string, string]) *streams.Stream[string, string] {
			sum := func(total *int64, v string) { *total += int64(v[0] - '0') }
			return s.GroupByKey().Aggregate("n", streams.Int64, streams.InPlace(sum)).ToStream().MapValues(text)
		}, "a | 1 @1\na | 3 @2\nb | 3 @3"},
	} {
		t.Run(name, func(t *testing.T) {
			d := streamstest.New(t, func(b *streams.Builder) { c.build(in.Stream(b)).To(out) })
			for i, r := range []string{"a1", "a2", "b3"} {
				d.In(in).Send(r[:1], r[1:], streams.Time(i+1))
			}
			d.Out(out).Want(t, c.want)
		})
	}

	t.Run("an error of Try1 is the record's", func(t *testing.T) {
		d := streamstest.New(t, func(b *streams.Builder) {
			in.Stream(b).MapValues(streams.Try1(func(v string) (string, error) {
				if v == "2" {
					return "", bad
				}
				return v, nil
			})).To(out)
		}, streams.OnProcessingError(func(f streams.Failure) streams.Decision {
			if !errors.Is(f.Err, bad) {
				t.Errorf("the handler got %v", f.Err)
			}
			return streams.Skip
		}))
		for i, v := range []string{"1", "2", "3"} {
			d.In(in).Send("a", v, streams.Time(i))
		}
		d.Out(out).Want(t, "a | 1 @0\na | 3 @2")
	})
}

// A store that is filled by its topic only is read by the processor it is connected to.
func TestReadOnlyStore(t *testing.T) {
	in := streams.NewTopic("in", streams.String, streams.String)
	names := streams.NewTopic("names", streams.String, streams.String)
	out := streams.NewTopic("out", streams.String, streams.String)
	def := streams.KeyValueStore("names-store", streams.String, streams.String)
	d := streamstest.New(t, func(b *streams.Builder) {
		store := streams.ReadOnlyStore(b, def, names)
		in.Stream(b).ProcessValues("look", func(ctx *streams.Context[string, string]) func(streams.Record[string, string]) error {
			kv := store.In(ctx)
			return func(r streams.Record[string, string]) error {
				name, ok, err := kv.Get(r.Key)
				if ok {
					r.Value += " " + name
				}
				ctx.Forward(r)
				return err
			}
		}, store).To(out)
	})
	d.In(names).Send("a", "Ada", 0)
	d.In(in).Send("a", "hello", 1)
	d.In(names).Delete("a", 2)
	d.In(in).Send("a", "bye", 3)
	d.Out(out).Want(t, "a | hello Ada @1\na | bye @3")
}

// References may be made of key and value (KIP-1104).
func TestJoinByKV(t *testing.T) {
	left := streams.NewTopic("left", streams.String, streams.String)
	right := streams.NewTopic("right", streams.String, streams.String)
	inner := streams.NewTopic("inner", streams.String, streams.String)
	outer := streams.NewTopic("outer", streams.String, streams.String)
	reference := func(k, v string) (string, bool) { return k[:1] + v, v != "" }
	d := streamstest.New(t, func(b *streams.Builder) {
		l, r := left.Table(b, "lefts"), right.Table(b, "rights")
		l.JoinByKV("inner", r, reference, func(l, r string) string { return l + "+" + r }).ToStream().To(inner)
		l.LeftJoinByKV("outer", r, reference, func(l, r string, ok bool) string {
			if !ok {
				r = "-"
			}
			return l + "+" + r
		}).ToStream().To(outer)
	})
	d.In(left).Send("k1", "x", 1)
	d.In(right).Send("kx", "r", 2)
	d.In(right).Delete("kx", 3)
	d.Out(inner).Want(t, "k1 | x+r @2\nk1 | null @3")
	d.Out(outer).Want(t, "k1 | x+- @1\nk1 | x+r @2\nk1 | x+- @3")
}
