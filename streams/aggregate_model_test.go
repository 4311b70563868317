package streams_test

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"leat.dev/streams"
	"leat.dev/streams/streamstest"
)

// The operators are held against models of a few lines. An event's value is a letter; aggregates are the letters in order
// of arrival.
type modelEvent struct {
	key, value string
	at         streams.Time
}

var (
	eventTopic  = streams.NewTopic("in", streams.String, streams.String)
	resultTopic = streams.NewTopic("out", streams.String, streams.String)
)

func modelTopic(name string, size time.Duration) streams.WindowedTopic[string, string] {
	return streams.NewWindowedTopic(name, streams.String, streams.String, size)
}

func millisecs(n int) time.Duration { return time.Duration(n) * time.Millisecond }

func appendLetter(acc, v string) string { return acc + v }

// inOrder makes aggregates equal that differ in the order of their letters.
func inOrder(s string) string {
	b := []byte(s)
	slices.Sort(b)
	return string(b)
}

func drawEvents(t *rapid.T) []modelEvent {
	n := rapid.IntRange(1, 25).Draw(t, "n")
	now := 0
	var all []modelEvent
	for i := range n {
		now += rapid.SampledFrom([]int{0, 1, 2, 5, 30}).Draw(t, "step")
		late := rapid.SampledFrom([]int{0, 0, 1, 4, 12, 40}).Draw(t, "late")
		all = append(all, modelEvent{rapid.SampledFrom([]string{"a", "b"}).Draw(t, "key"), string(rune('A' + i)), streams.Time(max(0, now-late))})
	}
	return all
}

func runModel(t testing.TB, build func(*streams.Builder), events []modelEvent, o ...streams.AppOption) *streamstest.Driver {
	d := streamstest.New(t, build, o...)
	in := d.In(eventTopic)
	for _, e := range events {
		in.Send(e.key, e.value, e.at)
	}
	return d
}

func windowLines(d *streamstest.Driver, topic streams.WindowedTopic[string, string]) []string {
	var lines []string
	for _, r := range d.WOut(topic).All() {
		v := r.Value
		if r.NullValue {
			v = "null"
		}
		lines = append(lines, windowLine(r.Key.Key, r.Key.Start, r.Key.End, v, r.Time))
	}
	return lines
}

func windowLine(key string, start, end streams.Time, value string, at streams.Time) string {
	return fmt.Sprintf("%s@%d/%d %s @%d", key, start, end, value, at)
}

func wantLines(t *rapid.T, events []modelEvent, got, want []string) {
	if !slices.Equal(got, want) {
		t.Fatalf("events %v\ngot  %s\nwant %s", events, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

var modelRestarts = []streamstest.RestartKind{streamstest.NoRestart, streamstest.NoRestart, streamstest.Clean, streamstest.Killed, streamstest.LostState}

func TestAggregateByKeyIsItsModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		events := drawEvents(rt)
		d := runModel(t, func(b *streams.Builder) {
			eventTopic.Stream(b).GroupByKey().Reduce("r", appendLetter, streams.NoCache()).ToStream().To(resultTopic)
		}, events, streamstest.RestartEach(rapid.SampledFrom(modelRestarts).Draw(rt, "restart")))
		var want, got []string
		rows, times := map[string]string{}, map[string]streams.Time{}
		for _, e := range events {
			rows[e.key] += e.value
			times[e.key] = max(times[e.key], e.at)
			want = append(want, windowLine(e.key, 0, 0, rows[e.key], times[e.key]))
		}
		for _, r := range d.Out(resultTopic).All() {
			got = append(got, windowLine(r.Key, 0, 0, r.Value, r.Time))
		}
		wantLines(rt, events, got, want)
	})
}

type modelWindow struct {
	key   string
	start streams.Time
}

type modelRow struct {
	value string
	at    streams.Time
}

// timeModel is what tumbling and hopping windows send: every update, or the final results.
func timeModel(events []modelEvent, size, advance, grace streams.Time, final bool) (want []string) {
	rows := map[modelWindow]modelRow{}
	sent := map[modelWindow]bool{}
	now := streams.Time(-1)
	for _, e := range events {
		now = max(now, e.at)
		if final {
			var closed []modelWindow
			for w := range rows {
				if !sent[w] && w.start+size <= now-grace {
					closed = append(closed, w)
				}
			}
			sort.Slice(closed, func(i, j int) bool {
				a, b := closed[i], closed[j]
				return a.start < b.start || a.start == b.start && a.key < b.key
			})
			for _, w := range closed {
				sent[w] = true
				want = append(want, windowLine(w.key, w.start, w.start+size, rows[w].value, rows[w].at))
			}
		}
		for start := streams.Time(0); start <= e.at; start += advance {
			if start+size <= e.at || start+size <= now-grace {
				continue
			}
			w := modelWindow{e.key, start}
			rows[w] = modelRow{rows[w].value + e.value, max(rows[w].at, e.at)}
			if !final {
				want = append(want, windowLine(e.key, start, start+size, rows[w].value, rows[w].at))
			}
		}
	}
	return want
}

func TestTimeWindowsAreTheirModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		events := drawEvents(rt)
		size := rapid.SampledFrom([]int{1, 5, 10, 15}).Draw(rt, "size")
		advance := rapid.IntRange(1, size).Draw(rt, "advance")
		grace := rapid.SampledFrom([]int{0, 3, 20}).Draw(rt, "grace")
		final := rapid.Bool().Draw(rt, "final")
		topic := modelTopic("out", millisecs(size))
		d := runModel(t, func(b *streams.Builder) {
			g := eventTopic.Stream(b).GroupByKey().Windowed(streams.Hopping(millisecs(size), millisecs(advance)).Grace(millisecs(grace)))
			if final {
				g = g.EmitFinal()
			}
			g.Aggregate("w", streams.String, appendLetter, streams.NoCache()).ToStream().To(topic)
		}, events, streamstest.RestartEach(rapid.SampledFrom(modelRestarts).Draw(rt, "restart")))
		wantLines(rt, events, windowLines(d, topic), timeModel(events, streams.Time(size), streams.Time(advance), streams.Time(grace), final))
	})
}

// TestFinalResultsAreThrottledNotLost: with a throttle results come later, and no one is missing.
func TestFinalResultsAreThrottledNotLost(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		events := append(drawEvents(rt), modelEvent{"end", "x", 1000})
		topic := modelTopic("out", millisecs(10))
		d := streamstest.New(t, func(b *streams.Builder) {
			eventTopic.Stream(b).GroupByKey().Windowed(streams.Tumbling(millisecs(10)).Grace(millisecs(5))).EmitFinal().
				Aggregate("w", streams.String, appendLetter).ToStream().To(topic)
		}, streamstest.EmitEvery(time.Second))
		in := d.In(eventTopic)
		for _, e := range events {
			d.AdvanceWallClock(millisecs(rapid.SampledFrom([]int{0, 1, 2000}).Draw(rt, "wall")))
			in.Send(e.key, e.value, e.at)
		}
		d.AdvanceWallClock(time.Minute)
		in.Send("end", "y", 2000)
		want := timeModel(append(events, modelEvent{"end", "y", 2000}), 10, 10, 5, true)
		wantLines(rt, events, windowLines(d, topic), want)
	})
}

func latestWindows(d *streamstest.Driver, topic streams.WindowedTopic[string, string]) []string {
	last := map[string]string{}
	for _, r := range d.WOut(topic).All() {
		w := fmt.Sprintf("%s@%d/%d", r.Key.Key, r.Key.Start, r.Key.End)
		delete(last, w)
		if !r.NullValue {
			last[w] = inOrder(r.Value)
		}
	}
	return rowLines(last)
}

func rowLines(rows map[string]string) []string {
	var lines []string
	for w, v := range rows {
		lines = append(lines, w+" "+v)
	}
	sort.Strings(lines)
	return lines
}

// TestSlidingWindowsAreTheirModel: for each record a window that ends with it, and one that begins right behind it if there
// is something in it, each with all records that it holds.
func TestSlidingWindowsAreTheirModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		events := drawEvents(rt)
		diff := streams.Time(rapid.SampledFrom([]int{0, 1, 5, 10}).Draw(rt, "diff"))
		var o []streams.Option
		if rapid.Bool().Draw(rt, "no cache") {
			o = append(o, streams.NoCache())
		}
		d := runModel(t, func(b *streams.Builder) {
			eventTopic.Stream(b).GroupByKey().Windowed(streams.Sliding(millisecs(int(diff))).Grace(time.Hour)).Reduce("w", appendLetter, o...).
				ToStream().Map(streams.String, func(w streams.Windowed[string], v string) (string, string) {
				return fmt.Sprintf("%s@%d/%d", w.Key, w.Start, w.End), v
			}).To(resultTopic)
		}, events, streamstest.RestartEach(rapid.SampledFrom(modelRestarts).Draw(rt, "restart")))
		want := map[string]string{}
		for _, e := range events {
			for _, start := range []streams.Time{max(0, e.at-diff), e.at + 1} {
				in := ""
				for _, other := range events {
					if other.key == e.key && other.at >= start && other.at <= start+diff {
						in += other.value
					}
				}
				if in != "" {
					want[fmt.Sprintf("%s@%d/%d", e.key, start, start+diff)] = inOrder(in)
				}
			}
		}
		got := map[string]string{}
		for _, r := range d.Out(resultTopic).All() {
			got[r.Key] = inOrder(r.Value)
		}
		wantLines(rt, events, rowLines(got), rowLines(want))
	})
}

// sessionModel is what sessions there are in the end, if no record is late.
func sessionModel(events []modelEvent, gap streams.Time) []string {
	want := map[string]string{}
	for _, key := range []string{"a", "b"} {
		var of []modelEvent
		for _, e := range events {
			if e.key == key {
				of = append(of, e)
			}
		}
		slices.SortStableFunc(of, func(a, b modelEvent) int { return int(a.at - b.at) })
		for i := 0; i < len(of); {
			j, in := i+1, of[i].value
			for ; j < len(of) && of[j].at-of[j-1].at <= gap; j++ {
				in += of[j].value
			}
			want[fmt.Sprintf("%s@%d/%d", key, of[i].at, of[j-1].at)] = inOrder(in)
			i = j
		}
	}
	return rowLines(want)
}

// TestSessionsAreTheirModel: records of a key that are at most the gap apart are one session.
func TestSessionsAreTheirModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		events := drawEvents(rt)
		gap := streams.Time(rapid.SampledFrom([]int{1, 5, 10}).Draw(rt, "gap"))
		final := rapid.Bool().Draw(rt, "final")
		if final {
			events = append(events, modelEvent{"end", "z", 100_000_000})
		}
		topic := modelTopic("out", 0)
		d := runModel(t, func(b *streams.Builder) {
			g := eventTopic.Stream(b).GroupByKey().Sessions(streams.SessionGap(millisecs(int(gap))).Grace(time.Hour))
			if final {
				g = g.EmitFinal()
			}
			g.Reduce("s", appendLetter).ToStream().To(topic)
		}, events, streamstest.RestartEach(rapid.SampledFrom(modelRestarts).Draw(rt, "restart")))
		if final {
			events = events[:len(events)-1]
		}
		wantLines(rt, events, latestWindows(d, topic), sessionModel(events, gap))
	})
}

// windowRows are the last windows that a store shows: those that no late record can have reached after they closed.
func windowRows(d *streamstest.Driver, def streams.StoreDef[streams.WindowKV[string, string]]) (lines []string) {
	rows := d.Store(def)
	last := streams.Time(-1)
	for w := range rows.All(0, streams.Forever) {
		last = max(last, w.Start)
	}
	for w, v := range rows.All(last, last) {
		one, ok, err := rows.Fetch(w.Key, w.Start)
		lines = append(lines, fmt.Sprint(w, v, one, ok, err))
	}
	return lines
}

// TestSlicesAreWindows: sliced hopping windows give what whole ones give.
func TestSlicesAreWindows(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		events := drawEvents(rt)
		size := rapid.SampledFrom([]int{4, 6, 12}).Draw(rt, "size")
		advance := rapid.IntRange(1, size).Draw(rt, "advance")
		grace := rapid.SampledFrom([]int{0, 3, 20}).Draw(rt, "grace")
		final, cached := rapid.Bool().Draw(rt, "final"), rapid.Bool().Draw(rt, "cached")
		commits := rapid.Bool().Draw(rt, "commits by hand")
		small := cached && rapid.Bool().Draw(rt, "small cache")
		whole, sliced := modelTopic("whole", millisecs(size)), modelTopic("sliced", millisecs(size))
		options := []streams.AppOption{streamstest.RestartEach(rapid.SampledFrom(modelRestarts).Draw(rt, "restart"))}
		if commits {
			options = []streams.AppOption{streamstest.ManualCommit()}
		}
		if small { // entries are flushed early
			options = append(options, streams.CacheBytes(rapid.Int64Range(1, 2000).Draw(rt, "cache")))
		}
		var o []streams.Option
		if !cached {
			o = append(o, streams.NoCache())
		}
		var wholeView, slicedView streams.StoreDef[streams.WindowKV[string, string]]
		// Letters in order: what slices merge is in order of time.
		add := func(acc, v string) string { return inOrder(acc + v) }
		d := streamstest.New(t, func(b *streams.Builder) {
			g := eventTopic.Stream(b).GroupByKey().Windowed(streams.Hopping(millisecs(size), millisecs(advance)).Grace(millisecs(grace)))
			if final {
				g = g.EmitFinal()
			}
			w, s := g.Reduce("w", add, o...), g.Reduce("s", add, append(o, streams.Slices(add))...)
			wholeView, slicedView = w.View(), s.View()
			w.ToStream().To(whole)
			s.ToStream().To(sliced)
		}, options...)
		defer func() {
			if rows, want := windowRows(d, wholeView), windowRows(d, slicedView); grace == 20 && !rt.Failed() {
				wantLines(rt, events, rows, want)
			}
		}()
		in := d.In(eventTopic)
		for _, e := range events {
			in.Send(e.key, e.value, e.at)
			if commits && rapid.IntRange(0, 3).Draw(rt, "commit") == 0 {
				d.Commit()
			}
		}
		if commits {
			d.Commit()
		}
		if (commits || small) && cached && !final {
			// A late record makes slices flush earlier than windows, as any cache may that is full.
			wantLines(rt, events, latestWindows(d, sliced), latestWindows(d, whole))
			return
		}
		got, want := windowLines(d, sliced), windowLines(d, whole)
		wantLines(rt, events, got, want)
	})
}

// TestIdleWindowsClose: windows close by the wall clock when nothing comes, and what then comes for them is late.
func TestIdleWindowsClose(t *testing.T) {
	topic, sessions := modelTopic("out", millisecs(10)), modelTopic("sessions", 0)
	for _, slicedToo := range []bool{false, true} {
		d := streamstest.New(t, func(b *streams.Builder) {
			g := eventTopic.Stream(b).GroupByKey()
			o := []streams.Option{streams.EmitIdle(100 * time.Millisecond)}
			s := o
			if slicedToo {
				o = append(o, streams.Slices(appendLetter))
			}
			g.Windowed(streams.Hopping(millisecs(10), millisecs(5)).NoGrace()).EmitFinal().Reduce("w", appendLetter, o...).ToStream().To(topic)
			g.Sessions(streams.SessionGap(millisecs(10)).NoGrace()).EmitFinal().Reduce("s", appendLetter, s...).ToStream().To(sessions)
		})
		in := d.In(eventTopic)
		in.Send("a", "A", 7)
		d.AdvanceWallClock(99 * time.Millisecond)
		in.Send("b", "B", 8)
		d.AdvanceWallClock(99 * time.Millisecond)
		d.WOut(topic).Want(t, "")
		d.AdvanceWallClock(millisecs(25))
		d.WOut(topic).Want(t, "a@0 | A @7\nb@0 | B @8\na@5 | A @7\nb@5 | B @8")
		d.WOut(sessions).Want(t, "a@7/7 | A @7\nb@8/8 | B @8")
		in.Send("a", "C", 9) // stream time is 132
		in.Send("a", "D", 140)
		d.AdvanceWallClock(time.Second)
		d.WOut(topic).Want(t, "a@135 | D @140\na@140 | D @140")
		d.WOut(sessions).Want(t, "a@140/140 | D @140")
	}
}

func TestMistakesOfWindows(t *testing.T) {
	sum := func(a, b string) string { return a + b }
	for want, build := range map[string]func(g *streams.Grouped[string, string]){
		"advance by 20ms": func(g *streams.Grouped[string, string]) {
			g.Windowed(streams.Hopping(millisecs(10), millisecs(20)).NoGrace()).Count("w")
		},
		"have the size 0s": func(g *streams.Grouped[string, string]) { g.Windowed(streams.Tumbling(0).NoGrace()).Count("w") },
		"Retention 10ms is too short": func(g *streams.Grouped[string, string]) {
			g.Windowed(streams.Tumbling(millisecs(10)).Grace(millisecs(1))).Count("w", streams.Retention(millisecs(10)))
		},
		"need 25ms at least": func(g *streams.Grouped[string, string]) {
			g.Windowed(streams.Sliding(millisecs(10)).Grace(millisecs(5))).Count("w", streams.Retention(millisecs(24)))
		},
		"unlimited windows never close": func(g *streams.Grouped[string, string]) { g.Windowed(streams.UnlimitedFrom(0)).EmitFinal().Count("w") },
		"EmitIdle is given without": func(g *streams.Grouped[string, string]) {
			g.Windowed(streams.Tumbling(millisecs(10)).NoGrace()).Count("w", streams.EmitIdle(1))
		},
		"Slices is given for other": func(g *streams.Grouped[string, string]) {
			g.Windowed(streams.Sliding(millisecs(10)).NoGrace()).Reduce("w", sum, streams.Slices(sum))
		},
		"the function of Slices is": func(g *streams.Grouped[string, string]) {
			g.Windowed(streams.Tumbling(millisecs(10)).NoGrace()).Count("w", streams.Slices(sum))
		},
		"the function of Init is": func(g *streams.Grouped[string, string]) {
			g.Aggregate("a", streams.String, sum, streams.Init(func() int { return 1 }))
		},
		"sessions have the gap": func(g *streams.Grouped[string, string]) { g.Sessions(streams.SessionGap(0).NoGrace()).Count("s") },
		"the grace is negative": func(g *streams.Grouped[string, string]) {
			g.Sessions(streams.SessionGap(millisecs(1)).Grace(-millisecs(1))).Count("s")
		},
		"option Retention does not fit": func(g *streams.Grouped[string, string]) { g.Count("c", streams.Retention(millisecs(1))) },
	} {
		_, err := streamstest.TryNew(t, func(b *streams.Builder) { build(eventTopic.Stream(b).GroupByKey()) })
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
