package platform

import (
	"os"
	"runtime/debug"
)

// heapGrowth is GOGC: how far the heap may grow over what is live before it is collected, in percent. Buffers for
// requests are pooled and live, so steady work makes little garbage; what is left is small, and letting it grow to
// twice Go's default costs a few megabytes and halves the collections.
const heapGrowth = 200

// softLimit is where the collector begins to work harder, whatever heapGrowth says. It is above what the budgets of
// requests and groups allow, so it only matters when something unforeseen grows.
const softLimit = 1 << 30

// tuneMemory sets the garbage collector up, unless the environment says how.
func tuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(heapGrowth)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(softLimit)
	}
}
