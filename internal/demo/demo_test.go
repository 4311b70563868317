package demo

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"leat.dev/examples/quakes/regions"
	"leat.dev/streams"
)

// correct is what comes back if all is well.
func correct(events []event) (map[string]int, map[bucket]result) {
	times, results := map[string]int{}, map[bucket]result{}
	for _, e := range events {
		times[e.quake.ID]++
		r := results[e.bucket()]
		results[e.bucket()] = result{r.quakes + 1, max(r.strongest, e.quake.Mag)} // none of the made-up ones is below zero
	}
	return times, results
}

func TestJudgeSeesEveryFault(t *testing.T) {
	events := madeUp()
	one := events[700]
	for name, c := range map[string]struct {
		spoil func(times map[string]int, results map[bucket]result)
		want  verdict
	}{
		"nothing":         {func(map[string]int, map[bucket]result) {}, verdict{}},
		"a lost event":    {func(times map[string]int, _ map[bucket]result) { delete(times, one.quake.ID) }, verdict{lost: 1}},
		"a doubled event": {func(times map[string]int, _ map[bucket]result) { times[one.quake.ID]++ }, verdict{doubled: 1}},
		"counted twice": {func(_ map[string]int, results map[bucket]result) {
			r := results[one.bucket()]
			r.quakes++
			results[one.bucket()] = r
		}, verdict{wrong: 1}},
		"a lost result":    {func(_ map[string]int, results map[bucket]result) { delete(results, one.bucket()) }, verdict{wrong: 1}},
		"a foreign result": {func(_ map[string]int, results map[bucket]result) { results[bucket{"Atlantis", 0}] = result{1, 9} }, verdict{wrong: 1}},
	} {
		times, results := correct(events)
		c.want.results = len(results)
		c.spoil(times, results)
		if got := judge(events, times, results); got != c.want {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}

func TestBuckets(t *testing.T) {
	for line, want := range map[string]bucket{
		`{"id":"a","time":1517363399650,"mag":-0.8,"place":"3 km S of A, B"}`: {"B", 1517360400000},
		`{"id":"a","time":1517367000000,"mag":9.5,"place":"B"}`:               {"B", 1517364000000},
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

func TestResultsAreRead(t *testing.T) {
	key, err := streams.WindowedSerde(regions.Hours.Key, regions.Hours.Size).Append(nil, "", nil, streams.Windowed[string]{Key: "B", Start: 3_600_000, End: 7_200_000})
	if err != nil {
		t.Fatal(err)
	}
	b, c, err := parseResult(&kgo.Record{Key: key, Value: []byte(`{"quakes":3,"strongest":2.5}`)})
	if want := (bucket{"B", 3_600_000}); err != nil || b != want || c != (result{3, 2.5}) {
		t.Errorf("got %v %v %v", b, c, err)
	}
	if _, _, err := parseResult(&kgo.Record{Key: []byte("x"), Value: []byte("{}")}); err == nil {
		t.Error("a foreign record is taken for a result")
	}
}

func TestTable(t *testing.T) {
	var out bytes.Buffer
	s := &show{out: &out}
	const day = 86_400_000
	s.table(map[bucket]result{{"Chile", 0}: {8, 5.1}, {"Chile", 2 * day}: {4, 6.2}, {"Japan", day}: {1234, 7}})
	for _, want := range []string{"Japan                           1,234        7.0   █", "Chile                              12        6.2  ▁ ▁", "all 2 regions                   1,246"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if s.check(false, "x") || !strings.Contains(out.String(), "WRONG") {
		t.Error("a failed check does not say so")
	}
}
