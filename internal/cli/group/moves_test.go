package group

import (
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"

	"leat.dev/internal/cli/position"
)

func TestTargets(t *testing.T) {
	tp := position.Partition{Topic: "t", Partition: 0}
	at := int64(40)
	times := kadm.ListedOffsets{"t": {0: {Topic: "t", Offset: 55}}}
	none := kadm.ListedOffsets{"t": {0: {Topic: "t", Offset: -1}}}
	for name, c := range map[string]struct {
		o      resetOptions
		from   *int64
		byTime kadm.ListedOffsets
		wanted map[position.Partition]int64
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
		"file":               {o: resetOptions{imported: "f"}, from: &at, wanted: map[position.Partition]int64{tp: 12}, want: 12},
	} {
		r := &resetter{o: c.o}
		if got := r.target(tp, c.from, 10, 100, &position.Held{ByTime: c.byTime}, c.wanted); got != c.want {
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

func TestAssignedText(t *testing.T) {
	if got := assignedText(map[string][]int32{"b": {3, 1, 2, 7}, "a": {0}}); got != "a:0 b:1-3,7" {
		t.Errorf("got %q", got)
	}
}
