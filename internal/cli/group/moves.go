package group

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
	"leat.dev/internal/cli/position"
)

// resetter computes where each partition's offset moves to.
type resetter struct {
	client    *command.Client
	o         resetOptions
	at        time.Time // zero if no time was asked for
	group     string
	committed kadm.OffsetResponses
}

// moves returns the changes of all partitions in scope, in order.
func (r *resetter) moves(ctx context.Context, env *command.Env, chosen map[string][]int32) ([]position.Move, error) {
	wanted := map[position.Partition]int64{} // from a file
	if r.o.imported != "" {
		var err error
		if wanted, err = position.Read(env, r.o.imported); err != nil {
			return nil, err
		}
	}
	scope, err := r.scope(ctx, chosen, wanted)
	if err != nil {
		return nil, err
	}
	if len(scope) == 0 {
		return nil, fault.Failed("group %q has no committed offsets to move", r.group).WithHint("name the topics with --topic")
	}
	topics := map[string]bool{}
	for tp := range scope {
		topics[tp.Topic] = true
	}
	held, err := position.Look(ctx, r.client, r.at, slices.Sorted(maps.Keys(topics))...)
	if err != nil {
		return nil, err
	}
	var moves []position.Move
	for tp := range scope {
		start, end, err := held.Bounds(tp)
		if err != nil {
			return nil, err
		}
		m := position.Start(tp, r.committed)
		m.MoveTo(r.target(tp, m.From, start, end, held, wanted), start, end)
		moves = append(moves, m)
	}
	sortMoves(moves)
	return moves, nil
}

func (r *resetter) target(tp position.Partition, from *int64, start, end int64, held *position.Held, wanted map[position.Partition]int64) int64 {
	current := start
	if from != nil {
		current = *from
	}
	switch {
	case r.o.imported != "":
		return wanted[tp]
	case r.o.shiftSet:
		return current + r.o.shift
	}
	if at, ok := held.AtTime(tp, end); ok {
		return at
	}
	switch r.o.to {
	case "earliest":
		return start
	case "latest":
		return end
	case "current":
		return current
	}
	n, _ := strconv.ParseInt(r.o.to, 10, 64) // checked before
	return n
}

// scope is the set of partitions to move: those of the file, of the chosen topics, or all with committed offsets.
func (r *resetter) scope(ctx context.Context, chosen map[string][]int32, wanted map[position.Partition]int64) (map[position.Partition]bool, error) {
	scope := map[position.Partition]bool{}
	allowed := func(tp position.Partition) bool {
		list, ok := chosen[tp.Topic]
		return len(chosen) == 0 || ok && (len(list) == 0 || slices.Contains(list, tp.Partition))
	}
	if r.o.imported != "" {
		for tp := range wanted {
			if allowed(tp) {
				scope[tp] = true
			}
		}
		return scope, nil
	}
	if len(chosen) == 0 {
		r.committed.Each(func(o kadm.OffsetResponse) { scope[position.Partition{Topic: o.Topic, Partition: o.Partition}] = true })
		return scope, nil
	}
	details, err := r.client.Topics(ctx, slices.Sorted(maps.Keys(chosen))...)
	if err != nil {
		return nil, err
	}
	for topic, list := range chosen {
		partitions, err := command.Partitions(details[topic], list)
		if err != nil {
			return nil, err
		}
		for _, p := range partitions {
			scope[position.Partition{Topic: topic, Partition: p}] = true
		}
	}
	return scope, nil
}
