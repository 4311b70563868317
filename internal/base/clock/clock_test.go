package clock

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestManualFiresInOrder(t *testing.T) {
	start := time.Unix(1000, 0)
	m := NewManual(start)
	var fired []string
	at := func(name string, d time.Duration) Timer {
		return m.AfterFunc(d, func() { fired = append(fired, name+" "+m.Now().Sub(start).String()) })
	}
	at("late", 3*time.Second)
	at("first", time.Second)
	at("second", time.Second)
	stopped := at("stopped", time.Second)
	again := at("again", time.Second)
	m.AfterFunc(2*time.Second, func() { at("chained", 500*time.Millisecond) })
	if !stopped.Stop() || stopped.Stop() {
		t.Error("Stop tells something else")
	}
	if !again.Reset(2500 * time.Millisecond) {
		t.Error("Reset tells it was not pending")
	}
	if due, ok := m.Next(); !ok || !due.Equal(start.Add(time.Second)) || m.Pending() != 5 {
		t.Errorf("next %v, %d pending", due, m.Pending())
	}
	m.Advance(2900 * time.Millisecond)
	if want := []string{"first 1s", "second 1s", "again 2.5s", "chained 2.5s"}; !slices.Equal(fired, want) {
		t.Errorf("%q, want %q", fired, want)
	}
	m.Advance(time.Hour)
	if len(fired) != 5 || m.Pending() != 0 || again.Reset(0) {
		t.Errorf("%q", fired)
	}
	m.Advance(0)
	if len(fired) != 6 {
		t.Error("a timer of 0 does not fire at the next Advance")
	}
}

func testTimer(t *testing.T, c Clock, advance func(time.Duration)) {
	start := c.Now()
	timer := c.NewTimer(time.Minute)
	advance(59 * time.Second)
	select {
	case <-timer.C():
		t.Fatal("fired early")
	default:
	}
	advance(time.Second)
	if got := (<-timer.C()).Sub(start); got != time.Minute {
		t.Errorf("fired after %v", got)
	}
	if timer.Stop() {
		t.Error("Stop of a fired timer tells true")
	}
	timer.Reset(time.Second)
	advance(2 * time.Second)
	timer.Reset(time.Hour) // drops the signal nobody read
	select {
	case <-timer.C():
		t.Error("a stale signal")
	default:
	}
	ran := 0
	f := c.AfterFunc(time.Second, func() { ran++ })
	if f.C() != nil {
		t.Error("a function's timer has a channel")
	}
	advance(time.Minute)
	if ran != 1 {
		t.Errorf("ran %d times", ran)
	}
}

func TestTimers(t *testing.T) {
	m := NewManual(time.Unix(0, 0))
	testTimer(t, m, m.Advance)
	synctest.Test(t, func(t *testing.T) {
		testTimer(t, System, func(d time.Duration) {
			<-time.After(d) // time in the bubble: nothing is waited for
			synctest.Wait()
		})
	})
}
