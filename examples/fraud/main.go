// Command fraud gives an alert when one card is used more than three times in five minutes.
//
//	go run ./examples/fraud --help
package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"leat.dev/examples/stage"
	"leat.dev/streams"
)

// Payment is an attempt to pay with a card.
type Payment struct {
	Card  string `json:"card"`
	Cents int64  `json:"cents"`
}

// Alert says that a card was used too often.
type Alert struct {
	Card     string       `json:"card"`
	From, To streams.Time // of the window
	Count    int64
}

// The topics.
var (
	Payments = streams.NewTopic("payments", streams.String, streams.JSON[Payment]())
	Alerts   = streams.NewTopic("alerts", streams.String, streams.JSON[Alert]())
)

const most = 3 // payments of a card in a window

// ByCard is the key to count by.
func (p Payment) ByCard() string { return p.Card }

func tooMany(n int64) bool { return n > most }

func alert(w streams.Windowed[string], n int64) (string, Alert) {
	return w.Key, Alert{w.Key, w.Start, w.End, n}
}

// Fraud counts the payments of each card in windows of five minutes. Payments up to thirty seconds late are counted.
func Fraud(b *streams.Builder) {
	Payments.Stream(b).
		GroupBy(streams.String, Payment.ByCard).
		Windowed(streams.Tumbling(5*time.Minute).Grace(30*time.Second)).
		Count("payments-per-card").
		ToStream().
		FilterKV(func(_ streams.Windowed[string], n int64) bool { return tooMany(n) }).
		Map(streams.String, alert).
		To(Alerts)
}

func main() {
	stage.Main(stage.Play{
		ID: "fraud", Topology: Fraud, Topics: []string{Payments.Name, Alerts.Name, "fraud-dead"},
		Options: []streams.AppOption{streams.DeadLetters("fraud-dead"), streams.OnDecodeError(skip)},
		Show:    []stage.Shown{stage.Show(Alerts)}, Feed: feed,
	})
}

// skip leaves what cannot be read to the dead letters.
func skip(streams.Failure) streams.Decision { return streams.Skip }

func feed(ctx context.Context, f *stage.Feeder) error {
	rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // sample data
	for {
		p := Payment{Card: fmt.Sprintf("4000-%04d", rng.IntN(20)), Cents: 100 + rng.Int64N(10_000)}
		if err := f.Send(ctx, Payments, p.Card, p, time.Now()); err != nil {
			return err
		}
		if err := stage.Pause(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
}
