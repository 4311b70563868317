package streamsapp

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"leat.dev/streams"
)

// session is short, so that others take over soon. Brokers of these tests allow it.
const session = 2 * time.Second

// crew are instances of one application.
type crew struct {
	c    *cluster
	spec spec
	all  []*instance
}

// join starts another instance; with disk its state is kept in a folder of its own.
func (w *crew) join(disk bool) *instance {
	w.c.t.Helper()
	s := w.spec
	if disk {
		s.Dir = w.c.t.TempDir()
	}
	return w.add(s)
}

func (w *crew) add(s spec) *instance {
	w.c.t.Helper()
	p := w.c.launch(s)
	w.all = append(w.all, p)
	return p
}

// again starts an instance anew that was killed or stopped.
func (w *crew) again(p *instance) *instance {
	w.c.t.Helper()
	for i, old := range w.all {
		if old == p {
			w.all[i] = w.c.launch(p.spec)
			return w.all[i]
		}
	}
	return w.add(p.spec)
}

func (w *crew) stop() {
	w.c.t.Helper()
	for _, p := range w.all {
		p.stop()
	}
	w.all = nil
}

func newCrew(c *cluster, s spec) *crew {
	s.Program, s.Session = "everything", session
	return &crew{c: c, spec: s}
}

// rest waits, which is what a scenario does between two blows.
func rest(t testing.TB, d time.Duration) {
	t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
		t.Fatal("the test ends")
	}
}

// TestChaos lets instances come, go and die under load; nothing is lost, and with exactly-once nothing is doubled.
func TestChaos(t *testing.T) {
	length := chaosTime(t)
	onEach(t, func(t *testing.T, c *cluster) {
		t.Run("scale", func(t *testing.T) { scale(c.with(t), length) })
		t.Run("kill", func(t *testing.T) { killLoop(c.with(t), spec{ID: "kill", EOS: true}, length) })
		t.Run("kill with standbys", func(t *testing.T) { killLoop(c.with(t), spec{ID: "kill-standbys", EOS: true, Standbys: 1}, length) })
		t.Run("kill at least once", func(t *testing.T) { killLoop(c.with(t), spec{ID: "kill-least"}, length/2) })
		t.Run("rolling", func(t *testing.T) { rolling(c.with(t)) })
		t.Run("zombie", func(t *testing.T) { zombie(c.with(t), length) })
	})
}

// scale goes from one instance to three and back to two.
func scale(c *cluster, length time.Duration) {
	l, w := newLoad(c, "scale"), newCrew(c, spec{ID: "scale", EOS: true})
	w.join(true)
	l.run(func() {
		rest(c.t, length/4)
		w.join(false)
		w.join(true)
		rest(c.t, length/2)
		w.all[0].stop()
		w.all = w.all[1:]
		rest(c.t, length/4)
	})
	l.check(true)
	w.stop()
	l.check(true)
}

// killLoop kills one of three after the other: two find their state on disk again, or lost it, one keeps it in memory.
func killLoop(c *cluster, s spec, length time.Duration) {
	l, w := newLoad(c, s.ID), newCrew(c, s)
	w.join(true)
	w.join(true)
	w.join(false)
	l.run(func() {
		end := time.Now().Add(length)
		for i := 0; time.Now().Before(end); i++ {
			rest(c.t, 700*time.Millisecond+time.Duration(i%5)*150*time.Millisecond)
			p := w.all[i%len(w.all)]
			p.kill()
			if i%6 == 1 {
				if err := os.RemoveAll(p.spec.Dir); err != nil {
					c.t.Fatal(err)
				}
			}
			w.again(p)
		}
	})
	l.check(s.EOS)
	w.stop()
	l.check(s.EOS)
}

// rolling restarts three static members one after the other: no task moves.
func rolling(c *cluster) {
	l, w := newLoad(c, "rolled"), newCrew(c, spec{ID: "rolled", EOS: true})
	w.spec.Session = 45 * time.Second
	for i := range 3 {
		s := w.spec
		s.Member, s.Dir = fmt.Sprintf("member-%d", i), c.t.TempDir()
		w.add(s).await(streams.Running)
	}
	l.run(func() {
		before := w.settled()
		for _, p := range slices.Clone(w.all) {
			p.stop()
			w.again(p).await(streams.Running)
			if after := w.settled(); !maps.Equal(before, after) {
				c.t.Fatalf("after a restart of %s the tasks are %v, before it %v", p.spec.Member, after, before)
			}
		}
	})
	l.check(true)
	w.stop()
	l.check(true)
}

// settled waits until every member has tasks, and for a while the same ones.
func (w *crew) settled() map[string]string {
	w.c.t.Helper()
	last, same := map[string]string{}, 0
	until(w.c.t, "a stable assignment", func() bool {
		now := w.c.assignments(w.spec.ID)
		if len(now) < len(w.all) || !maps.Equal(now, last) {
			last, same = now, 0
		}
		same++
		return same > 50
	})
	return last
}

// zombie cuts an instance off for longer than its session, in several ways; it comes back and must not write what others did.
func zombie(c *cluster, length time.Duration) {
	l, w := newLoad(c, "zombie"), newCrew(c, spec{ID: "zombie", EOS: true})
	between := newProxy(c.t, c.broker.Addr())
	w.join(true)
	behind := w.spec
	behind.Proxy, behind.Dir = between.addr(), c.t.TempDir()
	w.add(behind).await(streams.Running)
	l.run(func() {
		rest(c.t, time.Second)
		end := time.Now().Add(length)
		for i := 0; time.Now().Before(end); i++ {
			for _, away := range []time.Duration{session * 2, session / 2} {
				if i%2 == 0 {
					between.stall()
				} else {
					between.cut()
				}
				rest(c.t, away)
				between.heal()
				rest(c.t, time.Second)
			}
		}
	})
	l.check(true)
	w.stop()
	l.check(true)
}

// TestBrokerRestarts ends the broker under load, by SIGTERM and by kill -9. Apache Kafka loses transaction markers at such times; where it
// says so and results are missing, it gets another try: that the library makes up for it is what is tested, and that Kafka never finds a
// new way is not.
func TestBrokerRestarts(t *testing.T) {
	length := chaosTime(t)
	for _, kind := range kinds() {
		t.Run(kind, func(t *testing.T) {
			try(t, leftOut, func(t testing.TB) { restarts(start(t, kind), length) })
		})
	}
}

func restarts(c *cluster, length time.Duration) {
	l, w := newLoad(c, "restart"), newCrew(c, spec{ID: "restart", EOS: true})
	w.join(true).await(streams.Running)
	w.join(false).await(streams.Running)
	l.run(func() {
		end := time.Now().Add(length)
		for i := 0; i == 0 || time.Now().Before(end); i++ {
			for _, kill := range []bool{false, true} {
				rest(c.t, time.Second)
				restart(c, kill)
			}
		}
		rest(c.t, time.Second)
	})
	l.check(true)
	w.stop()
	l.check(true)
}

// restart ends the broker and starts it again.
func restart(c *cluster, kill bool) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 5*patience) // Kafka looks through all its logs when it was killed
	defer cancel()
	if kill {
		if err := c.broker.Kill(); err != nil {
			c.t.Fatal(err)
		}
	} else if _, err := c.broker.Stop(ctx); err != nil {
		c.t.Fatal(err)
	}
	rest(c.t, 300*time.Millisecond)
	if _, err := c.broker.Start(ctx); err != nil {
		c.t.Fatal(err)
	}
}
