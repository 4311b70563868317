package main

import (
	"testing"
	"time"

	"leat.dev/streams"
	"leat.dev/streams/streamstest"
)

func TestFourthPaymentInFiveMinutesGivesAnAlert(t *testing.T) {
	d := streamstest.New(t, Fraud)
	payments, alerts := d.In(Payments), d.Out(Alerts)
	at := func(s int) streams.Time { return streams.Time(time.Duration(s) * time.Second / time.Millisecond) }
	for _, s := range []int{10, 20, 30} {
		payments.Send("a", Payment{Card: "a", Cents: 100}, at(s))
	}
	payments.Send("b", Payment{Card: "b", Cents: 100}, at(40))
	if got := alerts.All(); len(got) != 0 {
		t.Fatalf("alerts after three payments: %v", got)
	}
	payments.Send("a", Payment{Card: "a", Cents: 100}, at(310)) // the next window
	payments.Send("a", Payment{Card: "a", Cents: 100}, at(290)) // late, within the grace
	alerts.Want(t, `a | {"card":"a","From":0,"To":300000,"Count":4} @290000`)
	payments.Send("b", Payment{Card: "b", Cents: 100}, at(330)) // closes the first window
	payments.Send("a", Payment{Card: "a", Cents: 100}, at(299)) // too late
	alerts.Want(t, ``)
}
