// Command wordcount counts the words of lines.
//
//	go run ./examples/wordcount --help
package main

import (
	"context"
	"strings"
	"time"

	"leat.dev/examples/stage"
	"leat.dev/streams"
)

// The topics.
var (
	Lines  = streams.NewTopic("lines", streams.String, streams.String)
	Counts = streams.NewTopic("counts", streams.String, streams.Int64)
)

func words(line string) []string { return strings.Fields(strings.ToLower(line)) }
func self(word string) string    { return word }

// WordCount keeps how often each word has come.
func WordCount(b *streams.Builder) {
	Lines.Stream(b).
		FlatMapValues(words).
		GroupBy(streams.String, self).
		Count("word-counts").
		ToStream().
		To(Counts)
}

func main() {
	stage.Main(stage.Play{
		ID: "word-count", Topology: WordCount, Topics: []string{Lines.Name, Counts.Name},
		Show: []stage.Shown{stage.Show(Counts)}, Feed: feed,
	})
}

var sample = []string{
	"All streams flow into the sea",
	"yet the sea is never full",
	"to the place the streams come from",
	"there they return again",
}

func feed(ctx context.Context, f *stage.Feeder) error {
	for i := 0; ; i++ {
		if err := f.Send(ctx, Lines, "", sample[i%len(sample)], time.Now()); err != nil {
			return err
		}
		if err := stage.Pause(ctx, time.Second); err != nil {
			return err
		}
	}
}
