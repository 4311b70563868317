package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Host is a process that serves queries.
type Host struct {
	Address string
	Active  []TaskID
	Standby []TaskID
}

// Hosts are the processes that serve queries, by address, as of the last rebalance.
func (a *App) Hosts() []Host {
	a.mu.Lock()
	told := a.hosts.Hosts
	a.mu.Unlock()
	out := make([]Host, 0, len(told))
	for _, address := range slices.Sorted(maps.Keys(told)) {
		h := Host{address, slices.Clone([]TaskID(told[address].Active)), slices.Clone([]TaskID(told[address].Standby))}
		slices.SortFunc(h.Active, compareTasks)
		slices.SortFunc(h.Standby, compareTasks)
		out = append(out, h)
	}
	return out
}

// ParseTaskID reads what TaskID.String writes.
func ParseTaskID(s string) (id TaskID, ok bool) {
	sub, partition, ok := strings.Cut(s, "_")
	n, err := strconv.ParseInt(sub, 10, 32)
	p, err2 := strconv.ParseInt(partition, 10, 32)
	id = TaskID{int(n), int32(p)} //nolint:gosec // parsed as 32 bits
	return id, ok && err == nil && err2 == nil && n >= 0 && p >= 0 && id.String() == s
}

// StorePartitions is the sub-topology of a store and how many tasks that has: keys are divided among so many partitions.
func (a *App) StorePartitions(ctx context.Context, store string) (sub, n int, err error) {
	sub, global, err := a.subOfStore(store)
	if err != nil {
		return 0, 0, err
	}
	if global {
		return 0, 0, fmt.Errorf("store %s is a global one, which every instance has whole", store)
	}
	if a.current() == nil {
		return 0, 0, fmt.Errorf("store %s: %w: the app does not run", store, ErrNotHere)
	}
	a.mu.Lock()
	n = a.taskCounts[sub]
	a.mu.Unlock()
	if n > 0 { // as of the last rebalance
		return sub, n, nil
	}
	layout, _, err := a.layout(ctx)
	if err != nil {
		return 0, 0, err
	}
	counts := map[int]int{}
	for _, t := range layout.Tasks {
		counts[t.ID.Subtopology]++
	}
	if counts[sub] == 0 {
		return 0, 0, fmt.Errorf("store %s: sub-topology %d has no tasks", store, sub)
	}
	a.mu.Lock()
	a.taskCounts = counts
	a.mu.Unlock()
	return sub, counts[sub], nil
}

// DefaultPartition is that of a key by the default partitioner.
func DefaultPartition(key []byte, n int) int32 { return partitionOf(key, n) }

// HostOf is the address of the process that has a task, by the last rebalance, and of those that have copies of it.
func (a *App) HostOf(id TaskID) (active string, standbys []string) {
	for _, h := range a.Hosts() {
		if slices.Contains(h.Active, id) {
			active = h.Address
		}
		if slices.Contains(h.Standby, id) {
			standbys = append(standbys, h.Address)
		}
	}
	return active, standbys
}

// IsGlobal tells whether a store is a global one.
func (a *App) IsGlobal(store string) bool {
	_, global, err := a.subOfStore(store)
	return err == nil && global
}

// Now is the app's clock.
func (a *App) Now() time.Time { return a.clk.Now() }

// SetEndpoint says where this process answers queries. It comes before Run.
func (a *App) SetEndpoint(addr string) { a.opt.Endpoint = addr }

// Up tells whether the process has begun to take part in its group.
func (a *App) Up() bool { return a.current() != nil }

// TaskPositions are the positions of the tasks that run here.
func (a *App) TaskPositions(ctx context.Context) (map[TaskID]map[TopicPartition]int64, error) {
	p := a.current()
	if p == nil {
		return nil, fmt.Errorf("positions: %w: the app does not run", ErrNotHere)
	}
	out := map[TaskID]map[TopicPartition]int64{}
	for id, at := range p.manager.placed() {
		if at.place != onWorker {
			continue
		}
		err := at.worker.ask(ctx, at.task, func(t *runningTask) error { out[id] = t.position(); return nil })
		if err != nil && !errors.Is(err, errMoved) {
			return nil, err
		}
	}
	return out, nil
}

// StoreLag is how far a store of a task here is behind its changelog.
type StoreLag struct {
	Store        string
	Task         TaskID
	Active       bool
	Current, End int64
	log          TopicPartition
}
