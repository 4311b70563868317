package group

import (
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// describe shows classic groups. Metadata are shown only of a Stable group: before
// that they belong to no generation.
func (s *Shard) describe(ev DescribeGroups) {
	all := make([]kmsg.DescribeGroupsResponseGroup, 0, len(ev.Groups))
	for _, id := range ev.Groups {
		r := kmsg.NewDescribeGroupsResponseGroup()
		r.Group = id
		if g := s.classic(id); g != nil {
			g.describe(&r)
		} else {
			r.State = Dead.String()
			if ev.Version >= 6 {
				r.ErrorCode = kerr.GroupIDNotFound.Code
				message := "Group " + id + " not found."
				if s.groups[id] != nil {
					message = "Group " + id + " is not a classic group."
				}
				r.ErrorMessage = &message
			}
		}
		all = append(all, r)
	}
	s.reply(ev.ID, all)
}

func (g *classic) describe(r *kmsg.DescribeGroupsResponseGroup) {
	r.State = g.state.String()
	r.ProtocolType = g.protocolType
	stable := g.state == Stable
	if stable {
		r.Protocol = *g.protocol
	}
	for _, m := range g.members {
		d := kmsg.NewDescribeGroupsResponseGroupMember()
		d.MemberID, d.InstanceID = m.id, m.instanceID
		d.ClientID, d.ClientHost = m.clientID, m.clientHost
		d.ProtocolMetadata, d.MemberAssignment = []byte{}, m.assignment
		if d.MemberAssignment == nil {
			d.MemberAssignment = []byte{}
		}
		if stable {
			d.ProtocolMetadata = m.metadata(*g.protocol)
		}
		r.Members = append(r.Members, d)
	}
}

// list names the groups that pass both filters, sorted by id.
func (s *Shard) list(ev ListGroups) {
	all := []kmsg.ListGroupsResponseGroup{}
	for _, id := range sortedKeys(s.groups) {
		g := s.groups[id]
		if len(ev.States) > 0 && !inStates(g, ev.States) ||
			len(ev.Types) > 0 && !slices.Contains(ev.Types, g.kind().String()) {
			continue
		}
		r := kmsg.NewListGroupsResponseGroup()
		r.Group = id
		r.ProtocolType = g.protocolTypeName()
		r.GroupState = g.stateName()
		r.GroupType = g.kind().String()
		all = append(all, r)
	}
	s.reply(ev.ID, all)
}

// inStates tells whether a group is in one of some states, given in lower case. One
// that is not ready Kafka knows by "not_ready" only, and its own tools do not find it.
func inStates(g group, states []string) bool {
	name := strings.ToLower(g.stateName())
	return slices.Contains(states, name) || name == "notready" && slices.Contains(states, "not_ready")
}

// delete removes groups without members, together with all their offsets.
func (s *Shard) delete(ev DeleteGroups) {
	all := make([]kmsg.DeleteGroupsResponseGroup, 0, len(ev.Groups))
	for _, id := range ev.Groups {
		r := kmsg.NewDeleteGroupsResponseGroup()
		r.Group = id
		switch g := s.groups[id]; {
		case g == nil:
			r.ErrorCode = kerr.GroupIDNotFound.Code
		case !g.empty():
			r.ErrorCode = kerr.NonEmptyGroup.Code
		default:
			for _, tp := range s.offsets.partitions(id) {
				s.dropOffset(id, tp)
			}
			s.dropGroup(id)
		}
		all = append(all, r)
	}
	s.reply(ev.ID, all)
}

// dropGroup deletes a group from the shard and the log.
func (s *Shard) dropGroup(id string) { s.groups[id].drop(s) }

func (s *Shard) forgetGroup(id string) {
	if g := s.groups[id]; g != nil {
		g.forget(s)
	}
}

// notOfKind says why a group is not described: g is another kind's, or nil if there is none.
func notOfKind(g group, id, kind string) (code int16, message *string) {
	if g == nil {
		return kerr.GroupIDNotFound.Code, kmsg.StringPtr("Group " + id + " not found.")
	}
	return kerr.GroupIDNotFound.Code, kmsg.StringPtr("Group " + id + " is not a " + kind + " group.")
}
