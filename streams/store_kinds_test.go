package streams

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"leat.dev/streams/internal/codec"
	"leat.dev/streams/internal/state"
	"leat.dev/streams/internal/topology"
)

// restored opens the store again, empty, and restores it from what the first one logged.
func restored[S any](t *testing.T, e *storeTask, s topology.Store) S {
	t.Helper()
	check(t, e.Flush())
	other := newStoreTask(t, state.Memory(), 1<<20)
	store := openIn[S](t, other, s)
	replayTo(t, other, e, s.Name)
	return store
}

func TestBufferKeepsPlacesAndComesBack(t *testing.T) {
	value := func(s string) []byte {
		return codec.AppendBufferValue(nil, &codec.BufferValue[Header]{Context: codec.Context[Header]{Topic: "in"}, New: []byte(s)})
	}
	drain := func(b *bufferStore) (out string) {
		for {
			at, key, v, ok, err := b.head()
			check(t, err)
			if !ok {
				return out
			}
			entry, _, err := codec.CutBufferValue[Header](v)
			check(t, err)
			out += fmt.Sprintf(" %d:%s=%s", at, key, entry.New)
			check(t, b.pop())
		}
	}
	for _, c := range []struct {
		name, want string
		spec       topology.Store
		logged     int
	}{
		{"suppress", " 3:b=2 5:a=3", storeSpec{name: "s"}.suppressBuffer(), 3},
		{"grace", " 3:b=2 5:a=1 7:a=3", storeSpec{name: "s"}.graceBuffer(), 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newStoreTask(t, state.Memory(), 0)
			b := openIn[*bufferStore](t, e, c.spec)
			check(t, b.put(5, []byte("a"), value("1")))
			check(t, b.put(3, []byte("b"), value("2")))
			check(t, b.put(7, []byte("a"), value("3")))
			check(t, b.put(1, []byte("gone"), value("4")))
			check(t, b.pop())
			again := restored[*bufferStore](t, e, c.spec)
			if len(e.sent) != c.logged || e.sent[0].Time != int64(noTime) {
				t.Errorf("%d records were logged: %+v", len(e.sent), e.sent)
			}
			if again.count() != b.count() || again.size() != b.size() {
				t.Errorf("%d of %d bytes came back, of %d of %d bytes", again.count(), again.size(), b.count(), b.size())
			}
			if got := drain(b); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if got := drain(again); got != c.want {
				t.Errorf("restored %s, want %s", got, c.want)
			}
		})
	}
}

func TestOuterStoreListsOfBothSides(t *testing.T) {
	e := newStoreTask(t, state.Memory(), 0)
	spec := storeSpec{name: "s"}.outer(String, String, Int64)
	s := openIn[*outerStore[string, string, int64]](t, e, spec)
	check(t, s.putLeft("k", 5, "one"))
	check(t, s.putLeft("k", 5, "two"))
	check(t, s.putRight("k", 5, 7))
	check(t, s.putLeft("j", 4, "gone"))
	check(t, s.remove("j", 4, codec.Left))
	check(t, s.remove("never", 4, codec.Left))
	want := []string{"k=7@5", "k=one@5", "k=two@5"}
	if got := contents(t, s); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if len(e.sent) != 5 {
		t.Errorf("%d records were logged, want 5: removing what is not there is none", len(e.sent))
	}
	again := restored[*outerStore[string, string, int64]](t, e, spec)
	if got := contents(t, again); !slices.Equal(got, want) {
		t.Errorf("restored %q, want %q", got, want)
	}
	r := again.scan()
	for r.next() {
		if r.last {
			check(t, r.remove())
		}
	}
	check(t, r.close())
	if got := contents(t, again); len(got) != 0 {
		t.Errorf("%q is left after all was removed", got)
	}
}

func TestVersionedStore(t *testing.T) {
	e := newStoreTask(t, state.Memory(), 0)
	spec := storeSpec{name: "s"}.versioned(String, String, time.Minute)
	s := openIn[*versionedStore[string, string]](t, e, spec)
	for _, p := range []struct {
		v              string
		at             Time
		stored, latest bool
	}{{"a", 10, true, true}, {"c", 30, true, true}, {"b", 20, true, false}, {"", 40, true, true}, {"far", 100_000, true, true}, {"old", 1, false, false}} {
		stored, latest, err := s.put("k", p.v, p.at, p.v != "", nil)
		check(t, err)
		if stored != p.stored || latest != p.latest && p.stored {
			t.Errorf("%q at %d: stored %v, latest %v", p.v, p.at, stored, latest)
		}
	}
	if len(e.sent) != 6 {
		t.Errorf("%d records were logged, want all 6", len(e.sent))
	}
	for _, s := range []*versionedStore[string, string]{s, restored[*versionedStore[string, string]](t, e, spec)} {
		kv := &versionedKV[string, string]{s: s}
		var all []string
		for v := range kv.Versions("k", 0, Forever-1) {
			all = append(all, fmt.Sprint(v.Value, " from ", int64(v.From)))
		}
		check(t, kv.Err())
		if len(all) == 0 || all[0] != "far from 100000" {
			t.Errorf("versions: %q", all)
		}
		v, ok, err := kv.Get("k")
		check(t, err)
		if !ok || v.Value != "far" {
			t.Errorf("the latest is %v %v", ok, v)
		}
	}
}

// KeepHeaders keeps what the record had, in the state, on the changelog and through a restore.
func TestHeadersAreKept(t *testing.T) {
	for _, cached := range []bool{false, true} {
		e := newStoreTask(t, state.Memory(), 1<<20)
		spec := storeSpec{name: "s", headers: true, cached: cached}.table(String, String)
		s := openIn[*tableStore[string, string]](t, e, spec)
		kv := &stampedKV[string, string]{s: s}
		value := []byte("v")
		e.at(7, 1, Header{"h", value})
		check(t, kv.Put("k", Stamped[string]{"x", 7}))
		value[0] = '!' // the record's memory is its reader's
		again := &stampedKV[string, string]{s: restored[*tableStore[string, string]](t, e, spec)}
		for _, kv := range []*stampedKV[string, string]{kv, again} {
			h, ok, err := kv.Headers("k")
			check(t, err)
			if want := "[{h [118]}]"; !ok || fmt.Sprint(h) != want {
				t.Errorf("cached %v: headers %v, want %s", cached, h, want)
			}
			v, ok, err := kv.Get("k")
			check(t, err)
			if !ok || v.Value != "x" || v.Time != 7 {
				t.Errorf("cached %v: value %v %v", cached, ok, v)
			}
		}
	}
}

// A loop over a store shows it as it was when it began.
func TestLoopsSeeASnapshot(t *testing.T) {
	for _, cached := range []bool{false, true} {
		e := newStoreTask(t, state.Memory(), 1<<20)
		s := openIn[*kvStore[string, int64]](t, e, storeSpec{name: "s", cached: cached}.kv(String, Int64))
		for i, k := range []string{"a", "b", "c"} {
			check(t, s.Put(k, int64(i)))
		}
		var got string
		for k, v := range s.All() {
			got += fmt.Sprint(k, v, " ")
			check(t, s.Put("c", 9))
			check(t, s.Delete("b"))
			check(t, s.Put("d", 9))
		}
		check(t, s.Err())
		if want := "a0 b1 c2 "; got != want {
			t.Errorf("cached %v: the loop saw %s, want %s", cached, got, want)
		}
		got = ""
		for k, v := range s.ReverseAll() {
			got += fmt.Sprint(k, v, " ")
		}
		if want := "d9 c9 a0 "; got != want {
			t.Errorf("cached %v: then %s, want %s", cached, got, want)
		}
	}
}

// What is put while a flush forwards is flushed too, the later of two values last.
func TestPutsDuringAFlush(t *testing.T) {
	e := newStoreTask(t, state.Memory(), 1<<20)
	spec := storeSpec{name: "s", cached: true}.table(String, Int64)
	s := openIn[*tableStore[string, int64]](t, e, spec)
	var got string
	s.onFlush(func(r *Record[string, change[int64]]) error {
		got += fmt.Sprint(r.Key, r.Value.New, " ")
		if r.Key == "a" && r.Value.New == 1 {
			check(t, s.put("b", 20, 2, true, nil))
			check(t, s.put("a", 10, 2, true, nil))
		}
		return nil
	}, true)
	check(t, s.put("a", 1, 1, true, nil))
	check(t, s.put("b", 2, 1, true, nil))
	check(t, e.Flush())
	if want := "a1 b20 a10 "; got != want {
		t.Errorf("forwarded %s, want %s", got, want)
	}
	if got, want := contents(t, restored[*tableStore[string, int64]](t, e, spec)), []string{"a=10@2", "b=20@2"}; !slices.Equal(got, want) {
		t.Errorf("the changelog says %q, want %q", got, want)
	}
}

// The context of the put is there when its change is forwarded, and not after.
func TestFlushHasTheContextOfThePut(t *testing.T) {
	e := newStoreTask(t, state.Memory(), 1<<20)
	s := openIn[*tableStore[string, int64]](t, e, storeSpec{name: "s", cached: true}.table(String, Int64))
	var got string
	s.onFlush(func(r *Record[string, change[int64]]) error {
		got += fmt.Sprintf("%s of %s-%d offset %d %s=%s %v; ", r.Key, e.rc.topic, e.rc.partition, e.rc.offset, e.rc.key, e.rc.value, r.Headers)
		return nil
	}, false)
	raw := []byte("raw")
	for i, k := range []string{"a", "b"} {
		e.rc = recordContext{topic: "in", partition: 3, offset: int64(i), key: raw, value: []byte(k)}
		check(t, s.put(k, 1, 1, true, Headers{{"n", []byte(k)}}))
	}
	copy(raw, "XXX")
	e.rc = noRecord
	check(t, e.Flush())
	if want := "a of in-3 offset 0 raw=a [{n [97]}]; b of in-3 offset 1 raw=b [{n [98]}]; "; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if e.rc.topic != "" || e.rc.offset != -1 {
		t.Errorf("the context after the flush is %+v", e.rc)
	}
}

func TestMistakesInDefinitions(t *testing.T) {
	type unknown struct{ X chan int }
	seen := KeyValueStore("seen", String, Int64)
	_, err := compile("app", func(b *Builder) {
		seen.Add(b)
		seen.Add(b) // the same definition again is none
		KeyValueStore("seen", String, String).Add(b)
		KeyValueStore("bad name", String, String).Add(b)
		KeyValueStore[string, unknown]("no-serde", String, nil).Add(b)
		KeyValueStore("odd", String, String, Named("x")).Add(b)
		WindowStore("window", String, String, time.Minute, time.Second).Add(b)
		SessionStore("session", String, String, -time.Second).Add(b)
		VersionedStore("versions", String, String, time.Hour, Cached()).Add(b)
		var empty StoreDef[KV[string, string]]
		empty.Add(b)
	}, newConfig(nil))
	for _, want := range []string{
		"store seen: another store has this name; choose another name for one of them",
		`store bad name: the name "bad name" may hold only letters`,
		"store no-serde: no serde for the value type streams.unknown",
		"store odd: option Named does not fit; it takes InMemory, Cached,",
		"store window: the retention (1s) is less than the size of a window (1m0s)",
		"store session: the retention is negative (-1s)",
		"store versions: option Cached does not fit a versioned store",
		"StoreDef: an empty definition was given",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the errors lack %q:\n%v", want, err)
		}
	}
	if n := len(err.(interface{ Unwrap() []error }).Unwrap()); n != 8 {
		t.Errorf("%d mistakes, want 8:\n%v", n, err)
	}
}

func TestOpeningWhatIsNotConnected(t *testing.T) {
	defer func() {
		err, _ := recover().(error)
		if err == nil || !strings.Contains(err.Error(), `store "seen" is not connected`) {
			t.Errorf("panicked with %v", err)
		}
	}()
	KeyValueStore("seen", String, Int64).In(finder(func(string) any { return nil }))
}

type finder func(string) any

func (f finder) store(name string) any { return f(name) }

// A value that its serde refuses when the cache is flushed goes to the processing handler; the store keeps what it had.
func TestUnwritableValueAtAFlush(t *testing.T) {
	refuse := SerdeFunc(func(b []byte, v int64) ([]byte, error) {
		if v < 0 {
			return nil, errors.New("negative")
		}
		return Int64.Append(b, "", nil, v)
	}, func(b []byte) (int64, error) { return Int64.Decode(b, "", nil) })
	e := newStoreTask(t, state.Memory(), 1<<20)
	s := openIn[*tableStore[string, int64]](t, e, storeSpec{name: "s", cached: true}.table(String, refuse))
	var failure Failure
	e.prog.config.onProcessing = func(f Failure) Decision { failure = f; return Skip }
	e.at(3, 17)
	check(t, s.put("k", 1, 1, true, nil))
	check(t, e.Flush())
	check(t, s.put("k", -1, 2, true, nil))
	check(t, e.Flush())
	if failure.Offset != 17 || failure.Node != "s" {
		t.Errorf("the handler saw %+v", failure)
	}
	v, _, ok, err := s.get("k")
	if err != nil || !ok || v != 1 {
		t.Errorf("the store has %v %v %v, want what was before", v, ok, err)
	}
}
