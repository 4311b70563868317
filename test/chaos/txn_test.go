package chaos

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Transactions while broker and producers are killed: readers of committed data see each transaction whole and once,
// or not at all. It is there if its producer was told that it committed; it is not if the producer was told that it
// aborted, or never asked to commit. What one producer committed is there in its order. Offsets move with their
// transaction, and in the end nothing holds up the readers.
func TestTransactionsUnderKill(t *testing.T) {
	span, rng := chaos(t)
	b := startBroker(t, "", map[string]string{
		"transaction.state.log.num.partitions":                        "4",
		"transaction.state.log.replication.factor":                    "1",
		"transaction.state.log.min.isr":                               "1",
		"transaction.abort.timed.out.transaction.cleanup.interval.ms": "500",
	})
	createTopic(t, b, txnTopic, txnPartitions)

	load, end := context.WithTimeout(t.Context(), span)
	defer end()
	var running sync.WaitGroup
	var workers []*worker
	for i := range 6 {
		w := &worker{t: t, addr: b.Addr(), id: fmt.Sprint("w", i), version: 1 + i%2, txns: map[string]*said{}, why: map[string]int{},
			rng: rand.New(rand.NewPCG(rng.Uint64(), 3))}
		workers = append(workers, w)
		running.Go(func() { w.run(load) })
	}
	online := newReader(t, client(t, b, readCommitted()...))
	reading, stopReading := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	readers.Go(func() { online.run(reading) })
	kills := 0
	for pause(load, time.Duration(500+rng.IntN(4000))*time.Millisecond) {
		if err := b.Kill(); err != nil {
			t.Fatal(err)
		}
		kills++
		pause(t.Context(), time.Duration(rng.IntN(500))*time.Millisecond)
		restart(t, b)
	}
	running.Wait()
	settled(t, b)
	stopReading()
	readers.Wait()

	final := newReader(t, client(t, b, readCommitted()...))
	final.runTo(t.Context(), ends(t, b))
	txns := map[string]*said{}
	committed, clientKills, clientEnds := 0, 0, 0
	for _, w := range workers {
		maps.Copy(txns, w.txns)
		clientKills += w.kills
		clientEnds += w.ends
		for why, n := range w.why {
			t.Logf("%s, version %d, %d times: %s", w.id, w.version, n, why)
		}
	}
	visible := checkWhole(t, final, txns)
	for _, s := range txns {
		if s.committed {
			committed++
		}
	}
	checkOnline(t, online, final)
	checkOffsets(t, b, workers, visible)
	t.Logf("%d kills of the broker, %d of producers, %d ended by themselves: %d transactions, %d told committed, %d visible, %d read while it went on",
		kills, clientKills, clientEnds, len(txns), committed, len(visible), online.count())
	if committed == 0 {
		t.Error("nothing was committed: the test says nothing")
	}
}

func readCommitted() []kgo.Opt {
	return []kgo.Opt{
		kgo.ConsumeTopics(txnTopic), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(100 * time.Millisecond),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	}
}

// settled waits until no transaction is open: those of dead producers run into their timeout.
func settled(t *testing.T, b interface{ Addr() string }) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	admin := kadm.NewClient(cl)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	for {
		stable, err1 := admin.ListCommittedOffsets(ctx, txnTopic)
		high, err2 := admin.ListEndOffsets(ctx, txnTopic)
		done := err1 == nil && err2 == nil
		high.Each(func(h kadm.ListedOffset) {
			s, ok := stable.Lookup(h.Topic, h.Partition)
			done = done && ok && s.Err == nil && h.Err == nil && s.Offset == h.Offset
		})
		if done {
			return
		}
		if !pause(ctx, 100*time.Millisecond) {
			t.Fatalf("readers are held up: stable %v, high watermark %v (%v, %v)", stable, high, err1, err2)
		}
	}
}

func ends(t *testing.T, b interface{ Addr() string }) map[int32]int64 {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	list, err := kadm.NewClient(cl).ListEndOffsets(t.Context(), txnTopic)
	if err != nil {
		t.Fatal(err)
	}
	out := map[int32]int64{}
	list.Each(func(o kadm.ListedOffset) { out[o.Partition] = o.Offset })
	return out
}

// reader collects what a consumer of committed data sees, by partition in the order of its seeing.
type reader struct {
	t  *testing.T
	cl *kgo.Client

	mu   sync.Mutex
	seen map[int32][]seen
}

type seen struct {
	offset int64
	value  string
}

func newReader(t *testing.T, cl *kgo.Client) *reader {
	return &reader{t: t, cl: cl, seen: map[int32][]seen{}}
}

func (r *reader) run(ctx context.Context) {
	for ctx.Err() == nil {
		r.poll(ctx)
	}
}

func (r *reader) poll(ctx context.Context) {
	fs := r.cl.PollFetches(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	fs.EachRecord(func(rec *kgo.Record) {
		r.seen[rec.Partition] = append(r.seen[rec.Partition], seen{rec.Offset, string(rec.Value)})
	})
}

// runTo reads until the consumer stands at the ends. The last records may be markers or aborted, which it never
// shows, so it stops when nothing has come for a while.
func (r *reader) runTo(ctx context.Context, ends map[int32]int64) {
	for quiet := 0; quiet < 100; {
		before := r.count()
		short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
		r.poll(short)
		cancel()
		if quiet++; r.count() > before {
			quiet = 0
		}
		if r.reached(ends) {
			return
		}
	}
}

func (r *reader) reached(ends map[int32]int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for p, end := range ends {
		if n := len(r.seen[p]); n == 0 && end > 0 || n > 0 && r.seen[p][n-1].offset < end-1 {
			return false
		}
	}
	return true
}

func (r *reader) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, s := range r.seen {
		n += len(s)
	}
	return n
}

// checkWhole compares what is visible with what the producers said, and returns the transactions that are visible.
func checkWhole(t *testing.T, r *reader, txns map[string]*said) map[string]bool {
	t.Helper()
	records := map[string]map[int]int{} // transaction -> record -> how often
	for p, list := range r.seen {
		last := map[string]int{}
		for i, s := range list {
			if i > 0 && s.offset <= list[i-1].offset {
				t.Errorf("partition %d: offset %d after %d", p, s.offset, list[i-1].offset)
			}
			name, rest, _ := strings.Cut(s.value, "/")
			number, total, _ := strings.Cut(rest, "/")
			n, err1 := strconv.Atoi(number)
			all, err2 := strconv.Atoi(total)
			x := txns[name]
			if err1 != nil || err2 != nil || x == nil || x.records != all {
				t.Errorf("partition %d offset %d holds %q, which nobody wrote", p, s.offset, s.value)
				continue
			}
			if records[name] == nil {
				records[name] = map[int]int{}
			}
			records[name][n]++
			if x.ordinal < last[x.worker] {
				t.Errorf("partition %d: %s of %s comes after a later transaction", p, name, x.worker)
			}
			last[x.worker] = x.ordinal
		}
	}
	visible := map[string]bool{}
	for name, x := range txns {
		got := records[name]
		visible[name] = len(got) > 0
		switch {
		case len(got) == 0 && x.committed:
			t.Errorf("%s committed, and nothing of it is there", name)
		case len(got) > 0 && x.aborted:
			t.Errorf("%s aborted, and %d of its records are there", name, len(got))
		case len(got) > 0 && !x.commit:
			t.Errorf("%s was not asked to commit, and %d of its records are there", name, len(got))
		case len(got) > 0 && len(got) != x.records:
			t.Errorf("%s is torn: %d of %d records are there", name, len(got), x.records)
		}
		for n, times := range got {
			if times != 1 {
				t.Errorf("record %d of %s is there %d times", n, name, times)
			}
		}
	}
	maps.DeleteFunc(visible, func(_ string, v bool) bool { return !v })
	return visible
}

// checkOnline: what was shown while it went on is what stands there in the end, up to where that reader came.
func checkOnline(t *testing.T, online, final *reader) {
	t.Helper()
	for p, list := range online.seen {
		want := final.seen[p]
		if len(list) > len(want) || !slices.Equal(list, want[:len(list)]) {
			for i := range list {
				if i >= len(want) || list[i] != want[i] {
					t.Errorf("partition %d: the reader saw %v as its number %d, in the end there is %v", p, list[i], i, want[min(i, len(want)-1)])
					break
				}
			}
		}
	}
}

// checkOffsets: each worker's group stands where its last visible transaction put it.
func checkOffsets(t *testing.T, b interface{ Addr() string }, workers []*worker, visible map[string]bool) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for _, w := range workers {
		want, ordinal := "", -1
		for name, x := range w.txns {
			if visible[name] && x.ordinal > ordinal {
				want, ordinal = name, x.ordinal
			}
		}
		offsets, err := kadm.NewClient(cl).FetchOffsets(t.Context(), w.id)
		if err != nil {
			t.Errorf("%s: %v", w.id, err)
			continue
		}
		o, _ := offsets.Lookup(txnTopic, 0)
		if o.Metadata != want {
			t.Errorf("group %s stands at %q, its last transaction is %q", w.id, o.Metadata, want)
		}
	}
}
