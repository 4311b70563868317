package streams_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"leat.dev/streams"
)

func TestGroupOptionsAreChecked(t *testing.T) {
	tag := func(key, value string) streams.AppOption { return streams.Tags(map[string]string{key: value}) }
	for want, o := range map[string]streams.AppOption{
		"AcceptableLag":    streams.AcceptableLag(-1),
		"MaxWarmups":       streams.MaxWarmups(0),
		"ProbingEvery":     streams.ProbingEvery(time.Second),
		"Standbys":         streams.Standbys(-1),
		"keys have":        tag(strings.Repeat("k", 21), "v"),
		"values 1 to 30":   tag("zone", strings.Repeat("v", 31)),
		"SpreadStandbysBy": streams.SpreadStandbysBy("zone"),
		"RackCosts":        streams.RackCosts(-1, 0),
		"OnClose":          streams.OnClose(9),
		"6 tags":           streams.Tags(map[string]string{"a": "1", "b": "1", "c": "1", "d": "1", "e": "1", "f": "1"}),
	} {
		_, err := streams.New("checked", func(b *streams.Builder) {}, o)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	_, err := streams.New("checked", func(b *streams.Builder) {}, tag("zone", "a"), streams.SpreadStandbysBy("zone"),
		streams.AcceptableLag(0), streams.ProbingEvery(time.Minute), streams.Rack("r"), streams.RackCosts(1, 0), streams.OnClose(streams.RemainInGroup))
	if err != nil && strings.Contains(err.Error(), "option") {
		t.Error(err)
	}
}

func TestCloseBeforeRun(t *testing.T) {
	app, err := streams.New("closed", func(b *streams.Builder) {
		streams.NewTopic("in", streams.String, streams.String).Stream(b).To(streams.NewTopic("out", streams.String, streams.String))
	}, streams.Brokers("127.0.0.1:1"))
	if err != nil {
		t.Fatal(err)
	}
	if err := app.Close(t.Context(), streams.LeaveGroup); err != nil {
		t.Fatal(err)
	}
	// One that starts, with no broker to reach, is broken off.
	ended := make(chan error, 1)
	begun := make(chan struct{}, 10)
	app.OnState(func(_, _ streams.State) { begun <- struct{}{} })
	go func() { ended <- app.Run(context.Background()) }()
	<-begun
	if err := app.Close(t.Context(), streams.LeaveGroup); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}
