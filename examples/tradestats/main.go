// Command tradestats gives statistics of trades per symbol over windows of five seconds that begin every second, one result
// for each window, when it closes. Start it several times to share the work.
//
//	go run ./examples/tradestats --help
package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"leat.dev/examples/stage"
	"leat.dev/streams"
)

// Trade is a trade of a share.
type Trade struct {
	Symbol string  `json:"symbol"`
	Price  float64 `json:"price"`
	Size   int32   `json:"size"`
}

// Stats are those of a symbol in a window.
type Stats struct {
	Count, Volume      int64
	Min, Max, Sum, Avg float64
}

// Add takes a trade in.
func (s Stats) Add(t Trade) Stats {
	return s.Merge(Stats{Count: 1, Volume: int64(t.Size), Min: t.Price, Max: t.Price, Sum: t.Price})
}

// Merge takes other statistics in. With it a trade updates one slice of a second, not five windows.
func (s Stats) Merge(o Stats) Stats {
	switch {
	case s.Count == 0:
		return o
	case o.Count == 0:
		return s
	}
	return Stats{
		Count: s.Count + o.Count, Volume: s.Volume + o.Volume, Sum: s.Sum + o.Sum,
		Min: min(s.Min, o.Min), Max: max(s.Max, o.Max),
	}
}

// WithAverage finishes the result.
func (s Stats) WithAverage() Stats {
	s.Avg = s.Sum / float64(s.Count)
	return s
}

var errPrice = errors.New("the price is not positive")

// check lets the processing handler decide about bad trades.
func check(_ streams.Ctx, r streams.Record[string, Trade]) (Trade, error) {
	if r.Value.Price <= 0 {
		return r.Value, errPrice
	}
	return r.Value, nil
}

const (
	size  = 5 * time.Second
	every = time.Second
)

// The topics.
var (
	Trades = streams.NewTopic("trades", streams.String, streams.JSON[Trade]())
	Out    = streams.NewWindowedTopic("trade-stats", streams.String, streams.JSON[Stats](), size)
)

// TradeStats is the topology.
func TradeStats(b *streams.Builder) {
	Trades.Stream(b).
		TryMapValues(check).
		GroupByKey().
		Windowed(streams.Hopping(size, every).Grace(time.Second)).
		EmitFinal().
		Aggregate("stats-per-window", streams.JSON[Stats](), Stats.Add, streams.Slices(Stats.Merge)).
		ToStream().
		MapValues(Stats.WithAverage).
		To(Out)
}

func main() {
	stage.Main(stage.Play{
		ID: "trade-stats", Topology: TradeStats, Topics: []string{Trades.Name, Out.Name, "trades-dead"},
		Options: []streams.AppOption{streams.DeadLetters("trades-dead"), streams.OnProcessingError(skip)},
		Show:    []stage.Shown{stage.ShowWindows(Out)}, Feed: feed,
	})
}

// skip leaves bad trades to the dead letters.
func skip(streams.Failure) streams.Decision { return streams.Skip }

func feed(ctx context.Context, f *stage.Feeder) error {
	rng := rand.New(rand.NewPCG(5, 1)) //nolint:gosec // sample data
	symbols := []string{"ACME", "LEAT", "MILL"}
	prices := []float64{40, 100, 15}
	for {
		i := rng.IntN(len(symbols))
		prices[i] *= 1 + 0.002*rng.NormFloat64()
		t := Trade{Symbol: symbols[i], Price: prices[i], Size: 1 + rng.Int32N(500)}
		if err := f.Send(ctx, Trades, t.Symbol, t, time.Now()); err != nil {
			return err
		}
		if err := stage.Pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}
