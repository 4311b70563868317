package streams

import (
	"context"
	"fmt"
	"slices"

	"leat.dev/streams/internal/engine"
)

// Host is an instance of the application that serves queries, as the last rebalance left it.
type Host struct {
	Address       string   `json:"address"`           // what it gave to ServeQueries
	Active        []string `json:"active"`            // tasks it runs, as subtopology_partition
	Standby       []string `json:"standby,omitempty"` // tasks it keeps copies of
	Stores        []string `json:"stores"`            // of its tasks, and the global ones
	StandbyStores []string `json:"standbyStores,omitempty"`
}

// Hosts are the instances that serve queries, by address. While tasks move it is a little ahead of what they have, or behind.
func (a *App) Hosts() []Host {
	out := []Host{}
	for _, h := range a.engine.Hosts() {
		one := Host{Address: h.Address, Active: []string{}}
		for _, id := range h.Active {
			one.Active = append(one.Active, id.String())
		}
		for _, id := range h.Standby {
			one.Standby = append(one.Standby, id.String())
		}
		one.Stores, one.StandbyStores = a.storesOf(h.Active, true), a.storesOf(h.Standby, false)
		out = append(out, one)
	}
	return out
}

// storesOf are the names of the stores of tasks.
func (a *App) storesOf(ids []engine.TaskID, globals bool) []string {
	names := []string{}
	top := a.program.Topology
	for _, s := range top.Subtopologies {
		if !slices.ContainsFunc(ids, func(id engine.TaskID) bool { return id.Subtopology == s.ID }) {
			continue
		}
		for _, store := range s.Stores {
			names = append(names, store.Name)
		}
	}
	if globals {
		for _, g := range top.Globals {
			names = append(names, g.Store.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// StoreHosts are the instances that have a part of a store, or a copy of one.
func (a *App) StoreHosts(store string) []Host {
	return slices.DeleteFunc(a.Hosts(), func(h Host) bool {
		return !slices.Contains(h.Stores, store) && !slices.Contains(h.StandbyStores, store)
	})
}

// Owner says which instance runs the task that has a key of a store, and which have copies of it, by the addresses they gave
// to ServeQueries. It goes by the default partitioner; for keys that were partitioned otherwise see OwnerOf.
func (a *App) Owner[K any](store string, ks Serde[K], k K) (active string, standbys []string, err error) {
	return a.OwnerBy(store, ks, k, func(key []byte, n int) int { return int(engine.DefaultPartition(key, n)) })
}

// OwnerBy is Owner for keys whose partition, of n, another function finds by their bytes.
func (a *App) OwnerBy[K any](store string, ks Serde[K], k K, partition func(key []byte, n int) int) (active string, standbys []string, err error) {
	key, err := ks.Append(nil, store, nil, k)
	if err != nil {
		return "", nil, fmt.Errorf("writing the key: %w", err)
	}
	_, n, err := a.engine.StorePartitions(context.Background(), store)
	if err != nil {
		return "", nil, err
	}
	return a.OwnerOf(store, int32(partition(key, n))) //nolint:gosec // partitions are int32
}

// OwnerOf is Owner for a partition of a store. ErrNotHere is that no instance which serves queries has it now.
func (a *App) OwnerOf(store string, partition int32) (active string, standbys []string, err error) {
	sub, n, err := a.engine.StorePartitions(context.Background(), store)
	if err != nil {
		return "", nil, err
	}
	if partition < 0 || int(partition) >= n {
		return "", nil, fmt.Errorf("store %s has partitions 0 to %d, and no %d", store, n-1, partition)
	}
	id := engine.TaskID{Subtopology: sub, Partition: partition}
	active, standbys = a.engine.HostOf(id)
	if active == "" {
		return "", standbys, fmt.Errorf("store %s: task %s: %w: no instance that serves queries has it now; give instances the option ServeQueries", store, id, ErrNotHere)
	}
	return active, standbys, nil
}

// Positions are how far the tasks that run here have processed their input, by task.
func (a *App) Positions(ctx context.Context) (map[string]Position, error) {
	found, err := a.engine.TaskPositions(ctx)
	out := make(map[string]Position, len(found))
	for id, at := range found {
		out[id.String()] = positionOf(at)
	}
	return out, err
}

// Lag is how far a store of this instance is behind its changelog (Kafka: LagInfo).
type Lag struct {
	Task    string `json:"task"`
	Active  bool   `json:"active"`  // the task runs here: it is never behind
	Current int64  `json:"current"` // the next offset of the changelog to be applied
	End     int64  `json:"end"`     // the changelog's end
	Lag     int64  `json:"lag"`     // what is between them
}

// Lags are those of all stores here that have a changelog, of standbys and of tasks that are being restored too, by store
// and partition (Kafka: allLocalStorePartitionLags). It asks the cluster for the ends of changelogs.
func (a *App) Lags(ctx context.Context) (map[string]map[int32]Lag, error) {
	found, err := a.engine.StoreLags(ctx)
	out := map[string]map[int32]Lag{}
	for _, l := range found {
		if out[l.Store] == nil {
			out[l.Store] = map[int32]Lag{}
		}
		out[l.Store][l.Task.Partition] = Lag{
			Task: l.Task.String(), Active: l.Active, Current: l.Current, End: l.End, Lag: max(0, l.End-l.Current),
		}
	}
	return out, err
}

// Endpoint is the address at which this instance answers queries, as others know it: what was given to ServeQueries, with
// the port that was taken. It is empty before Run, and without ServeQueries.
func (a *App) Endpoint() string {
	if at := a.endpoint.Load(); at != nil {
		return *at
	}
	return ""
}
