package engine

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"leat.dev/internal/base/clock"
)

// gated is a manager with a task for each of the inputs, which hold nothing.
func gated(few, inputs int) (*manager, []*feed) {
	p := &process{app: &App{prog: &Program{Settings: Settings{BufferedPerInput: few}}, clk: clock.System}}
	m := newManager(p)
	p.manager = m
	var feeds []*feed
	for i := range inputs {
		tp := TopicPartition{"t", int32(i)} //nolint:gosec // few
		f := &feed{tp: tp}
		feeds = append(feeds, f)
		m.tasks[TaskID{0, tp.Partition}] = &runningTask{inputs: map[TopicPartition]*feed{tp: f}}
	}
	return m, feeds
}

// TestSated: the manager does not poll as long as nobody wants more, and otherwise it does, whatever inputs hold.
func TestSated(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, feeds := gated(10, rapid.IntRange(1, 5).Draw(t, "inputs"))
		enough, wants := 0, 0
		for _, f := range feeds {
			held := rapid.SampledFrom([]int64{0, 10, 11}).Draw(t, "held")
			waiting := rapid.SampledFrom([]int64{0, 1}).Draw(t, "waiting")
			f.held.Store(held)
			f.waiting.Store(waiting)
			f.quiet = rapid.Bool().Draw(t, "quiet")
			f.paused.Store(rapid.Bool().Draw(t, "paused"))
			switch {
			case held+waiting > 10:
				enough++
			case !f.quiet && !f.paused.Load():
				wants++
			}
		}
		if got, want := m.sated(nil), enough > 0 && wants == 0; got != want {
			t.Fatalf("sated is %v with %d that have enough and %d that want more", got, enough, wants)
		}
	})
}

func TestAwait(t *testing.T) {
	wait := func(t *testing.T, m *manager, feeds []*feed, want time.Duration, during func()) {
		t.Helper()
		began := time.Now()
		done := make(chan bool)
		go func() { done <- m.await(t.Context()) }()
		synctest.Wait()
		if during != nil {
			during()
		}
		if !<-done || time.Since(began) != want {
			t.Fatalf("waited %v, want %v", time.Since(began), want)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		m, feeds := gated(10, 2)
		wait(t, m, feeds, 0, nil)
		feeds[0].held.Store(11)
		wait(t, m, feeds, 0, nil) // the other wants
		feeds[1].quiet = true
		wait(t, m, feeds, awaitQuietMax, nil) // it may have some meanwhile
		feeds[1].held.Store(11)
		wait(t, m, feeds, awaitLoadedMax, nil)
		feeds[1].quiet = false
		wait(t, m, feeds, 0, func() { // a worker took some
			feeds[1].held.Store(10)
			m.gate.open()
		})
		feeds[1].held.Store(11)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if m.await(ctx) {
			t.Fatal("there was an order, and it is polled")
		}
	})
}

// TestFullAndBack: an input that goes on is not full, so that it is not paused again at once.
func TestFullAndBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, _ := gated(rapid.IntRange(1, 5000).Draw(t, "few"), 1)
		m.p.budget.max = rapid.Int64Range(0, 4<<20).Draw(t, "budget")
		m.p.budget.set(rapid.Int64Range(0, 4<<20).Draw(t, "all"))
		records := rapid.Int64Range(0, 100_000).Draw(t, "records")
		bytes := records * rapid.Int64Range(0, 2000).Draw(t, "size")
		if m.p.goesOn(records, bytes) && m.p.full(records, bytes) {
			t.Fatal("both")
		}
		if !m.p.full(records, bytes) && records > m.p.fewRecords() && bytes > bufferedMax {
			t.Fatal("no bound")
		}
	})
}

// TestRecordPool: what is lent has the room that was asked for, and comes back.
func TestRecordPool(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := new(fetchedRecords)
		for range rapid.IntRange(1, 20).Draw(t, "times") {
			n := rapid.IntRange(0, 1<<17).Draw(t, "records")
			r := p.GetRecords(n)
			if cap(r) < n {
				t.Fatalf("%d records have room for %d", n, cap(r))
			}
			p.PutRecords(r[:cap(r)])
		}
		p.PutRecords(nil)
		p.PutRecords(make([]kgo.Record, 3))
	})
}
