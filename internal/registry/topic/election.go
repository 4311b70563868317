package topic

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/base/clock"
)

// The times of the group protocol, Confluent's own.
const (
	sessionTimeout   = 10 * time.Second
	heartbeatEvery   = 3 * time.Second
	rebalanceTimeout = 300 * time.Second
	// leaseMargin is what a leader stops earlier than its coordinator would replace it: for the time that an append may need
	// on its way, and for clocks that do not run at the same speed.
	leaseMargin = 2 * time.Second
	// rejoinPause is between tries to join a group whose coordinator is not there.
	rejoinPause = 250 * time.Millisecond
)

// term is one span of time in which a member led, or knew who did.
type term struct {
	number int64  // of this process; grows
	leads  bool   // this process is the leader
	url    string // of the leader, empty if nobody is
}

// election is the membership in the group of registries.
type election struct {
	client   *kgo.Client
	group    string
	identity Identity
	sticky   bool
	clock    clock.Clock
	log      *slog.Logger

	mu      sync.Mutex
	now     term
	until   time.Time     // the end of the lease, if this process leads
	changed chan struct{} // closed when now changes

	member     string
	generation int32
	led        bool // in the last assignment
	cleared    bool // members that an earlier process left behind at our URL were looked for
}

func newElection(client *kgo.Client, group string, identity Identity, sticky bool, c clock.Clock, log *slog.Logger) *election {
	return &election{client: client, group: group, identity: identity, sticky: sticky, clock: c, log: log, changed: make(chan struct{})}
}

// current is the term, with a channel that is closed when another begins.
func (e *election) current() (term, <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.now, e.changed
}

// holds reports whether a term in which this process leads still stands and its lease has not run out.
func (e *election) holds(t term) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return t.leads && e.now.number == t.number && e.clock.Now().Before(e.until)
}

func (e *election) set(leads bool, url string, since time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.until = since.Add(sessionTimeout - leaseMargin)
	if e.now.leads == leads && e.now.url == url {
		return
	}
	e.now = term{number: e.now.number + 1, leads: leads, url: url}
	close(e.changed)
	e.changed = make(chan struct{})
}

func (e *election) extend(since time.Time) {
	e.mu.Lock()
	e.until = since.Add(sessionTimeout - leaseMargin)
	e.mu.Unlock()
}

// nobody ends the term: until the group has assigned anew there is no leader.
func (e *election) nobody() { e.set(false, "", time.Time{}) }

// run is a member of the group until ctx ends, and leaves it then.
func (e *election) run(ctx context.Context) {
	for ctx.Err() == nil {
		err := e.round(ctx)
		e.nobody()
		if ctx.Err() != nil {
			break
		}
		switch {
		case err == nil, errors.Is(err, kerr.RebalanceInProgress):
			continue // at once: others wait for this member
		case errors.Is(err, kerr.UnknownMemberID), errors.Is(err, kerr.IllegalGeneration), errors.Is(err, kerr.FencedInstanceID):
			e.log.Warn("schema registry lost its place in the group", "group", e.group, "error", err)
			e.member = ""
			continue
		}
		e.log.Warn("schema registry cannot take part in the group", "group", e.group, "error", err)
		e.pause(ctx, rejoinPause)
	}
	e.leave()
}

func (e *election) pause(ctx context.Context, d time.Duration) {
	t := e.clock.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C():
	}
}

// round joins, learns who leads, and beats until that ends.
func (e *election) round(ctx context.Context) error {
	if !e.cleared {
		e.cleared = true
		e.clear(ctx)
	}
	assigned, since, err := e.join(ctx)
	if err != nil {
		return err
	}
	e.led = false
	a, err := parseAssignment(assigned)
	switch {
	case err != nil:
		e.log.Error("schema registry was assigned something it cannot read: the group has no leader for it", "group", e.group, "error", err)
	case a.Error == duplicateURLs:
		e.log.Error("two schema registries of the group say that they are reached at the same URL, so none is the leader: give each its own with --advertised", "group", e.group, "url", e.identity.URL())
	case a.Error != assignedWell || a.Identity == nil:
		e.log.Warn("the group of schema registries has no leader", "group", e.group, "error_code", a.Error)
	default:
		leads := a.Master != nil && *a.Master == e.member || a.Identity.URL() == e.identity.URL()
		e.led = leads
		e.set(leads, a.Identity.URL(), since)
		e.log.Info("schema registry leader", "group", e.group, "url", a.Identity.URL(), "leads", leads, "generation", e.generation)
	}
	return e.beat(ctx)
}

// join takes part in a rebalance and returns the assignment, and when its request was sent.
func (e *election) join(ctx context.Context) ([]byte, time.Time, error) {
	me := e.identity
	me.Leader = e.led
	protocol := kmsg.NewJoinGroupRequestProtocol()
	protocol.Name, protocol.Metadata = protocolName, encode(me)
	req := kmsg.NewPtrJoinGroupRequest()
	req.Group, req.MemberID, req.ProtocolType = e.group, e.member, protocolType
	req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = int32(sessionTimeout.Milliseconds()), int32(rebalanceTimeout.Milliseconds())
	req.Protocols = append(req.Protocols, protocol)
	joined, err := req.RequestWith(ctx, e.client)
	if err == nil && joined.ErrorCode == kerr.MemberIDRequired.Code {
		e.member, req.MemberID = joined.MemberID, joined.MemberID
		joined, err = req.RequestWith(ctx, e.client)
	}
	if err == nil {
		err = kerr.ErrorForCode(joined.ErrorCode)
	}
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("join the group: %w", err)
	}
	e.member, e.generation = joined.MemberID, joined.Generation
	sync := kmsg.NewPtrSyncGroupRequest()
	sync.Group, sync.MemberID, sync.Generation = e.group, e.member, e.generation
	kind, name := protocolType, protocolName
	sync.ProtocolType, sync.Protocol = &kind, &name
	if joined.LeaderID == joined.MemberID {
		sync.GroupAssignment = e.assign(joined.Members)
	}
	since := e.clock.Now()
	synced, err := sync.RequestWith(ctx, e.client)
	if err == nil {
		err = kerr.ErrorForCode(synced.ErrorCode)
	}
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("take the group's assignment: %w", err)
	}
	return synced.MemberAssignment, since, nil
}

// assign is the work of the member that leads the group: it says who leads the registries.
func (e *election) assign(members []kmsg.JoinGroupResponseMember) []kmsg.SyncGroupRequestGroupAssignment {
	var candidates []candidate
	for _, m := range members {
		identity, err := parseIdentity(m.ProtocolMetadata)
		if err != nil {
			e.log.Error("a member of the group says of itself what is no identity of a schema registry", "group", e.group, "member", m.MemberID, "error", err)
			continue
		}
		candidates = append(candidates, candidate{m.MemberID, identity})
	}
	chosen := encode(choose(candidates, e.sticky))
	var out []kmsg.SyncGroupRequestGroupAssignment
	for _, m := range members {
		a := kmsg.NewSyncGroupRequestGroupAssignment()
		a.MemberID, a.MemberAssignment = m.MemberID, chosen
		out = append(out, a)
	}
	return out
}

// beat tells the coordinator that this member lives, until it is told something else.
func (e *election) beat(ctx context.Context) error {
	lost := e.clock.Now().Add(sessionTimeout)
	for {
		e.pause(ctx, heartbeatEvery)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		req := kmsg.NewPtrHeartbeatRequest()
		req.Group, req.MemberID, req.Generation = e.group, e.member, e.generation
		since := e.clock.Now()
		bounded, cancel := context.WithTimeout(ctx, heartbeatEvery)
		resp, err := req.RequestWith(bounded, e.client)
		cancel()
		if err == nil {
			err = kerr.ErrorForCode(resp.ErrorCode)
		}
		if kerr.IsRetriable(err) && !errors.Is(err, kerr.RebalanceInProgress) || err != nil && !isAnswer(err) {
			// The coordinator moves or cannot be reached. The lease runs on; after a whole session it is over.
			if e.clock.Now().After(lost) {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		lost = since.Add(sessionTimeout)
		e.extend(since)
	}
}

// isAnswer reports whether an error is what a broker said, not that none could be asked.
func isAnswer(err error) bool {
	_, ok := errors.AsType[*kerr.Error](err)
	return ok
}

// leaveTimeout bounds how long the end waits for the group.
const leaveTimeout = 2 * time.Second

func (e *election) leave() {
	if e.member == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
	defer cancel()
	if err := e.remove(ctx, e.member); err != nil {
		e.log.Warn("schema registry could not leave its group; the others wait until its session ends", "group", e.group, "error", err)
	}
}

func (e *election) remove(ctx context.Context, member string) error {
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group, req.MemberID = e.group, member
	m := kmsg.NewLeaveGroupRequestMember()
	m.MemberID = member
	req.Members = append(req.Members, m)
	resp, err := req.RequestWith(ctx, e.client)
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	return err
}

// clear takes members out of the group that say they are reached at our URL. This process listens there, so they are what a
// killed one left behind; without this the group would wait for them until their session ends.
func (e *election) clear(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, leaveTimeout)
	defer cancel()
	req := kmsg.NewPtrDescribeGroupsRequest()
	req.Groups = []string{e.group}
	resp, err := req.RequestWith(ctx, e.client)
	if err != nil || len(resp.Groups) != 1 || resp.Groups[0].ProtocolType != protocolType {
		return
	}
	for _, m := range resp.Groups[0].Members {
		if i, err := parseIdentity(m.ProtocolMetadata); err == nil && i.URL() == e.identity.URL() {
			e.log.Info("schema registry takes the place of an earlier process", "group", e.group, "member", m.MemberID)
			if err := e.remove(ctx, m.MemberID); err != nil {
				e.log.Warn("a former member stays in the group until its session ends", "member", m.MemberID, "error", err)
			}
		}
	}
}
