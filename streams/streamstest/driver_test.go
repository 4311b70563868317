package streamstest_test

import (
	"errors"
	"strings"
	"testing"

	"leat.dev/streams"
	"leat.dev/streams/streamstest"
)

var (
	in  = streams.NewTopic("in", streams.String, streams.Optional(streams.String))
	out = streams.NewTopic("out", streams.String, streams.Optional(streams.String))
)

func TestStateless(t *testing.T) {
	d := streamstest.New(t, func(b *streams.Builder) {
		in.Stream(b).Filter(func(v *string) bool { return v == nil || *v != "drop" }).To(out)
	})
	d.In(in).Text(`
		a | 1    @5
		b | drop @6
		c | null @7
		null | "x | y" @8 {trace=abc, "b c"=0x00ff}
	`)
	d.Out(out).Want(t, `
		a    | 1       @5
		c    | null    @7
		null | "x | y" @8 {trace=abc, "b c"=0x00ff}`)
	if _, ok := d.Out(out).Next(); ok {
		t.Error("Want took all records, and there is one more")
	}
	if got := d.Topics(); len(got) != 1 || got[0] != "out" {
		t.Errorf("topics written: %v", got)
	}
}

func TestRepartitionIsFedBack(t *testing.T) {
	d := streamstest.New(t, func(b *streams.Builder) {
		in.Stream(b).SelectKey(streams.String, func(v *string) string { return strings.ToUpper(*v) }).
			Repartition("by-value").To(out)
	})
	d.In(in).Lines("a | x @1", "b | y @2")
	d.Out(out).Want(t, `
		X | x @1
		Y | y @2`)
	if got := strings.Join(d.Topics(), " "); got != "app-by-value-repartition out" {
		t.Errorf("topics written: %s", got)
	}
}

func TestErrorsStopTheTasks(t *testing.T) {
	boom := errors.New("boom")
	d := streamstest.New(t, func(b *streams.Builder) {
		in.Stream(b).TryMapValues(func(_ streams.Ctx, r streams.Record[string, *string]) (*string, error) {
			if *r.Value == "bad" {
				return nil, boom
			}
			return r.Value, nil
		}).To(out)
	})
	d.In(in).Lines("a | good")
	if err := d.Try(func() { d.In(in).Lines("a | bad") }); !errors.Is(err, boom) {
		t.Fatalf("error %v, want %v", err, boom)
	}
	if err := d.Try(d.Crash); !errors.Is(err, boom) {
		t.Fatalf("after a restart: error %v, want that of the same record, %v", err, boom)
	}
	d.Out(out).Want(t, "a | good")
}

func TestPatterns(t *testing.T) {
	d := streamstest.New(t, func(b *streams.Builder) {
		streams.FromPattern(b, in, "in-.*").To(out)
	})
	like := in
	for _, name := range []string{"in-1", "other", "in-2", "in-1"} {
		like.Name = name
		d.In(like).Lines(name + " | x")
	}
	d.Out(out).Want(t, `
		in-1 | x
		in-2 | x
		in-1 | x`)
}

func TestPartitions(t *testing.T) {
	run := func(seed uint64) string {
		d := streamstest.New(t, func(b *streams.Builder) {
			in.Stream(b).SelectKey(streams.String, func(v *string) string { return *v }).Repartition("r").To(out)
		}, streamstest.Partitions(3), streamstest.Seed(seed))
		d.Batch(func() { d.In(in).Lines("a | x", "b | y", "c | x", "d | z", "e | x", "f | y") })
		if n := len(d.Tasks()); n != 6 {
			t.Errorf("%d tasks, want 6", n)
		}
		order := ""
		for _, r := range d.Records() {
			order += r.Topic + string(r.Key) + " "
		}
		d.Out(out).WantUnordered(t, "x|x\nx|x\nx|x\ny|y\ny|y\nz|z")
		return order
	}
	if first, second := run(1), run(1); first != second {
		t.Error("the same seed gave two orders")
	}
}

func TestRestartsChangeNothing(t *testing.T) {
	for _, k := range []streamstest.RestartKind{streamstest.Clean, streamstest.Killed, streamstest.LostState} {
		d := streamstest.New(t, func(b *streams.Builder) {
			in.Stream(b).Repartition("r").To(out)
		}, streamstest.RestartEach(k))
		d.In(in).Lines("a | 1 @1", "b | 2 @2")
		d.Out(out).Want(t, "a | 1 @1\nb | 2 @2")
	}
}
