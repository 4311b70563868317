package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// streamsGroup is membership by the streams rebalance protocol (KIP-1071): the broker lays the topology out, makes internal
// topics and assigns tasks. Two goroutines, which close ends: one sends heartbeats, one does what their answers ask for, so that
// heartbeats go on while tasks are given up. The consumer reads partitions by itself; the group knows nothing of them.
type streamsGroup struct {
	p           *process
	client      *kgo.Client
	cancel      context.CancelFunc
	done        sync.WaitGroup
	coordinator coordinator
	beat        chan struct{} // a heartbeat is due now
	work        chan struct{} // there is something to settle

	mu      sync.Mutex
	member  groupMember
	name    int32         // the epoch that commits carry: the last one that was not 0
	moved   chan struct{} // closed when the epoch is another
	hosts   map[string]hostTasks
	joined  bool // an answer was an assignment
	trouble int8 // status that passes, or ends the process
	since   time.Time

	// The settling goroutine's.
	inputs  map[TaskID][]TopicPartition // of the tasks the process has
	settled bool                        // an assignment, since the group knows the member
}

func newStreamsGroup(p *process) (*streamsGroup, error) {
	a := p.app
	switch {
	case len(a.patterns) > 0:
		for n, re := range a.patterns {
			return nil, fmt.Errorf("node %s reads the topics of the pattern %q, which the streams protocol cannot (KIP-1071): name the topics, or use the classic protocol", n.Name, re)
		}
	case !a.streamsGroups:
		return nil, fmt.Errorf("group %s: the brokers do not serve it%s", a.prog.ApplicationID, noStreamsProtocol)
	}
	id, err := a.newProcessID()
	if err != nil {
		return nil, err
	}
	self := p.self()
	if _, err := userEndpoint(self.Endpoint); err != nil {
		return nil, err
	}
	return &streamsGroup{
		p: p, beat: make(chan struct{}, 1), work: make(chan struct{}, 1), moved: make(chan struct{}), inputs: map[TaskID][]TopicPartition{},
		coordinator: coordinator{group: a.prog.ApplicationID},
		member:      groupMember{group: a.prog.ApplicationID, id: memberID(id), instance: p.instanceID(), topology: a.declaredTopology()},
	}, nil
}

// memberID writes 16 bytes in hexadecimal digits as a UUID.
func memberID(digits string) string {
	for len(digits) < 32 {
		digits += "0"
	}
	return digits[:8] + "-" + digits[8:12] + "-" + digits[12:16] + "-" + digits[16:20] + "-" + digits[20:32]
}

func (s *streamsGroup) options() []kgo.Opt { return nil }

func (s *streamsGroup) start(consumer *kgo.Client) {
	s.client = consumer
	ctx, cancel := context.WithCancel(s.p.ctx)
	s.cancel = cancel
	s.done.Go(func() { s.beats(ctx) })
	s.done.Go(func() { s.settles(ctx) })
}

func (s *streamsGroup) changed() { poke(s.beat) }

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (s *streamsGroup) identity() (string, int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.member.id, s.name
}

// epochWait bounds how long a commit waits for the member to hear of its new epoch.
const epochWait = 5 * time.Second

func (s *streamsGroup) refused(ctx context.Context, generation int32) bool {
	s.mu.Lock()
	now, moved := s.name, s.moved
	s.mu.Unlock()
	if now != generation {
		return true
	}
	s.changed()
	ctx, cancel := context.WithTimeout(ctx, epochWait)
	defer cancel()
	select {
	case <-moved:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *streamsGroup) close(ctx context.Context, leave bool) error {
	if s.cancel == nil {
		return nil
	}
	s.cancel()
	if !waitFor(&s.done, settleMax) {
		s.p.app.log.Warn("the process leaves its group while it is settling an assignment")
	}
	s.mu.Lock()
	static, in := s.member.instance != nil, s.member.epoch > 0
	req := s.member.farewell(s.p.app.stopAll.Load(), leave || !static)
	s.mu.Unlock()
	if !in || !leave && !static {
		return nil
	}
	resp, err := s.coordinator.heartbeat(ctx, s.client, req)
	if err != nil {
		return err
	}
	err = kerr.ErrorForCode(resp.ErrorCode)
	if errors.Is(err, kerr.UnknownMemberID) || errors.Is(err, kerr.GroupIDNotFound) {
		return nil
	}
	return err
}

// settleMax bounds how long closing waits for an assignment that is being settled.
const settleMax = 2 * time.Second

// Between heartbeats.
const (
	beatDefault = 5 * time.Second        // until the group says how often
	beatSoon    = 200 * time.Millisecond // while the assignment waits for something that passes soon
	beatAgain   = 100 * time.Millisecond // after an error that passes
	beatGap     = 10 * time.Millisecond  // at least
	beatMax     = 30 * time.Second       // for an answer
)

// beats sends heartbeats, one at a time.
func (s *streamsGroup) beats(ctx context.Context) {
	timer := s.p.app.clk.NewTimer(beatDefault)
	defer timer.Stop()
	for pause(ctx, beatGap) {
		timer.Reset(s.once(ctx))
		select {
		case <-s.beat:
		case <-timer.C():
		case <-ctx.Done():
		}
	}
}

// once sends a heartbeat and says when the next one is due.
func (s *streamsGroup) once(ctx context.Context) time.Duration {
	s.mu.Lock()
	fencing, joining := s.member.fencing, s.member.joins()
	s.mu.Unlock()
	if fencing { // not before everything is given up
		return beatDefault
	}
	var self memberInfo
	if joining {
		self = s.p.self()
	}
	self.Stop = s.p.app.stopAll.Load()
	s.mu.Lock()
	req, err := s.member.request(joining, &self)
	s.mu.Unlock()
	if err != nil {
		s.p.fail(err)
		return beatDefault
	}
	limit, cancel := context.WithTimeout(ctx, beatMax)
	resp, err := s.coordinator.heartbeat(limit, s.client, req)
	cancel()
	if errors.Is(err, kerr.GroupAuthorizationFailed) {
		s.p.fail(fmt.Errorf("group %s: %w", s.p.app.prog.ApplicationID, &groupError{err: err}))
		return beatDefault
	}
	if err != nil {
		s.mu.Lock()
		first := !s.member.lost
		s.member.lost = true
		s.mu.Unlock()
		if first && ctx.Err() == nil {
			s.p.app.log.Warn("a heartbeat was not answered, and is tried again", "error", err)
		}
		return beatAgain
	}
	return s.take(req, resp)
}

// take takes the answer to a heartbeat.
func (s *streamsGroup) take(req *kmsg.StreamsGroupHeartbeatRequest, resp *kmsg.StreamsGroupHeartbeatResponse) time.Duration {
	s.mu.Lock()
	before := s.member.epoch
	v := s.member.answered(req, resp, s.p.app.taskOf)
	if s.member.epoch > 0 {
		s.name = s.member.epoch
	}
	if s.member.epoch != before {
		close(s.moved)
		s.moved = make(chan struct{})
	}
	if v.hosts != nil {
		s.hosts = v.hosts
	}
	waits := s.troubled(&v)
	if v.err == nil && !v.again && !v.fenced && !waits && !s.joined {
		s.joined, v.told = true, true
	}
	s.mu.Unlock()
	if v.missing { // who reads them is known here
		if _, _, err := s.p.app.layout(s.p.ctx); err != nil {
			v.err = err
		}
	}
	switch {
	case v.err != nil:
		s.p.fail(fmt.Errorf("group %s: %w", s.p.app.prog.ApplicationID, v.err))
		return beatDefault
	case v.again:
		return beatAgain
	case v.stop:
		s.p.failOnce(fmt.Errorf("%w: %s", ErrStopped, v.status[statusShutdownApplication]))
		return beatDefault
	}
	if v.fenced {
		s.p.app.log.Warn("the group does not know this process any more: its tasks are lost, and it joins again")
	}
	if v.told || v.fenced || v.hosts != nil {
		poke(s.work)
	}
	if waits {
		return min(v.wait, beatSoon)
	}
	return v.wait
}

// missingMax is how long a source topic may be missing, which was there when the app started.
const missingMax = 15 * time.Second

// troubled looks at what keeps the group from assigning. What should pass may last for as long as the patience.
func (s *streamsGroup) troubled(v *verdict) (waits bool) {
	if detail, ok := v.status[statusStaleTopology]; ok {
		s.p.app.log.Warn("the group goes by a newer topology than this process", "detail", detail)
	}
	if detail, ok := v.status[statusIncorrectlyPartitioned]; ok {
		v.err = errors.New(strings.TrimSuffix(detail, ".") + "; have partitions been added to a source topic? Reset the application, or give it another application id; topics that are joined need equally many")
		return false
	}
	_, delayed := v.status[statusAssignmentDelayed]
	for _, code := range []int8{statusMissingSourceTopics, statusMissingInternalTopics} {
		detail, ok := v.status[code]
		if !ok {
			continue
		}
		now := s.p.app.clk.Now()
		if s.trouble != code {
			s.trouble, s.since = code, now
			s.p.app.log.Warn("the group waits for topics", "detail", detail)
		}
		limit := patience
		if code == statusMissingSourceTopics {
			limit = missingMax
		}
		if now.Sub(s.since) > limit {
			v.missing = code == statusMissingSourceTopics
			v.err = errors.New(strings.TrimSuffix(detail, ".") + topicAdvice(code))
		}
		return true
	}
	s.trouble = statusAssignmentDelayed // no trouble
	return delayed
}

func topicAdvice(code int8) string {
	if code == statusMissingSourceTopics {
		return "; create them"
	}
	return "; the brokers create them in the name of the application, which needs the permission Create on topics that begin with its id; the brokers' log says more"
}

// settles does what the group said last, again and again.
func (s *streamsGroup) settles(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-s.work:
		case <-ctx.Done():
			return
		}
		if err := s.settle(ctx); err != nil && ctx.Err() == nil {
			s.p.fail(err)
			return
		}
	}
}

// settle makes the tasks of the process those it is to have: first what goes, so that others get it, then what comes.
func (s *streamsGroup) settle(ctx context.Context) error {
	s.mu.Lock()
	told, owned, fencing, joined := s.member.told, s.member.owned, s.member.fencing, s.joined
	info := groupInfo{Version: userDataVersion, Hosts: s.hosts}
	s.mu.Unlock()
	if fencing { // standbys go on: they are nobody else's
		s.giveUp(owned.active, false)
		s.settled = false
		s.mu.Lock()
		s.member.owned, s.member.fencing, s.joined = heldTasks{}, false, false
		s.mu.Unlock()
		s.changed()
		return nil
	}
	goes := without(owned.active, told.active)
	comes := without(told.active, owned.active)
	info.Standby, info.Warmup = slices.Concat(told.standby, told.warmup), told.warmup
	s.p.told(info, told.active) // before tasks go: those that become standbys keep their state open
	if len(goes) > 0 {
		s.giveUp(goes, true)
	}
	if joined && (!s.settled || !owned.equal(&told)) {
		s.settled = true
		s.p.manager.joined(len(comes) > 0)
	}
	s.has(heldTasks{without(owned.active, goes), told.standby, told.warmup})
	if len(comes) == 0 {
		return nil
	}
	if err := s.begin(ctx, comes); err != nil {
		if errors.Is(err, errLater) { // fenced, or told something else meanwhile
			poke(s.work)
			return nil
		}
		return err
	}
	s.has(told)
	return nil
}

// has notes what the process has, and lets the group know.
func (s *streamsGroup) has(now heldTasks) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.member.owned.equal(&now) {
		return
	}
	s.member.owned = now
	if !s.member.fencing {
		s.changed()
	}
}

func without(tasks, gone []TaskID) []TaskID {
	return slices.DeleteFunc(slices.Clone(tasks), func(id TaskID) bool { return slices.Contains(gone, id) })
}

// giveUp lets tasks go, and their inputs.
func (s *streamsGroup) giveUp(tasks []TaskID, clean bool) {
	var tps []TopicPartition
	for _, id := range tasks {
		tps = append(tps, s.inputs[id]...)
		delete(s.inputs, id)
	}
	if len(tps) == 0 {
		return
	}
	s.p.manager.leave(tps, clean)
	parts := map[string][]int32{}
	for _, tp := range tps {
		parts[tp.Topic] = append(parts[tp.Topic], tp.Partition)
	}
	s.client.RemoveConsumePartitions(parts)
}

// begin starts tasks: the manager makes them, then their inputs are read. The error is errLater when the group has changed its
// mind.
func (s *streamsGroup) begin(ctx context.Context, tasks []TaskID) error {
	inputs, err := s.inputsOf(ctx, tasks)
	if err != nil {
		return err
	}
	var tps []TopicPartition
	for _, id := range tasks {
		tps = append(tps, inputs[id]...)
	}
	from, err := s.committed(ctx, tps)
	if err != nil {
		return err
	}
	starts, err := s.p.manager.assign(from)
	if err != nil {
		return err
	}
	maps.Copy(s.inputs, inputs)
	add := map[string]map[int32]kgo.Offset{}
	for tp, at := range starts {
		if add[tp.Topic] == nil {
			add[tp.Topic] = map[int32]kgo.Offset{}
		}
		add[tp.Topic][tp.Partition] = at
	}
	s.client.AddConsumePartitions(add)
	return nil
}

// inputsOf are the partitions that tasks read. The broker may know of partitions before those do that are asked here.
func (s *streamsGroup) inputsOf(ctx context.Context, tasks []TaskID) (map[TaskID][]TopicPartition, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		inputs := map[TaskID][]TopicPartition{}
		layout, _, err := s.p.app.layout(ctx)
		if err == nil {
			for _, t := range layout.Tasks {
				id := TaskID{t.ID.Subtopology, int32(t.ID.Partition)} //nolint:gosec // partitions are int32
				if !slices.Contains(tasks, id) {
					continue
				}
				for _, tp := range t.Inputs {
					inputs[id] = append(inputs[id], TopicPartition{tp.Topic, tp.Partition})
				}
			}
			if len(inputs) == len(tasks) {
				return inputs, nil
			}
			err = fmt.Errorf("group %s assigned the tasks %v, and the topics have partitions for %d of them", s.p.app.prog.ApplicationID, tasks, len(inputs))
		}
		if !pause(ctx, beatAgain) {
			return nil, err
		}
	}
}

// committed asks for the committed offsets of partitions as the member that it is.
func (s *streamsGroup) committed(ctx context.Context, tps []TopicPartition) (map[TopicPartition]Committed, error) {
	for {
		member, epoch := s.identity()
		found, err := s.p.committedAs(ctx, tps, &member, epoch)
		s.mu.Lock()
		fenced := s.member.fencing
		s.mu.Unlock()
		switch {
		case err == nil:
			return found, nil
		case fenced || ctx.Err() != nil:
			return nil, errLater
		case errors.Is(err, kerr.StaleMemberEpoch), errors.Is(err, kerr.UnknownMemberID), errors.Is(err, kerr.FencedMemberEpoch):
			s.refused(ctx, epoch)
			continue
		}
		return nil, fmt.Errorf("reading the committed offsets of group %s: %w%s", s.p.app.prog.ApplicationID, err, advice(err))
	}
}
