package streamsapp

import (
	"strings"
	"time"

	"leat.dev/streams"
)

// twin is a program that java/Programs.java holds too, under the same name.
type twin struct {
	name   string
	inputs []string
	build  func(b *streams.Builder, p twinTopics)

	// inFlight programs are stopped while records are on their way, and results compared without times; others are stopped when
	// all is processed, with records sent one by one: results depend on the order in which inputs arrive.
	inFlight bool
	// throttled results are looked for once in a second, when a record comes: with which one depends on when the program started.
	throttled bool
}

// twinTopics are the topics of one run of a program, which begin with its prefix.
type twinTopics string

func (p twinTopics) topic(name string) streams.Topic[string, string] {
	return streams.NewTopic(string(p)+"-"+name, streams.String, streams.String)
}

func (p twinTopics) table(b *streams.Builder, name string) *streams.Table[string, string] {
	return p.topic(name).Table(b, "rows-"+name)
}

func (p twinTopics) windows(t *streams.WTable[string, string], size time.Duration) {
	t.ToStream().To(streams.NewWindowedTopic(string(p)+"-out", streams.String, streams.String, size))
}

func (p twinTopics) counts(t *streams.WTable[string, int64]) {
	t.ToStream().To(streams.NewWindowedTopic(string(p)+"-out", streams.String, streams.Int64, time.Second))
}

func firstLetter(v string) string                    { return v[:1] }
func firstLetterOK(v string) (string, bool)          { return v[:1], true }
func joinedLeft(l, r string, _ bool) string          { return l + "|" + r }
func either(e streams.Either[string, string]) string { return e.Left + "|" + e.Right }

var (
	twinTumbling = streams.Tumbling(time.Second).Grace(500 * time.Millisecond)
	twinWithin   = streams.Within(600 * time.Millisecond).Grace(time.Second)
)

var twins = []twin{
	{name: "count", inputs: []string{"a"}, inFlight: true, build: func(b *streams.Builder, p twinTopics) {
		p.topic("a").Stream(b).GroupBy(streams.String, firstLetter).Count("").ToStream().
			To(streams.NewTopic(string(p)+"-out", streams.String, streams.Int64))
	}},
	{name: "reduce", inputs: []string{"a"}, build: func(b *streams.Builder, p twinTopics) {
		p.topic("a").Stream(b).GroupByKey().Reduce("reduced", func(a, v string) string { return a + "." + v }).ToStream().To(p.topic("out"))
	}},
	{name: "hopping", inputs: []string{"a"}, build: func(b *streams.Builder, p twinTopics) {
		p.counts(p.topic("a").Stream(b).GroupByKey().Windowed(streams.Hopping(time.Second, 400*time.Millisecond).Grace(500 * time.Millisecond)).Count("hops"))
	}},
	{name: "final", inputs: []string{"a"}, throttled: true, build: func(b *streams.Builder, p twinTopics) {
		p.counts(p.topic("a").Stream(b).GroupByKey().Windowed(twinTumbling).EmitFinal().Count("finals", streams.Retention(time.Minute)))
	}},
	{name: "session", inputs: []string{"a"}, build: func(b *streams.Builder, p twinTopics) {
		p.windows(p.topic("a").Stream(b).GroupByKey().Sessions(streams.SessionGap(300*time.Millisecond).Grace(500*time.Millisecond)).
			Aggregate("sessions", streams.String, func(a, v string) string { return a + "." + v }, func(a, b string) string { return a + "+" + b }), 0)
	}},
	{name: "suppress", inputs: []string{"a"}, build: func(b *streams.Builder, p twinTopics) {
		p.windows(p.topic("a").Stream(b).GroupByKey().Windowed(twinTumbling).Reduce("windows", func(a, v string) string { return a + "." + v }).
			SuppressUntilClose(streams.Unbounded(), streams.Named("held")), time.Second)
	}},
	{name: "limit", inputs: []string{"t"}, build: func(b *streams.Builder, p twinTopics) {
		p.table(b, "t").Suppress(700*time.Millisecond, streams.MaxRecords(3).EmitEarly(), streams.Named("held")).ToStream().To(p.topic("out"))
	}},
	{name: "outer", inputs: []string{"a", "b"}, throttled: true, build: func(b *streams.Builder, p twinTopics) {
		p.topic("a").Stream(b).OuterJoin("j", p.topic("b").Stream(b), twinWithin, either).To(p.topic("out"))
	}},
	{name: "left", inputs: []string{"a", "b"}, throttled: true, build: func(b *streams.Builder, p twinTopics) {
		p.topic("a").Stream(b).SelectKey(streams.String, firstLetter).
			LeftJoin("", p.topic("b").Stream(b).SelectKey(streams.String, firstLetter), twinWithin, joinedLeft).To(p.topic("out"))
	}},
	{name: "tables", inputs: []string{"t", "u"}, build: func(b *streams.Builder, p twinTopics) {
		p.table(b, "t").OuterJoin(p.table(b, "u"), either, streams.Materialize("joined")).ToStream().To(p.topic("out"))
	}},
	{name: "foreign", inputs: []string{"t", "u"}, build: func(b *streams.Builder, p twinTopics) {
		p.table(b, "t").LeftJoinBy("fk", p.table(b, "u"), firstLetterOK, joinedLeft, streams.Materialize("joined")).ToStream().To(p.topic("out"))
	}},
	{name: "versioned", inputs: []string{"a", "t"}, build: func(b *streams.Builder, p twinTopics) {
		// Without TableGrace: Kafka Streams forgets what waits in its buffer when it is restarted.
		t := p.topic("t").Table(b, "versions", streams.Versioned(time.Minute))
		p.topic("a").Stream(b).LeftJoinTable(t, joinedLeft, streams.Named("j")).To(p.topic("out"))
	}},
	{name: "regroup", inputs: []string{"t"}, build: func(b *streams.Builder, p twinTopics) {
		p.table(b, "t").GroupBy(streams.String, streams.String, func(_, v string) (string, string) { return firstLetter(v), v }, streams.Named("by")).
			Aggregate("sums", streams.String, func(a, v string) string { return a + "+" + v }, func(a, v string) string { return a + "-" + v }).
			ToStream().To(p.topic("out"))
	}},
	{name: "times", inputs: []string{"a"}, build: func(b *streams.Builder, p twinTopics) {
		p.topic("a").Stream(b, streams.Timestamps(func(r streams.Record[string, string], part streams.Time) streams.Time {
			if strings.HasSuffix(r.Value, "0") {
				return part
			}
			return r.Time
		})).To(p.topic("out"))
	}},
}
