package coordinator

import (
	"context"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/coord/group"
)

func isLoading(err *kerr.Error) bool { return err == kerr.CoordinatorLoadInProgress }

// portion is what one shard has to answer of a request about many groups.
type portion struct {
	groups []string
	places []int // of the groups in the request
}

// portions splits groups by partition; all groups of one are asked at once.
func (g *Groups) portions(groups []string) []portion {
	var all []portion
	at := map[int32]int{}
	for i, id := range groups {
		p, _ := g.PartitionFor(id)
		n, ok := at[p]
		if !ok {
			n = len(all)
			at[p] = n
			all = append(all, portion{})
		}
		all[n].groups = append(all[n].groups, id)
		all[n].places = append(all[n].places, i)
	}
	return all
}

// DescribeGroups describes groups in the order asked for.
func (g *Groups) DescribeGroups(ctx context.Context, version int16, groups []string) []kmsg.DescribeGroupsResponseGroup {
	out := make([]kmsg.DescribeGroupsResponseGroup, len(groups))
	for _, p := range g.portions(groups) {
		r, err := g.call(ctx, p.groups[0], func(id group.RequestID) group.Event {
			return group.DescribeGroups{ID: id, Version: version, Groups: p.groups}
		})
		for i, place := range p.places {
			if err == nil {
				out[place] = r.([]kmsg.DescribeGroupsResponseGroup)[i]
				continue
			}
			out[place] = kmsg.NewDescribeGroupsResponseGroup()
			out[place].Group = p.groups[i]
			out[place].ErrorCode = err.Code
		}
	}
	return out
}

// DeleteGroups deletes groups; a group named twice is answered once.
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
		r, err := g.call(ctx, p.groups[0], func(id group.RequestID) group.Event {
			return group.DeleteGroups{ID: id, Groups: p.groups}
		})
		for i, place := range p.places {
			if err == nil {
				out[place] = r.([]kmsg.DeleteGroupsResponseGroup)[i]
				continue
			}
			out[place] = kmsg.NewDeleteGroupsResponseGroup()
			out[place].Group = p.groups[i]
			out[place].ErrorCode = err.Code
		}
	}
	return out
}

// ListGroups lists the groups of all shards led here. Filters are compared
// without regard to case; a type that does not exist matches nothing. While any
// shard loads the list would be incomplete, which is an error.
func (g *Groups) ListGroups(ctx context.Context, states, types []string) ([]kmsg.ListGroupsResponseGroup, *kerr.Error) {
	g.mu.Lock()
	closed := g.closed
	g.mu.Unlock()
	if closed {
		return nil, kerr.CoordinatorNotAvailable
	}
	all := []kmsg.ListGroupsResponseGroup{}
	states, types = lower(states), lower(types)
	for _, s := range g.led() {
		r, err := s.call(ctx, func(id group.RequestID) group.Event {
			return group.ListGroups{ID: id, States: states, Types: types}
		})
		switch {
		case err == nil:
			all = append(all, r.([]kmsg.ListGroupsResponseGroup)...)
		case err != kerr.NotCoordinator:
			return nil, err
		}
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
