package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/streams/internal/topology"
)

// patience bounds what the shell waits for of a cluster that answers: topics to appear, offsets to become stable.
const patience = 60 * time.Second

// cluster is what an app knows of the cluster: topics and their partitions. Safe for concurrent use.
type cluster struct {
	client *kgo.Client
	admin  *kadm.Client

	limits *limits

	mu      sync.Mutex
	counts  map[string]int
	written map[string]int // of topics that are written to: their limits are known too
}

func newCluster(client *kgo.Client) *cluster {
	return &cluster{client: client, admin: kadm.NewClient(client), limits: &limits{bytes: map[string]int32{}}, counts: map[string]int{}, written: map[string]int{}}
}

// topics gives the partition counts of all topics that are not the broker's own, and remembers them.
func (c *cluster) topics(ctx context.Context) (map[string]int, error) {
	found, err := c.admin.ListTopics(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing topics: %w", err)
	}
	counts := make(map[string]int, len(found))
	for name, t := range found {
		if t.Err == nil && !t.IsInternal {
			counts[name] = len(t.Partitions)
		}
	}
	c.mu.Lock()
	maps.Copy(c.counts, counts)
	c.mu.Unlock()
	return counts, nil
}

// partitions is the count of one topic that is to be written to. Where the broker makes topics for who writes to them, it does.
func (c *cluster) partitions(ctx context.Context, topic string) (int, error) {
	c.mu.Lock()
	n, counted := c.written[topic], c.counts[topic]
	c.mu.Unlock()
	if n > 0 {
		return n, nil
	}
	n, err := counted, error(nil)
	if n == 0 {
		n, err = c.find(ctx, topic)
	}
	if err != nil {
		return 0, fmt.Errorf("%w%s", err, advice(err))
	}
	c.limits.know(ctx, c.admin, topic)
	c.mu.Lock()
	c.counts[topic], c.written[topic] = n, n
	c.mu.Unlock()
	return n, nil
}

// find waits for a topic.
func (c *cluster) find(ctx context.Context, topic string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, patience/6)
	defer cancel()
	for {
		n, err := c.ask(ctx, topic)
		if err == nil && n > 0 || err != nil && !kerr.IsRetriable(err) {
			return n, err
		}
		if !pause(ctx, 50*time.Millisecond) {
			return 0, cmp.Or(err, error(kerr.UnknownTopicOrPartition))
		}
	}
}

// exists asks for a topic without having it made.
func (c *cluster) exists(ctx context.Context, topic string) error {
	req := kmsg.NewPtrMetadataRequest()
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = kmsg.StringPtr(topic)
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(ctx, c.client)
	if err != nil {
		return err
	}
	if len(resp.Topics) != 1 {
		return kerr.UnknownServerError
	}
	return kerr.ErrorForCode(resp.Topics[0].ErrorCode)
}

// remember keeps a topic's count.
func (c *cluster) remember(topic string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[topic] = n
}

// known is a topic's count as it was when it was asked for last; 0 if it never was.
func (c *cluster) known(topic string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts[topic]
}

func (c *cluster) ask(ctx context.Context, topic string) (int, error) {
	req := kmsg.NewPtrMetadataRequest()
	req.AllowAutoTopicCreation = true
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = kmsg.StringPtr(topic)
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(ctx, c.client)
	if err != nil {
		return 0, err
	}
	if len(resp.Topics) != 1 {
		return 0, kerr.UnknownTopicOrPartition
	}
	return len(resp.Topics[0].Partitions), kerr.ErrorForCode(resp.Topics[0].ErrorCode)
}

// prepare checks the source topics and makes the internal ones, or holds those that exist to what they must be.
func (a *App) prepare(ctx context.Context) error {
	layout, have, err := a.layout(ctx)
	if err != nil {
		return err
	}
	var errs []error
	var missing []topology.TopicSpec
	for _, spec := range layout.Internal {
		n, exists := have[spec.Name]
		switch {
		case !exists:
			missing = append(missing, spec)
		case n != spec.Partitions:
			errs = append(errs, a.wrongPartitions(&spec, n))
		}
	}
	for _, g := range a.prog.Topology.Globals {
		for _, topic := range g.Source.Topics {
			if have[topic] == 0 {
				errs = append(errs, fmt.Errorf("node %s reads topic %s for the global store %s, and there is no such topic: create it", g.Source.Name, topic, g.Store.Name))
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	a.lookAtInternal(ctx, layout, have, missing)
	if a.prog.Settings.StreamsProtocol {
		return nil // the broker makes them
	}
	for _, spec := range missing {
		if err := a.create(ctx, &spec); err != nil {
			return err
		}
	}
	a.cluster.limits.know(ctx, a.cluster.admin, a.written(layout, have)...)
	return nil
}

func (a *App) wrongPartitions(spec *topology.TopicSpec, have int) error {
	what := "the repartition topic"
	if !spec.Repartition {
		what = fmt.Sprintf("store %s: its changelog", spec.Store)
	}
	return fmt.Errorf("sub-topology %d: %s %s has %d partitions, and the topics that are read make %d necessary: "+
		"have partitions been added to a source topic? Reset the application, or give it another application id",
		spec.Subtopology, what, spec.Name, have, spec.Partitions)
}

func (a *App) create(ctx context.Context, spec *topology.TopicSpec) error {
	configs := map[string]*string{}
	for name, value := range spec.Config {
		configs[name] = &value
	}
	partitions := int32(spec.Partitions) //nolint:gosec // partitions are int32
	err := again(ctx, func() error {
		_, err := a.cluster.admin.CreateTopic(ctx, partitions, a.prog.Settings.ReplicationFactor, configs, spec.Name)
		return err
	})
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("creating the internal topic %s (%d partitions, replication factor %d): %w%s", spec.Name, partitions, a.prog.Settings.ReplicationFactor, err, createAdvice(err))
	}
	a.log.Info("internal topic created", "topic", spec.Name, "partitions", partitions)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		n, err := a.cluster.ask(ctx, spec.Name)
		if err == nil && n == spec.Partitions {
			a.cluster.remember(spec.Name, n)
			return nil
		}
		if err == nil && n > 0 {
			return a.wrongPartitions(spec, n)
		}
		if !pause(ctx, 20*time.Millisecond) {
			return fmt.Errorf("the internal topic %s was created and does not appear: %w", spec.Name, errors.Join(err, ctx.Err()))
		}
	}
}

// layout is what follows from the topology and the topics there are.
func (a *App) layout(ctx context.Context) (*topology.Layout, map[string]int, error) {
	have, err := a.cluster.topics(ctx)
	if err != nil {
		return nil, nil, err
	}
	layout, err := a.layoutOf(have)
	var missing *topology.MissingTopicsError
	if errors.As(err, &missing) {
		if hidden := a.hidden(ctx, slices.Concat(slices.Collect(maps.Values(missing.Topics))...)); len(hidden) > 0 {
			err = a.missingTopics(missing, hidden)
		}
	}
	return layout, have, err
}

func (a *App) layoutOf(have map[string]int) (*topology.Layout, error) {
	s := &a.prog.Settings
	layout, err := a.prog.Topology.Layout(topology.LayoutConfig{
		ApplicationID: a.prog.ApplicationID, Topics: slices.Collect(maps.Keys(have)), WindowExtraRetentionMs: s.WindowChangelogMs, TopicConfig: s.TopicConfig,
	}, func(topic string) (int, error) { return have[topic], nil })
	var missing *topology.MissingTopicsError
	if errors.As(err, &missing) {
		err = a.missingTopics(missing, nil)
	}
	return layout, err
}

// missingTopics names the nodes that read the topics. Those in hidden are there, for others.
func (a *App) missingTopics(m *topology.MissingTopicsError, hidden map[string]error) error {
	var errs []error
	for _, id := range slices.Sorted(maps.Keys(m.Topics)) {
		for _, topic := range m.Topics[id] {
			var nodes []string
			for _, n := range a.prog.Topology.Nodes() {
				if slices.Contains(n.Topics, topic) {
					nodes = append(nodes, n.Name)
				}
			}
			if err := hidden[topic]; err != nil {
				errs = append(errs, fmt.Errorf("node %s of sub-topology %d reads topic %s: %w; the application needs the permissions Read and Describe on the topic", strings.Join(nodes, ", "), id, topic, err))
				continue
			}
			errs = append(errs, fmt.Errorf("node %s of sub-topology %d reads topic %s, and there is no such topic: create it", strings.Join(nodes, ", "), id, topic))
		}
	}
	return &missingTopicsError{errors.Join(errs...), m}
}

// missingTopicsError says in words of its own what another one says.
type missingTopicsError struct {
	error
	of *topology.MissingTopicsError
}

func (e *missingTopicsError) Unwrap() error { return e.of }

// pause waits, and tells whether ctx still holds.
func pause(ctx context.Context, d time.Duration) bool {
	ctx2, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	<-ctx2.Done()
	return ctx.Err() == nil
}
