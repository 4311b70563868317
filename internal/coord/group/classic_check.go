package group

import "github.com/twmb/franz-go/pkg/kerr"

// validateMember checks the identity a request claims. The instance id goes
// first: whoever holds it fences the others that claim it.
func (g *classic) validateMember(memberID string, instanceID *string) (*member, *kerr.Error) {
	if instanceID != nil {
		holder := g.byStatic[*instanceID]
		if holder == nil {
			return nil, kerr.UnknownMemberID
		}
		if holder.id != memberID {
			return nil, kerr.FencedInstanceID
		}
	}
	m := g.byID[memberID]
	if m == nil {
		return nil, kerr.UnknownMemberID
	}
	return m, nil
}

func (g *classic) validateOffsetCommit(c committing) (*member, *kerr.Error) {
	if c.generation < 0 && g.state == Empty {
		return nil, nil // an admin tool, or a consumer that assigns itself
	}
	var m *member
	if c.generation >= 0 || c.memberID != "" || c.instanceID != nil {
		var err *kerr.Error
		if m, err = g.validateMember(c.memberID, c.instanceID); err != nil {
			return nil, err
		}
		if c.generation != g.generation {
			return nil, kerr.IllegalGeneration
		}
	} else if !c.transactional && g.state != Empty {
		// Old transactional commits carry no member; others must not meddle with
		// a group that has members.
		return nil, kerr.UnknownMemberID
	}
	if !c.transactional && g.state == CompletingRebalance {
		return nil, kerr.RebalanceInProgress
	}
	return m, nil
}

func (g *classic) validateCommitOf(committing, Topic, int32) *kerr.Error { return nil }

func (g *classic) validateOffsetDelete() *kerr.Error {
	// In a consumer group single topics can be unsubscribed; of other members'
	// use of an offset the coordinator knows nothing.
	if g.state != Empty && g.protocolType != consumerProtocol {
		return kerr.NonEmptyGroup
	}
	return nil
}

func (g *classic) retentionBase(o *offset) (ms int64, ok bool) {
	switch {
	case g.protocolType == "":
		return o.value.CommitTimestamp, true
	case g.state == Empty:
		if g.stateSince < 0 {
			return o.value.CommitTimestamp, true
		}
		return g.stateSince, true
	case g.state == Stable && g.protocolType == consumerProtocol && g.subscriptions != nil:
		return o.value.CommitTimestamp, true
	}
	return 0, false
}
