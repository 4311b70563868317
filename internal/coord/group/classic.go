package group

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/coord"
)

// State is the state of a classic group.
type State int8

// The states. Dead names a group that does not exist; no live group is in it,
// since deletion takes a group out of the shard in the same step.
const (
	Empty State = iota
	PreparingRebalance
	CompletingRebalance
	Stable
	Dead
)

func (st State) String() string {
	return [...]string{"Empty", "PreparingRebalance", "CompletingRebalance", "Stable", "Dead"}[st]
}

// consumerProtocol is the protocol type whose subscriptions a coordinator reads.
const consumerProtocol = "consumer"

// classic is a group that its own leader member assigns.
type classic struct {
	id         string
	state      State
	previous   State
	stateSince int64 // ms since 1970; -1 when loaded from a record that does not tell
	generation int32

	protocolType string  // "" until the first member, and in a simple group
	protocol     *string // selected for this generation; nil when Empty
	leader       string  // "" when there is none

	members  []*member // in order of joining
	byID     map[string]*member
	byStatic map[string]*member // group.instance.id -> member

	// pending are member ids handed out with MEMBER_ID_REQUIRED, each with the
	// timer that drops it. They hold up the completion of a rebalance.
	pending map[string]*coord.Timer
	// pendingSync are the members that have not synced in this generation.
	pendingSync map[string]struct{}
	waiting     int            // members with a parked JoinGroup
	supported   map[string]int // protocol name -> members that offer it

	// subscriptions are the topics of all members; nil when unknown, which is
	// not the same as none.
	subscriptions map[string]struct{}

	newMember        bool // joined since the initial delay was last extended
	joinTimer        *coord.Timer
	syncTimer        *coord.Timer
	initialDelay     time.Duration // what the running join timer waits, first rebalance only
	initialRemaining time.Duration
}

// member is a member of a classic group.
type member struct {
	id               string
	instanceID       *string
	clientID         string
	clientHost       string
	rebalanceTimeout time.Duration
	sessionTimeout   time.Duration
	protocols        []protocol // in order of preference
	assignment       []byte
	isNew            bool // has not completed its first rebalance
	join             *parked
	sync             *parked
	session          *coord.Timer
}

type protocol struct {
	name     string
	metadata []byte
}

// parked is a JoinGroup or SyncGroup that waits for other members.
type parked struct {
	id      RequestID
	version int16
}

func (s *Shard) newClassic(id string) *classic {
	g := &classic{
		id:          id,
		stateSince:  s.now.UnixMilli(),
		byID:        map[string]*member{},
		byStatic:    map[string]*member{},
		pending:     map[string]*coord.Timer{},
		pendingSync: map[string]struct{}{},
		supported:   map[string]int{},
	}
	g.joinTimer = coord.NewTimer(func() { s.onJoinTimer(g) })
	g.syncTimer = coord.NewTimer(func() { s.onSyncTimer(g) })
	s.groups[id] = g
	s.counts.Groups[Empty]++
	return g
}

func (g *classic) forget(s *Shard) {
	s.timers.Cancel(g.joinTimer)
	s.timers.Cancel(g.syncTimer)
	for _, m := range g.members {
		s.timers.Cancel(m.session)
	}
	for _, t := range g.pending {
		s.timers.Cancel(t)
	}
	s.counts.Groups[g.state]--
	delete(s.groups, g.id)
}

func (g *classic) drop(s *Shard) {
	s.write(EncodeGroupTombstone(g.id))
	g.forget(s)
}

func (g *classic) load(s *Shard) {
	for _, m := range g.members {
		s.renewSession(g, m)
	}
	if len(g.members) > s.settings.MaxSize {
		s.prepareRebalance(g)
	}
}

// topicsChanged is the leader's business, who looks at the topics itself.
func (g *classic) topicsChanged([]string) {}

// expires: not while a client was given a member id and has yet to come back with it.
func (g *classic) expires() bool { return len(g.pending) == 0 }

// validateOffsetFetch: members of classic groups need not name themselves.
func (g *classic) validateOffsetFetch(*string, int32) *kerr.Error { return nil }

func (s *Shard) setState(g *classic, st State) {
	s.counts.Groups[g.state]--
	s.counts.Groups[st]++
	g.previous, g.state = g.state, st
	g.stateSince = s.now.UnixMilli()
}

func (g *classic) groupID() string          { return g.id }
func (g *classic) kind() Type               { return Classic }
func (g *classic) empty() bool              { return g.state == Empty }
func (g *classic) stateName() string        { return g.state.String() }
func (g *classic) protocolTypeName() string { return g.protocolType }

// add makes m a member; the first one leads.
func (g *classic) add(m *member) {
	if g.leader == "" {
		g.leader = m.id
	}
	g.members = append(g.members, m)
	g.byID[m.id] = m
	if m.instanceID != nil {
		g.byStatic[*m.instanceID] = m
	}
	if m.join != nil {
		g.waiting++
	}
	g.countProtocols(m, +1)
}

// remove takes a member or a pending id out of the group. Leadership falls to
// the longest-standing member.
func (s *Shard) remove(g *classic, id string) {
	if m := g.byID[id]; m != nil {
		delete(g.byID, id)
		g.members = slices.DeleteFunc(g.members, func(o *member) bool { return o == m })
		if m.instanceID != nil && g.byStatic[*m.instanceID] == m {
			delete(g.byStatic, *m.instanceID)
		}
		if m.join != nil {
			g.waiting--
		}
		g.countProtocols(m, -1)
		s.timers.Cancel(m.session)
	}
	if g.leader == id {
		g.leader = ""
		if len(g.members) > 0 {
			g.leader = g.members[0].id
		}
	}
	if t := g.pending[id]; t != nil {
		s.timers.Cancel(t)
		delete(g.pending, id)
	}
	delete(g.pendingSync, id)
}

func (g *classic) countProtocols(m *member, delta int) {
	for _, p := range m.protocols {
		g.supported[p.name] += delta
		if g.supported[p.name] == 0 {
			delete(g.supported, p.name)
		}
	}
}

// allJoined tells whether nobody is missing from a rebalance.
func (g *classic) allJoined() bool {
	return g.waiting == len(g.members) && len(g.pending) == 0
}

// rebalanceTimeout is the longest one that a member asked for.
func (g *classic) rebalanceTimeout() time.Duration {
	var longest time.Duration
	for _, m := range g.members {
		longest = max(longest, m.rebalanceTimeout)
	}
	return longest
}

// accepts tells whether a member offering these protocols can be in the group:
// one of its protocols must be common to all members.
func (g *classic) accepts(protocolType string, protocols []protocol) bool {
	if g.state == Empty {
		return protocolType != "" && len(protocols) > 0
	}
	if protocolType != g.protocolType {
		return false
	}
	return slices.ContainsFunc(protocols, func(p protocol) bool {
		return g.supported[p.name] == len(g.members)
	})
}

// selectProtocol holds the vote: each member names the first of its protocols
// that all support, the most votes win, and on a tie what the longest-standing
// member prefers.
func (g *classic) selectProtocol() string {
	votes := map[string]int{}
	var order []string
	for _, m := range g.members {
		for _, p := range m.protocols {
			if g.supported[p.name] == len(g.members) {
				if votes[p.name] == 0 {
					order = append(order, p.name)
				}
				votes[p.name]++
				break
			}
		}
	}
	best := ""
	for _, name := range order {
		if votes[name] > votes[best] {
			best = name
		}
	}
	return best
}

// computeSubscriptions reads the members' subscriptions to the selected protocol.
func (g *classic) computeSubscriptions() {
	g.subscriptions = nil
	if g.protocolType == "" {
		return
	}
	all := map[string]struct{}{}
	if len(g.members) > 0 && (g.protocolType != consumerProtocol || g.protocol == nil) {
		return
	}
	for _, m := range g.members {
		topics, ok := subscriptionTopics(m.metadata(*g.protocol))
		if !ok {
			return
		}
		for _, t := range topics {
			all[t] = struct{}{}
		}
	}
	g.subscriptions = all
}

func (g *classic) subscribedTo(topic string) bool {
	if g.subscriptions == nil {
		// A consumer group that cannot be read may subscribe to anything.
		return g.protocolType == consumerProtocol
	}
	_, ok := g.subscriptions[topic]
	return ok
}

func (m *member) metadata(name string) []byte {
	for _, p := range m.protocols {
		if p.name == name {
			return p.metadata
		}
	}
	return []byte{}
}

func (m *member) offersSame(protocols []protocol) bool {
	return slices.EqualFunc(m.protocols, protocols, func(a, b protocol) bool {
		return a.name == b.name && string(a.metadata) == string(b.metadata)
	})
}

// value is what the log stores of the group.
func (g *classic) value() GroupValue {
	v := GroupValue{
		ProtocolType:   g.protocolType,
		Generation:     g.generation,
		Protocol:       g.protocol,
		StateTimestamp: g.stateSince,
	}
	if g.leader != "" {
		leader := g.leader
		v.Leader = &leader
	}
	for _, m := range g.members {
		mv := MemberValue{
			ID:                     m.id,
			InstanceID:             m.instanceID,
			ClientID:               m.clientID,
			ClientHost:             m.clientHost,
			RebalanceTimeoutMillis: int32(m.rebalanceTimeout.Milliseconds()),
			SessionTimeoutMillis:   int32(m.sessionTimeout.Milliseconds()),
			Assignment:             m.assignment,
		}
		if g.protocol != nil {
			mv.Subscription = m.metadata(*g.protocol)
		}
		v.Members = append(v.Members, mv)
	}
	return v
}
