package main

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	groupMembers    = 100
	groupPartitions = 1000
	// A rebalance cannot be faster than the members' heartbeats carry it. With this interval that is little; both
	// brokers have the same.
	groupHeartbeat = 50 * time.Millisecond
)

var lessCPU = unit{"CPU-s", false}

// protocols are the ways a group shares its partitions.
var protocols = []struct {
	name string
	opts []kgo.Opt
}{
	{"classic, eager", []kgo.Opt{kgo.Balancers(kgo.RangeBalancer())}},
	{"classic, cooperative", []kgo.Opt{kgo.Balancers(kgo.CooperativeStickyBalancer())}},
	{"consumer (KIP-848)", []kgo.Opt{kgo.ServerSideBalancer()}},
}

// rebalances measures how long a group is without a settled assignment: when its members come all at once, when one
// leaves, and when one comes. It is settled when each partition has one owner and each member has a partition.
func rebalances(ctx context.Context, b *bench, s system) error {
	s.props = maps.Clone(s.props)
	if s.props == nil {
		s.props = map[string]string{}
	}
	interval := fmt.Sprint(groupHeartbeat.Milliseconds())
	s.props["group.consumer.heartbeat.interval.ms"] = interval
	s.props["group.consumer.min.heartbeat.interval.ms"] = interval
	n, err := b.start(ctx, s)
	if err != nil {
		return err
	}
	defer n.end()
	const topic = "rebalance"
	if err := n.createTopic(ctx, topic, groupPartitions); err != nil {
		return err
	}
	if err := n.warmGroups(ctx, topic); err != nil {
		return err
	}
	for i, p := range protocols {
		if err := b.rebalance(ctx, s, n, topic, fmt.Sprint("group-", i), p.name, p.opts); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

// warmGroups makes the broker create its offsets topic and load its code.
func (n *node) warmGroups(ctx context.Context, topic string) error {
	for i, p := range protocols {
		g := newSharing(1)
		cl, err := g.join(n, topic, fmt.Sprint("warm-", i), p.opts)
		if err != nil {
			return err
		}
		_, err = g.settled(ctx)
		cl.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) rebalance(ctx context.Context, s system, n *node, topic, group, protocol string, opts []kgo.Opt) error {
	before, err := n.Usage()
	if err != nil {
		return err
	}
	g := newSharing(groupMembers)
	var clients []*kgo.Client
	defer func() {
		var closing sync.WaitGroup
		for _, cl := range clients {
			closing.Go(cl.Close)
		}
		closing.Wait()
	}()
	title := fmt.Sprintf("Rebalance, %d members, %d partitions, heartbeats every %v", groupMembers, groupPartitions, groupHeartbeat)
	step := func(what string) error {
		took, err := g.settled(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		ms := float64(took) / float64(time.Millisecond)
		b.table.set(title, protocol+": "+what, lessMs, s, ms)
		fmt.Printf("   %s: %s: %.0f ms\n", protocol, what, ms)
		return nil
	}
	g.begin()
	for range groupMembers {
		cl, err := g.join(n, topic, group, opts)
		if err != nil {
			return err
		}
		clients = append(clients, cl)
	}
	if err := step("all join at once"); err != nil {
		return err
	}
	g.expect(groupMembers - 1)
	g.begin()
	go clients[0].Close() // its leaving is what is measured
	clients = clients[1:]
	if err := step("one leaves"); err != nil {
		return err
	}
	g.expect(groupMembers)
	g.begin()
	cl, err := g.join(n, topic, group, opts)
	if err != nil {
		return err
	}
	clients = append(clients, cl)
	if err := step("one joins"); err != nil {
		return err
	}
	after, err := n.Usage()
	if err != nil {
		return err
	}
	used := cpuSeconds(after.CPU - before.CPU)
	b.table.set(title, protocol+": broker CPU of the three", lessCPU, s, used)
	fmt.Printf("   %s: broker CPU %.2f s\n", protocol, used)
	return nil
}

// sharing is what the members of a group own, as their callbacks tell it.
type sharing struct {
	mu      sync.Mutex
	members int
	owners  map[int32]int          // by partition
	owned   map[int]map[int32]bool // by member
	next    int
	started time.Time
	changed chan struct{}
}

func newSharing(members int) *sharing {
	return &sharing{members: members, owners: map[int32]int{}, owned: map[int]map[int32]bool{}, started: time.Now(), changed: make(chan struct{}, 1)}
}

func (g *sharing) begin() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.started = time.Now()
}

func (g *sharing) expect(members int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.members = members
}

// join adds a member.
func (g *sharing) join(n *node, topic, group string, opts []kgo.Opt) (*kgo.Client, error) {
	g.mu.Lock()
	id := g.next
	g.next++
	g.owned[id] = map[int32]bool{}
	g.mu.Unlock()
	update := func(own bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, parts map[string][]int32) { g.update(id, parts[topic], own) }
	}
	return n.client(append([]kgo.Opt{
		kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(), kgo.HeartbeatInterval(groupHeartbeat),
		kgo.RebalanceTimeout(time.Minute), kgo.FetchMaxWait(30 * time.Second),
		kgo.OnPartitionsAssigned(update(true)), kgo.OnPartitionsRevoked(update(false)), kgo.OnPartitionsLost(update(false)),
	}, opts...)...)
}

func (g *sharing) update(member int, partitions []int32, own bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range partitions {
		if g.owned[member][p] == own {
			continue
		}
		if own {
			g.owned[member][p] = true
			g.owners[p]++
		} else {
			delete(g.owned[member], p)
			g.owners[p]--
		}
	}
	select {
	case g.changed <- struct{}{}:
	default:
	}
}

// settled waits until the partitions are shared and returns the time since begin. What is settled for a moment only,
// between two rounds, does not count: it has to hold for a second.
func (g *sharing) settled(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		at, ok := g.check()
		if ok {
			select {
			case <-g.changed:
				continue
			case <-time.After(time.Second):
				return at, nil
			case <-ctx.Done():
			}
		}
		select {
		case <-g.changed:
		case <-ctx.Done():
			g.mu.Lock()
			defer g.mu.Unlock()
			return 0, fmt.Errorf("%d of %d partitions are owned: %w", len(g.owners), groupPartitions, ctx.Err())
		}
	}
}

// check says since when after begin, as far as it knows, the partitions are shared.
func (g *sharing) check() (time.Duration, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	at := time.Since(g.started)
	with, total := 0, 0
	for _, o := range g.owned {
		if len(o) > 0 {
			with++
		}
		total += len(o)
	}
	if with != g.members || total != groupPartitions {
		return at, false
	}
	for _, n := range g.owners {
		if n > 1 {
			return at, false
		}
	}
	return at, true
}
