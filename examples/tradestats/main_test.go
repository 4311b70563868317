package main

import (
	"testing"

	"leat.dev/streams"
	"leat.dev/streams/streamstest"
)

func TestOneResultForEachWindowWhenItCloses(t *testing.T) {
	d := streamstest.New(t, TradeStats)
	trades, out := d.In(Trades), d.WOut(Out)
	trades.Send("LEAT", Trade{"LEAT", 10, 1}, 1000)
	trades.Send("LEAT", Trade{"LEAT", 20, 2}, 2500)
	if got := out.All(); len(got) != 0 {
		t.Fatalf("results before a window closed: %v", got)
	}
	trades.Send("MILL", Trade{"MILL", 5, 1}, 8000) // stream time 8 s, grace 1 s: windows up to [2 s, 7 s) are closed
	out.Want(t, `
		LEAT@0    | {"Count":2,"Volume":3,"Min":10,"Max":20,"Sum":30,"Avg":15} @2500
		LEAT@1000 | {"Count":2,"Volume":3,"Min":10,"Max":20,"Sum":30,"Avg":15} @2500
		LEAT@2000 | {"Count":1,"Volume":2,"Min":20,"Max":20,"Sum":20,"Avg":20} @2500`)
}

func TestBadTradesAreDeadLetters(t *testing.T) {
	d := streamstest.New(t, TradeStats, streams.DeadLetters("trades-dead"), streams.OnProcessingError(skip))
	d.In(Trades).Send("LEAT", Trade{"LEAT", -1, 1}, 1000)
	dead := d.Out(streams.NewTopic("trades-dead", streams.String, streams.JSON[Trade]())).All()
	if len(dead) != 1 || dead[0].Value.Price != -1 {
		t.Fatalf("dead letters: %v", dead)
	}
}
