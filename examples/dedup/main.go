// Command dedup drops events that were seen in the last hour: a processor with a store and a timer.
//
//	go run ./examples/dedup --help
package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"leat.dev/examples/stage"
	"leat.dev/streams"
)

// Event has an id by which it is known.
type Event struct {
	ID   string `json:"id"`
	Body string `json:"body"`
}

// The topics, and the store of ids with the time they were seen at.
var (
	Events = streams.NewTopic("events", streams.String, streams.JSON[Event]())
	Unique = streams.NewTopic("unique-events", streams.String, streams.JSON[Event]())

	Seen = streams.KeyValueStore("seen", streams.String, streams.Int64)
)

const keep = time.Hour

func dedup(ctx *streams.Context[string, Event]) func(streams.Record[string, Event]) error {
	seen := Seen.In(ctx)
	ctx.Every(time.Minute, streams.StreamTime, func(now streams.Time) error {
		for id, at := range seen.All() {
			if now.Sub(streams.Time(at)) > keep {
				if err := seen.Delete(id); err != nil {
					return err
				}
			}
		}
		return seen.Err()
	})
	return func(r streams.Record[string, Event]) error {
		if _, old, err := seen.PutIfAbsent(r.Value.ID, int64(r.Time)); err != nil || old {
			return err
		}
		ctx.Forward(r)
		return nil
	}
}

// Dedup is the topology. Events of one id must have one key, so that one task sees them all.
func Dedup(b *streams.Builder) {
	Events.Stream(b).ProcessValues("dedup", dedup, Seen).To(Unique)
}

func main() {
	stage.Main(stage.Play{
		ID: "dedup", Topology: Dedup, Topics: []string{Events.Name, Unique.Name}, Show: []stage.Shown{stage.Show(Unique)}, Feed: feed,
	})
}

func feed(ctx context.Context, f *stage.Feeder) error {
	rng := rand.New(rand.NewPCG(8, 8)) //nolint:gosec // sample data
	for {
		id := fmt.Sprint("e", rng.IntN(100))
		if err := f.Send(ctx, Events, id, Event{id, "hello"}, time.Now()); err != nil {
			return err
		}
		if err := stage.Pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}
