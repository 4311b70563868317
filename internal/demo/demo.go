// Package demo shows what Leat is good for in a few seconds: it starts a broker as a process of its own, writes real events
// through it, lets two instances of a streams application count them per region and hour, kills the broker with SIGKILL and
// an instance with it in the middle, and proves from the outside that nothing was lost and nothing counted twice. It
// speaks to the broker like any user would, by the Kafka protocol.
//
// Goroutines: one loads events, one waits for each process; Run waits for all of them.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"leat.dev/examples/quakes/regions"
)

// The topics are those of the application.
var (
	eventsTopic = regions.Quakes.Name
	countsTopic = regions.Hours.Name
)

const (
	partitions = 4

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
	s.title(fmt.Sprintf("%s earthquakes through a streams application, with a crash in the middle", number(len(events))))
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

	broker    *broker
	loader    *loader
	instances []*instance
}

// stop ends whatever still runs.
func (r *run) stop() {
	if r.loader != nil {
		r.loader.stop()
	}
	for _, i := range r.instances {
		i.kill()
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
	step.done("%s and %s with %d partitions each", eventsTopic, countsTopic, partitions)

	step = r.show.step("two instances of the application start")
	for n := range 2 {
		i, err := r.startInstance(r.stateDir(n))
		if err != nil {
			return err
		}
		r.instances = append(r.instances, i)
	}
	if err := r.awaitGroup(ctx, 2); err != nil {
		return err
	}
	step.done("processes %d and %d, exactly once", r.instances[0].pid(), r.instances[1].pid())

	step = r.show.step("events are written and counted")
	if r.loader, err = startLoader(ctx, r.broker.addr, r.events); err != nil {
		return err
	}
	target := int64(crashAfter * float64(len(r.events)))
	counted, err := r.awaitCounted(ctx, target)
	if err != nil {
		return fmt.Errorf("counting: %w", err)
	}
	step.done("%s of %s counted so far", number(int(counted)), number(len(r.events)))

	if err := r.crash(ctx); err != nil {
		return err
	}

	step = r.show.step("the rest is written and counted")
	if err := r.loader.wait(ctx); err != nil {
		return fmt.Errorf("writing events: %w", err)
	}
	if _, err := r.awaitCounted(ctx, int64(len(r.events))); err != nil {
		return err
	}
	if err := r.awaitResults(ctx); err != nil {
		return err
	}
	step.done("all %s acknowledged, the application has seen all", number(int(r.loader.acked.Load())))
	return nil
}

// crash kills an instance and the broker with it, and starts both again.
func (r *run) crash(ctx context.Context) error {
	step := r.show.step("kill -9")
	dying := r.instances[1]
	r.instances = r.instances[:1]
	if err := dying.cmd.Process.Kill(); err != nil {
		return err
	}
	if err := r.broker.kill(); err != nil {
		return err
	}
	<-dying.exited
	step.crash("the broker and an instance, in the middle of a transaction")

	step = r.show.step("broker recovers on the same data")
	again, err := startBroker(ctx, r.o.Program, r.dir, r.broker.addr)
	if err != nil {
		return err
	}
	r.broker = again
	step.done("process %d", again.pid())

	step = r.show.step("instance starts anew")
	i, err := r.startInstance(r.stateDir(1))
	if err != nil {
		return err
	}
	r.instances = append(r.instances, i)
	step.done("process %d, its state is as its last commit left it", i.pid())
	return nil
}

// stateDir is where an instance keeps its state.
func (r *run) stateDir(n int) string { return filepath.Join(r.dir, fmt.Sprintf("instance-%d", n+1)) }

// await waits until something holds, a member fails or time is up.
func (r *run) await(ctx context.Context, holds func() bool) error {
	const look = 10 * time.Millisecond
	tick := time.NewTicker(look)
	defer tick.Stop()
	for !holds() {
		for _, i := range r.instances {
			if err := i.failed(); err != nil {
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
	made, err := admin.CreateTopics(ctx, partitions, -1, nil, eventsTopic, countsTopic)
	if err == nil {
		err = made.Error()
	}
	if err != nil {
		return fmt.Errorf("creating topics: %w", err)
	}
	return nil
}

// awaitGroup waits until the group has so many members and has shared the work.
func (r *run) awaitGroup(ctx context.Context, members int) error {
	admin, err := r.admin()
	if err != nil {
		return err
	}
	defer admin.Close()
	err = r.await(ctx, func() bool {
		groups, err := admin.DescribeGroups(ctx, application)
		g := groups[application]
		return err == nil && g.State == "Stable" && len(g.Members) == members
	})
	if err != nil {
		return fmt.Errorf("waiting for the group: %w", err)
	}
	return nil
}

// awaitCounted waits until the application has committed so many events.
func (r *run) awaitCounted(ctx context.Context, target int64) (counted int64, err error) {
	admin, err := r.admin()
	if err != nil {
		return 0, err
	}
	defer admin.Close()
	err = r.await(ctx, func() bool {
		committed, err := admin.FetchOffsets(ctx, application)
		if err != nil {
			return false
		}
		counted = 0
		for p := range int32(partitions) {
			if at, ok := committed.Lookup(eventsTopic, p); ok && at.At > 0 {
				counted += at.At
			}
		}
		return counted >= target
	})
	return counted, err
}

// awaitResults waits until what was repartitioned is counted too.
func (r *run) awaitResults(ctx context.Context) error {
	admin, err := r.admin()
	if err != nil {
		return err
	}
	defer admin.Close()
	return r.await(ctx, func() bool {
		lags, err := admin.Lag(ctx, application)
		if err != nil {
			return false
		}
		for _, l := range lags[application].Lag.Sorted() {
			// A transaction's marker is a record that nobody consumes.
			if l.Lag > 1 || l.Err != nil {
				return false
			}
		}
		return len(lags[application].Lag.Sorted()) > 0
	})
}
