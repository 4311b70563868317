// Package clock is time as an argument: the system's clock in production, a
// hand-driven one in tests. Nothing below cmd calls time.Now or starts a timer
// of package time itself.
//
// System timers run their functions in goroutines of the runtime. Manual runs
// them inside Advance, in order of their due times, so a test sees their
// effects when Advance returns.
package clock

import "time"

// Clock tells the time and calls back later.
type Clock interface {
	Now() time.Time
	// AfterFunc calls f once d has passed. C of the returned Timer is nil.
	AfterFunc(d time.Duration, f func()) Timer
	// NewTimer returns a Timer that sends on C once d has passed.
	NewTimer(d time.Duration) Timer
}

// Timer is a pending call or signal, with the semantics of time.Timer.
type Timer interface {
	C() <-chan time.Time
	// Stop tells whether it kept the timer from firing.
	Stop() bool
	// Reset tells whether the timer was still pending.
	Reset(d time.Duration) bool
}

// System is the machine's clock.
var System Clock = system{}

type system struct{}

type systemTimer struct{ *time.Timer }

func (t systemTimer) C() <-chan time.Time { return t.Timer.C }

func (system) Now() time.Time { return time.Now() }

func (system) AfterFunc(d time.Duration, f func()) Timer {
	return systemTimer{time.AfterFunc(d, f)}
}

func (system) NewTimer(d time.Duration) Timer { return systemTimer{time.NewTimer(d)} }
