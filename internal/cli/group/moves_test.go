package group

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/screen"
)

func TestTargets(t *testing.T) {
	tp := topicPart{"t", 0}
	at := int64(40)
	times := kadm.ListedOffsets{"t": {0: {Topic: "t", Offset: 55}}}
	none := kadm.ListedOffsets{"t": {0: {Topic: "t", Offset: -1}}}
	for name, c := range map[string]struct {
		o      resetOptions
		from   *int64
		byTime kadm.ListedOffsets
		wanted map[topicPart]int64
		want   int64
	}{
		"earliest":           {o: resetOptions{to: "earliest"}, from: &at, want: 10},
		"latest":             {o: resetOptions{to: "latest"}, from: &at, want: 100},
		"current":            {o: resetOptions{to: "current"}, from: &at, want: 40},
		"current of nothing": {o: resetOptions{to: "current"}, want: 10},
		"an offset":          {o: resetOptions{to: "77"}, from: &at, want: 77},
		"forward":            {o: resetOptions{shiftSet: true, shift: 5}, from: &at, want: 45},
		"back":               {o: resetOptions{shiftSet: true, shift: -5}, from: &at, want: 35},
		"time":               {o: resetOptions{toTime: "x"}, from: &at, byTime: times, want: 55},
		"time to come":       {o: resetOptions{toTime: "x"}, from: &at, byTime: none, want: 100},
		"file":               {o: resetOptions{imported: "f"}, from: &at, wanted: map[topicPart]int64{tp: 12}, want: 12},
	} {
		r := &resetter{o: c.o}
		if got := r.target(tp, c.from, 10, 100, c.byTime, c.wanted); got != c.want {
			t.Errorf("%s: got %d, want %d", name, got, c.want)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, o := range []resetOptions{{to: "earliest"}, {to: "5"}, {toTime: "x"}, {by: "1h"}, {shiftSet: true}, {imported: "-"}} {
		if err := o.check(); err != nil {
			t.Errorf("%+v: %v", o, err)
		}
	}
	for _, o := range []resetOptions{{}, {to: "earliest", by: "1h"}, {to: "-5"}, {to: "soon"}, {shiftSet: true, imported: "f"}} {
		if err := o.check(); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
}

func TestScope(t *testing.T) {
	got, err := parseScope([]string{"a", "b:0,2-3", "b:7"})
	if err != nil || len(got) != 2 || len(got["a"]) != 0 || !slices.Equal(got["b"], []int32{0, 2, 3, 7}) {
		t.Errorf("got %v, %v", got, err)
	}
	for _, s := range []string{"", "a:", ":1", "a:x"} {
		if _, err := parseScope([]string{s}); err == nil {
			t.Errorf("%q is accepted", s)
		}
	}
}

func TestReadOffsets(t *testing.T) {
	read := func(text string) (map[topicPart]int64, error) {
		return readOffsets(&command.Env{Screen: &screen.Screen{In: strings.NewReader(text)}}, "-")
	}
	got, err := read("a,0,5\n\n b , 1 , 7 \n")
	if want := (map[topicPart]int64{{"a", 0}: 5, {"b", 1}: 7}); err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
	for _, s := range []string{"a,0", "a,x,1", "a,0,-1", "a,-1,0", "a,0,1,2"} {
		if _, err := read(s); err == nil || !strings.Contains(err.Error(), "line 1") {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func TestAssignedText(t *testing.T) {
	if got := assignedText(map[string][]int32{"b": {3, 1, 2, 7}, "a": {0}}); got != "a:0 b:1-3,7" {
		t.Errorf("got %q", got)
	}
}

func FuzzReadOffsets(f *testing.F) {
	f.Add("a,0,5\n")
	f.Fuzz(func(_ *testing.T, text string) {
		_, _ = readOffsets(&command.Env{Screen: &screen.Screen{In: strings.NewReader(text)}, Timeout: time.Second}, "-")
	})
}
