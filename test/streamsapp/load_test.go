package streamsapp

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// load writes the inputs of an application that runs everything, and knows what has to come out. Within a partition times
// never go back, so that no order in which inputs arrive makes a record too late.
type load struct {
	c       *cluster
	id      string
	begin   int64 // the time of the first record
	step    int
	flushes int
	words   int
	clicks  map[string][]string // by key@window, in order
	left    map[string][]event
	right   map[string][]event
	orders  map[string]string
	buyers  map[string]string
}

type event struct {
	at    int64
	value string
}

const loadPartitions = 3

func newLoad(c *cluster, id string) *load {
	c.t.Helper()
	for _, topic := range []string{"lines", "counts", "clicks", "final", "held", "left", "right", "joined", "orders", "customers", "billed"} {
		c.create(loadPartitions, id+"-"+topic)
	}
	// The load's time runs faster than the clock. It stays behind it, within what changelogs of windows retain.
	begin := time.Now().Add(-12 * time.Hour).Truncate(time.Hour).UnixMilli()
	return &load{
		c: c, id: id, begin: begin, clicks: map[string][]string{}, left: map[string][]event{}, right: map[string][]event{},
		orders: map[string]string{}, buyers: map[string]string{},
	}
}

// chaosTime is how long a scenario keeps its load up.
func chaosTime(t *testing.T) time.Duration {
	t.Helper()
	if testing.Short() {
		t.Skip("it takes a while: go test without -short")
	}
	if text := os.Getenv("LEAT_CHAOS_SECONDS"); text != "" {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatal(err)
		}
		return time.Duration(n * float64(time.Second))
	}
	return 4 * time.Second
}

// run writes a step every few milliseconds while f works.
func (l *load) run(f func()) {
	l.c.t.Helper()
	ctx, stop := context.WithCancel(l.c.t.Context())
	defer stop()
	done := make(chan error, 1)
	go func() {
		tick := time.NewTicker(8 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			if err := l.next(); err != nil {
				done <- err
				return
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
		done <- nil
	}()
	f()
	stop()
	if err := <-done; err != nil {
		l.c.t.Fatal(err)
	}
}

// next writes one step; it does not return before all of it is written, however long the broker is away.
func (l *load) next() error {
	i := l.step
	l.step++
	at := l.begin + int64(i)*tick.Milliseconds()
	var out []*kgo.Record
	add := func(topic, key, value string) {
		out = append(out, &kgo.Record{Topic: l.id + "-" + topic, Key: []byte(key), Value: []byte(value), Timestamp: time.UnixMilli(at)})
	}
	if i == 0 {
		for k := range 6 {
			customer := fmt.Sprintf("c%d", k)
			l.buyers[customer] = "first"
			add("customers", customer, "first")
		}
	}
	add("lines", fmt.Sprintf("l%d", i%13), fmt.Sprintf("a b%d c%d", i%7, i%31))
	l.words += 3
	for _, key := range []string{fmt.Sprintf("k%d", i%5), fmt.Sprintf("k%d", (i*3+1)%7)} {
		value := fmt.Sprint(i)
		add("clicks", key, value)
		window := fmt.Sprintf("%s@%d", key, at-at%clickWindow.Milliseconds())
		l.clicks[window] = append(l.clicks[window], value)
	}
	group := i / 3
	key, value := fmt.Sprintf("j%d", group%20), fmt.Sprint(i)
	switch {
	case i%3 == 2 && group%4 != 0 || i%3 == 2 && group%8 == 4:
		l.right[key] = append(l.right[key], event{at, value})
		add("right", key, value)
	case i%3 < 2 && group%8 != 4:
		l.left[key] = append(l.left[key], event{at, value})
		add("left", key, value)
	}
	if i%10 == 5 {
		customer := fmt.Sprintf("c%d", i/10%6)
		l.buyers[customer] = value
		add("customers", customer, value)
	}
	if i%2 == 0 {
		order, value := fmt.Sprintf("o%d", i%40), fmt.Sprintf("c%d:%d", i*7%6, i)
		l.orders[order] = value
		add("orders", order, value)
	}
	return l.c.client.ProduceSync(l.c.t.Context(), out...).FirstErr()
}

// flush moves time on in every partition, so that what waits for the end of its window is sent, until the function that it
// returns is called: results that are looked for now and then only come with the next record. Its keys begin with ~.
func (l *load) flush() (stop func()) {
	l.c.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(l.c.broker.Addr()), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.AlwaysRetryEOF())
	if err != nil {
		l.c.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(l.c.t.Context())
	done := make(chan error, 1)
	go func() {
		ticks := time.NewTicker(500 * time.Millisecond)
		defer ticks.Stop()
		for {
			l.flushes++
			at := time.UnixMilli(l.begin + int64(l.step)*tick.Milliseconds()).Add(time.Duration(10+l.flushes) * time.Minute)
			var out []*kgo.Record
			for _, topic := range []string{"clicks", "left", "right"} {
				for p := range int32(loadPartitions) {
					out = append(out, &kgo.Record{Topic: l.id + "-" + topic, Partition: p, Key: fmt.Appendf(nil, "~%d", p), Value: []byte("~"), Timestamp: at})
				}
			}
			if err := client.ProduceSync(ctx, out...).FirstErr(); err != nil && ctx.Err() == nil {
				done <- err
				return
			}
			select {
			case <-ticks.C:
			case <-ctx.Done():
				done <- nil
				return
			}
		}
	}()
	return func() {
		l.c.t.Helper()
		cancel()
		if err := <-done; err != nil {
			l.c.t.Fatal(err)
		}
		client.Close()
	}
}

// joins are all results of the outer join, by key.
func (l *load) joins() map[string][]string {
	want := map[string][]string{}
	matched := map[string]bool{} // rights
	for key, lefts := range l.left {
		for _, a := range lefts {
			alone := true
			for _, b := range l.right[key] {
				if d := a.at - b.at; d >= -joinWithin.Milliseconds() && d <= joinWithin.Milliseconds() {
					want[key] = append(want[key], a.value+"|"+b.value)
					matched[b.value], alone = true, false
				}
			}
			if alone {
				want[key] = append(want[key], a.value+"|")
			}
		}
	}
	for key, rights := range l.right {
		for _, b := range rights {
			if !matched[b.value] {
				want[key] = append(want[key], "|"+b.value)
			}
		}
	}
	return want
}

// bills are the last results of the join by foreign key.
func (l *load) bills() map[string]string {
	want := map[string]string{}
	for order, value := range l.orders {
		customer, _ := customerOf(value)
		want[order] = value + "/" + l.buyers[customer]
	}
	return want
}

// check waits for all results and compares them: with exactly-once each has to be there once, and in order by key; else
// nothing may be missing.
func (l *load) check(eos bool) {
	l.c.t.Helper()
	defer l.flush()()
	l.checkCounts(eos)
	finals := map[string][]string{}
	helds := map[string][]string{}
	for window, values := range l.clicks {
		finals[window] = []string{fmt.Sprint(len(values))}
		helds[window] = []string{strings.Join(values, ",")}
	}
	l.compare("final", finals, eos, func(r *kgo.Record) (string, string) {
		return windowKey(r), strconv.FormatUint(binary.BigEndian.Uint64(r.Value), 10)
	})
	l.compare("held", helds, eos, func(r *kgo.Record) (string, string) { return windowKey(r), string(r.Value) })
	l.compare("joined", l.joins(), eos, func(r *kgo.Record) (string, string) { return string(r.Key), string(r.Value) })
	l.checkBills(eos)
}

func windowKey(r *kgo.Record) string {
	n := len(r.Key) - 8
	return fmt.Sprintf("%s@%d", r.Key[:n], binary.BigEndian.Uint64(r.Key[n:]))
}

func (l *load) checkCounts(eos bool) {
	l.c.t.Helper()
	if eos {
		at, seen := map[string]int{}, 0
		exact(l.c.t, l.c.read(l.id+"-counts", func(all []*kgo.Record) bool {
			for ; seen < len(all); seen++ {
				r := all[seen]
				at[string(r.Key)]++
				if string(r.Value) != strconv.Itoa(at[string(r.Key)]) {
					l.c.t.Fatalf("counts: %s=%s after %d, partition %d, offset %d\n%s", r.Key, r.Value, at[string(r.Key)]-1, r.Partition, r.Offset,
						l.c.raw(r.Topic, r.Partition, r.Offset-40, 60))
				}
			}
			return len(all) >= l.words
		}))
		return
	}
	want := map[string]int{}
	for i := range l.step {
		for _, w := range strings.Fields(fmt.Sprintf("a b%d c%d", i%7, i%31)) {
			want[w]++
		}
	}
	l.c.read(l.id+"-counts", func(all []*kgo.Record) bool {
		if len(all) < l.words {
			return false
		}
		have := last(all)
		for w, n := range want {
			if got, _ := strconv.Atoi(have[w]); got < n {
				return false
			}
		}
		return true
	})
}

// compare reads an output until it holds what has to be in it by key. With exactly-once nothing else may be there. Without,
// values of windows may hold records twice; that there is one for each key is what is asked.
func (l *load) compare(topic string, want map[string][]string, eos bool, parse func(*kgo.Record) (string, string)) {
	l.c.t.Helper()
	n := 0
	for _, values := range want {
		n += len(values)
	}
	got, seen := map[string][]string{}, 0
	missing := n
	l.c.read(l.id+"-"+topic, func(all []*kgo.Record) bool {
		for ; seen < len(all); seen++ {
			if strings.HasPrefix(string(all[seen].Key), "~") {
				continue
			}
			key, value := parse(all[seen])
			got[key] = append(got[key], value)
			if eos && (len(got[key]) > len(want[key])) {
				l.c.t.Fatalf("%s: %s has %v, want %v", topic, key, got[key], want[key])
			}
		}
		if len(all) < n {
			return false
		}
		missing = 0
		for key, values := range want {
			if eos && len(got[key]) < len(values) || len(got[key]) == 0 {
				missing++
			}
		}
		return missing == 0
	})
	for key, values := range want {
		slices.Sort(values)
		slices.Sort(got[key])
		if eos && !slices.Equal(got[key], values) {
			l.c.t.Fatalf("%s: %s has %v, want %v", topic, key, got[key], values)
		}
	}
	if topic != "joined" || eos {
		return
	}
	for key, values := range want {
		for _, v := range values {
			if !strings.HasSuffix(v, "|") && !strings.HasPrefix(v, "|") && !slices.Contains(got[key], v) {
				l.c.t.Fatalf("%s: %s lacks %s", topic, key, v)
			}
		}
	}
}

// checkBills: the last result of each order is right; orders never go back, and no pair of versions comes twice.
func (l *load) checkBills(eos bool) {
	l.c.t.Helper()
	all := l.c.read(l.id+"-billed", reaches(l.bills()))
	if !eos {
		return
	}
	at, seen := map[string]int{}, map[string]bool{}
	for _, r := range all {
		key, value := string(r.Key), string(r.Value)
		order, _, _ := strings.Cut(value, "/")
		_, number, _ := strings.Cut(order, ":")
		n, err := strconv.Atoi(number)
		if err != nil || n < at[key] || seen[key+" "+value] {
			l.c.t.Fatalf("billed: %s=%s after order %d (told before: %v)", key, value, at[key], seen[key+" "+value])
		}
		at[key], seen[key+" "+value] = n, true
	}
}
