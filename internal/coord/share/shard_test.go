package share

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"pgregory.net/rapid"

	"leat.dev/internal/coord"
)

// world is a shard with its log, of which the start may have been cut off.
type world struct {
	shard    *Shard
	settings Settings
	now      time.Time
	gone     map[[16]byte]bool
	log      []coord.Record
	start    int64
}

func newWorld() *world {
	w := &world{settings: DefaultSettings(), now: time.UnixMilli(1_000_000), gone: map[[16]byte]bool{}}
	w.settings.UpdatesPerSnapshot = 3
	w.load()
	return w
}

func (w *world) load() {
	w.shard = New(w.settings, func(tp TopicPartition) bool { return !w.gone[tp.TopicID] && tp.Partition < 3 })
	for o := w.start; o < int64(len(w.log)); o++ {
		if err := w.shard.Replay(coord.LogRecord{Offset: o, Key: w.log[o].Key, Value: w.log[o].Value}); err != nil {
			panic(err)
		}
	}
	w.shard.Step(w.now, Loaded{})
}

// step has an event handled, its records appended, and what can be cut off cut off.
func (w *world) step(ev Event) any {
	fx := w.shard.Step(w.now, ev)
	first := int64(len(w.log))
	w.log = append(w.log, fx.Records...)
	w.shard.Appended(first, fx.Records)
	for _, m := range fx.Sends {
		w.start = max(w.start, m.(coord.Prune).Before)
	}
	if len(fx.Replies) > 0 {
		return fx.Replies[0].Response
	}
	return nil
}

// state is what a client can find out, and what would be written next.
func (w *world) state() string {
	out := ""
	for _, k := range w.shard.keys() {
		st := w.shard.byKey[k]
		out += fmt.Sprintf("%s %x %d: %+v updates %d\n", k.Group, k.TopicID[0], k.Partition, st.Snapshot, st.updates)
	}
	return out
}

func one(id byte, partition int32) TopicPartition {
	return TopicPartition{TopicID: [16]byte{id}, Partition: partition}
}

// TestReplayIsTheState: whatever happens, loading what is left of the log gives the same state.
func TestReplayIsTheState(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		group := rapid.SampledFrom([]string{"g", "h"})
		part := rapid.Custom(func(t *rapid.T) TopicPartition {
			return one(rapid.ByteRange(1, 2).Draw(t, "topic"), rapid.Int32Range(-1, 3).Draw(t, "partition"))
		})
		epoch := rapid.Int32Range(-1, 4)
		t.Repeat(map[string]func(*rapid.T){
			"initialize": func(t *rapid.T) {
				w.step(Initialize{Group: group.Draw(t, "group"), Partitions: []InitializePartition{
					{part.Draw(t, "part"), epoch.Draw(t, "epoch"), rapid.Int64Range(-1, 20).Draw(t, "start")},
				}})
			},
			"write": func(t *rapid.T) {
				w.step(Write{Group: group.Draw(t, "group"), Partitions: []WritePartition{{
					TopicPartition: part.Draw(t, "part"), StateEpoch: epoch.Draw(t, "state epoch"), LeaderEpoch: epoch.Draw(t, "leader epoch"),
					StartOffset: rapid.Int64Range(-1, 30).Draw(t, "start"), DeliveryCompleteCount: rapid.Int32Range(-1, 9).Draw(t, "complete"), Batches: drawBatches(t, 40),
				}}})
			},
			"read": func(t *rapid.T) {
				p := ReadPartition{part.Draw(t, "part"), epoch.Draw(t, "epoch")}
				g := group.Draw(t, "group")
				r := w.step(Read{Group: g, Partitions: []ReadPartition{p}}).([]ReadResult)[0]
				s := w.step(ReadSummary{Group: g, Partitions: []ReadPartition{p}}).([]SummaryResult)[0]
				if r.Err == nil && (s.Err != nil || s.StartOffset != r.StartOffset || s.StateEpoch != r.StateEpoch) {
					t.Fatalf("%+v and %+v", r, s)
				}
				if r.Err == nil {
					checkBatches(t, r.Batches, r.StartOffset)
				}
			},
			"delete": func(t *rapid.T) {
				w.step(Delete{Group: group.Draw(t, "group"), Partitions: []TopicPartition{part.Draw(t, "part")}})
			},
			"topic deleted": func(t *rapid.T) {
				if rapid.IntRange(0, 9).Draw(t, "really") == 0 {
					id := [16]byte{rapid.ByteRange(1, 2).Draw(t, "topic")}
					w.gone[id] = true
					w.step(TopicsDeleted{IDs: [][16]byte{id}})
				}
			},
			"time": func(t *rapid.T) {
				w.now = w.now.Add(time.Duration(rapid.IntRange(1, 200).Draw(t, "seconds")) * time.Second)
				w.step(Tick{})
			},
			"": func(t *rapid.T) {
				before := w.state()
				again := &world{settings: w.settings, now: w.now, gone: w.gone, log: w.log, start: w.start}
				again.load()
				if after := again.state(); after != before {
					t.Fatalf("state:\n%s\nafter a load of %d to %d:\n%s", before, w.start, len(w.log), after)
				}
				for k := range w.shard.byKey {
					if w.gone[k.TopicID] {
						t.Fatalf("%+v is of a topic that is gone", k)
					}
				}
			},
		})
	})
}

// TestLogIsCutOff: a log whose share-partitions are written to, or not any more, does not grow for ever.
func TestLogIsCutOff(t *testing.T) {
	w := newWorld()
	for p := range int32(3) {
		w.step(Initialize{Group: "g", Partitions: []InitializePartition{{one(1, p), 1, 0}}})
	}
	for i := range 500 {
		w.now = w.now.Add(10 * time.Second)
		w.step(Tick{})
		// Partition 2 is never written to again.
		w.step(Write{Group: "g", Partitions: []WritePartition{
			{TopicPartition: one(1, int32(i%2)), StateEpoch: 1, StartOffset: int64(i), DeliveryCompleteCount: 0},
		}})
		if left := int64(len(w.log)) - w.start; left > 150 {
			t.Fatalf("%d records are kept after %d writes", left, i)
		}
	}
	w.load()
	r := w.step(Read{Group: "g", Partitions: []ReadPartition{{one(1, 0), -1}, {one(1, 2), -1}}}).([]ReadResult)
	if r[0].StartOffset != 498 || r[1].StartOffset != 0 || r[1].Err != nil {
		t.Fatalf("%+v", r)
	}
}

func TestFencing(t *testing.T) {
	w := newWorld()
	tp := one(1, 0)
	code := func(r any) *kerr.Error {
		switch r := r.(type) {
		case []Result:
			return r[0].Err
		case []ReadResult:
			return r[0].Err
		}
		panic(fmt.Sprintf("%T", r))
	}
	write := func(state, leader int32) *kerr.Error {
		return code(w.step(Write{Group: "g", Partitions: []WritePartition{{TopicPartition: tp, StateEpoch: state, LeaderEpoch: leader, StartOffset: NoOffset}}}))
	}
	read := func(leader int32) *kerr.Error {
		return code(w.step(Read{Group: "g", Partitions: []ReadPartition{{tp, leader}}}))
	}
	initialize := func(state int32) *kerr.Error {
		return code(w.step(Initialize{Group: "g", Partitions: []InitializePartition{{tp, state, 7}}}))
	}
	var got []*kerr.Error
	note := func(e ...*kerr.Error) { got = append(got, e...) }
	note(write(1, 0), read(0))                                                 // nothing there
	note(initialize(2), initialize(1), initialize(2))                          // an older epoch
	note(read(5), read(4), write(2, 5), write(2, 4), write(1, 5), write(3, 6)) // older leaders, older states
	note(initialize(4), write(3, 5), write(4, 4), write(4, 5))                 // what fenced leaders stays
	want := []*kerr.Error{
		kerr.InvalidRequest, kerr.InvalidRequest,
		nil, kerr.FencedStateEpoch, nil,
		nil, kerr.FencedLeaderEpoch, nil, kerr.FencedLeaderEpoch, kerr.FencedStateEpoch, nil,
		nil, kerr.FencedStateEpoch, kerr.FencedLeaderEpoch, nil,
	}
	if !slices.Equal(got, want) {
		t.Fatalf("%v\nnot\n%v", got, want)
	}
}

func TestStateIsBounded(t *testing.T) {
	w := newWorld()
	w.settings.MaxRecordBytes = 1000
	w.shard.Step(w.now, Configure{w.settings})
	w.step(Initialize{Group: "g", Partitions: []InitializePartition{{one(1, 0), 1, 0}}})
	refused := 0
	for i := range int64(200) {
		r := w.step(Write{Group: "g", Partitions: []WritePartition{{
			TopicPartition: one(1, 0), StateEpoch: 1, StartOffset: NoOffset, Batches: []StateBatch{{First: 3 * i, Last: 3 * i, State: Acknowledged, DeliveryCount: 1}},
		}}}).([]Result)
		if r[0].Err == kerr.InvalidRequest {
			refused++
		}
	}
	for _, r := range w.log {
		if r.Size() > 1000 {
			t.Fatalf("a record of %d bytes", r.Size())
		}
	}
	if refused == 0 || refused == 200 {
		t.Fatalf("%d of 200 writes are refused", refused)
	}
}
