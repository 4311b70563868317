package streams_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"leat.dev/streams"
	"leat.dev/streams/streamstest"
)

// More forms and options that no other test uses.

var (
	formIn    = streams.NewTopic("in", streams.String, streams.String)
	formOther = streams.NewTopic("other", streams.String, streams.String)
	formOut   = streams.NewTopic("out", streams.String, streams.String)
)

func TestTryBranch(t *testing.T) {
	skip := func(streams.Failure) streams.Decision { return streams.Skip }
	d := streamstest.New(t, func(b *streams.Builder) {
		split := formIn.Stream(b).Split("ways")
		split.TryBranch("early", func(_ streams.Ctx, r streams.Record[string, string]) (bool, error) {
			if r.Value == "bad" {
				return false, errors.New("no way")
			}
			return r.Time < 10, nil
		}).To(formOut)
		split.Default("late").To(formOther)
	}, streams.OnProcessingError(skip))
	d.In(formIn).Send("a", "1", 9)
	d.In(formIn).Send("a", "bad", 9)
	d.In(formIn).Send("a", "2", 10)
	d.Out(formOut).Want(t, "a | 1 @9")
	d.Out(formOther).Want(t, "a | 2 @10")
}

func TestSessionTryAggregate(t *testing.T) {
	skip := func(streams.Failure) streams.Decision { return streams.Skip }
	d := streamstest.New(t, func(b *streams.Builder) {
		formIn.Stream(b).GroupByKey().Sessions(streams.SessionGap(10*time.Millisecond).NoGrace()).TryAggregate("s", streams.String,
			func(_ streams.Ctx, a string, r streams.Record[string, string]) (string, bool, error) {
				if r.Value == "bad" {
					return "", false, errors.New("no value")
				}
				return a + r.Value, r.Value != "end", nil
			},
			func(_ streams.Ctx, _ string, a, b string) (string, error) { return a + b, nil }).
			ToStream().Map(streams.String, func(w streams.Windowed[string], v string) (string, string) { return w.Key, v }).To(formOut)
	}, streams.OnProcessingError(skip))
	for i, v := range []string{"1", "bad", "2", "end"} {
		d.In(formIn).Send("a", v, streams.Time(i))
	}
	// A session that grows is another one: the one before is removed.
	d.Out(formOut).Want(t, "a | 1 @0\na | null @0\na | 12 @2\na | null @2")
}

func TestSuppressByBytes(t *testing.T) {
	d := streamstest.New(t, func(b *streams.Builder) {
		formIn.Table(b, "rows").Suppress(time.Hour, streams.MaxRecords(100).AndBytes(200).EmitEarly(), streams.Named("held")).ToStream().To(formOut)
	})
	d.In(formIn).Send("a", strings.Repeat("x", 10), 1)
	d.In(formIn).Send("b", strings.Repeat("y", 300), 2) // more than fits: both go
	got := d.Out(formOut)
	got.Want(t, "a | xxxxxxxxxx @1\nb | "+strings.Repeat("y", 300)+" @2")
}

// loud is a serde that another one's readers tell apart.
type loud struct{}

func (loud) Append(dst []byte, _ string, _ *streams.Headers, v string) ([]byte, error) {
	return append(dst, strings.ToUpper(v)...), nil
}
func (loud) Decode(b []byte, _ string, _ streams.Headers) (string, error) { return string(b), nil }

func TestValueSerdeAndDefault(t *testing.T) {
	d := streamstest.New(t, func(b *streams.Builder) {
		formIn.Table(b, "rows").ValueSerde(loud{}).ToStream().To(streams.NewTopic[string, string]("out", streams.String, loud{}))
	})
	d.In(formIn).Send("a", "quiet", 1)
	d.Out(formOut).Want(t, "a | QUIET @1")

	d = streamstest.New(t, func(b *streams.Builder) {
		streams.Default[word](b, wordSerde{})
		formIn.Stream(b).MapValues(func(v string) word { return word(v) }).GroupByKey().Reduce("last", func(_, w word) word { return w }).
			MapValues(func(w word) string { return string(w) }).ToStream().To(formOut)
	})
	d.In(formIn).Send("a", "quiet", 1)
	d.Out(formOut).Want(t, "a | quiet @1")
	for _, r := range d.Records() {
		if strings.HasSuffix(r.Topic, "last-changelog") && string(r.Value) != "word:quiet" {
			t.Errorf("the changelog has %q", r.Value)
		}
	}
}

// word has no serde of its own.
type word string

type wordSerde struct{}

func (wordSerde) Append(dst []byte, _ string, _ *streams.Headers, w word) ([]byte, error) {
	return append(append(dst, "word:"...), w...), nil
}

func (wordSerde) Decode(b []byte, _ string, _ streams.Headers) (word, error) {
	return word(strings.TrimPrefix(string(b), "word:")), nil
}

func TestWindowedTableJoins(t *testing.T) {
	plain := func(w streams.Windowed[string], v string) (string, string) { return w.Key, v }
	last := func(_, v string) string { return v }
	for name, c := range map[string]struct {
		join func(l, r *streams.WTable[string, string]) *streams.WTable[string, string]
		want string
	}{
		"Join": {func(l, r *streams.WTable[string, string]) *streams.WTable[string, string] {
			return l.Join(r, func(l, r string) string { return l + r })
		}, "a | 1x @2\na | 2y @13"},
		"LeftJoin": {func(l, r *streams.WTable[string, string]) *streams.WTable[string, string] {
			return l.LeftJoin(r, func(l, r string, ok bool) string {
				if !ok {
					return l + "-"
				}
				return l + r
			})
		}, "a | 1- @1\na | 1x @2\na | 2y @13"},
	} {
		t.Run(name, func(t *testing.T) {
			win := streams.Tumbling(10 * time.Millisecond).Grace(time.Hour)
			d := streamstest.New(t, func(b *streams.Builder) {
				l := formIn.Stream(b).GroupByKey().Windowed(win).Reduce("l", last)
				r := formOther.Stream(b).GroupByKey().Windowed(win).Reduce("r", last)
				c.join(l, r).ToStream().Map(streams.String, plain).To(formOut)
			})
			d.In(formIn).Send("a", "1", 1)
			d.In(formOther).Send("a", "x", 2)
			d.In(formOther).Send("a", "y", 12) // another window
			d.In(formIn).Send("a", "2", 13)
			d.Out(formOut).Want(t, c.want)
		})
	}
}

func TestWindowedInput(t *testing.T) {
	windows := streams.NewWindowedTopic("windows", streams.String, streams.String, 10*time.Millisecond)
	d := streamstest.New(t, func(b *streams.Builder) {
		windows.Stream(b).Map(streams.String, func(w streams.Windowed[string], v string) (string, string) {
			return w.Key, v + " " + time.Duration(w.End-w.Start).String()
		}).To(formOut)
	})
	d.WIn(windows).Send(streams.Windowed[string]{Key: "a", Start: 20, End: 30}, "v", 25)
	d.Out(formOut).Want(t, "a | v 10ns @25")
}

func TestPartitionsOfAndBy(t *testing.T) {
	d := streamstest.New(t, func(b *streams.Builder) {
		formIn.Stream(b).To(formOut, streams.PartitionsBy(func(k, v string, n int) ([]int, bool) {
			switch v {
			case "none":
				return nil, true
			case "all":
				all := make([]int, n)
				for i := range all {
					all[i] = i
				}
				return all, true
			}
			return nil, false
		}))
	}, streamstest.Partitions(1), streamstest.PartitionsOf("out", 3))
	for i, v := range []string{"none", "all", "one"} {
		d.In(formIn).Send("a", v, streams.Time(i))
	}
	count := map[string]int{}
	parts := map[int32]bool{}
	for _, r := range d.Records() {
		count[string(r.Value)]++
		parts[r.Partition] = true
	}
	if count["none"] != 0 || count["all"] != 3 || count["one"] != 1 || len(parts) != 3 {
		t.Error(count, parts)
	}
}

func TestViewsOfTables(t *testing.T) {
	var rows, versioned streams.StoreDef[streams.ReadKV[string, streams.Stamped[string]]]
	var history streams.StoreDef[streams.VersionedKV[string, string]]
	d := streamstest.New(t, func(b *streams.Builder) {
		rows = formIn.Table(b, "rows").StampedView()
		table := formOther.Table(b, "versions", streams.Versioned(time.Minute))
		versioned, history = table.StampedView(), table.VersionsView()
	})
	d.In(formIn).Send("a", "1", 5)
	d.In(formOther).Send("a", "old", 5)
	d.In(formOther).Send("a", "new", 9)
	for _, c := range []struct {
		def  streams.StoreDef[streams.ReadKV[string, streams.Stamped[string]]]
		want streams.Stamped[string]
	}{{rows, streams.Stamped[string]{Value: "1", Time: 5}}, {versioned, streams.Stamped[string]{Value: "new", Time: 9}}} {
		if v, ok, err := d.Store(c.def).Get("a"); v != c.want || !ok || err != nil {
			t.Error(v, ok, err)
		}
	}
	if v, ok, err := d.Store(history).GetAsOf("a", 7); v.Value != "old" || !ok || err != nil {
		t.Error(v, ok, err)
	}
}

func TestKeepHeaders(t *testing.T) {
	def := streams.TimestampedStore("kept", streams.String, streams.String, streams.KeepHeaders())
	d := streamstest.New(t, func(b *streams.Builder) {
		formIn.Stream(b).Process("keep", streams.String, func(c *streams.Context[string, string]) func(streams.Record[string, string]) error {
			kv := def.In(c)
			return func(r streams.Record[string, string]) error {
				return kv.Put(r.Key, streams.Stamped[string]{Value: r.Value, Time: r.Time})
			}
		}, def).To(formOut)
	})
	d.In(formIn).SendRecord(streams.Record[string, string]{Key: "a", Value: "1", Time: 5, Headers: streams.Headers{{Key: "h", Value: []byte("x")}}})
	kept, ok := d.Store(def).(streams.HeaderReader[string])
	if !ok {
		t.Fatal("the store shows no headers")
	}
	if h, ok, err := kept.Headers("a"); len(h) != 1 || h[0].Key != "h" || string(h[0].Value) != "x" || !ok || err != nil {
		t.Error(h, ok, err)
	}
}
