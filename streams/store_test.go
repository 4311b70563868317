package streams

import (
	"fmt"
	"slices"
	"testing"

	"leat.dev/streams/internal/engine"
	"leat.dev/streams/internal/state"
	"leat.dev/streams/internal/topology"
)

// storeTask is a task that has stores and nothing else.
type storeTask struct {
	*task
	sent []engine.Out
}

func (e *storeTask) Send(o *engine.Out) error {
	out := *o
	out.Key, out.Value = slices.Clone(o.Key), slices.Clone(o.Value)
	out.Headers = engineHeaders(headersOf(o.Headers).clone())
	e.sent = append(e.sent, out)
	return nil
}

func (*storeTask) Partitions(string) (int, error)           { return 1, nil }
func (*storeTask) Now() int64                               { return 0 }
func (*storeTask) Count(engine.Metric, string, int64)       {}
func (e *storeTask) EndOffset(string, int32) (int64, error) { return 0, nil }

func newStoreTask(t testing.TB, db *state.DB, cacheBytes int64) *storeTask {
	t.Helper()
	st, err := db.Task("0_0")
	if err != nil {
		t.Fatal(err)
	}
	e := taskOn(st, cacheBytes)
	t.Cleanup(func() { _ = e.task.st.Close() })
	return e
}

func taskOn(st *state.Task, cacheBytes int64) *storeTask {
	c := newConfig(nil)
	c.CacheBytes = cacheBytes
	e := &storeTask{}
	e.task = blankTask(&program{appID: "app", settings: c.Settings, config: c}, engine.TaskID{}, e, st)
	e.inputs = engine.NewInputs(nil, 0, nil)
	return e
}

// openIn opens a store in a task.
func openIn[S any](t testing.TB, e *storeTask, s topology.Store) S {
	t.Helper()
	if err := e.openStore(&s); err != nil {
		t.Fatal(err)
	}
	return e.stores[s.Name].(S)
}

// at sets the record in hand.
func (e *storeTask) at(time Time, offset int64, h ...Header) {
	e.rc = recordContext{topic: "in", offset: offset, time: time, headers: h}
}

// replayTo restores a store from what another one logged.
func replayTo(t interface{ Fatal(args ...any) }, to, from *storeTask, store string) {
	var in []engine.In
	for _, o := range from.sent {
		if o.Topic == "app-"+store+"-changelog" {
			in = append(in, engine.In{Topic: o.Topic, Offset: int64(len(in)), Time: o.Time, Key: o.Key, Value: o.Value, Headers: o.Headers})
		}
	}
	if err := to.Restore(store, in); err != nil {
		t.Fatal(err)
	}
}

// contents are all rows of a store as text.
func contents(t testing.TB, store any) (out []string) {
	t.Helper()
	err := store.(rowLister).listRows(func(key, value any, at Time) {
		out = append(out, fmt.Sprint(key, "=", value, "@", int64(at)))
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
