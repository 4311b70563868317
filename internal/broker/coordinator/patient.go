package coordinator

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/coord/share"
)

// A share coordinator that is not ready, as when the broker has just started, is asked again: twelve times in
// about 15 s, which is less than clients wait for an answer.
const (
	patientTries    = 12
	patientPause    = 50 * time.Millisecond
	maxPatientPause = 2 * time.Second
)

// Patient is a share.Persister that asks another one again for the partitions whose errors say so. Those who pass
// requests of clients on to the share coordinator use it; clients that ask the share coordinator itself try again
// by themselves.
type Patient struct {
	Persister share.Persister
	Clock     clock.Clock
}

var _ share.Persister = Patient{}

// Initialize implements share.Persister.
func (p Patient) Initialize(ctx context.Context, group string, list []share.InitializePartition) []share.Result {
	return askAgain(ctx, p.Clock, group, list, p.Persister.Initialize, resultError)
}

// Write implements share.Persister.
func (p Patient) Write(ctx context.Context, group string, list []share.WritePartition) []share.Result {
	return askAgain(ctx, p.Clock, group, list, p.Persister.Write, resultError)
}

// Delete implements share.Persister.
func (p Patient) Delete(ctx context.Context, group string, list []share.TopicPartition) []share.Result {
	return askAgain(ctx, p.Clock, group, list, p.Persister.Delete, resultError)
}

// Read implements share.Persister.
func (p Patient) Read(ctx context.Context, group string, list []share.ReadPartition) []share.ReadResult {
	return askAgain(ctx, p.Clock, group, list, p.Persister.Read, func(r *share.ReadResult) *kerr.Error { return r.Err })
}

// ReadSummary implements share.Persister.
func (p Patient) ReadSummary(ctx context.Context, group string, list []share.ReadPartition) []share.SummaryResult {
	return askAgain(ctx, p.Clock, group, list, p.Persister.ReadSummary, func(r *share.SummaryResult) *kerr.Error { return r.Err })
}

func resultError(r *share.Result) *kerr.Error { return r.Err }

// askAgain calls until no answer is one to try again, the tries are used up or ctx ends. Each call after the first is
// only about the partitions that still have such an answer.
func askAgain[P, R any](
	ctx context.Context, c clock.Clock, group string, list []P,
	call func(context.Context, string, []P) []R, failure func(*R) *kerr.Error,
) []R {
	out := call(ctx, group, list)
	pause := patientPause
	for range patientTries - 1 {
		var places []int
		var rest []P
		for i := range out {
			if retriable(failure(&out[i])) {
				places, rest = append(places, i), append(rest, list[i])
			}
		}
		if len(rest) == 0 || !sleep(c, pause, ctx.Done()) {
			return out
		}
		pause = min(2*pause, maxPatientPause)
		for i, r := range call(ctx, group, rest) {
			out[places[i]] = r
		}
	}
	return out
}

func retriable(err *kerr.Error) bool {
	switch err {
	case kerr.NotCoordinator, kerr.CoordinatorNotAvailable, kerr.CoordinatorLoadInProgress:
		return true
	}
	return false
}
