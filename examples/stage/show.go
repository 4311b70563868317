package stage

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/twmb/franz-go/pkg/kgo"

	"leat.dev/streams"
)

// Shown is a topic that is printed.
type Shown struct {
	topic string
	text  func(r *kgo.Record) (string, error)
}

// Show prints a topic's records as they come.
func Show[K, V any](t streams.Topic[K, V]) Shown {
	return Shown{t.Name, func(r *kgo.Record) (string, error) {
		return line(r, func() (any, error) { return t.Key.Decode(r.Key, r.Topic, nil) }, t.Value)
	}}
}

// ShowWindows prints a topic of window results.
func ShowWindows[K, V any](t streams.WindowedTopic[K, V]) Shown {
	ks := streams.WindowedSerde(t.Key, t.Size)
	return Shown{t.Name, func(r *kgo.Record) (string, error) {
		return line(r, func() (any, error) {
			w, err := ks.Decode(r.Key, r.Topic, nil)
			return fmt.Sprintf("%v %s to %s", w.Key, w.Start.Time().UTC().Format("15:04:05"), w.End.Time().UTC().Format("15:04:05")), err
		}, t.Value)
	}}
}

func line[V any](r *kgo.Record, key func() (any, error), vs streams.Serde[V]) (string, error) {
	k, err := key()
	if err != nil {
		return "", err
	}
	if r.Value == nil {
		return fmt.Sprintf("%s: %v gone", r.Topic, k), nil
	}
	v, err := vs.Decode(r.Value, r.Topic, nil)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(v)
	return fmt.Sprintf("%s: %v %s", r.Topic, k, text), err
}

// print reads the topics from now on, committed records only.
func (p Play) print(ctx context.Context, seeds []string, out io.Writer) error {
	texts := map[string]func(*kgo.Record) (string, error){}
	for _, s := range p.Show {
		texts[s.topic] = s.text
	}
	topics := make([]string, 0, len(texts))
	for t := range texts {
		topics = append(topics, t)
	}
	if len(topics) == 0 {
		return nil
	}
	c, err := kgo.NewClient(kgo.SeedBrokers(seeds...), kgo.ConsumeTopics(topics...), kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		return err
	}
	defer c.Close()
	for {
		fetches := c.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			return err
		}
		for it := fetches.RecordIter(); !it.Done(); {
			r := it.Next()
			text, err := texts[r.Topic](r)
			if err != nil {
				text = fmt.Sprintf("%s: partition %d offset %d: %v", r.Topic, r.Partition, r.Offset, err)
			}
			if _, err := fmt.Fprintln(out, text); err != nil {
				return err
			}
		}
	}
}
