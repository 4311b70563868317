package transport

import (
	"context"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// An address may hold three quarters of the budget, and waiters are served by address in turns.
func TestBudgetIsFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(100)
		crowd, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
		got := make(chan string, 20)
		ask := func(ctx context.Context, ip netip.Addr, n int64, name string) {
			go func() {
				if taken, err := b.Acquire(ctx, ip, n); err == nil && taken > 0 {
					got <- name
				}
			}()
			synctest.Wait()
		}
		want := func(names ...string) {
			t.Helper()
			synctest.Wait()
			var served []string
			for len(got) > 0 {
				served = append(served, <-got)
			}
			slices.Sort(served)
			if !slices.Equal(served, names) {
				t.Fatalf("%q are served, want %q", served, names)
			}
		}
		ctx := t.Context()
		ask(ctx, crowd, 1000, "crowd, all it may") // 75
		want("crowd, all it may")
		for range 3 {
			ask(ctx, crowd, 30, "crowd")
		}
		ask(ctx, other, 20, "other")
		want("other") // although others came before
		gone, cancel := context.WithCancel(ctx)
		ask(gone, other, 50, "gone")
		ask(ctx, other, 40, "other")
		cancel()
		synctest.Wait()
		b.Release(crowd, 75)
		want("crowd", "other") // in turns: the crowd's next has to wait
		b.Release(other, 60)
		want("crowd")
		b.Release(crowd, 30)
		want("crowd")
		b.Release(crowd, 60)
		if b.InUse() != 0 || len(b.holders) != 0 || b.turns.Len() != 0 || len(got) != 0 {
			t.Errorf("%d bytes, %d holders, %d turns, %d grants are left", b.InUse(), len(b.holders), b.turns.Len(), len(got))
		}
		if network(netip.MustParseAddr("2001:db8::1")) != network(netip.MustParseAddr("2001:db8::ffff:2")) {
			t.Error("a customer's addresses count as different ones")
		}
	})
}

// A frame that is claimed and does not come has to make room when somebody waits for its memory.
func TestStalledFrameMakesRoom(t *testing.T) {
	s := startServer(t, func(o *Options) { o.RequestMemory = 40_000 })
	idle := s.dial(t)
	if _, err := idle.Write(frame(pipeKey, 0, 1, make([]byte, 35_000))[:100]); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return s.budget.InUse() > 0 })
	began := time.Now()
	c := s.dial(t)
	c.want(c.send(echoKey, string(make([]byte, 20_000))), string(make([]byte, 20_000)))
	if took := time.Since(began); took > time.Minute {
		t.Errorf("it took %v", took)
	}
	idle.closed()
	if n := s.stats.stalled.Load(); n != 1 {
		t.Errorf("%d connections were closed for it", n)
	}
}

// Of strangers the oldest of the address that has the most has to go.
func TestDisplacementIsFair(t *testing.T) {
	w := &waiting{most: 3}
	of := func(ip string) *Conn {
		c := &Conn{remote: netip.AddrPortFrom(netip.MustParseAddr(ip), 1)}
		c.strange.conn = c
		return c
	}
	first, a, b := of("192.0.2.1"), of("192.0.2.9"), of("192.0.2.9")
	for _, c := range []*Conn{first, a, b} {
		if w.add(&c.strange) != nil {
			t.Fatal("somebody had to go although there was room")
		}
	}
	c := of("192.0.2.9")
	if got := w.add(&c.strange); got != a {
		t.Errorf("%v had to go", got.remote)
	}
	w.remove(&b.strange)
	w.remove(&b.strange)
	d, e := of("192.0.2.2"), of("192.0.2.3")
	w.add(&d.strange)
	if got := w.add(&e.strange); got != first || w.len() != 3 {
		t.Errorf("of three addresses with one each, %v had to go", got)
	}
}
