package streams

import (
	"fmt"
	"testing"
	"time"

	"leat.dev/streams/internal/engine"
	"leat.dev/streams/internal/state"
)

// quiet is the world of a task that nobody listens to.
type quiet struct{}

func (quiet) Send(*engine.Out) error                 { return nil }
func (quiet) Partitions(string) (int, error)         { return 1, nil }
func (quiet) Now() int64                             { return 0 }
func (quiet) Count(engine.Metric, string, int64)     {}
func (quiet) EndOffset(string, int32) (int64, error) { return 0, nil }

type benchSums struct {
	Count, Sum int64
	Low, High  float64
}

var benchKeys = func() (k [1000]string) {
	for i := range k {
		k[i] = fmt.Sprintf("key-%06d", i*7919)
	}
	return k
}()

func benchTable(t testing.TB, p storeSpec) (*storeTask, *tableStore[string, benchSums]) {
	e := newStoreTask(t, state.Memory(), 10<<20)
	e.env = quiet{}
	p.name = "s"
	s := openIn[*tableStore[string, benchSums]](t, e, p.table(String, JSON[benchSums]()))
	s.onFlush(func(*Record[string, change[benchSums]]) error { return nil }, true)
	e.at(5, 1)
	e.rc.key, e.rc.value = []byte("key-000001"), make([]byte, 100)
	return e, s
}

// A record of an aggregate: what there is, and what there is then.
func aggregateInto(s *tableStore[string, benchSums], i int) error {
	k := benchKeys[i%len(benchKeys)]
	v, at, _, err := s.get(k)
	if err != nil {
		return err
	}
	v.Count++
	v.Sum += int64(i)
	return s.put(k, v, max(at, Time(i)), true, nil)
}

// Neither reading nor overwriting what is cached allocates, if the values hold no references.
func TestHotCacheDoesNotAllocate(t *testing.T) {
	_, s := benchTable(t, storeSpec{cached: true})
	for i := range 2 * len(benchKeys) {
		check(t, aggregateInto(s, i))
	}
	i := 0
	if n := testing.AllocsPerRun(1000, func() { check(t, aggregateInto(s, i)); i++ }); n != 0 {
		t.Errorf("%v allocations a record", n)
	}
}

func BenchmarkTableAggregate(b *testing.B) {
	for _, p := range []storeSpec{{cached: true}, {}, {unlogged: true}} {
		b.Run(fmt.Sprintf("cached=%v/logged=%v", p.cached, !p.unlogged), func(b *testing.B) {
			_, s := benchTable(b, p)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := aggregateInto(s, i); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// With a flush after every so many records.
func BenchmarkTableAggregateAndFlush(b *testing.B) {
	e, s := benchTable(b, storeSpec{cached: true})
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := aggregateInto(s, i); err != nil {
			b.Fatal(err)
		}
		if i%10000 == 9999 {
			if err := e.Flush(); err != nil {
				b.Fatal(err)
			}
			if err := e.Committed(nil); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkTableGet(b *testing.B) {
	_, s := benchTable(b, storeSpec{cached: true})
	for i := range benchKeys {
		if err := aggregateInto(s, i); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		_, _, _, err := s.get(benchKeys[i%len(benchKeys)])
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWindowAggregate(b *testing.B) {
	e := newStoreTask(b, state.Memory(), 10<<20)
	e.env = quiet{}
	s := openIn[*windowStore[string, int64]](b, e, storeSpec{name: "s", cached: true}.window(String, Int64, time.Minute, time.Hour))
	s.onFlush(func(*Record[Windowed[string], change[int64]]) error { return nil }, false)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		k, start := benchKeys[i%len(benchKeys)], Time(i/100000*60000)
		n, at, _, err := s.fetch(k, start)
		if err != nil {
			b.Fatal(err)
		}
		if err := s.put(k, start, n+1, max(at, start), true, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkJoinStore(b *testing.B) {
	e := newStoreTask(b, state.Memory(), 10<<20)
	e.env = quiet{}
	s := openIn[*joinStore[string, int64]](b, e, storeSpec{name: "s"}.join(String, Int64, time.Minute))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		k, at := benchKeys[i%len(benchKeys)], Time(i*10)
		r := s.fetch(k, at-1000, at+1000)
		for r.next() {
		}
		if err := r.close(); err != nil {
			b.Fatal(err)
		}
		if err := s.put(k, int64(i), at, true, nil); err != nil {
			b.Fatal(err)
		}
		if i%10000 == 9999 {
			if err := e.Committed(nil); err != nil {
				b.Fatal(err)
			}
		}
	}
}
