package engine

import (
	"bytes"
	"errors"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"
)

// TestSlabs: what was sent stays as it was until franz-go calls back for it, in whatever order it does, and what failed for good.
func TestSlabs(t *testing.T) {
	env := &taskEnv{id: TaskID{0, 1}}
	met := newMetrics(prometheus.NewRegistry(), "app").topic("t")
	rapid.Check(t, func(t *rapid.T) {
		o := &outlet{topics: map[string]*outTopic{}}
		topic := &outTopic{out: o, name: "t", met: met}
		type flying struct {
			s    *sent
			want []byte
		}
		var out []flying
		failures := 0
		var wants [][]byte
		for range rapid.IntRange(1, 8).Draw(t, "rounds") {
			n := rapid.OneOf(rapid.Just(slabRecords), rapid.IntRange(1, 2*slabRecords)).Draw(t, "records")
			for i := range n {
				s := o.take()
				if s.slab.out != o {
					t.Fatal("a record of a slab that was given back")
				}
				want := bytes.Repeat([]byte{byte(i), byte(len(out))}, rapid.SampledFrom([]int{0, 1, 70, 900, slabBytesMax / 10}).Draw(t, "size"))
				s.env, s.log, s.topic = env, nil, topic
				s.record = kgo.Record{Topic: "t", Partition: 1, Value: s.slab.copy(want)}
				out = append(out, flying{s, want})
			}
			for range rapid.OneOf(rapid.Just(len(out)), rapid.IntRange(0, len(out))).Draw(t, "written") {
				i := rapid.IntRange(0, len(out)-1).Draw(t, "which")
				f := out[i]
				out = append(out[:i], out[i+1:]...)
				if !bytes.Equal(f.s.record.Value, f.want) {
					t.Fatal("a record changed on its way")
				}
				var err error
				if rapid.IntRange(0, 499).Draw(t, "fails") == 0 {
					err = errors.New("refused")
					failures++
					wants = append(wants, f.want)
				}
				f.s.promise(&f.s.record, err)
			}
		}
		if len(o.failed) != failures || o.broken.Load() != (failures > 0) {
			t.Fatalf("%d failures are known of %d", len(o.failed), failures)
		}
		for i := range o.failed {
			if !bytes.Equal(o.failed[i].Value, wants[i]) || o.failed[i].Task != env.id {
				t.Fatal("a record that failed changed")
			}
		}
	})
}
