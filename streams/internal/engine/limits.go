package engine

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/streams/internal/topology"
)

// limits are the largest batches that topics take (max.message.bytes), as far as the cluster tells. A producer that knows them
// never has a whole batch refused: only a record that is too large by itself fails, before it is sent, and leaves sequence
// numbers and the transaction as they are.
type limits struct {
	mu    sync.Mutex
	bytes map[string]int32
}

const (
	batchBytesDefault = 1_000_012 // where the cluster does not tell
	batchBytesMax     = 32 << 20  // half of what an outlet buffers
	batchBytesLeast   = 512       // of franz-go
)

// of is the limit of a topic, in bytes before compression.
func (l *limits) of(topic string) int32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n, ok := l.bytes[topic]; ok {
		return n
	}
	return batchBytesDefault
}

// know asks for the limits of topics of which it was not asked.
func (l *limits) know(ctx context.Context, admin *kadm.Client, topics ...string) {
	l.mu.Lock()
	topics = slices.DeleteFunc(topics, func(t string) bool { _, ok := l.bytes[t]; return ok })
	for _, t := range topics {
		l.bytes[t] = batchBytesDefault // if who asks may not know
	}
	l.mu.Unlock()
	l.learn(ctx, admin, topics...)
}

// learn asks for the limits of topics and tells whether one is smaller than what it was taken for.
func (l *limits) learn(ctx context.Context, admin *kadm.Client, topics ...string) (smaller bool) {
	if len(topics) == 0 {
		return false
	}
	found, err := admin.DescribeTopicConfigs(ctx, topics...)
	if err != nil {
		return false
	}
	for _, topic := range found {
		for _, c := range topic.Configs {
			if c.Key != "max.message.bytes" || c.Value == nil || topic.Err != nil {
				continue
			}
			n, err := strconv.ParseInt(*c.Value, 10, 64)
			if err != nil {
				continue
			}
			limit := int32(min(max(n, batchBytesLeast), batchBytesMax)) //nolint:gosec // bounded
			smaller = smaller || limit < l.of(topic.Name)
			l.mu.Lock()
			l.bytes[topic.Name] = limit
			l.mu.Unlock()
		}
	}
	return smaller
}

// written are the topics that the program is known to write to.
func (a *App) written(layout *topology.Layout, have map[string]int) (topics []string) {
	for i := range layout.Internal {
		topics = append(topics, layout.Internal[i].Name)
	}
	for _, n := range a.prog.Topology.Nodes() {
		if name := a.fullName(n.Topic); n.Kind == topology.KindSink && have[name] > 0 {
			topics = append(topics, name)
		}
	}
	return topics
}

// batchRefused tells of a record that failed because the batch around it was larger than its topic takes now: the limit was
// lowered. Taken up again from the last commit, smaller batches go through.
func (o *outlet) batchRefused(ctx context.Context, f *ProduceFailure) bool {
	limit := o.app.cluster.limits.of(f.Topic)
	return errors.Is(f.Err, kerr.MessageTooLarge) && len(f.Key)+len(f.Value) < int(limit) && o.app.cluster.limits.learn(ctx, o.app.cluster.admin, f.Topic)
}
