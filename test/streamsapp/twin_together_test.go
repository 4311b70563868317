package streamsapp

import (
	"testing"
	"time"
)

// TestTwinsTogether has members of Kafka Streams and of ours in one streams group at the same time: the broker gives tasks to both,
// each reads what the other repartitions, and takes over its tasks with their state when it leaves.
func TestTwinsTogether(t *testing.T) {
	chaosTime(t)
	onStreams(t, func(t *testing.T, c *cluster) {
		j := startJava(t)
		for _, eos := range []bool{true, false} {
			name := map[bool]string{true: "exactly-once", false: "at-least-once"}[eos]
			t.Run(name, func(t *testing.T) {
				r := &twinRun{twin: &twins[0], id: "together-" + name, eos: eos, begin: time.Now().Add(-time.Hour).Truncate(time.Minute), java: j, c: c.with(t)}
				alone := &twinRun{twin: &twins[0], id: "alone-" + name, sides: "j", eos: eos, begin: r.begin, java: j, c: r.c}
				alone.run()
				r.together()
				alone.compare(t, r)
			})
		}
	})
}

// together runs the program with one member of Java, then one of each, then one of ours, then again with both, and ends with Java's.
func (r *twinRun) together() {
	r.c.create(twinPartitions, r.id+"-a", r.id+"-out")
	to, done := r.producer()
	defer done()
	steps := r.steps()
	part := func(n int) {
		for _, rec := range steps[:n] {
			r.send(to, rec)
		}
		steps = steps[n:]
	}
	dirs := map[rune]string{'j': r.c.t.TempDir(), 'g': r.c.t.TempDir()}
	shared := func(members, each int) {
		r.c.describes(r.id, func(have []groupMember) bool {
			for _, m := range have {
				n := 0
				for _, partitions := range m.Tasks.Active {
					n += len(partitions)
				}
				if n != each {
					return false
				}
			}
			return len(have) == members
		})
	}
	stopJava := r.start('j', dirs['j'])
	part(twinSteps)
	stopGo := r.start('g', dirs['g'])
	part(4)
	shared(2, twinPartitions)
	part(4)
	r.processed(r.watched())
	stopJava()
	part(4)
	shared(1, 2*twinPartitions)
	part(4)
	stopJava = r.start('j', dirs['j'])
	shared(2, twinPartitions)
	part(4)
	stopGo()
	part(len(steps))
	shared(1, 2*twinPartitions)
	r.processed(r.watched())
	stopJava()
	r.out = r.results()
}
