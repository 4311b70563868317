package group

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/coord"
)

// rebalance starts a rebalance, or completes the running one if nobody is
// missing any more.
func (s *Shard) rebalance(g *classic) {
	if g.state == PreparingRebalance {
		s.maybeCompleteJoin(g)
		return
	}
	s.prepareRebalance(g)
}

func (s *Shard) prepareRebalance(g *classic) {
	if g.state == CompletingRebalance {
		s.failSyncs(g, kerr.RebalanceInProgress)
	}
	s.timers.Cancel(g.syncTimer)
	first := g.state == Empty
	s.setState(g, PreparingRebalance)
	if first {
		// Members usually start together: wait for more of them rather than
		// rebalance once for each.
		g.newMember = false
		g.initialDelay = s.settings.InitialRebalanceDelay
		g.initialRemaining = max(g.rebalanceTimeout()-g.initialDelay, 0)
		if g.initialDelay == 0 {
			s.completeJoin(g)
			return
		}
		s.after(g.joinTimer, g.initialDelay)
		return
	}
	if g.allJoined() {
		s.completeJoin(g)
		return
	}
	s.after(g.joinTimer, g.rebalanceTimeout())
}

// maybeCompleteJoin completes a rebalance if nobody is missing; the first one of
// a group always waits for its delay.
func (s *Shard) maybeCompleteJoin(g *classic) {
	if g.state == PreparingRebalance && g.previous != Empty && g.allJoined() {
		s.completeJoin(g)
	}
}

func (s *Shard) onJoinTimer(g *classic) {
	if g.state != PreparingRebalance {
		return
	}
	if g.previous == Empty && g.newMember && g.initialRemaining > 0 {
		g.newMember = false
		delay := min(s.settings.InitialRebalanceDelay, g.initialRemaining)
		g.initialRemaining = max(g.initialRemaining-g.initialDelay, 0)
		g.initialDelay = delay
		s.after(g.joinTimer, delay)
		return
	}
	s.completeJoin(g)
}

// completeJoin ends the joining phase with those who came.
func (s *Shard) completeJoin(g *classic) {
	s.timers.Cancel(g.joinTimer)
	for _, m := range append([]*member(nil), g.members...) {
		if m.join == nil && m.instanceID == nil {
			s.remove(g, m.id)
		}
	}
	if !s.electLeader(g) && len(g.members) > 0 {
		// Only static members are left and none came: give them until their
		// sessions end.
		s.after(g.joinTimer, g.rebalanceTimeout())
		return
	}
	g.generation++
	clear(g.pendingSync)
	if len(g.members) == 0 {
		g.protocol = nil
		s.setState(g, Empty)
		g.computeSubscriptions()
		s.write(EncodeGroup(g.id, g.value()))
		return
	}
	name := g.selectProtocol()
	g.protocol = &name
	s.setState(g, CompletingRebalance)
	g.computeSubscriptions()
	for _, m := range g.members {
		if p := m.join; p != nil {
			m.join = nil
			g.waiting--
			s.replyJoined(g, m, p, g.leader == m.id)
		}
		m.isNew = false
		s.renewSession(g, m)
		g.pendingSync[m.id] = struct{}{}
	}
	s.after(g.syncTimer, g.rebalanceTimeout())
}

// electLeader keeps the leader if it rejoined, else takes the first member that
// did. It reports whether there is one.
func (s *Shard) electLeader(g *classic) bool {
	if m := g.byID[g.leader]; m != nil && m.join != nil {
		return true
	}
	for _, m := range g.members {
		if m.join != nil {
			g.leader = m.id
			return true
		}
	}
	return false
}

// onSyncTimer removes members that joined the generation but never fetched their
// assignment: what they were given would otherwise lie idle.
func (s *Shard) onSyncTimer(g *classic) {
	if g.state != CompletingRebalance && g.state != Stable || len(g.pendingSync) == 0 {
		return
	}
	for _, id := range sortedKeys(g.pendingSync) {
		s.remove(g, id)
	}
	s.prepareRebalance(g)
}

// startSession gives a member d to be heard of.
func (s *Shard) startSession(g *classic, m *member, d time.Duration) {
	if m.session == nil {
		m.session = coord.NewTimer(func() { s.onSessionEnd(g, m) })
	}
	s.after(m.session, d)
}

func (s *Shard) renewSession(g *classic, m *member) { s.startSession(g, m, m.sessionTimeout) }

func (s *Shard) onSessionEnd(g *classic, m *member) {
	if !m.isNew && (m.join != nil || m.sync != nil) {
		return // it waits for us; its session starts again with the answer
	}
	s.removeAndRebalance(g, m)
}

// expel answers what a member waits for and removes it.
func (s *Shard) expel(g *classic, m *member) {
	s.failJoin(g, m, "", kerr.UnknownMemberID)
	s.failSync(m, kerr.UnknownMemberID)
	s.remove(g, m.id)
}

func (s *Shard) removeAndRebalance(g *classic, m *member) {
	s.expel(g, m)
	s.afterRemoval(g)
}

func (s *Shard) afterRemoval(g *classic) {
	if g.state != Empty {
		s.rebalance(g)
	}
}
