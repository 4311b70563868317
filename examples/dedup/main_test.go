package main

import (
	"testing"

	"leat.dev/streams"
	"leat.dev/streams/streamstest"
)

func TestEventsComeOnceAnHour(t *testing.T) {
	d := streamstest.New(t, Dedup)
	send := func(id string, minute streams.Time) { d.In(Events).Send(id, Event{id, "x"}, minute*60_000) }
	send("a", 0)
	send("a", 1)
	send("b", 30)
	send("b", 61) // the timer forgets a here
	send("a", 62)
	d.Out(Unique).Want(t, `
		a | {"id":"a","body":"x"} @0
		b | {"id":"b","body":"x"} @1800000
		a | {"id":"a","body":"x"} @3720000`)
}
