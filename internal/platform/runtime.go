package platform

import (
	"os"
	"runtime"
	"runtime/debug"
	"sync"
)

// heapGrowth is GOGC: how far the heap may grow over what is live before it is collected, in percent. Buffers for
// requests are pooled and live, so steady work makes little garbage; what is left is small, and letting it grow to
// twice Go's default costs a few megabytes and halves the collections.
const heapGrowth = 200

// softLimit is where the collector begins to work harder, whatever heapGrowth says. It is above what the budgets of
// requests and groups allow, so it only matters when something unforeseen grows.
const softLimit = 1 << 30

// spareProcs are run slots beyond the processors, at most as many as there are processors. An fsync keeps its slot
// until the runtime's monitor takes it away, which on a calm machine may need ten milliseconds; with two processors, two
// flushes would keep everybody else waiting for that long.
const spareProcs = 4

// tuneRuntime sets up the garbage collector and the scheduler, unless the environment says how.
var tuneRuntime = sync.OnceFunc(func() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(heapGrowth)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(softLimit)
	}
	if os.Getenv("GOMAXPROCS") == "" {
		n := runtime.GOMAXPROCS(0)
		runtime.GOMAXPROCS(n + min(n, spareProcs))
	}
})
