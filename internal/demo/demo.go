// Package demo shows what the log is good for in a few seconds: it starts a broker as a process of its own, writes
// real events through it, lets the members of a consumer group count them into a compacted topic, kills the broker
// with SIGKILL and a member with it in the middle, and proves from the outside that nothing was lost and nothing
// counted twice. It speaks to the broker like any user would, by the Kafka protocol.
//
// Goroutines: one loads events, one runs each member; Run waits for all of them.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Names and sizes of what the demo makes.
const (
	eventsTopic = "earthquakes"
	countsTopic = "earthquake-counts"
	groupName   = "counters"
	partitions  = 4

	eventsPerSecond = 1000 // paced, so that there is a middle to crash in
	crashAfter      = 0.4  // of the events
)

// limit is how long the demo may take before it counts as failed.
const limit = 2 * time.Minute

// ErrWrong is returned when the proof fails: something was lost, doubled or counted wrongly.
var ErrWrong = errors.New("the result is wrong")

// Options of a run.
type Options struct {
	Out io.Writer
	// Program is the leat program that runs the broker.
	Program string
	// Events is a file of earthquakes as JSON lines; empty makes events up.
	Events string
	// Dir is where the broker keeps its data; empty takes a temporary directory that is removed at the end.
	Dir string
	// Color allows colours and bold text.
	Color bool
}

// Run runs the demo.
func Run(ctx context.Context, o Options) (err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	events, source, err := loadEvents(o.Events)
	if err != nil {
		return err
	}
	dir := o.Dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "leat-demo-"); err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }() // a temporary directory: the system cleans up what remains
	}
	s := &show{out: o.Out, color: o.Color, began: time.Now()}
	s.title(fmt.Sprintf("%s earthquakes through a durable log, with a crash in the middle", number(len(events))))
	s.note(source)
	r := &run{o: o, show: s, events: events, dir: dir}
	defer r.stop()
	if err := r.all(ctx); err != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return fmt.Errorf("not finished after %s: %w", limit, err)
		}
		return err
	}
	return r.prove(ctx)
}

// run is the state of one demo.
type run struct {
	o      Options
	show   *show
	events []event
	dir    string

	broker  *broker
	loader  *loader
	members []*member
	replays int64
}

// stop ends whatever still runs.
func (r *run) stop() {
	if r.loader != nil {
		r.loader.stop()
	}
	for _, m := range r.members {
		m.stop()
	}
	if r.broker != nil {
		r.broker.stop()
	}
}

// all goes through the steps.
func (r *run) all(ctx context.Context) error {
	var err error
	step := r.show.step("broker started on an empty directory")
	if r.broker, err = startBroker(ctx, r.o.Program, r.dir, ""); err != nil {
		return err
	}
	step.done("process %d, %s", r.broker.pid(), r.broker.addr)

	step = r.show.step("topics created")
	if err := r.createTopics(ctx); err != nil {
		return err
	}
	step.done("%s with %d partitions, %s compacted", eventsTopic, partitions, countsTopic)

	step = r.show.step("two members join a consumer group")
	for i := range 2 {
		m, err := startMember(ctx, r.broker.addr, i+1)
		if err != nil {
			return err
		}
		r.members = append(r.members, m)
	}
	if err := r.await(ctx, func() bool { return r.members[0].owned() == 2 && r.members[1].owned() == 2 }); err != nil {
		return fmt.Errorf("waiting for the group: %w", err)
	}
	step.done("two partitions each")

	step = r.show.step("events are written and counted")
	if r.loader, err = startLoader(ctx, r.broker.addr, r.events); err != nil {
		return err
	}
	target := int64(crashAfter * float64(len(r.events)))
	if err := r.await(ctx, func() bool { return r.counted() >= target }); err != nil {
		return fmt.Errorf("counting: %w", err)
	}
	step.done("%s of %s counted so far", number(int(r.counted())), number(len(r.events)))

	if err := r.crash(ctx); err != nil {
		return err
	}

	step = r.show.step("the rest is written and counted")
	if err := r.loader.wait(ctx); err != nil {
		return fmt.Errorf("writing events: %w", err)
	}
	if err := r.awaitCommitted(ctx); err != nil {
		return err
	}
	for _, m := range r.members {
		m.stop()
		if m.err != nil {
			return m.err
		}
		r.replays += m.replayed.Load()
	}
	step.done("all %s acknowledged, group at the end", number(int(r.loader.acked.Load())))
	return nil
}

// crash kills a member between writing its counts and committing its offsets, and the broker with it, and starts
// both again.
func (r *run) crash(ctx context.Context) error {
	step := r.show.step("kill -9")
	dying := r.members[1]
	lost, err := dying.dieBeforeCommit(ctx)
	if err != nil {
		return err
	}
	if err := r.broker.kill(); err != nil {
		return err
	}
	dying.stop()
	step.crash("broker, and a member that had counted %s but not committed", plural(lost, "event"))

	step = r.show.step("broker recovers on the same data")
	again, err := startBroker(ctx, r.o.Program, r.dir, r.broker.addr)
	if err != nil {
		return err
	}
	r.broker = again
	step.done("process %d", again.pid())

	step = r.show.step("member starts anew")
	m, err := startMember(ctx, r.broker.addr, 2)
	if err != nil {
		return err
	}
	r.members[1] = m
	if err := r.await(ctx, func() bool { return m.owned() == 2 }); err != nil {
		return fmt.Errorf("waiting for the new member: %w", err)
	}
	step.done("its counts are read back from the compacted topic")
	return nil
}

func (r *run) counted() int64 {
	var n int64
	for _, m := range r.members {
		n += m.counted.Load()
	}
	return n
}

// await waits until something holds, a member fails or time is up.
func (r *run) await(ctx context.Context, holds func() bool) error {
	const look = 5 * time.Millisecond
	tick := time.NewTicker(look)
	defer tick.Stop()
	for !holds() {
		for _, m := range r.members {
			if err := m.failed(); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

func (r *run) admin() (*kadm.Client, error) {
	return kadm.NewOptClient(kgo.SeedBrokers(r.broker.addr))
}

func (r *run) createTopics(ctx context.Context) error {
	admin, err := r.admin()
	if err != nil {
		return err
	}
	defer admin.Close()
	if _, err := admin.CreateTopic(ctx, partitions, -1, nil, eventsTopic); err != nil {
		return fmt.Errorf("creating topic %s: %w", eventsTopic, err)
	}
	compact := "compact"
	if _, err := admin.CreateTopic(ctx, partitions, -1, map[string]*string{"cleanup.policy": &compact}, countsTopic); err != nil {
		return fmt.Errorf("creating topic %s: %w", countsTopic, err)
	}
	return nil
}

// awaitCommitted waits until the group has committed the end of every partition.
func (r *run) awaitCommitted(ctx context.Context) error {
	admin, err := r.admin()
	if err != nil {
		return err
	}
	defer admin.Close()
	ends, err := admin.ListEndOffsets(ctx, eventsTopic)
	if err != nil {
		return fmt.Errorf("reading the ends of %s: %w", eventsTopic, err)
	}
	var last error
	err = r.await(ctx, func() bool {
		var committed kadm.OffsetResponses
		if committed, last = admin.FetchOffsets(ctx, groupName); last != nil {
			return false
		}
		for p, end := range ends[eventsTopic] {
			if at, ok := committed.Lookup(eventsTopic, p); end.Offset > 0 && (!ok || at.At < end.Offset) {
				return false
			}
		}
		return true
	})
	return errors.Join(err, last)
}
