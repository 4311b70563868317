package streams

import (
	"time"

	"leat.dev/streams/internal/engine"
)

// EmitIdle closes windows of EmitFinal where no more records come: when none has reached the aggregate for that long by the
// wall clock, its stream time advances with the wall clock from the time it had then, until the next record. It looks four
// times in that while, and once a second at least. Records of the past that come afterwards are late. What was counted as
// passed is kept over restarts; waiting begins anew.
func EmitIdle(after time.Duration) Option {
	return option("EmitIdle", func(s *settings) { s.idle = after })
}

// idling is what EmitIdle says; zero: time stands still without records.
type idling time.Duration

func idlingOf(b *Builder, operator string, final bool, s *settings) idling {
	if !s.has("EmitIdle") {
		return 0
	}
	if !final {
		b.mistake(operator, "EmitIdle is given without EmitFinal", "updates wait for nothing: leave it out, or add EmitFinal")
	}
	if s.idle < time.Millisecond {
		b.mistake(operator, "EmitIdle is below 1 ms", "give the time without records after which windows may close")
		return 0
	}
	return idling(s.idle)
}

// closer is the clock of an aggregate's node, and how far it has sent final results. Both outlive the task: they are kept
// with the state and with the committed offsets.
type closer struct {
	meter    *engine.NodeMeter
	n        *node
	observed *int64 // the greatest time of its records, -1 before the first
	emitted  *int64 // windows that had closed by then are sent; -1: none yet
	nextMs   int64  // by the wall clock: not before that
	everyMs  int64

	seenMs int64 // the wall clock at the last record; of EmitIdle
	idle   int64 // ms; 0: no EmitIdle
	from   Time  // stream time at the last record
	emits  bool  // somebody does when it is idle
}

// newCloser names the emitted time as Kafka does: by the store. Nodes that send final results from one store have one clock.
func newCloser(n *node, kept *storeBase, clock string, final bool, idle idling) *closer {
	if kept.clock != nil {
		return kept.clock
	}
	c := &closer{n: n, meter: n.task.meter.Node(n.name), observed: n.task.meta(clock, -1), everyMs: n.task.prog.settings.EmitIntervalMs, idle: time.Duration(idle).Milliseconds()}
	if final {
		c.emitted = n.task.meta(kept.meta.Name, -1)
		kept.clock = c
	}
	return c
}

// observe takes the time of a record and gives the time of the operator.
func (c *closer) observe(at Time) Time {
	if int64(at) > *c.observed {
		*c.observed = int64(at)
	}
	if c.idle > 0 {
		c.seenMs, c.from = c.n.task.env.Now(), Time(*c.observed)
	}
	return Time(*c.observed)
}

// pending tells that time has passed since results were sent last.
func (c *closer) pending(closeTime Time) bool { return int64(closeTime) > *c.emitted }

// due is pending, but not more often than the app's interval allows.
func (c *closer) due(closeTime Time, force bool) bool {
	if !c.pending(closeTime) {
		return false
	}
	if c.everyMs == 0 {
		return true
	}
	now := c.n.task.env.Now()
	if now < c.nextMs && !force {
		return false
	}
	c.nextMs = now + c.everyMs
	return true
}

// done notes what was sent.
func (c *closer) done(closeTime Time) { *c.emitted = int64(closeTime) }

// whenIdle runs emit with the operator's time when it advances without records.
func (c *closer) whenIdle(emit func(now Time) error) {
	if c.idle == 0 || c.emits {
		return
	}
	c.emits = true
	t := c.n.task
	t.inits = append(t.inits, func() error {
		c.seenMs, c.from = t.env.Now(), Time(*c.observed)
		every := min(max(c.idle/4, 1), 1000)
		t.schedule(-1, every, WallClock, func(now Time) error {
			passed := int64(now) - c.seenMs
			if passed < c.idle || c.from < 0 {
				return nil
			}
			if at := int64(c.from) + passed; at > *c.observed {
				*c.observed = at
			}
			return emit(Time(*c.observed))
		})
		return nil
	})
}
