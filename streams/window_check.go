package streams

import (
	"fmt"
	"math"
	"time"
)

// check notes what is wrong with windows, and gives how long they are kept.
func (w Windows) check(b *Builder, operator string, final bool, s *settings) (retention time.Duration) {
	bad := func(problem, fix string) { b.mistake(operator, problem, fix) }
	switch w.kind {
	case timeWindows:
		if w.size < time.Millisecond {
			bad(fmt.Sprintf("windows have the size %v", w.size), "make it 1 ms at least")
		} else if w.advance < time.Millisecond || w.advance > w.size {
			bad(fmt.Sprintf("windows of %v advance by %v", w.size, w.advance), "let them advance by 1 ms at least and their size at most")
		}
		retention = w.size + w.grace
	case slidingWindows:
		if w.size < 0 {
			bad(fmt.Sprintf("sliding windows have the time difference %v", w.size), "make it zero at least")
		}
		retention = 2*w.size + w.grace
	case unlimitedWindows:
		if w.start < 0 {
			bad(fmt.Sprintf("unlimited windows begin at %d", w.start), "begin at zero at least")
		}
		if final {
			bad("unlimited windows never close, so there are no final results", "leave out EmitFinal")
		}
		if s.has("Retention") {
			bad("unlimited windows are kept for ever, Retention does not fit", "leave it out")
		}
		return math.MaxInt64
	default:
		bad("the windows are empty", "make them by Tumbling, Hopping, Sliding or UnlimitedFrom")
	}
	checkGrace(b, operator, w.grace)
	return retained(b, operator, s, retention)
}

func (w Sessions) check(b *Builder, operator string, s *settings) (retention time.Duration) {
	if w.gap < time.Millisecond {
		b.mistake(operator, fmt.Sprintf("sessions have the gap %v", w.gap), "make it 1 ms at least")
	}
	checkGrace(b, operator, w.grace)
	return retained(b, operator, s, w.gap+w.grace)
}

func checkGrace(b *Builder, operator string, d time.Duration) {
	if d < 0 {
		b.mistake(operator, fmt.Sprintf("the grace is negative (%v)", d), "make it zero at least")
	}
}

// retained is what Retention says, which is least at least.
func retained(b *Builder, operator string, s *settings, least time.Duration) time.Duration {
	if !s.has("Retention") {
		return least
	}
	if s.retention < least {
		b.mistake(operator, fmt.Sprintf("Retention %v is too short", s.retention), fmt.Sprintf("windows and their grace need %v at least", least))
	}
	return s.retention
}
