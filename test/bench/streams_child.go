package main

import (
	"context"
	"encoding/json/v2"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"time"

	"leat.dev/streams"
)

// streamsJob is one run of a streams application in a process of its own, ours or Kafka Streams'.
type streamsJob struct {
	Broker   string `json:"broker"`
	App      string `json:"app"`
	Workload string `json:"workload"`
	Records  int64  `json:"records"` // that pass the last step before the operator, of all sources together
	Cache    int64  `json:"cache"`   // bytes
	CommitMs int64  `json:"commit_ms"`
	EOS      bool   `json:"eos"`
	Dir      string `json:"dir"`
	Input    string `json:"input"`   // prefix of the topics that were loaded
	Output   string `json:"output"`  // topic
	Profile  string `json:"profile"` // prefix of profiles to write; "": none
}

// event is the value of all sources, about 100 bytes of JSON.
type event struct {
	ID     int64   `json:"id"`
	User   string  `json:"user"`
	Item   string  `json:"item"`
	Amount int64   `json:"amount"`
	Price  float64 `json:"price"`
	Time   int64   `json:"time"`
	Ok     bool    `json:"ok"`
}

// total is what the aggregate into windows keeps.
type total struct {
	Count int64 `json:"count"`
	Sum   int64 `json:"sum"`
	Max   int64 `json:"max"`
}

// pair is what joins give.
type pair struct {
	User  string `json:"user"`
	Left  int64  `json:"left"`
	Right int64  `json:"right"`
}

// child counts what passes, and says on its standard output how far it is.
type child struct {
	job   streamsJob
	taken atomic.Int64
	sent  atomic.Int64
	end   context.CancelFunc

	mu       sync.Mutex
	state    streams.State
	began    bool           // a store began to be restored
	restored map[int32]bool // partitions of a restored store
	running  bool           // all of them were, and the app runs
	all      bool           // records have passed
}

func (c *child) count(string, event) {
	switch n := c.taken.Add(1); n {
	case c.job.Records / 2:
		fmt.Println("half")
	case c.job.Records * 3 / 4:
		if c.job.Profile != "" {
			writeProfile("heap", c.job.Profile+".heap")
		}
	case c.job.Records:
		c.mark(func() { c.all = true })
	}
}

// mark keeps what happened, and says what follows from it. A restore is done when every store is and the app runs: the task
// of the record that asks for a key may have begun long before.
func (c *child) mark(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
	restore := c.job.Workload == "restore"
	if restore && !c.running && c.state == streams.Running && len(c.restored) == streamsPartitions {
		c.running = true
		fmt.Println("running")
	}
	if c.all && (c.running || !restore) {
		fmt.Println("done")
		c.all = false
		c.end()
	}
}

func (c *child) restore(e streams.RestoreEvent) {
	if c.job.Workload != "restore" {
		return
	}
	c.mark(func() {
		switch {
		case e.Kind == streams.RestoreStart && !c.began:
			c.began = true
			fmt.Println("begin")
		case e.Kind == streams.RestoreEnd:
			c.restored[e.Partition] = true
		}
	})
}

func counted[K, V any](c *child) func(K, V) { return func(K, V) { c.sent.Add(1) } }

const (
	hopSize    = 5 * time.Second
	hopAdvance = time.Second
	joinWithin = time.Second
)

// topology is the same as that of StreamsBench.java, step by step.
func (c *child) topology(b *streams.Builder) {
	events := streams.JSON[event]()
	pairs := streams.JSON[pair]()
	in := func(name string) *streams.Stream[string, event] {
		return streams.NewTopic(c.job.Input+name, streams.String, events).Stream(b)
	}
	switch c.job.Workload {
	case "filter":
		in("events").Peek(c.count).
			Filter(func(e event) bool { return e.Amount%4 != 0 }).
			MapValues(func(e event) event { e.Price *= 1.5; e.Ok = !e.Ok; return e }).
			Peek(counted[string, event](c)).
			To(streams.NewTopic(c.job.Output, streams.String, events))
	case "count":
		in("events").Peek(c.count).GroupByKey().Count("counts").ToStream().
			Peek(counted[string, int64](c)).
			To(streams.NewTopic(c.job.Output, streams.String, streams.Int64))
	case "hop", "hop-slices":
		var o []streams.Option
		if c.job.Workload == "hop-slices" {
			o = append(o, streams.Slices(func(a, b total) total {
				return total{a.Count + b.Count, a.Sum + b.Sum, max(a.Max, b.Max)}
			}))
		}
		totals := streams.JSON[total]()
		in("events").Peek(c.count).GroupByKey().Windowed(streams.Hopping(hopSize, hopAdvance).NoGrace()).
			Aggregate("hops", totals, func(t total, e event) total {
				return total{t.Count + 1, t.Sum + e.Amount, max(t.Max, e.Amount)}
			}, o...).
			ToStream().Peek(counted[streams.Windowed[string], total](c)).
			To(streams.NewWindowedTopic(c.job.Output, streams.String, totals, hopSize))
	case "join":
		left, right := in("left").Peek(c.count), in("right").Peek(c.count)
		left.Join("joined", right, streams.Within(joinWithin).NoGrace(), func(l, r event) pair { return pair{l.User, l.Amount, r.Amount} }).
			Peek(counted[string, pair](c)).
			To(streams.NewTopic(c.job.Output, streams.String, pairs))
	case "table":
		items := streams.NewTopic(c.job.Input+"items", streams.String, events).Table(b, "items")
		in("events").SelectKey(streams.String, func(e event) string { return e.Item }).
			Repartition("by-item").Peek(c.count).
			JoinTable(items, func(e, item event) pair { return pair{e.User, e.Amount, item.Amount} }).
			Peek(counted[string, pair](c)).
			To(streams.NewTopic(c.job.Output, streams.String, pairs))
	case "restore":
		items := streams.NewTopic(c.job.App+"-items", streams.String, events).Table(b, "restored")
		streams.NewTopic(c.job.App+"-probe", streams.String, events).Stream(b).Peek(c.count).
			JoinTable(items, func(e, item event) pair { return pair{e.User, e.Amount, item.Amount} }).
			Peek(counted[string, pair](c)).
			To(streams.NewTopic(c.job.Output, streams.String, pairs))
	}
}

// runChild is this program as a streams application.
func runChild(text string) error {
	c := &child{restored: map[int32]bool{}}
	if err := json.Unmarshal([]byte(text), &c.job); err != nil {
		return err
	}
	o := []streams.AppOption{
		streams.Brokers(c.job.Broker), streams.Workers(2), streams.CacheBytes(c.job.Cache), streams.StateDir(c.job.Dir),
		streams.Logger(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))),
		streams.CommitEvery(time.Duration(c.job.CommitMs) * time.Millisecond), streams.OnRestore(c.restore),
	}
	if c.job.EOS {
		o = append(o, streams.ExactlyOnce())
	}
	app, err := streams.New(c.job.App, c.topology, o...)
	if err != nil {
		return err
	}
	app.OnState(func(_, now streams.State) { c.mark(func() { c.state = now }) })
	ctx, end := context.WithCancel(context.Background())
	defer end()
	c.end = end
	if c.job.Profile != "" {
		stop, err := profile(c.job.Profile)
		if err != nil {
			return err
		}
		defer stop()
	}
	if err := app.Run(ctx); err != nil {
		return err
	}
	fmt.Println("outputs", c.sent.Load())
	return nil
}

// profile writes prefix.cpu and prefix.mem; what is in use after three quarters of the records goes to prefix.heap.
func profile(prefix string) (stop func(), err error) {
	runtime.MemProfileRate = 64 << 10
	f, err := os.Create(prefix + ".cpu")
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, err
	}
	return func() {
		pprof.StopCPUProfile()
		_ = f.Close()
		writeProfile("allocs", prefix+".mem")
	}, nil
}

func writeProfile(name, path string) {
	if f, err := os.Create(path); err == nil {
		_ = pprof.Lookup(name).WriteTo(f, 0)
		_ = f.Close()
	}
}
