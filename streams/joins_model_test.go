package streams_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"leat.dev/streams"
	"leat.dev/streams/streamstest"
)

// A modelStep is a record of one of two topics.
type modelStep struct {
	left, null bool
	key        string
	value      string
	at         streams.Time
}

func drawSteps(t *rapid.T) []modelStep {
	steps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) modelStep {
		return modelStep{
			left: rapid.Bool().Draw(t, "left"), null: rapid.IntRange(0, 4).Draw(t, "null") == 0,
			key: rapid.SampledFrom([]string{"k1", "k2"}).Draw(t, "key"), at: streams.Time(rapid.IntRange(0, 60).Draw(t, "at")),
		}
	}), 1, 25).Draw(t, "steps")
	for i := range steps {
		steps[i].value = fmt.Sprint(i)
	}
	return steps
}

func runSteps(t *testing.T, build func(*streams.Builder), steps []modelStep) []string {
	d := streamstest.New(t, build)
	for _, s := range steps {
		r := streamstest.Record{Topic: "b", Key: []byte(s.key), Value: []byte(s.value), Time: s.at}
		if s.left {
			r.Topic = "a"
		}
		if s.null {
			r.Value = nil
		}
		d.Pipe(r)
	}
	var out []string
	for _, r := range d.Records() {
		if r.Topic == "out" {
			value := "null"
			if r.Value != nil {
				value = string(r.Value)
			}
			out = append(out, fmt.Sprintf("%s %s @%d", r.Key, value, r.Time))
		}
	}
	return out
}

func pairOfStrings(l, r string) string { return l + "," + r }

// TestStreamJoinModel compares inner joins whose grace outlasts the input with all pairs there are.
func TestStreamJoinModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		steps := drawSteps(rt)
		before, after := rapid.IntRange(0, 20).Draw(rt, "before"), rapid.IntRange(0, 20).Draw(rt, "after")
		w := streams.Between(time.Duration(before)*time.Millisecond, time.Duration(after)*time.Millisecond).Grace(time.Hour)
		got := runSteps(t, func(b *streams.Builder) {
			on("a").Stream(b).Join("j", on("b").Stream(b), w, pairOfStrings).To(on("out"))
		}, steps)
		var want []string
		for _, l := range steps {
			for _, r := range steps {
				if l.left && !r.left && !l.null && !r.null && l.key == r.key && int(r.at) >= int(l.at)-before && int(r.at) <= int(l.at)+after {
					want = append(want, fmt.Sprintf("%s %s @%d", l.key, pairOfStrings(l.value, r.value), max(l.at, r.at)))
				}
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			rt.Fatalf("%v and not %v", got, want)
		}
	})
}

// TestTableJoinModel compares what joined tables end as with two maps.
func TestTableJoinModel(t *testing.T) {
	t.Parallel()
	joins := map[string]func(l, r table) table{
		"inner": func(l, r table) table { return l.Join(r, pairOfStrings) },
		"left": func(l, r table) table {
			return l.LeftJoin(r, func(l, r string, _ bool) string { return pairOfStrings(l, r) })
		},
		"outer": func(l, r table) table {
			return l.OuterJoin(r, func(e streams.Either[string, string]) string { return pairOfStrings(e.Left, e.Right) })
		},
	}
	for kind, join := range joins {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(rt *rapid.T) {
				steps := drawSteps(rt)
				out := runSteps(t, func(b *streams.Builder) {
					join(on("a").Table(b, "l"), on("b").Table(b, "r")).ToStream().To(on("out"))
				}, steps)
				got := map[string]string{"k1": "null", "k2": "null"}
				for _, o := range out {
					var k, v string
					var at int
					if _, err := fmt.Sscanf(o, "%s %s @%d", &k, &v, &at); err != nil {
						rt.Fatal(err)
					}
					got[k] = v
				}
				rows := map[bool]map[string]string{true: {}, false: {}}
				for _, s := range steps {
					rows[s.left][s.key] = s.value
					if s.null {
						delete(rows[s.left], s.key)
					}
				}
				for k, v := range got {
					l, hasLeft := rows[true][k]
					r, hasRight := rows[false][k]
					want := "null"
					if hasLeft && hasRight || kind == "left" && hasLeft || kind == "outer" && (hasLeft || hasRight) {
						want = pairOfStrings(l, r)
					}
					if v != want {
						rt.Fatalf("%s is %s and not %s", k, v, want)
					}
				}
			})
		})
	}
}

// TestAround wraps every processor: it sees the calls of a record in order, may drop records, and its errors are the record's.
func TestAround(t *testing.T) {
	t.Parallel()
	var calls []string
	d := streamstest.New(t, func(b *streams.Builder) {
		on("a").Stream(b).Filter(always, streams.Named("test")).
			Process("work", streams.String, func(c *streams.Context[string, string]) func(streams.Record[string, string]) error {
				return func(r streams.Record[string, string]) error { c.Forward(r); return nil }
			}).To(on("out"))
	}, streams.Around(func(c streams.Ctx, node string, next func() error) error {
		_, _, offset := c.Source()
		calls = append(calls, fmt.Sprintf("%s %d", node, offset))
		if node == "work" && offset == 1 {
			return nil
		}
		if offset == 2 {
			return fmt.Errorf("not allowed")
		}
		return next()
	}), streams.OnProcessingError(func(f streams.Failure) streams.Decision {
		calls = append(calls, f.Node+": "+f.Err.Error())
		return streams.Skip
	}))
	for i := range 3 {
		d.Pipe(streamstest.Record{Topic: "a", Key: []byte("k"), Value: fmt.Append(nil, i), Time: 0})
	}
	if want := []string{"test 0", "work 0", "test 1", "work 1", "test 2", "test: not allowed"}; !slices.Equal(calls, want) {
		t.Errorf("%q", calls)
	}
	if n := len(d.Records()); n != 1 {
		t.Errorf("%d records came out", n)
	}
}
