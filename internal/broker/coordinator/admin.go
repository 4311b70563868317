package coordinator

import (
	"context"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/coord"
	"leat.dev/internal/coord/group"
)

func isLoading(err *kerr.Error) bool { return err == kerr.CoordinatorLoadInProgress }

// DescribeGroups describes groups in the order asked for.
func (g *Groups) DescribeGroups(ctx context.Context, version int16, groups []string) []kmsg.DescribeGroupsResponseGroup {
	return callEach(ctx, g.coordinators, groups,
		func(id coord.RequestID, part []string) group.Event {
			return group.DescribeGroups{ID: id, Version: version, Groups: part}
		},
		func(id string, err *kerr.Error) kmsg.DescribeGroupsResponseGroup {
			d := kmsg.NewDescribeGroupsResponseGroup()
			d.Group, d.ErrorCode = id, err.Code
			return d
		})
}

// describeNamed describes groups of a kind that has none without a name.
func describeNamed[D any](ctx context.Context, g *Groups, groups []string, event func(coord.RequestID, []string) group.Event, failed func(id string, err *kerr.Error) D) []D {
	out := callEach(ctx, g.coordinators, groups, event, failed)
	for i, id := range groups {
		if id == "" {
			out[i] = failed("", kerr.InvalidGroupID)
		}
	}
	return out
}

// DeleteGroups deletes groups; a group named twice is answered once. The state of share
// groups goes first: a group whose state cannot be deleted stays.
func (g *Groups) DeleteGroups(ctx context.Context, groups []string) []kmsg.DeleteGroupsResponseGroup {
	var distinct []string
	seen := map[string]bool{}
	for _, id := range groups {
		if !seen[id] {
			seen[id] = true
			distinct = append(distinct, id)
		}
	}
	out := make([]kmsg.DeleteGroupsResponseGroup, len(distinct))
	for _, p := range g.portions(distinct) {
		failed, err := g.deleteShareStates(ctx, p.keys)
		var keys []string
		var places []int
		for i, place := range p.places {
			out[place] = kmsg.NewDeleteGroupsResponseGroup()
			out[place].Group = p.keys[i]
			switch {
			case err != nil:
				out[place].ErrorCode = err.Code
			case failed[i] != nil:
				out[place].ErrorCode = failed[i].Code
			default:
				keys, places = append(keys, p.keys[i]), append(places, place)
			}
		}
		if len(keys) == 0 {
			continue
		}
		r, err := g.call(ctx, keys[0], func(id coord.RequestID) group.Event {
			return group.DeleteGroups{ID: id, Groups: keys}
		})
		for i, place := range places {
			if err != nil {
				out[place].ErrorCode = err.Code
				continue
			}
			out[place] = r.([]kmsg.DeleteGroupsResponseGroup)[i]
		}
	}
	return out
}

// ListGroups lists the groups of all shards led here. Filters are compared
// without regard to case; a type that does not exist matches nothing. While any
// shard loads the list would be incomplete, which is an error.
func (g *Groups) ListGroups(ctx context.Context, states, types []string) ([]kmsg.ListGroupsResponseGroup, *kerr.Error) {
	states, types = lower(states), lower(types)
	answers, err := g.callAll(ctx, func(id coord.RequestID) group.Event {
		return group.ListGroups{ID: id, States: states, Types: types}
	})
	if err != nil {
		return nil, err
	}
	all := []kmsg.ListGroupsResponseGroup{}
	for _, r := range answers {
		all = append(all, r.([]kmsg.ListGroupsResponseGroup)...)
	}
	return all, nil
}

func lower(all []string) []string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = strings.ToLower(s)
	}
	return out
}
