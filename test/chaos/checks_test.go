package chaos

import (
	"math"
	"strings"
	"testing"

	"github.com/anishathalye/porcupine"
)

// The checks are tried on made-up runs, so that a check which can no longer fail is noticed.

func TestPartitionCheckCatches(t *testing.T) {
	acked := func(offsets ...int64) []*ledger {
		l := newLedger(0)
		l.offsets[0] = offsets
		return []*ledger{l}
	}
	cases := []struct {
		name    string
		log     []string
		ledgers []*ledger
		want    string
	}{
		{"as acknowledged", []string{"0/0", "0/1"}, acked(0, 1), ""},
		{"one not acknowledged is stored", []string{"0/0", "0/1"}, acked(0, -1), ""},
		{"one not acknowledged is not stored", []string{"0/0"}, acked(0, -1), ""},
		{"lost at the end", []string{"0/0"}, acked(0, 1), "is not there"},
		{"another in its place", []string{"0/0", "0/2"}, acked(0, 1, -1), "is not there"},
		{"doubled", []string{"0/0", "0/0"}, acked(0), "again or out of order"},
		{"swapped", []string{"0/1", "0/0"}, acked(1, 0), "again or out of order"},
		{"foreign", []string{"?"}, acked(), "nobody wrote"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := strings.Join(checkPartition(0, c.log, c.ledgers), "\n")
			if c.want == "" && got != "" || !strings.Contains(got, c.want) {
				t.Errorf("got %q, want it to hold %q", got, c.want)
			}
		})
	}
}

func TestModelCatches(t *testing.T) {
	op := func(call, end int64, in linearInput, out linearOutput) porcupine.Operation {
		return porcupine.Operation{ClientId: int(call), Input: in, Call: call, Output: out, Return: end}
	}
	appended := func(call, end int64, value uint64, offset int64) porcupine.Operation {
		return op(call, end, linearInput{op: opAppend, value: value}, linearOutput{length: offset})
	}
	read := func(call, end int64, values ...uint64) porcupine.Operation {
		var out linearOutput
		for _, v := range values {
			out = linearOutput{out.length + 1, link(out.chain, v)}
		}
		return op(call, end, linearInput{op: opRead}, out)
	}
	cases := []struct {
		name    string
		history []porcupine.Operation
		ok      bool
	}{
		{"append, then read", []porcupine.Operation{appended(1, 2, 7, 0), read(3, 4, 7)}, true},
		{"lost", []porcupine.Operation{appended(1, 2, 7, 0), read(3, 4)}, false},
		{"seen, then gone", []porcupine.Operation{appended(1, math.MaxInt64, 7, -1), read(2, 3, 7), read(4, 5)}, false},
		{"no answer, never seen", []porcupine.Operation{appended(1, math.MaxInt64, 7, -1), read(2, 3), read(4, 5)}, true},
		{"no answer, seen late", []porcupine.Operation{appended(1, math.MaxInt64, 7, -1), read(2, 3), read(4, 5, 7)}, true},
		{"two at one offset", []porcupine.Operation{appended(1, 2, 7, 0), appended(3, 4, 8, 0)}, false},
		{"doubled", []porcupine.Operation{appended(1, 2, 7, 0), read(3, 4, 7, 7)}, false},
		{"either order while both run", []porcupine.Operation{appended(1, 4, 7, 1), appended(2, 3, 8, 0), read(5, 6, 8, 7)}, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := porcupine.CheckOperations(logModel, c.history); got != c.ok {
				t.Errorf("the model says %v, want %v", got, c.ok)
			}
		})
	}
}

func TestSettle(t *testing.T) {
	noAnswer := func(value uint64) porcupine.Operation {
		return porcupine.Operation{Input: linearInput{op: opAppend, value: value}, Output: linearOutput{length: -1}, Return: math.MaxInt64}
	}
	got := settle([]porcupine.Operation{noAnswer(7), noAnswer(8)}, map[uint64]int64{7: 3}, 99)
	if len(got) != 1 || got[0].Output.(linearOutput).length != 3 || got[0].Return != 99 {
		t.Errorf("got %+v, want value 7 at offset 3 and value 8 never", got)
	}
}
