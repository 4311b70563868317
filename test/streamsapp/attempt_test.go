package streamsapp

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// attempt is one try of a test, which may fail without it.
type attempt struct {
	testing.TB
	ctx context.Context //nolint:containedctx // as a test has one

	mu       sync.Mutex
	said     []string // why it failed
	failed   bool
	cleanups []func()
}

// tries is how often a test is tried that may fail for another's fault.
const tries = 3

// try runs f again when it failed and there is an excuse. The last failure is the test's.
func try(t *testing.T, excuse func() string, f func(testing.TB)) {
	t.Helper()
	for n := 1; ; n++ {
		ctx, cancel := context.WithCancel(t.Context())
		a := &attempt{TB: t, ctx: ctx}
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer a.clean()
			defer cancel()
			f(a)
		}()
		<-done
		why := strings.Join(a.said, "\n")
		switch {
		case !a.failed || t.Skipped():
			return
		case n == tries || excuse() == "":
			t.Fatal(why)
		}
		t.Logf("attempt %d failed, and another one is made: %s\n%s", n, excuse(), why)
	}
}

// clean runs what was to be done in the end, last things first.
func (a *attempt) clean() {
	for _, f := range slices.Backward(a.cleanups) {
		f()
	}
}

func (a *attempt) Context() context.Context { return a.ctx }
func (a *attempt) Cleanup(f func())         { a.cleanups = append(a.cleanups, f) }

func (a *attempt) Failed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.failed
}

func (a *attempt) fail(why string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failed, a.said = true, append(a.said, why)
}

func (a *attempt) Fail()                           { a.fail("failed") }
func (a *attempt) Error(args ...any)               { a.fail(fmt.Sprint(args...)) }
func (a *attempt) Errorf(text string, args ...any) { a.fail(fmt.Sprintf(text, args...)) }
func (a *attempt) FailNow()                        { a.Fail(); runtime.Goexit() }
func (a *attempt) Fatal(args ...any)               { a.fail(fmt.Sprint(args...)); runtime.Goexit() }
func (a *attempt) Fatalf(text string, args ...any) {
	a.fail(fmt.Sprintf(text, args...))
	runtime.Goexit()
}

func TestTry(t *testing.T) {
	var did []string
	try(t, func() string { return "the moon" }, func(t testing.TB) {
		n := len(did)
		t.Cleanup(func() { did = append(did, "cleaned") })
		if n == 0 {
			t.Fatal("once")
		}
		did = append(did, "done")
	})
	if got := strings.Join(did, " "); got != "cleaned done cleaned" {
		t.Error(got)
	}
}
