package metadata

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
)

type mutationsKey struct{}

// WithMutations lets take decide about each change that an operation makes of
// topics: it is told the number of partitions that would be created or deleted
// and says whether they may be (KIP-599). It is asked when everything else
// about the topic is in order, also if the request only wants validation, and
// is called from another goroutine, one call at a time.
func WithMutations(ctx context.Context, take func(partitions int) bool) context.Context {
	return context.WithValue(ctx, mutationsKey{}, take)
}

// limited returns the view with the context's say about changes.
func (v *view) limited(ctx context.Context) *view {
	v.take, _ = ctx.Value(mutationsKey{}).(func(int) bool)
	return v
}

// mutate asks whether partitions may be created or deleted.
func (v *view) mutate(partitions int) *refusal {
	if v.take == nil || v.take(partitions) {
		return nil
	}
	return refuse(kerr.ThrottlingQuotaExceeded, "The throttling quota has been exceeded.")
}
