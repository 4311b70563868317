package streams

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"leat.dev/streams/internal/state"
	"leat.dev/streams/internal/topology"
)

// A modelled store is any of the typed stores under keys of one shape. The model is a map of texts.
type modelled[V any] interface {
	put(key int, v V, at Time, ok bool) error
	get(key int) (v V, at Time, ok bool, err error)
	scanSome(from, to int, reverse bool) ([]string, error) // keys and values
	listen(f func(key int, c change[V], at Time))
	task() *storeTask
	reopen(t *rapid.T, e *storeTask) modelled[V]
}

// values of a store that is modelled: how to make and to show them, and what somebody may do to one that came out of it.
type modelValues[V any] struct {
	vs    Serde[V]
	of    func(n int) V
	text  func(v V) string
	spoil func(v V)
}

var modelInts = modelValues[int64]{Int64, func(n int) int64 { return int64(n) }, func(v int64) string { return fmt.Sprint(v) }, func(int64) {}}

// modelLists hold references: whoever changes one in place must change nothing else.
var modelLists = modelValues[[]int64]{
	List(Int64), func(n int) []int64 { return []int64{int64(n), int64(n + 1)} }, func(v []int64) string { return fmt.Sprint(v) },
	func(v []int64) { v[0] = -1 },
}

const modelKeys = 8

func modelKey(n int) string { return []string{"", "a", "aa", "ab", "b", "ba", "c", "\xff"}[n] }

type modelledTable[V any] struct {
	e    *storeTask
	spec topology.Store
	s    *tableStore[string, V]
}

func (m *modelledTable[V]) put(key int, v V, at Time, ok bool) error {
	return m.s.put(modelKey(key), v, at, ok, nil)
}
func (m *modelledTable[V]) get(key int) (V, Time, bool, error) { return m.s.get(modelKey(key)) }

func (m *modelledTable[V]) scanSome(from, to int, reverse bool) (out []string, err error) {
	a, b := modelKey(from), modelKey(to)
	r := m.s.scan(&a, &b, reverse)
	for r.next() {
		out = append(out, fmt.Sprintf("%q %v @%d", r.key, r.value, r.at))
	}
	return out, r.close()
}

func (m *modelledTable[V]) listen(f func(int, change[V], Time)) {
	m.s.onFlush(func(r *Record[string, change[V]]) error {
		f(slices.IndexFunc([]int{0, 1, 2, 3, 4, 5, 6, 7}, func(n int) bool { return modelKey(n) == r.Key }), r.Value, r.Time)
		return nil
	}, true)
}
func (m *modelledTable[V]) task() *storeTask { return m.e }

func (m *modelledTable[V]) reopen(t *rapid.T, e *storeTask) modelled[V] {
	s := m.spec
	if err := e.openStore(&s); err != nil {
		t.Fatal(err)
	}
	return &modelledTable[V]{e, m.spec, e.stores[s.Name].(*tableStore[string, V])}
}

// modelledWindow has the keys of the model as windows of two keys.
type modelledWindow[V any] struct {
	e    *storeTask
	spec topology.Store
	s    *windowStore[string, V]
}

func modelWindow(n int) (string, Time) { return "kl"[n/4 : n/4+1], Time(n % 4 * 10) }

func (m *modelledWindow[V]) put(key int, v V, at Time, ok bool) error {
	k, start := modelWindow(key)
	return m.s.put(k, start, v, at, ok, nil)
}

func (m *modelledWindow[V]) get(key int) (V, Time, bool, error) {
	k, start := modelWindow(key)
	return m.s.fetch(k, start)
}

func (m *modelledWindow[V]) scanSome(from, to int, reverse bool) (out []string, err error) {
	for key := range 2 {
		lo, hi := max(from, key*4), min(to, key*4+3)
		if reverse {
			lo, hi = max(from, (1-key)*4), min(to, (1-key)*4+3)
		}
		if lo > hi {
			continue
		}
		k, a := modelWindow(lo)
		_, b := modelWindow(hi)
		r := m.s.scan(k, a, b, reverse)
		for r.next() {
			out = append(out, fmt.Sprintf("%q %v @%d", modelName(m.name(r.key)), r.value, r.at))
		}
		if err := r.close(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (m *modelledWindow[V]) name(w Windowed[string]) int {
	return int(w.Key[0]-'k')*4 + int(w.Start)/10
}

func modelName(n int) string { return fmt.Sprint("window ", n) }

func (m *modelledWindow[V]) listen(f func(int, change[V], Time)) {
	m.s.onFlush(func(r *Record[Windowed[string], change[V]]) error {
		f(m.name(r.Key), r.Value, r.Time)
		return nil
	}, true)
}
func (m *modelledWindow[V]) task() *storeTask { return m.e }

func (m *modelledWindow[V]) reopen(t *rapid.T, e *storeTask) modelled[V] {
	s := m.spec
	if err := e.openStore(&s); err != nil {
		t.Fatal(err)
	}
	return &modelledWindow[V]{e, m.spec, e.stores[s.Name].(*windowStore[string, V])}
}

type modelRow struct {
	text string
	at   Time
}

// runModel does random things to a store and to a map, and compares.
func runModel[V any](t *rapid.T, vals modelValues[V], window bool, db *state.DB, id string) {
	budget := rapid.SampledFrom([]int64{0, 100, 300, 10 << 20}).Draw(t, "cache")
	p := storeSpec{name: "s", cached: rapid.Bool().Draw(t, "cached"), headers: rapid.Bool().Draw(t, "headers")}
	newTask := func() *storeTask {
		st, err := db.Task(id)
		if err != nil {
			t.Fatal(err)
		}
		return taskOn(st, budget)
	}
	var m modelled[V] = &modelledTable[V]{spec: p.table(String, vals.vs)}
	name := func(n int) string { return modelKey(n) }
	if window {
		m = &modelledWindow[V]{spec: p.window(String, vals.vs, 10*time.Millisecond, time.Hour)}
		name = modelName
	}
	model := map[int]modelRow{}     // what reads show
	forwarded := map[int]modelRow{} // what those downstream know
	var logged *storeTask           // has all that was ever sent
	begin := func(e *storeTask) {
		m = m.reopen(t, e)
		m.listen(func(key int, c change[V], at Time) {
			old, had := forwarded[key]
			if had != c.HasOld || had && vals.text(c.Old) != old.text {
				t.Fatalf("change of %d has old %v %v, known was %v %v", key, c.HasOld, vals.text(c.Old), had, old.text)
			}
			if !c.HasNew && !had {
				t.Fatalf("nothing became nothing for %d", key)
			}
			delete(forwarded, key)
			if c.HasNew {
				forwarded[key] = modelRow{vals.text(c.New), at}
				vals.spoil(c.New)
			}
			if c.HasOld {
				vals.spoil(c.Old)
			}
		})
	}
	begin(newTask())
	defer func() { _ = m.task().st.Close() }()
	logged = m.task()
	commit := func() {
		check2(t, m.task().Flush())
		check2(t, m.task().Committed(nil))
	}
	key := rapid.IntRange(0, modelKeys-1)
	serial := 0
	t.Repeat(map[string]func(*rapid.T){
		"put": func(t *rapid.T) {
			k, at := key.Draw(t, "k"), Time(rapid.IntRange(0, 99).Draw(t, "at"))
			serial++
			v := vals.of(serial)
			m.task().at(at, int64(serial))
			check2(t, m.put(k, v, at, true))
			model[k] = modelRow{vals.text(v), at}
			vals.spoil(v)
		},
		"delete": func(t *rapid.T) {
			k := key.Draw(t, "k")
			var none V
			check2(t, m.put(k, none, 5, false))
			delete(model, k)
		},
		"get": func(t *rapid.T) {
			k := key.Draw(t, "k")
			v, at, ok, err := m.get(k)
			check2(t, err)
			want, had := model[k]
			if ok != had || ok && (vals.text(v) != want.text || at != want.at) {
				t.Fatalf("%q is %v %v@%d, want %v %v", name(k), ok, vals.text(v), at, had, want)
			}
			if ok {
				vals.spoil(v)
			}
		},
		"scan": func(t *rapid.T) {
			a, b := key.Draw(t, "from"), key.Draw(t, "to")
			reverse := rapid.Bool().Draw(t, "reverse")
			got, err := m.scanSome(a, b, reverse)
			check2(t, err)
			var want []string
			for _, k := range slices.Sorted(maps.Keys(model)) {
				if k >= a && k <= b {
					want = append(want, fmt.Sprintf("%q %s @%d", name(k), model[k].text, model[k].at))
				}
			}
			if reverse {
				slices.Reverse(want)
			}
			if !slices.Equal(got, want) {
				t.Fatalf("scan gave %q, want %q", got, want)
			}
		},
		"commit": func(t *rapid.T) {
			commit()
			if m.task().stores["s"].(interface{ isCached() bool }).isCached() && !maps.Equal(model, forwarded) {
				t.Fatalf("forwarded %v, have %v", forwarded, model)
			}
		},
		"reopen": func(t *rapid.T) {
			commit()
			sent := m.task().sent
			check2(t, m.task().st.Close())
			begin(newTask())
			m.task().sent = sent
			logged = m.task()
		},
		"restore": func(t *rapid.T) {
			commit()
			memory := state.Memory()
			st, err := memory.Task("0_0")
			check2(t, err)
			other := m.reopen(t, taskOn(st, budget))
			replayTo(t, other.task(), logged, "s")
			got, want := rowTexts(t, other.task().stores["s"]), rowTexts(t, m.task().stores["s"])
			if !slices.Equal(got, want) {
				t.Fatalf("restored %q, have %q", got, want)
			}
			check2(t, st.Close())
			check2(t, memory.Close())
		},
	})
}

func check2(t *rapid.T, err error) {
	if err != nil {
		t.Fatal(err)
	}
}

func rowTexts(t *rapid.T, store any) (out []string) {
	check2(t, store.(rowLister).listRows(func(key, value any, at Time) {
		out = append(out, fmt.Sprint(key, "=", value, "@", int64(at)))
	}))
	return out
}

func (c *cells[K, V]) isCached() bool { return c.cached }

func TestTableModel(t *testing.T) { checkModel(t, modelInts, false, state.Memory()) }

func TestTableOfReferencesModel(t *testing.T) { checkModel(t, modelLists, false, state.Memory()) }

func TestWindowModel(t *testing.T) { checkModel(t, modelInts, true, state.Memory()) }

func TestWindowOfReferencesModel(t *testing.T) { checkModel(t, modelLists, true, state.Memory()) }

func TestTableModelOnDisk(t *testing.T) { checkModel(t, modelLists, false, onDisk(t)) }

func TestWindowModelOnDisk(t *testing.T) { checkModel(t, modelInts, true, onDisk(t)) }

// checkModel runs the model many times, each as another task of one database.
func checkModel[V any](t *testing.T, vals modelValues[V], window bool, db *state.DB) {
	defer func() { check(t, db.Close()) }()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		runModel(t, vals, window, db, fmt.Sprint("0_", n))
	})
}

func onDisk(t *testing.T) *state.DB {
	db, err := state.Open(t.TempDir(), state.Options{CacheBytes: 1 << 20, MemtableMiB: 1, Durability: state.Unlogged})
	check(t, err)
	return db
}
