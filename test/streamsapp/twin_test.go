package streamsapp

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"leat.dev/streams"
)

// TestTwins lets an application of Kafka Streams and the same in Go follow one another on one application id, and compares
// what comes out with what Kafka Streams writes when it is never stopped: topics between them, changelogs, state that is restored,
// times in committed offsets.
func TestTwins(t *testing.T) {
	chaosTime(t)
	onBoth(t, func(t *testing.T, c *cluster) {
		j := startJava(t)
		only := os.Getenv("LEAT_TWIN")
		runs := map[string]*twinRun{}
		t.Run("run", func(t *testing.T) {
			for i := range twins {
				w := &twins[i]
				if only != "" && only != w.name {
					continue
				}
				begin := time.Now().Add(-time.Hour).Truncate(time.Minute) // younger than what changelogs of windows retain
				for _, r := range []*twinRun{
					{id: w.name + "-never-stopped", sides: "j", eos: true},
					{id: w.name + "-java-first", sides: "jgjg", eos: true, disk: true},
					{id: w.name + "-go-first", sides: "gjgj"},
				} {
					r.twin, r.java, r.begin = w, j, begin
					runs[r.id] = r
					t.Run(r.id, func(t *testing.T) {
						t.Parallel()
						r.c = c.with(t)
						r.run()
					})
				}
			}
		})
		for _, w := range twins {
			want := runs[w.name+"-never-stopped"]
			if want == nil {
				continue
			}
			t.Run(w.name, func(t *testing.T) {
				first, second := runs[w.name+"-java-first"], runs[w.name+"-go-first"]
				if want.out == nil || first.out == nil || second.out == nil {
					t.Skip("a run failed")
				}
				want.compare(t, first)
				want.compare(t, second)
				for topic, configs := range first.internal {
					if other := second.internal[topic]; other != configs {
						t.Errorf("internal topic %s: Java makes it with\n%s\nand we with\n%s", topic, configs, other)
					}
				}
				if len(first.internal) != len(second.internal) {
					t.Errorf("Java's internal topics are %v, ours %v", slices.Sorted(maps.Keys(first.internal)), slices.Sorted(maps.Keys(second.internal)))
				}
			})
		}
	})
}

// twinRun is one run of a program: parts of it by Java (j) and by Go (g).
type twinRun struct {
	*twin
	id    string
	sides string
	eos   bool
	disk  bool      // both keep their state; else it is lost whenever they stop
	begin time.Time // of the records' times
	java  *java
	c     *cluster

	last     map[string]map[int32]int64 // the greatest time sent, by input and partition
	internal map[string]string          // topics without the application id, and their partitions and configs
	out      map[string][]string        // results by key
}

const (
	twinParts      = 4
	twinSteps      = 8 // of a part
	twinPartitions = 2
)

// steps are the records of a program, the same for each of its runs.
func (r *twinRun) steps() []*kgo.Record {
	h := fnv.New64a()
	h.Write([]byte(r.name))
	random := rand.New(rand.NewPCG(1, h.Sum64()))
	at := r.begin
	var all []*kgo.Record
	for range twinParts * twinSteps {
		at = at.Add(time.Duration(random.IntN(300)) * time.Millisecond)
		rec := &kgo.Record{
			Topic: r.id + "-" + r.inputs[random.IntN(len(r.inputs))], Timestamp: at,
			Key: fmt.Appendf(nil, "k%d", random.IntN(5)), Value: fmt.Appendf(nil, "%c%d", 'a'+rune(random.IntN(4)), random.IntN(10)),
		}
		if r.name == "foreign" && strings.HasSuffix(rec.Topic, "-u") {
			rec.Key = []byte{byte('a' + random.IntN(4))}
		}
		if random.IntN(4) == 0 {
			rec.Headers = []kgo.RecordHeader{{Key: "h", Value: rec.Value}}
		}
		if random.IntN(8) == 0 && (strings.HasSuffix(rec.Topic, "-t") || strings.HasSuffix(rec.Topic, "-u")) {
			rec.Value = nil
		}
		all = append(all, rec)
	}
	for range 10 { // time goes on, so that what waits is sent
		at = at.Add(400 * time.Millisecond)
		for _, in := range r.inputs {
			for p := range int32(twinPartitions) {
				all = append(all, &kgo.Record{Topic: r.id + "-" + in, Partition: p, Timestamp: at, Key: fmt.Appendf(nil, "~%d", p), Value: []byte("~1")})
			}
		}
	}
	return all
}

func (r *twinRun) run() {
	t := r.c.t
	r.last = map[string]map[int32]int64{}
	topics := []string{r.id + "-out"}
	for _, in := range r.inputs {
		topics = append(topics, r.id+"-"+in)
	}
	r.c.create(twinPartitions, topics...)
	to, done := r.producer()
	defer done()
	steps := r.steps()
	dirs := map[rune]string{'j': t.TempDir(), 'g': t.TempDir()}
	for i, side := range r.sides {
		part := steps
		if i < len(r.sides)-1 {
			part, steps = steps[:twinSteps], steps[twinSteps:]
		}
		stop := r.start(side, dirs[side])
		watched := r.watched()
		for n, rec := range part {
			if left := len(part) - n; r.throttled && i == len(r.sides)-1 && left == twinPartitions*len(r.inputs) {
				rest(t, 1100*time.Millisecond)
			}
			r.send(to, rec)
			if r.last[rec.Topic] == nil {
				r.last[rec.Topic] = map[int32]int64{}
			}
			if r.name != "times" || !strings.HasSuffix(string(rec.Value), "0") { // else its time is the partition's
				r.last[rec.Topic][rec.Partition] = max(r.last[rec.Topic][rec.Partition], rec.Timestamp.UnixMilli())
			}
			if !r.inFlight {
				r.processed(watched)
			}
		}
		last := i == len(r.sides)-1
		if last || !r.inFlight {
			r.processed(watched)
		}
		stop()
		if !r.inFlight {
			r.checkTimes()
		}
		if !r.disk {
			if err := os.RemoveAll(dirs[side]); err != nil {
				t.Fatal(err)
			}
		}
	}
	r.internal = r.internalTopics()
	r.out = r.results()
}

// producer is a client that writes where records say.
func (r *twinRun) producer() (to *kgo.Client, done func()) {
	to, err := kgo.NewClient(kgo.SeedBrokers(r.c.broker.Addr()), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		r.c.t.Fatal(err)
	}
	return to, to.Close
}

// send writes a record to the partition of its key; markers of the end say theirs.
func (r *twinRun) send(to *kgo.Client, rec *kgo.Record) {
	if rec.Key[0] != '~' {
		rec.Partition = int32(kgo.StickyKeyPartitioner(nil).ForTopic("").Partition(rec, twinPartitions))
	}
	if err := to.ProduceSync(r.c.t.Context(), rec).FirstErr(); err != nil {
		r.c.t.Fatal(err)
	}
}

// start runs the program on one side; the function that it returns ends it, out of its group.
func (r *twinRun) start(side rune, dir string) (stop func()) {
	t := r.c.t
	if side == 'j' {
		guarantee := "at_least_once"
		if r.eos {
			guarantee = "exactly_once_v2"
		}
		protocol := "classic"
		if r.c.protocol == streams.StreamsProtocol {
			protocol = "streams"
		}
		r.java.ask(t, r.id, "start %s %s %s %s %s %s %s", r.id, r.name, r.id, r.c.broker.Addr(), guarantee, dir, protocol)
		return func() { r.java.ask(t, r.id, "close %s", r.id) }
	}
	o := []streams.AppOption{streams.GeneratedNames(), streams.CacheBytes(0), streams.CommitEvery(20 * time.Millisecond)}
	if r.eos {
		o = append(o, streams.ExactlyOnce())
	}
	if r.disk {
		o = append(o, streams.StateDir(dir))
	}
	app := r.c.run(r.id, func(b *streams.Builder) { r.build(b, twinTopics(r.id)) }, o...)
	app.await(streams.Running)
	return app.close
}

// watched are the topics that the program reads.
func (r *twinRun) watched() []string {
	all, err := r.c.admin.ListTopics(r.c.t.Context())
	if err != nil {
		r.c.t.Fatal(err)
	}
	var names []string
	for _, name := range all.Names() {
		if !strings.HasPrefix(name, r.id+"-") {
			continue
		}
		rest := strings.TrimPrefix(name, r.id+"-")
		if slices.Contains(r.inputs, rest) || strings.HasSuffix(rest, "-repartition") || strings.HasSuffix(rest, "-topic") {
			names = append(names, name)
		}
	}
	return names
}

// processed waits until everything that is in the topics that the program reads is committed.
func (r *twinRun) processed(topics []string) {
	t := r.c.t
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ticks := time.NewTicker(5 * time.Millisecond)
	defer ticks.Stop()
	for {
		// Commits first: what they say was sent on by then, and counts below.
		done, err := r.caughtUp(ctx, topics)
		if err != nil {
			t.Fatal(err)
		}
		if done == "" {
			return
		}
		select {
		case <-ticks.C:
		case <-ctx.Done():
			t.Fatalf("%s: not processed: %s\n%s", r.id, done, r.c.diagnose())
		}
	}
}

func (r *twinRun) caughtUp(ctx context.Context, topics []string) (missing string, err error) {
	commits, err := r.c.admin.FetchOffsets(ctx, r.id)
	if err != nil {
		return "", err
	}
	stable, err := r.c.admin.ListCommittedOffsets(ctx, topics...)
	if err != nil {
		return "", err
	}
	ends, err := r.c.admin.ListEndOffsets(ctx, topics...)
	if err != nil {
		return "", err
	}
	for _, end := range ends.Offsets().Sorted() {
		if s, ok := stable.Lookup(end.Topic, end.Partition); !ok || s.Offset != end.At {
			return fmt.Sprintf("%s-%d: a transaction is open", end.Topic, end.Partition), nil
		}
		at := int64(0)
		if c, ok := commits.Lookup(end.Topic, end.Partition); ok {
			at = max(0, c.At)
		}
		marker := int64(0)
		if input := r.last[end.Topic] != nil; !input && r.eos {
			marker = 1 // the end of a transaction lies there, and may be passed or not
		}
		if end.At-at > marker {
			return fmt.Sprintf("%s-%d: %d of %d", end.Topic, end.Partition, at, end.At), nil
		}
	}
	return "", nil
}

// checkTimes wants the partition times in the metadata of what is committed.
func (r *twinRun) checkTimes() {
	t := r.c.t
	commits, err := r.c.admin.FetchOffsets(t.Context(), r.id)
	if err != nil {
		t.Fatal(err)
	}
	for topic, partitions := range r.last {
		for p, at := range partitions {
			c, ok := commits.Lookup(topic, p)
			if !ok {
				t.Fatalf("%s-%d: nothing is committed", topic, p)
			}
			b, err := base64.StdEncoding.DecodeString(c.Metadata)
			if err != nil || len(b) < 9 || b[0] != 2 || int64(binary.BigEndian.Uint64(b[1:])) != at {
				t.Errorf("%s-%d: the metadata are %x (%v), want version 2 and time %x", topic, p, b, err, at)
			}
		}
	}
}

func (r *twinRun) internalTopics() map[string]string {
	t := r.c.t
	all, err := r.c.admin.ListTopics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, name := range all.Names() {
		rest, ours := strings.CutPrefix(name, r.id+"-")
		if !ours || rest == "out" || slices.Contains(r.inputs, rest) {
			continue
		}
		resources, err := r.c.admin.DescribeTopicConfigs(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		var configs []string
		for _, config := range resources[0].Configs {
			if config.Source.String() == "DYNAMIC_TOPIC_CONFIG" {
				configs = append(configs, config.Key+"="+config.MaybeValue())
			}
		}
		slices.Sort(configs)
		found[rest] = fmt.Sprintf("%d partitions %v", len(all[name].Partitions), configs)
	}
	return found
}

// results are all committed records of the output by key, those of the end's markers left out.
func (r *twinRun) results() map[string][]string {
	t := r.c.t
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ends, err := r.c.admin.ListCommittedOffsets(ctx, r.id+"-out")
	if err != nil {
		t.Fatal(err)
	}
	left := map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			left[o.Partition] = o.Offset - 1
		}
	})
	from, err := kgo.NewClient(kgo.SeedBrokers(r.c.broker.Addr()), kgo.ConsumeTopics(r.id+"-out"), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	out := map[string][]string{}
	for len(left) > 0 {
		fetches := from.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatal("the results cannot be read")
		}
		for _, rec := range fetches.Records() {
			if rec.Offset >= left[rec.Partition] {
				delete(left, rec.Partition)
			}
			if rec.Attrs.IsControl() || rec.Key != nil && rec.Key[0] == '~' {
				continue
			}
			text := fmt.Sprintf("%q", rec.Value)
			if rec.Value == nil {
				text = "null"
			}
			if !r.inFlight {
				text += fmt.Sprintf(" @%d", rec.Timestamp.UnixMilli())
			}
			if !r.inFlight && !r.throttled { // else those of whichever record they came with
				text += fmt.Sprintf(" %q", rec.Headers)
			}
			key := fmt.Sprintf("%d:%q", rec.Partition, rec.Key)
			out[key] = append(out[key], text)
		}
	}
	return out
}

// compare wants the same results in the same order of each key.
func (r *twinRun) compare(t *testing.T, other *twinRun) {
	t.Helper()
	if len(r.out) == 0 {
		t.Errorf("%s has no results", r.id)
	}
	for _, key := range slices.Sorted(maps.Keys(r.out)) {
		want, got := slices.Clone(r.out[key]), slices.Clone(other.out[key])
		if r.throttled {
			slices.Sort(want)
			slices.Sort(got)
		}
		if !slices.Equal(want, got) {
			t.Errorf("%s: %s has\n%s\n%s has\n%s", key, r.id, strings.Join(want, "\n"), other.id, strings.Join(got, "\n"))
		}
	}
	for key := range other.out {
		if r.out[key] == nil {
			t.Errorf("%s: only %s has %v", key, other.id, other.out[key])
		}
	}
}
