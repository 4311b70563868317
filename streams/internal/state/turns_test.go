package state

import (
	"testing"

	"github.com/cockroachdb/pebble/v2"
)

// wanting is a database that wants so many compactions, and runs those it is given.
type wanting struct {
	n       int
	running []pebble.CompactionGrantHandle
}

func (w *wanting) GetAllowedWithoutPermission() int { return 1 }

func (w *wanting) GetWaitingCompaction() (bool, pebble.WaitingCompaction) {
	return w.n > 0, pebble.WaitingCompaction{}
}

func (w *wanting) Schedule(g pebble.CompactionGrantHandle) bool {
	if w.n == 0 {
		return false
	}
	w.n--
	w.running = append(w.running, g)
	return true
}

// end ends the compaction that began first.
func (w *wanting) end() {
	g := w.running[0]
	w.running = w.running[1:]
	g.Done()
}

// TestTurns: no more compactions run than may, a turn that comes free goes to who waits, and who is held gets none.
func TestTurns(t *testing.T) {
	all := &turns{limit: 2}
	var dbs [3]*wanting
	var members [3]*turn
	for i := range dbs {
		dbs[i], members[i] = &wanting{}, all.member()
		members[i].Register(1, dbs[i])
	}
	ask := func(i int) bool {
		ok, g := members[i].TrySchedule()
		if ok {
			dbs[i].running = append(dbs[i].running, g)
		} else {
			dbs[i].n++
		}
		return ok
	}
	if !ask(0) || !ask(1) || ask(2) || ask(0) {
		t.Fatal("two of four may run")
	}
	members[0].hold(true)
	dbs[0].end()
	if len(dbs[2].running) != 1 || dbs[0].n != 1 {
		t.Fatal("the turn did not go to the one that waits and is not held")
	}
	dbs[1].end()
	if all.running != 1 || len(dbs[0].running) != 0 {
		t.Fatal("who is held got a turn")
	}
	members[0].hold(false)
	if all.running != 2 || len(dbs[0].running) != 1 {
		t.Fatal("who is no longer held did not get the turn that was free")
	}
	members[2].Unregister()
	dbs[2].end()
	dbs[0].end()
	if all.running != 0 {
		t.Fatalf("%d run", all.running)
	}
}
