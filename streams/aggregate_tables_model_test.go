package streams_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"leat.dev/streams"
	"leat.dev/streams/streamstest"
)

// TestGroupedTableIsItsModel: the rows of each group, whatever became of them before.
func TestGroupedTableIsItsModel(t *testing.T) {
	take := func(acc, v string) string { return strings.Replace(acc, v, "", 1) }
	rapid.Check(t, func(rt *rapid.T) {
		var o []streams.Option
		if rapid.Bool().Draw(rt, "no cache") {
			o = append(o, streams.NoCache())
		}
		d := streamstest.New(t, func(b *streams.Builder) {
			eventTopic.Table(b, "t", o...).
				GroupBy(streams.String, streams.String, func(_, v string) (string, string) { return v[:1], v[1:] }).
				Aggregate("g", streams.String, appendLetter, take, o...).ToStream().To(resultTopic)
		}, streamstest.RestartEach(rapid.SampledFrom(modelRestarts).Draw(rt, "restart")))
		in := d.In(eventTopic)
		rows := map[string]string{}
		for i := range rapid.IntRange(1, 20).Draw(rt, "n") {
			key := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "key")
			if rapid.IntRange(0, 3).Draw(rt, "delete") == 0 {
				delete(rows, key)
				in.Delete(key, streams.Time(i))
				continue
			}
			rows[key] = rapid.SampledFrom([]string{"x", "y"}).Draw(rt, "group") + string(rune('A'+i))
			in.Send(key, rows[key], streams.Time(i))
		}
		want, got := map[string]string{}, map[string]string{}
		for _, v := range rows {
			want[v[:1]] = inOrder(want[v[:1]] + v[1:])
		}
		for _, r := range d.Out(resultTopic).All() {
			if got[r.Key] = inOrder(r.Value); r.Value == "" {
				delete(got, r.Key)
			}
		}
		wantLines(rt, nil, rowLines(got), rowLines(want))
	})
}

// TestCogroupIsItsModel: two inputs as if they were one; final results wait for the time of both.
func TestCogroupIsItsModel(t *testing.T) {
	second := streams.NewTopic("second", streams.String, streams.String)
	rapid.Check(t, func(rt *rapid.T) {
		events := drawEvents(rt)
		kind := rapid.SampledFrom([]string{"key", "final windows", "final sessions"}).Draw(rt, "kind")
		topic, sessions := modelTopic("out", 10*time.Millisecond), modelTopic("sessions", 0)
		d := streamstest.New(t, func(b *streams.Builder) {
			c := eventTopic.Stream(b).GroupByKey().Cogroup(appendLetter).And(second.Stream(b).GroupByKey(), appendLetter)
			switch kind {
			case "key":
				c.Aggregate("c", streams.String, streams.NoCache()).ToStream().To(resultTopic)
			case "final windows":
				c.Windowed(streams.Hopping(millisecs(10), millisecs(5)).Grace(millisecs(3))).EmitFinal().Aggregate("c", streams.String).ToStream().To(topic)
			case "final sessions":
				c.Sessions(streams.SessionGap(millisecs(10)).Grace(time.Hour)).EmitFinal().Aggregate("c", streams.String, appendLetter).ToStream().To(sessions)
			}
		}, streamstest.RestartEach(rapid.SampledFrom(modelRestarts).Draw(rt, "restart")))
		first, other := d.In(eventTopic), d.In(second)
		rows := map[string]string{}
		var want, got []string
		for _, e := range events {
			in := first
			if rapid.Bool().Draw(rt, "second") {
				in = other
			}
			in.Send(e.key, e.value, e.at)
			rows[e.key] += e.value
			want = append(want, fmt.Sprint(e.key, rows[e.key]))
		}
		switch kind {
		case "key":
			for _, r := range d.Out(resultTopic).All() {
				got = append(got, fmt.Sprint(r.Key, r.Value))
			}
			wantLines(rt, events, got, want)
		case "final windows":
			wantLines(rt, events, windowLines(d, topic), timeModel(events, 10, 5, 3, true))
		case "final sessions":
			first.Send("end", "z", 100_000_000)
			wantLines(rt, events, latestWindows(d, sessions), sessionModel(events, 10))
		}
	})
}
