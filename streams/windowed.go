package streams

import (
	"fmt"
	"time"
)

// Windows are time windows: tumbling, hopping, sliding or unlimited.
type Windows struct {
	kind    windowKind
	size    time.Duration // of sliding windows: the time difference
	advance time.Duration
	start   Time // of unlimited windows
	grace   time.Duration
}

type windowKind uint8

const (
	timeWindows windowKind = iota + 1
	slidingWindows
	unlimitedWindows
)

// Sessions are data-driven windows closed by a gap.
type Sessions struct{ gap, grace time.Duration }

// WindowNeedsGrace and SessionNeedsGrace become windows once Grace or NoGrace
// was chosen, so that nobody drops late records unawares.
type WindowNeedsGrace struct{ w Windows }
type SessionNeedsGrace struct{ s Sessions }

// WindowsWithGrace and SessionsWithGrace are what aggregates take: Windows and Sessions. See [Name] about methods that are
// generic in them.
type WindowsWithGrace interface{ Windows }
type SessionsWithGrace interface{ Sessions }

// Tumbling are windows of a size that follow one another from the epoch on. A window holds its start, not its end.
func Tumbling(size time.Duration) WindowNeedsGrace { return Hopping(size, size) }

// Hopping are windows of a size, of which one begins with each advance from the epoch on. A window holds its start, not
// its end. The advance is above zero and at most the size.
func Hopping(size, advance time.Duration) WindowNeedsGrace {
	return WindowNeedsGrace{Windows{kind: timeWindows, size: size, advance: advance}}
}

// Sliding are windows that hold records at most diff apart, both ends included. There is one for each set of records
// that can be had by sliding a window of that length along the time (KIP-450).
func Sliding(diff time.Duration) WindowNeedsGrace {
	return WindowNeedsGrace{Windows{kind: slidingWindows, size: diff}}
}

// UnlimitedFrom is one window from start on, which never ends. Records before it are ignored.
func UnlimitedFrom(start Time) Windows {
	return Windows{kind: unlimitedWindows, start: start}
}

// SessionGap are windows of records of which none is further from the next than the gap.
func SessionGap(gap time.Duration) SessionNeedsGrace { return SessionNeedsGrace{Sessions{gap: gap}} }

// Grace accepts records that come up to d after the end of their window, by stream time.
func (w WindowNeedsGrace) Grace(d time.Duration) Windows {
	w.w.grace = d
	return w.w
}

// NoGrace closes windows at their end.
func (w WindowNeedsGrace) NoGrace() Windows { return w.w }

// Grace accepts records that come up to d after a session's end and gap, by stream time.
func (s SessionNeedsGrace) Grace(d time.Duration) Sessions {
	s.s.grace = d
	return s.s
}

// NoGrace closes sessions when their gap has passed.
func (s SessionNeedsGrace) NoGrace() Sessions { return s.s }

// Windowed is a key in a window. End is exclusive for tumbling and hopping
// windows, inclusive for sliding and session windows.
type Windowed[K any] struct {
	Key        K
	Start, End Time
}

// String is [key@start/end], as Kafka prints it.
func (w Windowed[K]) String() string {
	return fmt.Sprintf("[%s@%d/%d]", printed(w.Key), w.Start, w.End)
}
