package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"leat.dev/test/launch"
)

func launchBinary(t *testing.T) string {
	t.Helper()
	bin, err := filepath.Abs(os.Getenv("LEAT"))
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// ends is how many times a leader is killed or frozen; LEAT_CHAOS_ENDS sets another number.
func ends() int {
	if n, err := strconv.Atoi(os.Getenv("LEAT_CHAOS_ENDS")); err == nil {
		return n
	}
	return 4
}

// Schemas are registered through all nodes while leaders are killed with SIGKILL, or frozen until another leads and thawed
// then. What was acknowledged is there under its id afterwards, no id stands for two schemas, and a process that reads the
// topic from its start sees the same.
func TestLeadersEnd(t *testing.T) {
	if testing.Short() {
		t.Skip("the session of a killed process takes ten seconds to end")
	}
	kinds(t, func(t *testing.T, b *launch.Broker) {
		seed := uint64(time.Now().UnixNano())
		t.Logf("seed %d", seed)
		random := rand.New(rand.NewPCG(seed, 0))
		n := nodes(t, b.Addr(), "_ends", 3)
		for _, each := range n {
			each.start()
		}
		settled(t, n[0], n[1:]...)
		load := newLoad(t, n)
		for i := range ends() {
			leader := n[0]
			load.grow(20)
			if random.IntN(2) == 0 {
				t.Logf("end %d: kill", i)
				leader.end(syscall.SIGKILL)
				load.grow(20) // the second one leads
				leader.start()
			} else {
				t.Logf("end %d: freeze", i)
				leader.signal(syscall.SIGSTOP)
				settled(t, n[1], n[2])
				load.grow(20)
				leader.signal(syscall.SIGCONT) // it believes that it leads, for the moment that its clock leaves it
			}
			settled(t, n[0], n[1:]...)
		}
		given := load.stop()
		t.Logf("%d registrations acknowledged, %d tries failed", len(given), load.failed)
		fresh := nodes(t, b.Addr(), n[0].topic, 1)[0]
		fresh.args = []string{"--follower"}
		fresh.start()
		for _, each := range append(n, fresh) {
			eventually(t, "every node has what was acknowledged", func() bool { return contains(each.ids(), given) })
		}
		held := fresh.ids()
		for _, each := range n {
			if got := each.ids(); !maps.Equal(got, held) {
				t.Errorf("%s holds %d schemas, a fresh process %d", each.url(), len(got), len(held))
			}
		}
		unique(t, held)
		uniqueInLog(t, b.Addr(), n[0].topic)
	})
}

func contains(held, given map[string]int) bool {
	for name, id := range given {
		if held[name] != id {
			return false
		}
	}
	return true
}

// load registers schemas through all nodes until it is stopped.
type load struct {
	t       *testing.T
	cancel  context.CancelFunc
	workers sync.WaitGroup

	mu     sync.Mutex
	given  map[string]int
	failed int
}

func newLoad(t *testing.T, n []*node) *load {
	ctx, cancel := context.WithCancel(t.Context())
	l := &load{t: t, cancel: cancel, given: map[string]int{}}
	for w := range 2 * len(n) {
		l.workers.Go(func() { l.work(ctx, w, n[w%len(n)]) })
	}
	return l
}

func (l *load) work(ctx context.Context, worker int, through *node) {
	pause := time.NewTicker(5 * time.Millisecond)
	defer pause.Stop()
	for i := 0; ctx.Err() == nil; i++ {
		name := fmt.Sprintf("w%d_%d", worker, i)
		var a answer
		status, err := through.call(ctx, http.MethodPost, "/subjects/"+name+"/versions", enum(name), &a)
		l.mu.Lock()
		if err == nil && status == http.StatusOK {
			l.given[name] = a.ID
		} else {
			l.failed++
		}
		l.mu.Unlock()
		<-pause.C
	}
}

// grow waits until more registrations were acknowledged.
func (l *load) grow(by int) {
	l.t.Helper()
	count := func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.given)
	}
	from := count()
	eventually(l.t, "registrations go on", func() bool { return count() >= from+by })
}

func (l *load) stop() map[string]int {
	l.cancel()
	l.workers.Wait()
	return l.given
}

// uniqueInLog reads the topic itself: an id that was ever written stands for one schema, and a version is written once.
func uniqueInLog(t *testing.T, addr, topic string) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	texts, versions := map[int]string{}, map[string]int{}
	for end := int64(-1); ; {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		fetched := cl.PollFetches(ctx)
		cancel()
		if err := fetched.Err(); err != nil {
			t.Fatal(err)
		}
		last := int64(-1)
		fetched.EachPartition(func(p kgo.FetchTopicPartition) { end = max(end, p.HighWatermark) })
		fetched.EachRecord(func(r *kgo.Record) {
			last = r.Offset
			var v struct {
				ID      int    `json:"id"`
				Schema  string `json:"schema"`
				Subject string `json:"subject"`
			}
			if json.Unmarshal(r.Value, &v) != nil || v.Schema == "" {
				return
			}
			if other, ok := texts[v.ID]; ok && other != v.Schema {
				t.Errorf("offset %d: id %d is %s and was %s", r.Offset, v.ID, v.Schema, other)
			}
			texts[v.ID] = v.Schema
			if versions[string(r.Key)]++; versions[string(r.Key)] > 1 {
				t.Errorf("offset %d: %s was written before", r.Offset, r.Key)
			}
		})
		if last+1 >= end {
			t.Logf("the log holds %d schemas in %d records", len(texts), end)
			return
		}
	}
}
