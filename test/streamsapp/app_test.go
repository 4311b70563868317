package streamsapp

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"leat.dev/streams"
)

var (
	lines   = streams.NewTopic("lines", streams.String, streams.String)
	counts  = streams.NewTopic("counts", streams.String, streams.String)
	counted = streams.KeyValueStore("words", streams.String, streams.Int64)
)

// wordCount counts in a processor: a result for every record, so that what is lost or doubled shows.
func wordCount(b *streams.Builder) { countWords(b, func(string) error { return nil }) }

func countWords(b *streams.Builder, look func(word string) error) {
	countLines(b, lines, counts, look)
}

func countLines(b *streams.Builder, lines, counts streams.Topic[string, string], look func(word string) error) {
	lines.Stream(b).
		FlatMapValues(strings.Fields).
		SelectKey(streams.String, func(w string) string { return w }).
		Repartition("by-word").
		Process("count", streams.String, func(c *streams.Context[string, string]) func(streams.Record[string, string]) error {
			seen := counted.In(c)
			return func(r streams.Record[string, string]) error {
				if err := look(r.Key); err != nil {
					return err
				}
				n, _, err := seen.Get(r.Key)
				if err != nil {
					return err
				}
				c.Forward(streams.Record[string, string]{Key: r.Key, Value: strconv.FormatInt(n+1, 10), Time: r.Time})
				return seen.Put(r.Key, n+1)
			}
		}, counted).
		To(counts)
}

// total is how many records of the output there must be.
func total(n int) func([]*kgo.Record) bool {
	return func(all []*kgo.Record) bool { return len(all) >= n }
}

// exact fails unless each word was counted from 1 up, once each, in order.
func exact(t testing.TB, all []*kgo.Record) {
	t.Helper()
	at := map[string]int{}
	for _, r := range all {
		at[string(r.Key)]++
		if string(r.Value) != strconv.Itoa(at[string(r.Key)]) {
			t.Fatalf("the count of %s is %s after %d\n%s", r.Key, r.Value, at[string(r.Key)]-1, show(all))
		}
	}
}

// reaches is done when every word has its count, however often it was written.
func reaches(want map[string]string) func([]*kgo.Record) bool {
	return func(all []*kgo.Record) bool {
		have := last(all)
		for k, v := range want {
			if have[k] != v {
				return false
			}
		}
		return true
	}
}

func TestWordCount(t *testing.T) {
	for _, eos := range []bool{false, true} {
		t.Run(fmt.Sprintf("exactly once %v", eos), func(t *testing.T) {
			onBoth(t, func(t *testing.T, c *cluster) {
				c.create(4, "lines", "counts")
				var o []streams.AppOption
				if eos {
					o = append(o, streams.ExactlyOnce())
				}
				r := c.run("wc", wordCount, o...)
				for i := range 20 {
					c.send("lines", fmt.Sprintf("k%d=the quick the lazy w%d", i, i%3))
				}
				exact(t, c.read("counts", total(100)))
				r.await(streams.Running)
				r.close()
				// What was committed is not processed again, and the state is there.
				r = c.run("wc", wordCount, o...)
				c.send("lines", "x=the end")
				all := c.read("counts", total(102))
				exact(t, all)
				if got := last(all)["the"]; got != "41" {
					t.Fatalf("the count of the is %s, want 41", got)
				}
				r.close()
			})
		})
	}
}

// TestKill kills instances at any moment: with exactly-once every count appears once, in order.
func TestKill(t *testing.T) {
	onBoth(t, func(t *testing.T, c *cluster) {
		c.create(4, "lines", "counts")
		dirs := []string{t.TempDir(), t.TempDir()}
		// One comes back as the member it was, the other as a new one.
		apps := []*instance{c.spawn("killed", dirs[0], "first", true), c.spawn("killed", dirs[1], "", true)}
		const rounds, perRound = 6, 400
		for round := range rounds {
			for i := range perRound {
				c.send("lines", fmt.Sprintf("k%d=a b%d c%d", i, i%7, i%31))
				if i == 100+round*40 {
					one := round % 2
					apps[one].kill()
					apps[one] = c.spawn("killed", dirs[one], []string{"first", ""}[one], true)
				}
			}
		}
		want := rounds * perRound * 3
		all := c.read("counts", total(want))
		exact(t, all)
		for _, p := range apps {
			p.stop()
		}
		if all := c.read("counts", total(want)); len(all) != want {
			t.Fatalf("%d results, want %d", len(all), want)
		}
	})
}

// TestWorkersFail lets workers fail between any two records; nothing is lost or doubled with exactly-once.
func TestWorkersFail(t *testing.T) {
	onBoth(t, func(t *testing.T, c *cluster) {
		c.create(3, "lines", "counts")
		var calls, crashes atomic.Int64
		program := func(b *streams.Builder) {
			countWords(b, func(string) error {
				if n := calls.Add(1); n == 3 || n == 50 || n == 51 || n == 200 {
					return fmt.Errorf("failing at call %d", n)
				} else if n == 400 {
					panic("broken")
				}
				return nil
			})
		}
		r := c.run("failing", program, streams.ExactlyOnce(), streams.Workers(2), streams.StateDir(t.TempDir()),
			streams.OnCrash(func(error) streams.CrashPolicy { crashes.Add(1); return streams.ReplaceWorker }))
		for i := range 100 {
			c.send("lines", fmt.Sprintf("k%d=a b%d c%d d%d", i, i%2, i%3, i))
		}
		all := c.read("counts", total(400))
		exact(t, all)
		if crashes.Load() < 4 {
			t.Errorf("%d crashes, want at least 4", crashes.Load())
		}
		r.close()
	})
}

// TestShare lets instances come and go.
func TestShare(t *testing.T) {
	onBoth(t, func(t *testing.T, c *cluster) {
		c.create(6, "lines", "counts")
		one := c.run("shared", wordCount, streams.ExactlyOnce(), streams.StateDir(t.TempDir()))
		n := 0
		send := func() {
			for i := range 100 {
				c.send("lines", fmt.Sprintf("k%d=a b%d c%d", i, i%7, i%31))
				n += 3
			}
		}
		send()
		one.await(streams.Running)
		two := c.run("shared", wordCount, streams.ExactlyOnce(), streams.Workers(2), streams.StateDir(t.TempDir()))
		send()
		exact(t, c.read("counts", total(n)))
		two.await(streams.Running)
		two.app.SetWorkers(3)
		send()
		exact(t, c.read("counts", total(n)))
		two.app.SetWorkers(1)
		send()
		one.close()
		send()
		exact(t, c.read("counts", total(n)))
		two.app.Pause()
		send()
		two.app.Resume()
		exact(t, c.read("counts", total(n)))
		two.close()
	})
}

func TestQuery(t *testing.T) {
	c := start(t, "leat")
	c.create(4, "lines", "counts")
	r := c.run("queried", wordCount, streams.Workers(2))
	c.send("lines", "x=a b c a b a")
	c.read("counts", total(6))
	words, err := r.app.Query(counted)
	if err != nil {
		t.Fatal(err)
	}
	if n, ok, err := words.Get("a"); n != 3 || !ok || err != nil {
		t.Fatal(n, ok, err)
	}
	if _, ok, err := words.Get("z"); ok || err != nil {
		t.Fatal(ok, err)
	}
	got := map[string]string{}
	for k, v := range words.All() {
		got[k] = strconv.FormatInt(v, 10)
	}
	if keys(got) != "a=3 b=2 c=1" || words.Err() != nil {
		t.Fatal(got, words.Err())
	}
	if err := words.Put("a", 1); err == nil {
		t.Fatal("a query can write")
	}
	r.close()
	if _, err := r.app.Query(counted); err == nil {
		t.Fatal("an app that ended answers")
	}
}

// TestErrors holds the errors of a start to naming node, topic and fix.
func TestErrors(t *testing.T) {
	c := start(t, "leat")
	fails := func(name, id string, build func(*streams.Builder), want ...string) {
		t.Run(name, func(t *testing.T) {
			r := c.with(t).run(id, build)
			err := r.end()
			for _, text := range want {
				if err == nil || !strings.Contains(err.Error(), text) {
					t.Fatalf("the error %v lacks %q", err, text)
				}
			}
			if s := r.app.State(); s != streams.Failed {
				t.Fatalf("the app is %s", s)
			}
		})
	}
	fails("missing topic", "e1", wordCount, "KSTREAM-SOURCE-0000000000", "lines", "create it")
	c.create(2, "lines", "counts")
	c.create(5, "e2-by-word-repartition")
	fails("partitions", "e2", wordCount, "e2-by-word-repartition has 5 partitions", "make 2 necessary")
	c.create(3, "other")
	fails("co-partitioning", "e3", func(b *streams.Builder) {
		other := streams.NewTopic("other", streams.String, streams.String)
		table := other.Table(b, "others")
		lines.Stream(b).JoinTable(table, func(l, r string) string { return l + r }).To(counts)
	}, "lines=2", "other=3")
	failing := func(b *streams.Builder) {
		lines.Stream(b).TryMapValues(func(streams.Ctx, streams.Record[string, string]) (string, error) {
			return "", fmt.Errorf("no")
		}).To(counts)
	}
	c.send("lines", "k=v")
	fails("processing", "e4", failing, "KSTREAM-MAPVALUES-0000000001", "lines", "no")

	t.Run("dead letters", func(t *testing.T) {
		c := c.with(t)
		c.create(1, "dead")
		r := c.run("e5", failing, streams.OnProcessingError(func(streams.Failure) streams.Decision { return streams.SkipTo("dead") }))
		all := c.read("dead", total(1))
		headers := map[string]string{}
		for _, h := range all[0].Headers {
			headers[h.Key] = string(h.Value)
		}
		if string(all[0].Key) != "k" || string(all[0].Value) != "v" || headers["__streams.errors.topic"] != "lines" || headers["__streams.errors.message"] != "no" {
			t.Fatal(all[0], headers)
		}
		r.close()
	})
	t.Run("no brokers", func(t *testing.T) {
		app, err := streams.New("e6", wordCount)
		if err != nil {
			t.Fatal(err)
		}
		if err := app.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "Brokers(") {
			t.Fatal(err)
		}
	})
}

func TestPatternAndGlobal(t *testing.T) {
	c := start(t, "leat")
	c.create(2, "in-one", "names", "out")
	c.send("names", "a=Anna", "b=Bert")
	names := streams.NewTopic("names", streams.String, streams.String)
	out := streams.NewTopic("out", streams.String, streams.String)
	program := func(b *streams.Builder) {
		all := streams.FromPattern(b, streams.NewTopic("", streams.String, streams.String), "in-.*")
		people := names.GlobalTable(b, "people", streams.InMemory())
		all.JoinGlobal(people, func(k, _ string) string { return k }, func(v, name string) string { return v + " " + name }).To(out)
	}
	often, dir := streams.ClientOptions(kgo.MetadataMinAge(10*time.Millisecond), kgo.MetadataMaxAge(200*time.Millisecond)), streams.StateDir(t.TempDir())
	r := c.run("patterns", program, often, dir)
	c.send("in-one", "a=hello", "b=hello", "z=nobody")
	c.read("out", reaches(map[string]string{"a": "hello Anna", "b": "hello Bert"}))
	c.create(3, "in-two") // more partitions than there were: more tasks, and another input for those there are
	c.send("in-two", "a=bye", "b=bye")
	c.read("out", reaches(map[string]string{"a": "bye Anna", "b": "bye Bert"}))
	c.send("in-one", "a=again", "b=again")
	c.read("out", reaches(map[string]string{"a": "again Anna", "b": "again Bert"}))
	r.close()
	r = c.run("patterns", program, often, dir) // the global store is in memory: its topic is read again, whatever the disk says
	c.send("in-two", "a=back", "b=back")
	c.read("out", reaches(map[string]string{"a": "back Anna", "b": "back Bert"}))
	r.close()
}
