package engine

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"leat.dev/internal/base/clock"
	"leat.dev/streams/internal/state"
	"leat.dev/streams/internal/topology"
)

// applying is a task that remembers which records it was given.
type applying struct {
	Task
	offsets []int64
	kept    map[TopicPartition]int64
}

func (a *applying) Restore(_ string, in []In) error {
	for i := range in {
		a.offsets = append(a.offsets, in[i].Offset)
	}
	return nil
}

func (a *applying) Committed(positions map[TopicPartition]int64) error {
	a.kept = positions
	return nil
}

// testLane is a lane that no goroutine runs.
func testLane(t interface{ Fatal(args ...any) }, clk clock.Clock) (*lane, func()) {
	app := New(&Program{ApplicationID: "app", Topology: &topology.Topology{}}, Options{Clock: clk})
	p := &process{app: app}
	r := &restorer{p: p, tasks: map[*runningTask]*restoring{}, troubles: map[TaskID]*trouble{}}
	l := newLane(r)
	r.lanes = []*lane{newLane(r), l}
	l.quiet = true
	client, err := kgo.NewClient(kgo.SeedBrokers("127.0.0.1:1")) // it is never asked anything
	if err != nil {
		t.Fatal(err)
	}
	l.client = client
	return l, client.Close
}

// TestStandbyOfSourceTopic: a standby whose changelog is a source topic applies each record once, in order, and none that
// the owner has not committed yet, however fetches are cut and repeated.
func TestStandbyOfSourceTopic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, closeLane := testLane(t, clock.System)
		defer closeLane()
		var records []*kgo.Record
		offset := int64(0)
		for range rapid.IntRange(1, 60).Draw(t, "records") {
			offset += rapid.Int64Range(1, 3).Draw(t, "gap") // compaction leaves gaps
			records = append(records, &kgo.Record{Topic: "in", Offset: offset - 1, Key: []byte("k"), Value: []byte("v")})
		}
		task := &applying{}
		tp := TopicPartition{"in", 0}
		log := &restoreLog{tp: tp, store: "s", source: true}
		g := &restoring{task: &runningTask{task: task}, standby: true, logs: map[TopicPartition]*restoreLog{tp: log}}
		check := func() {
			var want []int64
			for _, r := range records {
				if r.Offset < log.limit {
					want = append(want, r.Offset)
				}
			}
			if n := len(task.offsets); n > len(want) || !slices.Equal(task.offsets, want[:n]) {
				t.Fatalf("applied %v, up to %d there are %v", task.offsets, log.limit, want)
			}
			if next := log.next.Load(); next > log.limit {
				t.Fatalf("the position is %d, behind what is committed, %d", next, log.limit)
			}
		}
		sent := 0
		for len(task.offsets) < len(records) {
			if rapid.Bool().Draw(t, "commits") || sent == len(records) {
				limit := min(offset, log.limit+rapid.Int64Range(1, 20).Draw(t, "more"))
				if err := l.raise(g, log, limit); err != nil {
					t.Fatal(err)
				}
			} else {
				from := max(0, sent-rapid.IntRange(0, 5).Draw(t, "again")) // a partition that was paused is fetched again
				to := min(len(records), sent+rapid.IntRange(1, 15).Draw(t, "fetched"))
				batch, next := l.take(g, log, records[from:to])
				if err := l.restore(g, log, batch, next); err != nil {
					t.Fatal(err)
				}
				sent = to
			}
			check()
		}
		if err := l.keep(g); err != nil || task.kept[tp] != log.next.Load() {
			t.Fatalf("kept %v, the position is %d: %v", task.kept, log.next.Load(), err)
		}
	})
}

// TestRestoreEnds: an active task applies what there was when it began, and is complete also when the last offsets are those
// of records that were left out.
func TestRestoreEnds(t *testing.T) {
	l, closeLane := testLane(t, clock.System)
	defer closeLane()
	task := &applying{}
	tp := TopicPartition{"log", 0}
	log := &restoreLog{tp: tp, store: "s"}
	log.end.Store(7)
	g := &restoring{task: &runningTask{task: task}, logs: map[TopicPartition]*restoreLog{tp: log}}
	records := []*kgo.Record{{Offset: 0}, {Offset: 2}, {Offset: 4}, {Offset: 9}}
	batch, next := l.take(g, log, records)
	if err := l.restore(g, log, batch, next); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(task.offsets, []int64{0, 2, 4}) || log.next.Load() != 7 || g.missing() != 0 {
		t.Fatalf("applied %v, position %d", task.offsets, log.next.Load())
	}
}

// TestTrouble: waits grow up to a limit, corrupt state is tried at once and removed, and other errors are none of the disk's.
func TestTrouble(t *testing.T) {
	now := clock.NewManual(time.UnixMilli(1_000_000))
	l, closeLane := testLane(t, now)
	defer closeLane()
	r, id := l.r, TaskID{1, 2}
	full := fmt.Errorf("node n: %w", &state.Error{Task: "1_2", Op: "commit", Err: state.ErrNoSpace})
	if task, ok := ofDisk(full); !ok || task != "1_2" {
		t.Fatalf("a full disk: %q %v", task, ok)
	}
	for _, err := range []error{errors.New("other"), &state.Error{Task: "1_2", Err: state.ErrTooLarge}, &state.Error{Task: "1_2", Err: state.ErrClosed}} {
		if _, ok := ofDisk(err); ok {
			t.Errorf("%v is taken for the disk's", err)
		}
	}
	last := time.Duration(0)
	for range 10 {
		r.note(id, full)
		wait := r.delay(id)
		if wait < last || wait > troubleWaitMax || wait < troubleWaitMin {
			t.Fatalf("a wait of %v after %v", wait, last)
		}
		last = wait
		now.Advance(wait)
		if r.delay(id) > 0 {
			t.Fatal("it waits for longer than it said")
		}
	}
	if last != troubleWaitMax {
		t.Errorf("the last wait is %v", last)
	}
	now.Advance(2 * troubleForget)
	r.note(id, &state.Error{Task: "1_2", Err: state.ErrCorrupt})
	if r.delay(id) > 0 || !r.troubles[id].remove {
		t.Error("state that is corrupt waits, or is not to be removed")
	}
}

// TestBudget: inputs that hold something stop above the budget, others do not.
func TestBudget(t *testing.T) {
	p := &process{app: New(&Program{Topology: &topology.Topology{}, Settings: Settings{BufferedPerInput: math.MaxInt32}}, Options{}), budget: budget{max: 100}}
	p.budget.add(101)
	if !p.full(1, 1) || p.full(0, 0) {
		t.Error("above the budget")
	}
	p.budget.add(-1)
	if p.full(1, 1) {
		t.Error("at the budget")
	}
	p.budget.max = 0
	p.budget.set(1 << 40)
	if p.full(1, 1) {
		t.Error("without a budget")
	}
}
