package streams_test

import (
	"strings"
	"testing"
	"time"

	"leat.dev/streams"
	"leat.dev/streams/streamstest"
)

// TestWindowsBehindTheLastTime: a record whose window cannot end is the record's error, as in Kafka, and no endless work.
func TestWindowsBehindTheLastTime(t *testing.T) {
	in := streams.NewTopic("in", streams.String, streams.String)
	out := streams.NewWindowedTopic("out", streams.String, streams.Int64, 10*time.Millisecond)
	plus := func(a, b int64) int64 { return a + b }
	for name, o := range map[string][]streams.Option{"windows": nil, "slices": {streams.Slices(plus)}} {
		t.Run(name, func(t *testing.T) {
			d := streamstest.New(t, func(b *streams.Builder) {
				in.Stream(b).GroupByKey().Windowed(streams.Hopping(ms(10), ms(5)).NoGrace()).Count("counts", o...).ToStream().To(out)
			})
			d.In(in).Send("k", "v", streams.Forever-12)
			d.WOut(out).All()
			err := d.Try(func() { d.In(in).Send("k", "v", streams.Forever) })
			if err == nil || !strings.Contains(err.Error(), "the last time") {
				t.Errorf("the error is %v", err)
			}
		})
	}
}
