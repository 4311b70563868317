package broker

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/broker/acl"
	"leat.dev/internal/broker/delivery"
	"leat.dev/internal/broker/quota"
	"leat.dev/internal/broker/replica"
	"leat.dev/internal/broker/transport"
	"leat.dev/internal/commitlog"
	"leat.dev/internal/coord/share"
	"leat.dev/internal/metadata/config"
	"leat.dev/internal/wire/fetch"
	"leat.dev/internal/wire/field"
	"leat.dev/internal/wire/sharefetch"
)

// shareFetch is one ShareFetch request on its way. Its records go to the socket out of the log's files, so it has a path of
// its own, as Fetch has.
type shareFetch struct {
	b       *Broker
	call    *transport.Call
	req     *kmsg.ShareFetchRequest
	key     delivery.SessionKey
	limits  delivery.Limits
	denied  func(share.TopicPartition) *kerr.Error
	items   []shareItem
	watches []replica.Watch
	data    *replica.FetchWaiter
	news    *delivery.Watcher
	walker  batchWalker
	resp    sharefetch.Response
	taken   int // records acquired
	watch   stopwatch
}

// shareItem is a partition of the session.
type shareItem struct {
	tp     share.TopicPartition
	fail   delivery.Failure
	found  *replica.Partition
	part   *delivery.Partition
	looked bool // the response names it even without records, if the session is new
	// Between Begin and End, and after an acquisition:
	begun    bool
	offset   int64
	seen     int64 // the bound of the last read, -1 if there was none
	read     commitlog.ReadInfo
	held     bool
	records  []fetch.Range
	acquired []delivery.Acquired
}

// serveShareFetch answers a ShareFetch request: it takes the acknowledgements in it, and gives the member records, after
// waiting for some if there are fewer than it wants.
func (b *Broker) serveShareFetch(ctx context.Context, c *transport.Call) error {
	req := kmsg.NewPtrShareFetchRequest()
	req.SetVersion(c.Version)
	if err := req.ReadFrom(c.Body); err != nil {
		b.metrics.malformed(c.Key)
		return malformed(c, err)
	}
	s := &shareFetch{b: b, call: c, req: req}
	c.Release = s.release
	s.watch = b.watch(c)
	s.serve(ctx)
	if s.resp.ErrorCode != 0 {
		b.metrics.failed(int16(kmsg.ShareFetch), s.resp.ErrorCode)
	}
	n := 0
	for i := range s.items {
		n += sizeOf(s.items[i].records)
	}
	s.slowDown(n)
	c.Out, c.Parts = s.resp.Encode(c.Out, c.Parts[:0])
	b.metrics.fetched(n)
	b.metrics.done(c.Key, b.clock.Now().Sub(c.Received), len(c.Out)+n)
	return nil
}

// slowDown counts the request against its client's quotas. What was acquired is sent in any case, or it would stay locked
// for nothing; the client pays afterwards.
func (s *shareFetch) slowDown(bytes int) {
	wait := s.watch.charge(s.call)
	if s.b.throttles(quota.Fetch, s.call.Conn) {
		wait = max(wait, s.b.use(quota.Fetch, s.call, float64(bytes)))
	}
	if wait > 0 {
		s.resp.ThrottleMillis = int32(wait.Milliseconds())
		s.call.Conn.Mute(wait)
	}
}

func (s *shareFetch) serve(ctx context.Context) {
	code, message := s.check()
	if code != nil {
		s.refuse(code, message)
		return
	}
	s.limits = s.b.shareLimits(s.key.Group)
	s.resp.LockTimeoutMillis = int32(s.limits.Lock.Milliseconds())
	named, acks := s.named()
	parts, code := s.session(named, len(acks) > 0)
	if code == kerr.ShareSessionLimitReached {
		// The client is to come back, but not at once.
		s.idle(ctx, s.wait())
	}
	if code != nil {
		s.refuse(code, code.Description)
		return
	}
	s.denied = s.b.sharePermissions(s.call)
	results := s.b.acknowledge(s.key, acks, s.req.IsRenewAck, s.denied)
	if s.req.ShareSessionEpoch != delivery.FinalEpoch && !s.req.IsRenewAck {
		s.open(parts)
		s.collect(ctx)
	}
	s.watch.pause()
	acked := results.wait()
	s.watch.resume()
	s.answer(acked)
	if s.req.ShareSessionEpoch == delivery.FinalEpoch {
		s.b.delivery.CloseSession(s.key)
	}
}

func (s *shareFetch) refuse(code *kerr.Error, message string) {
	s.resp = sharefetch.Response{ErrorCode: code.Code, ErrorMessage: message}
}

// check looks at what can be seen of the request alone.
func (s *shareFetch) check() (*kerr.Error, string) {
	if !s.b.servesShareGroups() {
		return kerr.UnsupportedVersion, kerr.UnsupportedVersion.Description
	}
	key, problem := shareMember(s.req.GroupID, s.req.MemberID)
	if problem == badShareGroup {
		return kerr.InvalidRequest, problem
	}
	if s.b.restricts(s.call.Conn) && !s.b.allowed(s.b.requestOf(s.call), acl.Read, acl.Group, *s.req.GroupID) {
		return kerr.GroupAuthorizationFailed, denialMessage(kerr.GroupAuthorizationFailed)
	}
	if problem != "" {
		return kerr.InvalidRequest, problem
	}
	s.key = key
	if s.req.IsRenewAck {
		for _, f := range []struct {
			name  string
			value int32
		}{{"max bytes", s.req.MaxBytes}, {"min bytes", s.req.MinBytes}, {"max records", s.req.MaxRecords}, {"max wait", s.req.MaxWaitMillis}} {
			if f.value != 0 {
				return kerr.InvalidRequest, fmt.Sprintf("a request that renews locks fetches nothing: its %s has to be 0, not %d", f.name, f.value)
			}
		}
	}
	return nil, ""
}

// named lists the partitions in the request, and the acknowledgements.
func (s *shareFetch) named() (all []share.TopicPartition, acks []partitionAcks) {
	for i := range s.req.Topics {
		t := &s.req.Topics[i]
		for j := range t.Partitions {
			p := &t.Partitions[j]
			tp := share.TopicPartition{TopicID: t.TopicID, Partition: p.Partition}
			all = append(all, tp)
			if len(p.AcknowledgementBatches) == 0 {
				continue
			}
			one := partitionAcks{tp: tp}
			for _, a := range p.AcknowledgementBatches {
				one.acks = append(one.acks, delivery.Ack{First: a.FirstOffset, Last: a.LastOffset, Types: a.AcknowledgeTypes})
			}
			acks = append(acks, one)
		}
	}
	return all, acks
}

// session works out what to fetch: from the request, and from its session if it continues one.
func (s *shareFetch) session(named []share.TopicPartition, acks bool) ([]share.TopicPartition, *kerr.Error) {
	m := s.b.delivery
	switch s.req.ShareSessionEpoch {
	case delivery.InitialEpoch:
		if acks {
			return nil, kerr.InvalidRequest
		}
		parts, ok := m.Open(s.key, named, s.call.Conn.Gone())
		if !ok {
			return nil, kerr.ShareSessionLimitReached
		}
		return parts, nil
	case delivery.FinalEpoch:
		if !m.Has(s.key) {
			return nil, kerr.ShareSessionNotFound
		}
		return nil, nil
	}
	var forgotten []share.TopicPartition
	for i := range s.req.ForgottenTopicsData {
		f := &s.req.ForgottenTopicsData[i]
		for _, p := range f.Partitions {
			forgotten = append(forgotten, share.TopicPartition{TopicID: f.TopicID, Partition: p})
		}
	}
	return m.Continue(s.key, s.req.ShareSessionEpoch, named, forgotten)
}

// sharePermissions tells which partitions are not there, or not the client's to read. Each topic is asked for once.
func (b *Broker) sharePermissions(c *transport.Call) func(share.TopicPartition) *kerr.Error {
	if !b.restricts(c.Conn) {
		return b.unknownShared
	}
	r := b.requestOf(c)
	known := map[[16]byte]bool{}
	return func(tp share.TopicPartition) *kerr.Error {
		t := b.meta.Image().TopicByID(tp.TopicID)
		if t == nil {
			return kerr.UnknownTopicID
		}
		may, asked := known[tp.TopicID]
		if !asked {
			may = b.allowed(r, acl.Read, acl.Topic, t.Name)
			known[tp.TopicID] = may
		}
		if !may {
			return kerr.TopicAuthorizationFailed
		}
		return b.unknownShared(tp)
	}
}

// open finds the partitions. They are fetched in an order that begins with another one each time.
func (s *shareFetch) open(parts []share.TopicPartition) {
	s.items = make([]shareItem, len(parts))
	turn := 0
	if len(parts) > 0 {
		turn = int(uint32(s.req.ShareSessionEpoch)) % len(parts)
	}
	for i := range parts {
		it := &s.items[i]
		it.tp = parts[(i+turn)%len(parts)]
		s.find(it)
	}
}

// find looks a partition up, again if what was found before is of no use any more.
func (s *shareFetch) find(it *shareItem) {
	code := s.denied(it.tp)
	if code == nil {
		it.found, code = s.b.sharedPartition(it.tp)
	}
	if code != nil {
		it.fail = failureOf(code)
		return
	}
	it.part = s.b.delivery.Get(share.Key{Group: s.key.Group, TopicPartition: it.tp}, it.found.LeaderEpoch())
}

// wait is how long the client is ready to wait.
func (s *shareFetch) wait() time.Duration {
	return s.call.Received.Add(time.Duration(s.req.MaxWaitMillis) * time.Millisecond).Sub(s.b.clock.Now())
}

// idle lets time pass, while the client is there.
func (s *shareFetch) idle(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	s.watch.pause()
	defer s.watch.resume()
	t := s.b.clock.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C():
	case <-s.call.Conn.Gone():
	case <-ctx.Done():
	}
}

// maxFruitless bounds how often a fetch that read something and acquired nothing tries again at once. It takes one try to
// pass over what is not to be delivered.
const maxFruitless = 64

// collect acquires records, and while there are too few it waits for more.
func (s *shareFetch) collect(ctx context.Context) {
	limit := min(max(int(s.req.MaxBytes), 0), s.b.fetchMax)
	if s.b.throttles(quota.Fetch, s.call.Conn) {
		limit = min(limit, s.b.security.quotas.Most(quota.Fetch, quotaUser(s.call.Conn.Auth.(*connAuth)), s.call.ClientID))
	}
	if limit == 0 || s.req.MaxRecords <= 0 || len(s.items) == 0 {
		return
	}
	wanted := min(int(s.req.MinBytes), limit)
	s.data, s.news = replica.NewFetchWaiter(), delivery.NewWatcher()
	s.watchAll()
	defer s.unwatchAll()
	for fruitless := 0; ; {
		read := s.try(limit, wanted)
		if s.taken > 0 || s.allFailed() {
			return
		}
		if read && fruitless < maxFruitless {
			fruitless++
			continue
		}
		left := s.wait()
		if left <= 0 || !s.park(ctx, left) {
			if !s.gone() {
				s.try(limit, 0)
			}
			return
		}
	}
}

func (s *shareFetch) gone() bool {
	select {
	case <-s.call.Conn.Gone():
		return true
	default:
		return false
	}
}

func (s *shareFetch) watchAll() {
	for i := range s.items {
		if p := s.items[i].part; p != nil {
			p.Watch(s.news)
		}
	}
}

func (s *shareFetch) unwatchAll() {
	for i := range s.items {
		if p := s.items[i].part; p != nil {
			p.Unwatch(s.news)
		}
	}
	if s.b.delivery.Has(s.key) {
		return
	}
	// The session has ended meanwhile, and could not take these with it.
	for i := range s.items {
		if p := s.items[i].part; p != nil {
			s.b.delivery.Unused(p)
		}
	}
}

func (s *shareFetch) allFailed() bool {
	for i := range s.items {
		if s.items[i].fail.Code == nil {
			return false
		}
	}
	return true
}

func (s *shareFetch) isolation() commitlog.Isolation {
	own, _ := s.b.shareConfigs(s.key.Group)
	if config.ShareReadCommitted(own) {
		return commitlog.ReadStable
	}
	return commitlog.ReadCommittedHW
}

// try reads what there is, and if it is as much as wanted acquires it. It tells whether it was: what was read may yet turn
// out not to be for delivery.
func (s *shareFetch) try(limit, wanted int) (enough bool) {
	isolation := s.isolation()
	begun := 0
	for i := range s.items {
		it := &s.items[i]
		it.seen = -1
		s.refresh(it)
		if it.fail.Code != nil {
			continue
		}
		if it.offset, it.begun = it.part.Begin(s.limits, s.news); it.begun {
			begun++
			it.looked = true
		}
	}
	bytes := 0
	for i := range s.items {
		if it := &s.items[i]; it.begun {
			bytes += s.readOne(it, max(1, limit/begun), bytes == 0, isolation)
		}
	}
	enough = bytes > 0 && bytes >= wanted
	for i := range s.items {
		it := &s.items[i]
		if !it.begun {
			continue
		}
		if enough && it.read.Bytes > 0 && s.taken < int(s.req.MaxRecords) {
			s.acquire(it)
		}
		if len(it.acquired) == 0 {
			s.releaseRead(it)
		}
		it.begun = false
		it.part.End(len(it.acquired) > 0)
	}
	return enough
}

// refresh looks a partition up again that was given up meanwhile, and takes over why it cannot be used.
func (s *shareFetch) refresh(it *shareItem) {
	if it.fail.Code != nil {
		return
	}
	if code := it.found.Err(); code != nil {
		it.fail = failureOf(code)
		return
	}
	it.fail = it.part.Err()
}

// readOne reads a partition and returns the number of bytes.
func (s *shareFetch) readOne(it *shareItem, limit int, atLeastOne bool, isolation commitlog.Isolation) int {
	read, err := it.found.Log().Read(it.offset, limit, atLeastOne, isolation)
	if err == nil {
		it.read, it.held, it.seen = read, true, read.HighWatermark
		if isolation == commitlog.ReadStable {
			it.seen = read.LastStable
		}
		return read.Bytes
	}
	if !offsetOutOfRange(err) {
		it.fail = failureOf(errorCode(err))
		return 0
	}
	it.part.LogStart(it.found.Log().StartOffset())
	return 0
}

// acquire takes what is available of what was read.
func (s *shareFetch) acquire(it *shareItem) {
	left := int(s.req.MaxRecords) - s.taken
	_, end, ok := it.part.Position()
	if !ok {
		return
	}
	all, aborted, err := s.walker.walk(&it.read, max(end, it.offset)+int64(left))
	if err != nil {
		it.fail = failureOf(kerr.CorruptMessage)
		s.b.log.Error("a batch that was read for a share group cannot be decoded",
			"topic", it.found.Topic().Name, "partition", it.tp.Partition, "offset", it.offset, "err", err)
		return
	}
	it.acquired = it.part.Acquire(delivery.Request{
		Member: s.key.Member, Now: s.b.clock.Now(), Offset: it.offset, Batches: spans(all), Aborted: aborted,
		MaxRecords: left, Exact: s.req.ShareAcquireMode == 1, BatchSize: int(s.req.BatchSize),
	}, s.limits)
	if len(it.acquired) == 0 {
		return
	}
	for _, a := range it.acquired {
		s.taken += int(a.Last - a.First + 1)
	}
	it.records = ranges(all, it.acquired)
}

// park waits for news of the partitions; it tells whether there may be some.
func (s *shareFetch) park(ctx context.Context, left time.Duration) bool {
	isolation := s.isolation()
	s.data.Reset(1)
	if s.watches == nil {
		s.watches = make([]replica.Watch, len(s.items)) // their addresses have to last
	}
	watched := 0
	defer func() {
		for i := range s.watches[:watched] {
			s.watches[i].Unwatch()
		}
	}()
	for i := range s.items {
		it := &s.items[i]
		watched = i + 1
		if it.fail.Code != nil {
			continue
		}
		start, end, ok := it.part.Position()
		if !ok || end-start >= int64(s.limits.Locks) {
			continue // it loads, or takes nothing new: the watcher will hear of it
		}
		seen := it.seen
		if seen < 0 {
			// Another fetch was at it. What is there now is not news: who reads it tells the watcher.
			seen = bound(it.found.Log(), isolation)
		}
		if !it.found.Watch(&s.watches[i], s.data, end, seen, isolation) {
			return true
		}
	}
	s.watch.pause()
	defer s.watch.resume()
	t := s.b.clock.NewTimer(left)
	defer t.Stop()
	select {
	case <-s.data.C:
		return true
	case <-s.news.C:
		return true
	case <-t.C():
	case <-s.call.Conn.Gone():
	case <-ctx.Done():
	}
	return false
}

// bound is the offset that can be read up to.
func bound(log *commitlog.Log, isolation commitlog.Isolation) int64 {
	if isolation == commitlog.ReadStable {
		return log.LastStableOffset()
	}
	return log.HighWatermark()
}

// releaseRead gives back the files of a read.
func (s *shareFetch) releaseRead(it *shareItem) {
	if it.held {
		it.read.Release()
		it.held = false
	}
}

// release gives back all files, once the response is on its way or given up.
func (s *shareFetch) release() {
	for i := range s.items {
		s.releaseRead(&s.items[i])
	}
}

// answer builds the response: the partitions that were looked at, if the session is new, or else those with news.
func (s *shareFetch) answer(acks []ackResult) {
	ackOf := map[share.TopicPartition]*ackResult{}
	for i := range acks {
		ackOf[acks[i].tp] = &acks[i]
	}
	for i := range s.items {
		it := &s.items[i]
		ack := ackOf[it.tp]
		if ack == nil && it.fail.Code == nil && len(it.acquired) == 0 && !(it.looked && s.req.ShareSessionEpoch == delivery.InitialEpoch) {
			continue
		}
		p := s.partition(it.tp)
		p.Records = it.records
		if it.fail.Code != nil {
			s.fail(p, it)
		}
		for _, a := range it.acquired {
			p.Acquired = append(p.Acquired, sharefetch.Acquired{First: a.First, Last: a.Last, Count: a.Count})
		}
		if ack != nil {
			s.acked(p, ack)
			delete(ackOf, it.tp)
		}
	}
	for i := range acks {
		if ackOf[acks[i].tp] == &acks[i] {
			s.acked(s.partition(acks[i].tp), &acks[i])
		}
	}
}

// partition adds a partition to the response.
func (s *shareFetch) partition(tp share.TopicPartition) *sharefetch.Partition {
	var t *sharefetch.Topic
	for i := range s.resp.Topics {
		if s.resp.Topics[i].ID == tp.TopicID {
			t = &s.resp.Topics[i]
		}
	}
	if t == nil {
		s.resp.Topics = append(s.resp.Topics, sharefetch.Topic{ID: tp.TopicID})
		t = &s.resp.Topics[len(s.resp.Topics)-1]
	}
	t.Partitions = append(t.Partitions, sharefetch.Partition{Index: tp.Partition})
	return &t.Partitions[len(t.Partitions)-1]
}

func (s *shareFetch) fail(p *sharefetch.Partition, it *shareItem) {
	p.ErrorCode, p.ErrorMessage = it.fail.Code.Code, it.fail.Message
	s.b.metrics.failed(int16(kmsg.ShareFetch), p.ErrorCode)
	s.leader(p, it.tp, it.fail.Code)
}

// leader tells who leads a partition, where the error means that somebody else does.
func (s *shareFetch) leader(p *sharefetch.Partition, tp share.TopicPartition, code *kerr.Error) {
	if code != kerr.NotLeaderForPartition && code != kerr.FencedLeaderEpoch {
		return
	}
	if found := s.b.currentLeader(tp); found != nil {
		p.Leader = *found
		s.resp.NodeEndpoints = s.b.endpointOf(s.resp.NodeEndpoints, found.ID)
	}
}

// currentLeader is who leads a partition by the metadata.
func (b *Broker) currentLeader(tp share.TopicPartition) *field.CurrentLeader {
	t := b.meta.Image().TopicByID(tp.TopicID)
	if t == nil || tp.Partition < 0 || int(tp.Partition) >= len(t.Partitions) {
		return nil
	}
	p := &t.Partitions[tp.Partition]
	return &field.CurrentLeader{ID: p.Leader, Epoch: p.LeaderEpoch}
}

func (s *shareFetch) acked(p *sharefetch.Partition, ack *ackResult) {
	if ack.fail.Code == nil {
		return
	}
	p.AckErrorCode, p.AckErrorMessage = ack.fail.Code.Code, ack.fail.Message
	s.b.metrics.failed(int16(kmsg.ShareFetch), p.AckErrorCode)
	s.leader(p, ack.tp, ack.fail.Code)
}
