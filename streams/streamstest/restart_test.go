package streamstest_test

import (
	"testing"
	"time"

	"leat.dev/streams"
	"leat.dev/streams/streamstest"
)

var counts = streams.NewTopic("counts", streams.String, streams.Int64)

func counting(b *streams.Builder) {
	in.Stream(b).GroupByKey().Count("counts").ToStream().To(counts)
}

func TestStateComesBack(t *testing.T) {
	for name, again := range map[string]func(*streamstest.Driver){
		"restart": (*streamstest.Driver).Restart, "crash": (*streamstest.Driver).Crash, "lost": (*streamstest.Driver).LoseState,
	} {
		t.Run(name, func(t *testing.T) {
			d := streamstest.New(t, counting, streamstest.OnDisk())
			d.In(in).Lines("a | x @1", "a | y @2", "b | z @3")
			again(d)
			d.WantStore("counts", "a | 2 @2\nb | 1 @3")
			d.In(in).Lines("a | x @4")
			d.Out(counts).Want(t, "a | 1 @1\na | 2 @2\nb | 1 @3\na | 3 @4")
			if got := d.Out(counts).Latest(); len(got) != 2 || got["a"] != 3 {
				t.Errorf("latest: %v", got)
			}
		})
	}
}

func TestCrashBetweenCommits(t *testing.T) {
	for _, exactly := range []bool{false, true} {
		options := []streams.AppOption{streamstest.ManualCommit()}
		if exactly {
			options = append(options, streams.ExactlyOnce())
		}
		d := streamstest.New(t, counting, options...)
		d.In(in).Lines("a | x @1", "a | y @2")
		d.Out(counts).Want(t, "") // the cache holds it
		d.Commit()
		d.Out(counts).Want(t, "a | 2 @2")
		d.In(in).Lines("a | z @3")
		d.Crash() // the record is read again
		d.Commit()
		d.Out(counts).Want(t, "a | 3 @3")
	}
}

func TestPartitionsHaveTheirOwnState(t *testing.T) {
	d := streamstest.New(t, counting, streamstest.Partitions(2), streamstest.RestartEach(streamstest.LostState))
	d.In(in).ToPartition(0).Lines("a | x @1")
	d.In(in).ToPartition(1).Lines("a | x @2", "a | y @3")
	d.Out(counts).WantUnordered(t, "a | 1 @1\na | 1 @2\na | 2 @3")
	d.WantStore("counts", "a | 1 @1\na | 2 @3")
}

func TestWallClock(t *testing.T) {
	d := streamstest.New(t, func(b *streams.Builder) {
		in.Stream(b).ProcessValues("clock", func(c *streams.Context[string, *string]) func(streams.Record[string, *string]) error {
			c.Every(time.Second, streams.WallClock, func(now streams.Time) error {
				c.Forward(streams.Record[string, *string]{Key: "tick", NullValue: true, Time: now})
				return nil
			})
			return func(streams.Record[string, *string]) error { return nil }
		}).To(out)
	}, streamstest.StartingAt(5000))
	d.AdvanceWallClock(999 * time.Millisecond)
	d.Out(out).Want(t, "")
	d.AdvanceWallClock(time.Millisecond)
	d.Out(out).Want(t, "tick | null @6000")
	if d.Now() != 6000 {
		t.Errorf("now %d", d.Now())
	}
}

func TestStoresByDefinition(t *testing.T) {
	seen := streams.KeyValueStore("seen", streams.String, streams.Int64)
	d := streamstest.New(t, func(b *streams.Builder) {
		in.Stream(b).ProcessValues("count", func(c *streams.Context[string, *string]) func(streams.Record[string, *string]) error {
			s := seen.In(c)
			return func(r streams.Record[string, *string]) error {
				n, _, err := s.Get(r.Key)
				if err != nil {
					return err
				}
				return s.Put(r.Key, n+1)
			}
		}, seen).To(out)
	})
	d.In(in).Lines("a | x", "a | y")
	if n, ok, err := d.Store(seen).Get("a"); n != 2 || !ok || err != nil {
		t.Errorf("%d, %v, %v", n, ok, err)
	}
	if got := d.StoreText("seen"); got != "a | 2\n" {
		t.Errorf("the store holds %q", got)
	}
	d.In(in).Delete("b", 9)
	d.WantStore("seen", "a | 2\nb | 1")
}
