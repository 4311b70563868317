package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"leat.dev/streams/internal/state"
)

// globals is the global part of a program in this process: read whole before tasks run, followed by one goroutine from then on.
type globals struct {
	p      *process
	global Global // nil when the program has none
	st     *state.Task
	client *kgo.Client
	cancel context.CancelFunc
	done   chan struct{}

	next  map[TopicPartition]int64
	dirty bool
}

// globalTask is the name of the state of global stores.
const globalTask = "global"

// globalEnv is the world of global stores: nothing is written from there.
type globalEnv struct{ app *App }

func (e globalEnv) Send(o *Out) error {
	return fmt.Errorf("node %s: processors of global stores write to no topic", o.Node)
}
func (e globalEnv) Partitions(topic string) (int, error) {
	return e.app.partitions(context.Background(), topic)
}
func (e globalEnv) Now() int64                                { return e.app.now() }
func (e globalEnv) Count(metric Metric, node string, n int64) { e.app.met.count(metric, node, n) }

func (p *process) bootstrapGlobals(ctx context.Context) (*globals, error) {
	g := &globals{p: p, next: map[TopicPartition]int64{}}
	if len(p.app.prog.Topology.Globals) == 0 {
		return g, nil
	}
	for _, fresh := range []bool{false, true} {
		again, err := g.bootstrap(ctx, fresh)
		if err == nil && !again {
			g.follow()
			return g, nil
		}
		if closeErr := g.close(); err == nil {
			err = closeErr
		}
		if err != nil {
			return g, fmt.Errorf("global stores: %w%s", err, advice(err))
		}
	}
	return g, errors.New("global stores: the state does not fit its topics, even when it was wiped")
}

// bootstrap reads what is missing up to the end. again tells that the state had to be wiped; fresh that it has been.
func (g *globals) bootstrap(ctx context.Context, fresh bool) (again bool, err error) {
	p := g.p
	if g.st, err = p.db.Task(globalTask); err != nil {
		return false, err
	}
	if g.global, err = p.app.prog.NewGlobal(globalEnv{p.app}, g.st); err != nil {
		return false, err
	}
	starts, ends, err := p.bounds(ctx, g.global.Topics())
	if err != nil {
		return false, err
	}
	kept := map[TopicPartition]int64{}
	if !fresh {
		kept = g.positions()
	}
	from := map[string]map[int32]kgo.Offset{}
	missing := map[TopicPartition]int64{}
	for tp, start := range starts {
		next, known := kept[tp]
		if known && (next < start || next > ends[tp]) {
			for _, t := range p.app.prog.Topology.Globals {
				if err := g.st.Wipe(t.Store.Name); err != nil {
					return false, err
				}
			}
			return true, nil
		}
		if !known {
			next = start
		}
		g.next[tp] = next
		if next < ends[tp] {
			missing[tp] = ends[tp]
		}
		if from[tp.Topic] == nil {
			from[tp.Topic] = map[int32]kgo.Offset{}
		}
		from[tp.Topic][tp.Partition] = kgo.NewOffset().At(next)
	}
	g.client, err = p.app.client(kgo.ConsumePartitions(from), p.app.isolation(), kgo.KeepControlRecords(), kgo.ConsumeResetOffset(kgo.NoResetOffset()))
	if err != nil {
		return false, err
	}
	for len(missing) > 0 {
		if err := g.poll(ctx); err != nil {
			return false, err
		}
		for tp, end := range missing {
			if g.next[tp] >= end {
				delete(missing, tp)
			}
		}
	}
	return false, g.keep()
}

// positions are those that were kept, of stores whose contents were kept too.
func (g *globals) positions() map[TopicPartition]int64 {
	kept := g.global.Positions()
	for _, t := range g.p.app.prog.Topology.Globals {
		if g.st.Store(t.Store.Name, false).Durable() { // it exists: NewGlobal has said where it is kept
			continue
		}
		for tp := range kept {
			if slices.Contains(t.Source.Topics, tp.Topic) {
				delete(kept, tp)
			}
		}
	}
	return kept
}

// poll applies what one poll gives.
func (g *globals) poll(ctx context.Context) (err error) {
	fetches := g.client.PollRecords(ctx, 10_000)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	fetches.EachPartition(func(f kgo.FetchTopicPartition) {
		tp := TopicPartition{f.Topic, f.Partition}
		if f.Err != nil && !kerr.IsRetriable(f.Err) && err == nil && !errors.Is(f.Err, context.DeadlineExceeded) {
			err = fmt.Errorf("reading %s-%d: %w", tp.Topic, tp.Partition, f.Err)
		}
		for _, r := range f.Records {
			if err != nil {
				return
			}
			if !r.Attrs.IsControl() {
				err = g.global.Update(&In{
					Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, LeaderEpoch: r.LeaderEpoch,
					Time: r.Timestamp.UnixMilli(), Key: r.Key, Value: r.Value, Headers: headersOf(r.Headers),
				})
				g.p.app.met.restored.Inc()
			}
			g.next[tp], g.dirty = r.Offset+1, true
		}
	})
	return err
}

func (g *globals) keep() error {
	if !g.dirty {
		return nil
	}
	g.dirty = false
	return g.global.Committed(g.next)
}

// globalCommitEvery is how often the state of global stores is kept while it changes.
const globalCommitEvery = 10 * time.Second

func (g *globals) follow() {
	ctx, cancel := context.WithCancel(g.p.ctx)
	g.cancel, g.done = cancel, make(chan struct{})
	go func() {
		defer close(g.done)
		kept := g.p.app.clk.Now()
		for ctx.Err() == nil {
			limit, cancel := context.WithTimeout(ctx, globalCommitEvery)
			err := g.poll(limit)
			cancel()
			if now := g.p.app.clk.Now(); (err == nil || errors.Is(err, context.DeadlineExceeded)) && now.Sub(kept) >= globalCommitEvery {
				kept, err = now, g.keep()
			}
			if err != nil && !errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
				g.p.fail(fmt.Errorf("global stores: %w%s", err, advice(err)))
				return
			}
		}
	}()
}

func (g *globals) close() error {
	if g.cancel != nil {
		g.cancel()
		<-g.done
		g.cancel = nil
	}
	if g.client != nil {
		g.client.Close()
		g.client = nil
	}
	var err error
	if g.global != nil {
		if g.p.ctx.Err() == nil {
			err = g.keep()
		}
		err = errors.Join(err, g.global.Close())
		g.global = nil
	}
	if g.st != nil {
		err = errors.Join(err, g.st.Close())
		g.st = nil
	}
	return err
}
