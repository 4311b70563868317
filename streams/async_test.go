package streams_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"leat.dev/streams"
	"leat.dev/streams/streamstest"
)

var (
	waits   = streams.NewTopic("waits", streams.String, streams.Int64)
	results = streams.NewTopic("results", streams.String, streams.String)
)

// sleeper is a service that takes as many milliseconds as it is told, and fails for negative ones.
type sleeper struct {
	mu    sync.Mutex
	now   map[string]int // calls under way, by key
	all   int
	most  int
	twice bool // a key was asked twice at a time
}

func (s *sleeper) ask(_ context.Context, key string, ms int64) (string, error) {
	s.change(key, 1)
	defer s.change(key, -1)
	if ms < 0 {
		return "", errors.New("refused")
	}
	time.Sleep(time.Duration(ms) * time.Millisecond)
	return fmt.Sprint(key, " ", ms), nil
}

func (s *sleeper) change(key string, by int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now == nil {
		s.now = map[string]int{}
	}
	s.now[key] += by
	s.all += by
	s.most = max(s.most, s.all)
	s.twice = s.twice || s.now[key] > 1
}

func (s *sleeper) program(n int) func(b *streams.Builder) {
	return func(b *streams.Builder) { waits.Stream(b).MapByKey(n, s.ask).To(results) }
}

func values(d *streamstest.Driver) (out []string) {
	for _, r := range d.Out(results).All() {
		out = append(out, r.Value)
	}
	return out
}

// Records of different keys run together, at most n; those of one key follow one another.
func TestMapByKeyKeepsTheOrderOfKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sleeper
		d := streamstest.New(t, s.program(4), streamstest.ManualCommit())
		began := time.Now()
		want := map[string][]string{}
		for i := range int64(60) {
			key, ms := fmt.Sprint("k", i%6), 1+i*37%11
			d.In(waits).Send(key, ms, streams.Time(i))
			want[key] = append(want[key], fmt.Sprint(key, " ", ms))
		}
		d.Commit()
		got := map[string][]string{}
		for _, v := range values(d) {
			key, _, _ := strings.Cut(v, " ")
			got[key] = append(got[key], v)
		}
		for key := range want {
			if !slices.Equal(got[key], want[key]) {
				t.Errorf("%s: %v, want %v", key, got[key], want[key])
			}
		}
		if s.twice || s.most != 4 {
			t.Errorf("a key was asked twice at a time: %v; %d calls at a time, want 4", s.twice, s.most)
		}
		if took := time.Since(began); took > 250*time.Millisecond {
			t.Errorf("it took %v, one after the other it is 360 ms", took)
		}
	})
}

// A slow record holds up its own key alone; MapAsync has all behind it wait.
func TestMapByKeyDoesNotWaitForOtherKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sleeper
		d := streamstest.New(t, s.program(8), streamstest.ManualCommit())
		d.In(waits).Send("slow", 1000, 0)
		d.In(waits).Send("slow", 1, 1)
		d.In(waits).Send("fast", 1, 2)
		time.Sleep(10 * time.Millisecond)
		d.In(waits).Send("fast", 2, 3)
		time.Sleep(10 * time.Millisecond)
		d.In(waits).Send("late", 0, 4)
		d.Commit()
		want := []string{"fast 1", "fast 2", "late 0", "slow 1000", "slow 1"}
		if got := values(d); !slices.Equal(got, want) {
			t.Errorf("results are %v, want %v", got, want)
		}
	})
}

// An error is one record's, and goes to the handler; the next of its key follows. Null values keep their place.
func TestMapByKeyErrorsAndNulls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sleeper
		var failed []string
		skip := streams.OnProcessingError(func(f streams.Failure) streams.Decision {
			failed = append(failed, fmt.Sprint(f.Offset, " ", f.Err))
			return streams.Skip
		})
		d := streamstest.New(t, s.program(8), streamstest.ManualCommit(), skip)
		d.In(waits).Send("a", 5, 0)
		d.In(waits).Send("a", -1, 1)
		d.In(waits).Delete("a", 2)
		d.In(waits).Send("a", 1, 3)
		d.Commit()
		d.Out(results).Want(t, `
			a | a 5 @0
			a | null @2
			a | a 1 @3`)
		if len(failed) != 1 {
			t.Errorf("failures: %v", failed)
		}
	})
}

// In the testing kit order is that of the input.
func TestMapByKeyIsDeterministicInTests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sleeper
		d := streamstest.New(t, s.program(8))
		d.In(waits).Send("a", 9, 0)
		d.In(waits).Send("b", 1, 1)
		d.Out(results).Want(t, `
			a | a 9 @0
			b | b 1 @1`)
	})
}

// BenchmarkAsync is what a record costs beside the work itself, a thousand between commits.
func BenchmarkAsync(b *testing.B) {
	same := func(_ context.Context, v int64) (string, error) { return "", nil }
	for name, build := range map[string]func(*streams.Builder){
		"MapValues": func(b *streams.Builder) {
			waits.Stream(b).MapValues(func(int64) string { return "" }).To(results)
		},
		"MapAsync": func(b *streams.Builder) { waits.Stream(b).MapAsync(16, same).To(results) },
		"MapByKey": func(b *streams.Builder) {
			waits.Stream(b).MapByKey(16, func(c context.Context, _ string, v int64) (string, error) { return same(c, v) }).To(results)
		},
	} {
		b.Run(name, func(b *testing.B) {
			d := streamstest.New(b, build, streamstest.ManualCommit())
			keys := make([]string, 100)
			for i := range keys {
				keys[i] = fmt.Sprint("key-", i)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				d.In(waits).Send(keys[i%len(keys)], 1, streams.Time(i))
				if i%1000 == 999 {
					d.Commit()
					d.Out(results).All()
				}
			}
		})
	}
}
