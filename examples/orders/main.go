// Command orders joins orders with their payments, which may come up to ten minutes apart, and the result with the table of
// customers as it was at that time. Late events find their partners too.
//
//	go run ./examples/orders --help
package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"leat.dev/examples/stage"
	"leat.dev/streams"
)

// Order is what a customer wants.
type Order struct {
	ID       string `json:"id"`
	Customer string `json:"customer"`
	Cents    int64  `json:"cents"`
}

// Payment is how an order was paid.
type Payment struct {
	Order  string `json:"order"`
	Method string `json:"method"`
}

// Customer is who orders.
type Customer struct {
	Name    string `json:"name"`
	Country string `json:"country"`
}

// Paid is an order and its payment.
type Paid struct {
	Order
	Method string `json:"method"`
}

// Enriched is a paid order and its customer.
type Enriched struct {
	Paid
	Name  string `json:"name"`
	Known bool   `json:"known"`
}

// NewPaid joins an order and its payment.
func NewPaid(o Order, p Payment) Paid { return Paid{o, p.Method} }

// ByCustomer is the key to find the customer by.
func (p Paid) ByCustomer() string { return p.Customer }

// With adds the customer, if there is one.
func (p Paid) With(c Customer, ok bool) Enriched { return Enriched{p, c.Name, ok} }

// Unknown tells that the customer is not in the table.
func (e Enriched) Unknown() bool { return !e.Known }

// The topics: orders and payments by the order's id, customers by their own.
var (
	Orders    = streams.NewTopic("orders", streams.String, streams.JSON[Order]())
	Payments  = streams.NewTopic("order-payments", streams.String, streams.JSON[Payment]())
	Customers = streams.NewTopic("customers", streams.String, streams.JSON[Customer]())
	Results   = streams.NewTopic("paid-orders", streams.String, streams.JSON[Enriched]())
	Strangers = streams.NewTopic("paid-by-strangers", streams.String, streams.JSON[Enriched]())
)

// Enrich is the topology. The table keeps a day of history, and the join waits half a minute for changes that are late.
func Enrich(b *streams.Builder) {
	customers := Customers.Table(b, "customers", streams.Versioned(24*time.Hour))
	split := Orders.Stream(b).
		Join("orders-and-payments", Payments.Stream(b), streams.Within(10*time.Minute).Grace(time.Minute), NewPaid).
		ValueSerde(streams.JSON[Paid]()).
		SelectKey(streams.String, Paid.ByCustomer).
		LeftJoinTable(customers, Paid.With, streams.Named("by-customer"), streams.TableGrace(30*time.Second)).
		Split("paid-")
	split.Branch("by-strangers", Enriched.Unknown).To(Strangers)
	split.Default("by-customers").To(Results)
}

func main() {
	stage.Main(stage.Play{
		ID: "enrich-orders", Topology: Enrich,
		Topics: []string{Orders.Name, Payments.Name, Customers.Name, Results.Name, Strangers.Name},
		Show:   []stage.Shown{stage.Show(Results), stage.Show(Strangers)}, Feed: feed,
	})
}

func feed(ctx context.Context, f *stage.Feeder) error {
	rng := rand.New(rand.NewPCG(3, 9)) //nolint:gosec // sample data
	names := []string{"Ada", "Grace", "Edsger", "Barbara"}
	for i, name := range names {
		if err := f.Send(ctx, Customers, fmt.Sprint("c", i), Customer{name, "NL"}, time.Now()); err != nil {
			return err
		}
	}
	for i := 0; ; i++ {
		id := fmt.Sprint("o", i)
		now := time.Now()
		o := Order{ID: id, Customer: fmt.Sprint("c", rng.IntN(len(names)+1)), Cents: 100 + rng.Int64N(100_000)} // one is a stranger
		late := time.Duration(rng.IntN(120)) * time.Second
		if err := f.Send(ctx, Payments, id, Payment{id, "card"}, now); err != nil {
			return err
		}
		if err := f.Send(ctx, Orders, id, o, now.Add(-late)); err != nil {
			return err
		}
		if err := stage.Pause(ctx, 2*time.Second); err != nil {
			return err
		}
	}
}
