package main

import (
	"context"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"leat.dev/test/launch"
)

// node is a running broker of a system with a folder of its own.
type node struct {
	*launch.Broker
	dir   string
	ready time.Duration // of the first start
	over  string        // said in rows' names when clients do not come by plain TCP
	opts  []kgo.Opt     // of every client
	addr  string        // of a broker that is not ours to end; "": Broker's
}

// Addr is where clients find it.
func (n *node) Addr() string {
	if n.addr != "" {
		return n.addr
	}
	return n.Broker.Addr()
}

func (b *bench) start(ctx context.Context, s system) (*node, error) {
	dir, err := os.MkdirTemp(b.dir, "leat-bench-")
	if err != nil {
		return nil, err
	}
	props := map[string]string{"group.initial.rebalance.delay.ms": "0"}
	maps.Copy(props, s.props)
	broker, err := launch.New(ctx, launch.Spec{Kind: s.kind, Dir: dir, Props: props, Listeners: s.listeners})
	if err != nil {
		return nil, err
	}
	n := &node{Broker: broker, dir: dir}
	if n.ready, err = n.restart(ctx); err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	return n, nil
}

func (n *node) restart(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	return n.Start(ctx)
}

// end takes the broker and its data away.
func (n *node) end() {
	if n.addr == "" {
		_ = n.Kill()
	}
	_ = os.RemoveAll(n.dir) // a folder of the system's temporary ones
}

func (n *node) createTopic(ctx context.Context, topic string, partitions int32) error {
	cl, err := n.client()
	if err != nil {
		return err
	}
	defer cl.Close()
	if _, err := kadm.NewClient(cl).CreateTopic(ctx, partitions, 1, nil, topic); err != nil {
		return err
	}
	return pause(ctx, 500*time.Millisecond) // Kafka answers before its broker has applied it
}

// client makes the one client that all systems are measured with.
func (n *node) client(opts ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(slices.Concat([]kgo.Opt{
		kgo.SeedBrokers(n.Addr()),
		kgo.MetadataMinAge(100 * time.Millisecond),
	}, n.opts, opts)...)
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
