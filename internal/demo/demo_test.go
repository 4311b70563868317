package demo

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// correct is what comes back if all is well.
func correct(events []event) (map[string]int, map[bucket]int64) {
	times, counts := map[string]int{}, map[bucket]int64{}
	for _, e := range events {
		times[e.ID]++
		counts[e.bucket()]++
	}
	return times, counts
}

func TestJudgeSeesEveryFault(t *testing.T) {
	events := madeUp()
	one := events[700]
	for name, c := range map[string]struct {
		spoil func(times map[string]int, counts map[bucket]int64)
		want  verdict
	}{
		"nothing":         {func(map[string]int, map[bucket]int64) {}, verdict{}},
		"a lost event":    {func(times map[string]int, _ map[bucket]int64) { delete(times, one.ID) }, verdict{lost: 1}},
		"a doubled event": {func(times map[string]int, _ map[bucket]int64) { times[one.ID]++ }, verdict{doubled: 1}},
		"counted twice":   {func(_ map[string]int, counts map[bucket]int64) { counts[one.bucket()]++ }, verdict{wrong: 1}},
		"a lost count":    {func(_ map[string]int, counts map[bucket]int64) { delete(counts, one.bucket()) }, verdict{wrong: 1}},
		"a foreign count": {func(_ map[string]int, counts map[bucket]int64) { counts[bucket{"1999-01-01T00", "below 1"}] = 1 }, verdict{wrong: 1}},
	} {
		times, counts := correct(events)
		c.want.counts = len(counts)
		c.spoil(times, counts)
		if got := judge(events, times, counts); got != c.want {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}

func TestBuckets(t *testing.T) {
	for line, want := range map[string]bucket{
		`{"id":"a","time":1517363399650,"mag":-0.8}`: {"2018-01-31T01", "below 1"},
		`{"id":"a","time":1517363399650,"mag":1}`:    {"2018-01-31T01", "1 to 2"},
		`{"id":"a","time":1517367000000,"mag":4.99}`: {"2018-01-31T02", "4 to 5"},
		`{"id":"a","time":1517367000000,"mag":9.5}`:  {"2018-01-31T02", "5 and up"},
	} {
		e, err := parseEvent([]byte(line))
		if err != nil || e.bucket() != want {
			t.Errorf("%s: got %v, %v", line, e.bucket(), err)
		}
	}
}

func TestLoadEvents(t *testing.T) {
	file := filepath.Join(t.TempDir(), "events")
	write := func(lines ...string) {
		if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	many := make([]string, 200)
	for i, e := range madeUp()[:len(many)] {
		many[i] = string(e.line)
	}
	write(many...)
	if events, _, err := loadEvents(file); err != nil || len(events) != len(many) {
		t.Fatalf("got %d events, %v", len(events), err)
	}
	for what, lines := range map[string][]string{
		"twice":    append(many[:150:150], many[3]),
		"line 1":   {"no JSON"},
		"needs":    many[:5],
		"is empty": {`{"time":1,"mag":1}`},
	} {
		write(lines...)
		if _, _, err := loadEvents(file); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("got %v, want an error with %q", err, what)
		}
	}
	if events, _, err := loadEvents(""); err != nil || len(events) < 1000 {
		t.Errorf("made-up events: %d, %v", len(events), err)
	}
}

func TestCountsGoToTheLogAndBack(t *testing.T) {
	b, c := bucket{"2018-01-31T01", "1 to 2"}, count{Count: 3, Next: 77}
	r, err := countRecord(2, b, c)
	if err != nil {
		t.Fatal(err)
	}
	b2, c2, err := parseCount(r)
	if err != nil || b2 != b || c2 != c {
		t.Errorf("got %v %v %v", b2, c2, err)
	}
	if _, _, err := parseCount(&kgo.Record{Key: []byte("x"), Value: []byte("{}")}); err == nil {
		t.Error("a foreign record is taken for a count")
	}
}

// A repeated event must be recognised, wherever reading starts again.
func TestRepeatsAreRecognised(t *testing.T) {
	events := madeUp()[:300]
	for again := range 300 {
		state := map[bucket]count{}
		feed := func(from, to int) {
			for offset := from; offset < to; offset++ {
				b := events[offset].bucket()
				state[b], _ = state[b].with(int64(offset))
			}
		}
		feed(0, 200)
		feed(again*2/3, 300)
		_, want := correct(events)
		for b, n := range want {
			if got := state[b].Count; got != n {
				t.Fatalf("read again from %d: %v is counted %d times instead of %d", again*2/3, b, got, n)
			}
		}
	}
}

func TestTable(t *testing.T) {
	var out bytes.Buffer
	s := &show{out: &out}
	s.table(map[bucket]int64{{"2026-01-01T00", "below 1"}: 8, {"2026-01-01T23", "5 and up"}: 1, {"2026-01-02T01", "1 to 2"}: 1234})
	want := []string{"2026-01-01        8        ·", "2026-01-02        ·    1,234", "all               8    1,234"}
	for _, w := range want {
		if !strings.Contains(out.String(), w) {
			t.Errorf("no %q in\n%s", w, out.String())
		}
	}
	if s.check(false, "x") || !strings.Contains(out.String(), "WRONG") {
		t.Error("a failed check does not say so")
	}
}
