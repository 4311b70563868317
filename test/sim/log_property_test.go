package sim

import (
	"testing"

	"pgregory.net/rapid"
)

// TestLogProperties lets rapid choose what happens to a log, so that a failure
// shrinks to the few steps that matter.
func TestLogProperties(t *testing.T) {
	for name, compacted := range map[string]bool{"plain": false, "compacted": true} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				s := newLogSim(rapid.Uint64Range(0, 1<<20).Draw(t, "seed"), compacted)
				must := func(err error) {
					if err != nil {
						t.Fatal(err)
					}
				}
				must(s.open(false))
				act := func(f func() error) func(*rapid.T) { return func(*rapid.T) { must(f()) } }
				actions := map[string]func(*rapid.T){
					"append": act(s.append), "flush": act(s.flush), "checkpoint": act(s.checkpoint), "read": act(s.check),
					"truncate": act(s.truncate), "delete records": act(s.deleteRecords), "retention": act(s.retention),
					"close": act(s.restartClean),
					"kill":  act(func() error { return s.crash(s.disk.Kill(), true) }),
					"crash": act(func() error { return s.crash(s.disk.Crash(), false) }),
				}
				// Appends are what makes the rest interesting.
				for _, again := range []string{"append 2", "append 3", "append 4"} {
					actions[again] = act(s.append)
				}
				if compacted {
					actions["clean"] = act(s.clean)
				} else {
					actions["resend"] = act(s.resend)
				}
				t.Repeat(actions)
			})
		})
	}
}
