package streams

import (
	"fmt"
	"time"
)

// JoinWindow says how far apart two records may be to be joined: the right one's time is in [left - before, left + after],
// both ends included.
type JoinWindow struct{ before, after, grace time.Duration }

// JoinNeedsGrace becomes a JoinWindow once Grace or NoGrace was chosen.
type JoinNeedsGrace struct{ before, after time.Duration }

// Within joins records that are at most d apart, in either order.
func Within(d time.Duration) JoinNeedsGrace { return JoinNeedsGrace{d, d} }

// Between joins records of which the right one is at most before earlier and at most after later than the left one. One of
// them may be negative as long as their sum is not.
func Between(before, after time.Duration) JoinNeedsGrace { return JoinNeedsGrace{before, after} }

// Grace is how much longer left and outer joins wait for late records before they say that there is no match. Inner joins
// keep records for as much longer.
func (j JoinNeedsGrace) Grace(d time.Duration) JoinWindow {
	return JoinWindow{j.before, j.after, d}
}

// NoGrace is a Grace of zero.
func (j JoinNeedsGrace) NoGrace() JoinWindow { return JoinWindow{j.before, j.after, 0} }

// retention is how long either side is kept.
func (j JoinWindow) retention() time.Duration { return j.before + j.after + j.grace }

func (j JoinWindow) check() error {
	switch {
	case j.before+j.after < 0:
		return fmt.Errorf("the window ends before it begins (before %v, after %v)", j.before, j.after)
	case j.grace < 0:
		return fmt.Errorf("the grace is negative (%v)", j.grace)
	}
	return nil
}

// Either is one or both sides of an outer join; at least one Has is true.
type Either[L, R any] struct {
	Left              L
	Right             R
	HasLeft, HasRight bool
}
