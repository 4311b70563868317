package stage

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"leat.dev/streams"
)

// Feeder writes sample records.
type Feeder struct{ client *kgo.Client }

func newFeeder(seeds []string) (*Feeder, error) {
	c, err := kgo.NewClient(kgo.SeedBrokers(seeds...), kgo.ProducerLinger(0))
	return &Feeder{c}, err
}

// Send writes a record to a topic and waits until it is kept.
func (f *Feeder) Send[K, V any](ctx context.Context, t streams.Topic[K, V], key K, value V, at time.Time) error {
	r := &kgo.Record{Topic: t.Name, Timestamp: at}
	var h streams.Headers
	var err error
	if r.Key, err = t.Key.Append(nil, t.Name, &h, key); err != nil {
		return err
	}
	if r.Value, err = t.Value.Append(nil, t.Name, &h, value); err != nil {
		return err
	}
	return f.client.ProduceSync(ctx, r).FirstErr()
}

// Pause waits between records.
func Pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
