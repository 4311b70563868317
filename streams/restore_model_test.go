package streams

import (
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"leat.dev/streams/internal/engine"
	"leat.dev/streams/internal/state"
	"leat.dev/streams/internal/topology"
)

// restoredTask is a task on disk that is being restored, by a process that may die.
type restoredTask struct {
	t    *rapid.T
	spec topology.Store
	fs   state.CrashFS
	db   *state.DB
	e    *storeTask
	next int64
}

const restoredLog = "app-s-changelog"

func (r *restoredTask) open() {
	db, err := state.Open("state", state.Options{FS: r.fs, MemtableMiB: 1, CacheBytes: 1 << 20, Logger: slog.New(slog.DiscardHandler)})
	check2(r.t, err)
	r.db = db
	st, err := db.Task("0_0")
	check2(r.t, err)
	r.typed(st)
	r.next = st.Offsets()[restoredLog+"-0"]
}

// typed opens the stores on a state, which may be open from before.
func (r *restoredTask) typed(st *state.Task) {
	r.e = taskOn(st, 1<<20)
	spec := r.spec
	check2(r.t, r.e.openStore(&spec))
}

func (r *restoredTask) close() {
	check2(r.t, r.e.task.st.Close())
	check2(r.t, r.db.Close())
}

func (r *restoredTask) commit() {
	check2(r.t, r.e.Committed(map[engine.TopicPartition]int64{{Topic: restoredLog}: r.next}))
}

// crash leaves what a machine without power finds.
func (r *restoredTask) crash(seed uint64) {
	after := r.fs.Crash(seed)
	r.close()
	r.fs = after
	r.open()
}

// TestRestoreInterrupted: a restore that is interrupted anywhere, by commits, crashes, changes between standby and active,
// queries and bulk writing turned on and off, ends with what a restore in one piece has.
func TestRestoreInterrupted(t *testing.T) {
	kinds := map[string]struct {
		spec topology.Store
		fill func(t *rapid.T, e *storeTask)
	}{
		"table": {storeSpec{name: "s"}.table(String, Int64), func(t *rapid.T, e *storeTask) {
			s := e.stores["s"].(*tableStore[string, int64])
			for i := range rapid.IntRange(0, 200).Draw(t, "records") {
				k, n := rapid.SampledFrom([]string{"", "a", "b", "bb", "c", "\xff"}).Draw(t, "k"), int64(i)
				e.at(Time(i), n)
				check2(t, s.put(k, n, Time(i), rapid.IntRange(0, 3).Draw(t, "keeps") > 0, nil))
			}
		}},
		"window": {storeSpec{name: "s"}.window(String, Int64, time.Minute, time.Hour), func(t *rapid.T, e *storeTask) {
			s := e.stores["s"].(*windowStore[string, int64])
			at := Time(0)
			for i := range rapid.IntRange(0, 200).Draw(t, "records") {
				at += Time(rapid.SampledFrom([]int64{0, 1000, 60_000, 1_800_000}).Draw(t, "step"))
				k, n := rapid.SampledFrom([]string{"a", "b", "bb"}).Draw(t, "k"), int64(i)
				e.at(at, n)
				start := max(0, at-Time(rapid.Int64Range(0, 100_000).Draw(t, "ago"))) / 1000 * 1000
				check2(t, s.put(k, start, n, at, rapid.IntRange(0, 3).Draw(t, "keeps") > 0, nil))
			}
		}},
	}
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				memory := state.Memory()
				newTask := func(id string) *storeTask {
					st, err := memory.Task(id)
					check2(t, err)
					e, spec := taskOn(st, 1<<20), kind.spec
					check2(t, e.openStore(&spec))
					return e
				}
				origin := newTask("0_0")
				kind.fill(t, origin)
				straight := newTask("0_1")
				replayTo(t, straight, origin, "s")
				var log []engine.In
				for i, o := range origin.sent {
					log = append(log, engine.In{Topic: restoredLog, Offset: int64(i), Time: o.Time, Key: o.Key, Value: o.Value, Headers: o.Headers})
				}
				r := &restoredTask{t: t, spec: kind.spec, fs: state.NewCrashFS()}
				r.open()
				restoreAnyhow(t, r, log)
				if got, want := rowTexts(t, r.e.stores["s"]), rowTexts(t, straight.stores["s"]); !slices.Equal(got, want) {
					t.Fatalf("restored %q, in one piece %q", got, want)
				}
				r.close()
				check2(t, memory.Close())
			})
		})
	}
}

func restoreAnyhow(t *rapid.T, r *restoredTask, log []engine.In) {
	crashes := 0
	for r.next < int64(len(log)) {
		switch rapid.IntRange(0, 9).Draw(t, "what") {
		case 0:
			if crashes++; crashes < 5 {
				r.crash(rapid.Uint64().Draw(t, "seed"))
			}
		case 1: // a standby that becomes active, or an active task that becomes one
			r.commit()
			check2(t, r.e.Close(false))
			r.typed(r.e.task.st)
		case 2:
			r.commit()
		case 3:
			check2(t, r.e.task.st.Collect(rapid.Bool().Draw(t, "bulk")))
		case 4:
			rowTexts(t, r.e.stores["s"]) // a query
		default:
			n := min(int64(len(log)), r.next+rapid.Int64Range(1, 40).Draw(t, "batch"))
			check2(t, r.e.Restore("s", log[r.next:n]))
			r.next = n
		}
	}
	r.commit()
}

// BenchmarkRestore restores a table of records of about 100 bytes, whose keys come in no order, into a new store.
func BenchmarkRestore(b *testing.B) {
	const records, batch = 1_000_000, 20_000
	spec := storeSpec{name: "s"}.table(String, String)
	in := make([]engine.In, records)
	value := make([]byte, 80)
	for i := range in {
		in[i] = engine.In{Topic: restoredLog, Offset: int64(i), Time: int64(i), Key: fmt.Appendf(nil, "customer-%010d", uint32(i)*2654435761), Value: value}
	}
	b.ResetTimer()
	for range b.N {
		db, err := state.Open(b.TempDir(), state.Options{})
		check(b, err)
		e := newStoreTask(b, db, 1<<20)
		openIn[*tableStore[string, string]](b, e, spec)
		check(b, e.task.st.Collect(true))
		for i := 0; i < records; i += batch {
			check(b, e.Restore("s", in[i:i+batch]))
			if e.task.st.PendingBytes() > 32<<20 {
				check(b, e.Committed(map[engine.TopicPartition]int64{{Topic: restoredLog}: int64(i + batch)}))
			}
		}
		check(b, e.Committed(map[engine.TopicPartition]int64{{Topic: restoredLog}: records}))
		b.StopTimer()
		check(b, db.Close())
		b.StartTimer()
	}
	b.ReportMetric(float64(b.N)*records/b.Elapsed().Seconds(), "records/s")
}
