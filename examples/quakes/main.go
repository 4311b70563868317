// Command quakes counts earthquakes per region and hour, and keeps the strongest.
//
//	go run ./examples/quakes --help
//
// Its events look as the US Geological Survey gives them; `make demo` runs the same topology on real ones where it finds them.
package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"leat.dev/examples/quakes/regions"
	"leat.dev/examples/stage"
	"leat.dev/streams"
)

func main() {
	stage.Main(stage.Play{
		ID: "quakes-per-region", Topology: regions.PerRegion, Topics: []string{regions.Quakes.Name, regions.Hours.Name},
		Show: []stage.Shown{stage.ShowWindows(regions.Hours)}, Feed: feed,
	})
}

func feed(ctx context.Context, f *stage.Feeder) error {
	rng := rand.New(rand.NewPCG(1906, 4)) //nolint:gosec // sample data
	places := []string{"Alaska", "California", "Chile", "Japan", "Washington"}
	at := time.Now().Add(-48 * time.Hour)
	for i := 0; ; i++ {
		at = at.Add(time.Duration(rng.ExpFloat64() * float64(5*time.Minute)))
		q := regions.Quake{ID: fmt.Sprint("q", i), Time: streams.At(at), Mag: 1 + 1.2*rng.ExpFloat64(), Place: "somewhere, " + places[rng.IntN(len(places))]}
		if err := f.Send(ctx, regions.Quakes, q.ID, q, at); err != nil {
			return err
		}
		if err := stage.Pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}
