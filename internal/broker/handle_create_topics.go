package broker

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/metadata"
)

// within bounds an operation of the controller by the time the client gives it. Clients that give none still want it
// done.
func (b *Broker) within(ctx context.Context, millis int32) (context.Context, context.CancelFunc) {
	if millis <= 0 {
		millis = int32(b.cfg.Int("request.timeout.ms"))
	}
	ctx, cancel := context.WithCancelCause(ctx)
	timer := b.clock.AfterFunc(time.Duration(millis)*time.Millisecond, func() { cancel(context.DeadlineExceeded) })
	return ctx, func() {
		timer.Stop()
		cancel(nil)
	}
}

// handleCreateTopics answers when the topics can be written to.
func (b *Broker) handleCreateTopics(ctx context.Context, r *Request, req *kmsg.CreateTopicsRequest) kmsg.Response {
	ctx, cancel := b.within(ctx, req.TimeoutMillis)
	defer cancel()
	return b.meta.CreateTopics(metadata.WithMutations(ctx, b.mutating(r, 6)), req)
}
