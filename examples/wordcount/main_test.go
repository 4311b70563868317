package main

import (
	"testing"

	"leat.dev/streams/streamstest"
)

func TestWordCount(t *testing.T) {
	d := streamstest.New(t, WordCount)
	d.In(Lines).Send("", "to be or not to be", 0)
	d.Out(Counts).Want(t, `
		to  | 1 @0
		be  | 1 @0
		or  | 1 @0
		not | 1 @0
		to  | 2 @0
		be  | 2 @0`)
}

func TestCountsOutliveARestart(t *testing.T) {
	d := streamstest.New(t, WordCount)
	d.In(Lines).Send("", "Streams", 1)
	d.Restart()
	d.In(Lines).Send("", "streams", 2)
	d.Out(Counts).Want(t, `
		streams | 1 @1
		streams | 2 @2`)
}
