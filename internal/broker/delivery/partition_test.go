package delivery

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/coord/share"
)

// keeper is a share.Persister in memory, which can be told to fail.
type keeper struct {
	mu     sync.Mutex
	state  map[share.Key]*share.ReadResult
	fail   []*kerr.Error // of the next calls, oldest first
	always *kerr.Error
	delay  time.Duration
	writes []share.WritePartition
}

func (k *keeper) next() *kerr.Error {
	time.Sleep(k.delay)
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.fail) > 0 {
		err := k.fail[0]
		k.fail = k.fail[1:]
		return err
	}
	return k.always
}

func (k *keeper) failAlways(err *kerr.Error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.always = err
}

func (k *keeper) Read(_ context.Context, group string, list []share.ReadPartition) []share.ReadResult {
	err := k.next()
	k.mu.Lock()
	defer k.mu.Unlock()
	st := k.state[share.Key{Group: group, TopicPartition: list[0].TopicPartition}]
	switch {
	case err != nil:
		return []share.ReadResult{{Result: share.Result{Err: err, Message: err.Description}}}
	case st == nil:
		return []share.ReadResult{{Result: share.Result{Err: kerr.InvalidRequest, Message: "uninitialized"}}}
	}
	return []share.ReadResult{*st}
}

func (k *keeper) Write(_ context.Context, group string, list []share.WritePartition) []share.Result {
	if err := k.next(); err != nil {
		return []share.Result{{Err: err, Message: err.Description}}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	p := list[0]
	st := k.state[share.Key{Group: group, TopicPartition: p.TopicPartition}]
	k.writes = append(k.writes, p)
	st.StartOffset = p.StartOffset
	st.Batches = share.Merge(st.Batches, p.Batches, p.StartOffset)
	return []share.Result{{}}
}

func (k *keeper) Initialize(context.Context, string, []share.InitializePartition) []share.Result {
	return nil
}
func (k *keeper) Delete(context.Context, string, []share.TopicPartition) []share.Result { return nil }
func (k *keeper) ReadSummary(context.Context, string, []share.ReadPartition) []share.SummaryResult {
	return nil
}

var (
	testKey    = share.Key{Group: "g", TopicPartition: share.TopicPartition{TopicID: [16]byte{1}}}
	testLimits = Limits{Lock: 30 * time.Second, Deliveries: 5, Locks: 100, Renew: true}
)

func newKeeper() *keeper {
	return &keeper{state: map[share.Key]*share.ReadResult{testKey: {StartOffset: 10, StateEpoch: 3}}}
}

func newTestManager(k *keeper) *Manager {
	return NewManager(Options{
		Clock: clock.System, Logger: slog.New(slog.DiscardHandler), Persister: k, MaxSessions: 3,
		Limits:      func(string) Limits { return testLimits },
		StartOffset: func(share.Key) (int64, *kerr.Error) { return 42, nil },
	})
}

// take acquires ten records of a log in which each record is a batch.
func take(p *Partition, member string, n int) []Acquired {
	offset, ok := p.Begin(testLimits, NewWatcher())
	if !ok {
		return nil
	}
	var read []Span
	for o := offset; o < offset+int64(n); o++ {
		read = append(read, Span{o, o})
	}
	got := p.Acquire(Request{Member: member, Now: time.Now(), Offset: offset, Batches: read, MaxRecords: n, BatchSize: n}, testLimits)
	p.End(len(got) > 0)
	return got
}

func ack(p *Partition, member string, first, last int64, typ int8) *Failure {
	out := make(chan Failure, 1)
	p.Acknowledge(member, []Ack{{First: first, Last: last, Types: []int8{typ}}}, testLimits, func(f Failure) { out <- f })
	f := <-out
	return &f
}

func TestAcknowledgedOnceItIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeeper()
		k.delay = 100 * time.Millisecond
		m := newTestManager(k)
		defer m.Close()
		m.Open(SessionKey{"g", "somebody"}, nil, nil) // or what is idle would go
		p := m.Get(testKey, 0)
		if _, ok := p.Begin(testLimits, NewWatcher()); ok {
			t.Fatal("it is not loaded yet")
		}
		synctest.Wait()
		time.Sleep(k.delay)
		synctest.Wait()
		if got := fmt.Sprint(take(p, "a", 10)); got != "[{10 19 1}]" {
			t.Fatal(got)
		}
		began := time.Now()
		if f := ack(p, "a", 10, 14, Accept); f.Code != nil || time.Since(began) != k.delay {
			t.Fatal(f, time.Since(began))
		}
		if start, _, _ := p.Position(); start != 15 || len(k.writes) != 1 || k.writes[0].StateEpoch != 3 || k.writes[0].StartOffset != 15 || k.writes[0].DeliveryCompleteCount != 0 {
			t.Fatalf("start %d, written %+v", start, k.writes)
		}
		if f := ack(p, "b", 15, 15, Accept); f.Code != kerr.InvalidRecordState {
			t.Fatal(f)
		}
		if f := ack(p, "a", 15, 25, Accept); f.Code != kerr.InvalidRequest {
			t.Fatal(f)
		}
		if f := ack(p, "a", 1, 5, Accept); f.Code != nil {
			t.Fatal(f)
		}
	})
}

func TestCoordinatorStaysAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeeper()
		m := newTestManager(k)
		defer m.Close()
		m.Open(SessionKey{"g", "somebody"}, nil, nil) // or what is idle would go
		p := m.Get(testKey, 0)
		time.Sleep(time.Second)
		synctest.Wait()
		if len(take(p, "a", 10)) == 0 {
			t.Fatal("it is not loaded")
		}
		if f := ack(p, "a", 10, 19, Accept); f.Code != nil {
			t.Fatal(f)
		}
		// A coordinator that stays away: the client is told, and the records stay locked until the lock runs out.
		take(p, "a", 10)
		k.failAlways(kerr.CoordinatorNotAvailable)
		if f := ack(p, "a", 20, 29, Accept); f.Code != kerr.CoordinatorNotAvailable {
			t.Fatal(f)
		}
		if f := ack(p, "a", 20, 29, Renew); f.Code != nil {
			t.Fatal(f)
		}
		k.failAlways(nil)
		time.Sleep(testLimits.Lock + time.Second)
		synctest.Wait()
		if got := fmt.Sprint(take(p, "b", 10)); got != "[{20 29 2}]" {
			t.Fatal(got)
		}
	})
}

func TestLocksRunOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeeper()
		m := newTestManager(k)
		defer m.Close()
		m.Open(SessionKey{"g", "somebody"}, nil, nil) // or what is idle would go
		p := m.Get(testKey, 0)
		synctest.Wait()
		w := NewWatcher()
		p.Watch(w)
		take(p, "a", 10)
		time.Sleep(10 * time.Second)
		if f := ack(p, "a", 15, 19, Renew); f.Code != nil {
			t.Fatal(f)
		}
		for len(w.C) > 0 {
			<-w.C
		}
		began := time.Now()
		<-w.C
		if took := time.Since(began); took != 20*time.Second {
			t.Fatal(took)
		}
		if got := fmt.Sprint(take(p, "b", 5)); got != "[{10 14 2}]" {
			t.Fatal(got)
		}
		synctest.Wait()
		if st := k.state[testKey]; fmt.Sprint(st.Batches) != "[{10 14 0 1}]" {
			t.Fatal(st.Batches)
		}
	})
}

func TestFencedPartitionIsLoadedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeeper()
		m := newTestManager(k)
		defer m.Close()
		m.Open(SessionKey{"g", "somebody"}, nil, nil) // or what is idle would go
		p := m.Get(testKey, 0)
		synctest.Wait()
		take(p, "a", 10)
		k.fail = []*kerr.Error{kerr.FencedStateEpoch}
		if f := ack(p, "a", 10, 19, Accept); f.Code != kerr.NotLeaderForPartition {
			t.Fatal(f)
		}
		synctest.Wait()
		if p.Err().Code != kerr.NotLeaderForPartition || m.Find(testKey) != nil {
			t.Fatal(p.Err())
		}
		again := m.Get(testKey, 0)
		synctest.Wait()
		if got := fmt.Sprint(take(again, "b", 10)); got != "[{10 19 1}]" {
			t.Fatal(got)
		}
		newer := m.Get(testKey, 1)
		if newer == again || again.Err().Code == nil || m.Get(testKey, 0) != newer {
			t.Fatal("a newer leader epoch makes a new share-partition")
		}
	})
}

func TestUninitializedIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeeper()
		delete(k.state, testKey)
		m := newTestManager(k)
		defer m.Close()
		p := m.Get(testKey, 0)
		synctest.Wait()
		if p.Err().Code != kerr.UnknownServerError || m.Find(testKey) != nil {
			t.Fatal(p.Err())
		}
		// Where to begin is the broker's to say if nobody has; it is written down at once.
		k.state[testKey] = &share.ReadResult{StartOffset: share.NoOffset}
		p = m.Get(testKey, 0)
		synctest.Wait()
		if start, _, ok := p.Position(); !ok || start != 42 || k.state[testKey].StartOffset != 42 {
			t.Fatal(start, ok, k.state[testKey])
		}
	})
}

func TestSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeeper()
		m := newTestManager(k)
		defer m.Close()
		key := SessionKey{"g", "a"}
		parts := []share.TopicPartition{testKey.TopicPartition}
		gone := make(chan struct{})
		for i, member := range []string{"a", "b", "c", "d"} {
			if _, ok := m.Open(SessionKey{"g", member}, append(parts, parts...), gone); ok != (i < 3) {
				t.Fatal(member)
			}
		}
		other := share.TopicPartition{TopicID: [16]byte{2}}
		got, code := m.Continue(key, 1, []share.TopicPartition{other, testKey.TopicPartition}, nil)
		if code != nil || len(got) != 2 {
			t.Fatal(got, code)
		}
		if _, code := m.Continue(key, 1, nil, nil); code != kerr.InvalidShareSessionEpoch {
			t.Fatal(code)
		}
		if got, code = m.Continue(key, 2, nil, parts); code != nil || len(got) != 1 || got[0] != other {
			t.Fatal(got, code)
		}
		if _, code := m.Continue(SessionKey{"g", "d"}, 1, nil, nil); code != kerr.ShareSessionNotFound {
			t.Fatal(code)
		}
		// The epoch goes round to 1.
		m.sessions[key].epoch = 1<<31 - 2
		if _, code := m.Continue(key, 1<<31-2, nil, nil); code != nil || m.sessions[key].epoch != 1 {
			t.Fatal(code, m.sessions[key].epoch)
		}
		// With the connection the sessions end, and what was acquired is free again.
		p := m.Get(testKey, 0)
		synctest.Wait()
		take(p, "a", 10)
		close(gone)
		synctest.Wait()
		if s := m.Stats(); s.Sessions != 0 || s.Partitions != 0 {
			t.Fatalf("%+v", s)
		}
		if st := k.state[testKey]; fmt.Sprint(st.Batches) != "[{10 19 0 1}]" {
			t.Fatal(st.Batches)
		}
	})
}

func TestNewSessionInPlaceOfTheOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeeper()
		m := newTestManager(k)
		defer m.Close()
		key := SessionKey{"g", "a"}
		old, now := make(chan struct{}), make(chan struct{})
		m.Open(key, nil, old)
		p := m.Get(testKey, 0)
		synctest.Wait()
		take(p, "a", 10)
		m.Open(key, nil, now)
		close(old)
		synctest.Wait()
		if f := ack(p, "a", 10, 19, Accept); f.Code != nil || !m.Has(key) {
			t.Fatal(f, "the old connection has nothing to do with the new session")
		}
		m.CloseSession(key)
		synctest.Wait()
		if m.Has(key) || m.Find(testKey) != nil {
			t.Fatal("nothing is kept of a group without sessions")
		}
	})
}

func TestFetchesDoNotKeepEachOtherAwake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newTestManager(newKeeper())
		defer m.Close()
		m.Open(SessionKey{"g", "somebody"}, nil, nil)
		p := m.Get(testKey, 0)
		synctest.Wait()
		a, b, c := NewWatcher(), NewWatcher(), NewWatcher()
		for _, w := range []*Watcher{a, b, c} {
			p.Watch(w)
		}
		if _, ok := p.Begin(testLimits, a); !ok {
			t.Fatal("nobody is at it")
		}
		if _, ok := p.Begin(testLimits, b); ok {
			t.Fatal("somebody is at it")
		}
		p.End(false)
		if len(a.C) != 0 || len(b.C) != 1 || len(c.C) != 0 {
			t.Fatal(len(a.C), len(b.C), len(c.C))
		}
		if _, ok := p.Begin(testLimits, a); !ok {
			t.Fatal("nobody is at it")
		}
		p.End(true)
		if len(a.C) != 1 || len(c.C) != 1 {
			t.Fatal(len(a.C), len(c.C))
		}
	})
}

// TestManyAtOnce has members fight for records; each is delivered to one at a time and none is lost.
func TestManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeeper()
		k.delay = time.Millisecond
		m := newTestManager(k)
		defer m.Close()
		m.Open(SessionKey{"g", "somebody"}, nil, nil) // or what is idle would go
		p := m.Get(testKey, 0)
		time.Sleep(10 * time.Millisecond)
		var mu sync.Mutex
		accepted := map[int64]int{}
		var wg sync.WaitGroup
		for n := range 8 {
			wg.Go(func() {
				me := fmt.Sprint("m", n)
				for range 200 {
					got := take(p, me, 7)
					if len(got) == 0 {
						time.Sleep(time.Millisecond)
					}
					for _, a := range got {
						typ := Accept
						if a.First%3 == 0 && a.Count < 3 {
							typ = Release
						}
						if f := ack(p, me, a.First, a.Last, typ); f.Code != nil {
							t.Error(f)
						}
						if typ == Accept {
							mu.Lock()
							for o := a.First; o <= a.Last; o++ {
								accepted[o]++
							}
							mu.Unlock()
						}
					}
				}
			})
		}
		wg.Wait()
		start, _, _ := p.Position()
		for o := int64(10); o < start; o++ {
			if accepted[o] != 1 {
				t.Fatalf("offset %d was accepted %d times", o, accepted[o])
			}
		}
		if start < 1000 {
			t.Fatalf("only up to %d", start)
		}
	})
}
