package streamsapp

import (
	"strings"
	"time"

	"leat.dev/streams"
)

// everything is an application with one of each thing that remembers: counts behind a repartition, windows that are told when
// they are final, windows that are held back until they close, an outer join of streams, a join of tables by foreign key.
// Its topics begin with the application id. load knows what has to come of its input.
func everything(id string) func(*streams.Builder) {
	named := func(name string) streams.Topic[string, string] {
		return streams.NewTopic(id+"-"+name, streams.String, streams.String)
	}
	return func(b *streams.Builder) {
		countLines(b, named("lines"), named("counts"), func(string) error { return nil })

		clicks := named("clicks").Stream(b).GroupByKey()
		clicks.Windowed(streams.Tumbling(clickWindow).Grace(clickGrace)).EmitFinal().Count("clicks").ToStream().
			To(streams.NewWindowedTopic(id+"-final", streams.String, streams.Int64, clickWindow))
		clicks.Windowed(streams.Tumbling(clickWindow).Grace(clickGrace)).
			Reduce("clicked", func(a, v string) string { return a + "," + v }).
			SuppressUntilClose(streams.Unbounded(), streams.Named("held")).ToStream().
			To(streams.NewWindowedTopic(id+"-held", streams.String, streams.String, clickWindow))

		named("left").Stream(b).OuterJoin("joined", named("right").Stream(b), streams.Within(joinWithin).Grace(joinGrace),
			func(e streams.Either[string, string]) string { return e.Left + "|" + e.Right }).To(named("joined"))

		orders, customers := named("orders").Table(b, "orders"), named("customers").Table(b, "customers", streams.NoCache())
		orders.JoinBy("billed", customers, customerOf,
			func(order, customer string) string { return order + "/" + customer }, streams.Materialize("billed")).
			ToStream().To(named("billed"))
	}
}

// customerOf is the customer of an order, which is written customer:number.
func customerOf(order string) (string, bool) {
	customer, _, ok := strings.Cut(order, ":")
	return customer, ok
}

// Times of records; load sends one step of records each tick.
const (
	tick        = 100 * time.Millisecond
	clickWindow = time.Second
	clickGrace  = 500 * time.Millisecond
	joinWithin  = 500 * time.Millisecond
	joinGrace   = 30 * time.Second
)
