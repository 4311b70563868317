package main

import (
	"testing"
	"time"

	"leat.dev/streams"
	"leat.dev/streams/streamstest"
)

func at(d time.Duration) streams.Time { return streams.Time(d.Milliseconds()) }

func TestOrdersFindTheirPaymentsAndCustomers(t *testing.T) {
	d := streamstest.New(t, Enrich)
	d.In(Customers).Send("c1", Customer{"Ada", "UK"}, at(0))
	d.In(Orders).Send("o1", Order{"o1", "c1", 500}, at(time.Minute))
	d.In(Payments).Send("o1", Payment{"o1", "card"}, at(3*time.Minute))
	d.In(Orders).Send("o2", Order{"o2", "c9", 700}, at(4*time.Minute))
	d.In(Payments).Send("o2", Payment{"o2", "cash"}, at(4*time.Minute)) // passes the time for o1
	d.Out(Results).Want(t, `c1 | {"id":"o1","customer":"c1","cents":500,"method":"card","name":"Ada","known":true} @180000`)
	d.Out(Strangers).Want(t, ``)
}

func TestLateEventsAreJoined(t *testing.T) {
	d := streamstest.New(t, Enrich)
	d.In(Customers).Send("c1", Customer{"Ada", "UK"}, at(0))
	d.In(Payments).Send("o1", Payment{"o1", "card"}, at(10*time.Minute))
	d.In(Orders).Send("o1", Order{"o1", "c1", 500}, at(2*time.Minute))        // eight minutes late
	d.In(Customers).Send("c1", Customer{"Ada King", "UK"}, at(9*time.Minute)) // late as well, but before the payment
	d.In(Payments).Send("o0", Payment{"o0", "card"}, at(11*time.Minute))
	d.In(Orders).Send("o0", Order{"o0", "c1", 100}, at(11*time.Minute))
	d.Out(Results).Want(t, `c1 | {"id":"o1","customer":"c1","cents":500,"method":"card","name":"Ada King","known":true} @600000`)
}

func TestTooFarApart(t *testing.T) {
	d := streamstest.New(t, Enrich)
	d.In(Orders).Send("o1", Order{"o1", "c1", 500}, at(0))
	d.In(Payments).Send("o1", Payment{"o1", "card"}, at(10*time.Minute+time.Millisecond))
	d.Out(Results).Want(t, ``)
	d.Out(Strangers).Want(t, ``)
}
