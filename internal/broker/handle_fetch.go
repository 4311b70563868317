package broker

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/broker/quota"
	"leat.dev/internal/broker/replica"
	"leat.dev/internal/broker/session"
	"leat.dev/internal/broker/transport"
	"leat.dev/internal/commitlog"
	"leat.dev/internal/wire/fetch"
	"leat.dev/internal/wire/field"
)

// fetchState is what a connection keeps from one Fetch to the next, so that a steady consumer allocates nothing. The
// connection's worker owns it.
type fetchState struct {
	broker  *Broker
	req     fetchRequest
	resp    fetch.Response
	items   []fetchItem
	watches []replica.Watch
	waiter  *replica.FetchWaiter
	timer   clock.Timer
	session *session.Session
	full    bool // the response names every partition
	watch   stopwatch
	release func()
}

// fetchItem is one partition of a request.
type fetchItem struct {
	key      session.Key
	offset   int64
	maxBytes int32
	epoch    int32
	fetched  int32 // LastFetchedEpoch
	entry    *session.Partition
	found    *replica.Partition
	err      *kerr.Error
	diverged *fetch.EpochEndOffset
	read     commitlog.ReadInfo
	held     bool // read has to be released
	denied   bool // the client may not read it
}

func fetchStateOf(b *Broker, c *transport.Call) *fetchState {
	if s, ok := c.Conn.Session.(*fetchState); ok {
		return s
	}
	s := &fetchState{broker: b, waiter: replica.NewFetchWaiter()}
	s.release = s.releaseReads
	c.Conn.Session = s
	return s
}

// serveFetch answers a Fetch request, after waiting for data if there is less than the client wants.
func (b *Broker) serveFetch(ctx context.Context, c *transport.Call) error {
	s := fetchStateOf(b, c)
	s.watch = b.watch(c)
	if err := s.req.decode(c.Body, c.Version); err != nil {
		b.metrics.malformed(c.Key)
		return malformed(c, err)
	}
	s.serve(ctx, c)
	return nil
}

func (s *fetchState) serve(ctx context.Context, c *transport.Call) {
	b := s.broker
	s.resp = fetch.Response{Topics: s.resp.Topics[:0]}
	code := s.open(c)
	if s.badIsolation() && c.Version >= 13 {
		code = kerr.UnknownServerError
	}
	if code != nil {
		s.resp.ErrorCode = code.Code
		b.metrics.failed(int16(kmsg.Fetch), code.Code)
		s.endSession()
		c.ReleaseBody()
		c.Out, c.Parts = s.resp.Encode(c.Out, c.Parts[:0], c.Version)
		b.metrics.done(c.Key, 0, len(c.Out))
		return
	}
	s.authorize(c)
	c.ReleaseBody()
	c.Release = s.release
	s.collect(ctx, c)
	n := 0
	if wait := s.charge(c); wait > 0 {
		s.throttle(c, wait)
	} else {
		n = s.answer(c.Version)
	}
	s.endSession()
	c.Out, c.Parts = s.resp.Encode(c.Out, c.Parts[:0], c.Version)
	b.metrics.fetched(n)
	b.metrics.done(c.Key, b.clock.Now().Sub(c.Received), len(c.Out)+n)
}

// badIsolation: Kafka fails over an isolation level that does not exist.
func (s *fetchState) badIsolation() bool { return s.req.isolation < 0 || s.req.isolation > 1 }

// endSession lets the next request of the session in.
func (s *fetchState) endSession() {
	if s.session != nil {
		s.resp.SessionID = s.session.ID
		s.broker.sessions.Done(s.session)
		s.session = nil
	}
}

// open works out the partitions to fetch: from the request, and from its session if it continues one.
func (s *fetchState) open(c *transport.Call) *kerr.Error {
	s.items = s.items[:0]
	s.session, s.full = nil, true
	q := &s.req
	now := s.broker.clock.Now()
	usesIDs := c.Version >= 13
	incremental := c.Version >= 7 && q.sessionEpoch != session.InitialEpoch && q.sessionEpoch != session.FinalEpoch
	if !incremental {
		if q.sessionID != 0 {
			s.broker.sessions.Close(q.sessionID)
		}
		if c.Version >= 7 && q.sessionEpoch == session.InitialEpoch {
			s.session = s.broker.sessions.New(usesIDs, len(q.partitions), now)
		}
	} else {
		var err *kerr.Error
		if s.session, err = s.broker.sessions.Resolve(q.sessionID, q.sessionEpoch, usesIDs, now); err != nil {
			return err
		}
		s.full = false
		for i := range q.forgotten {
			s.session.Forget(s.key(&q.forgotten[i]))
		}
	}
	if s.session == nil {
		for i := range q.partitions {
			p := &q.partitions[i]
			s.items = append(s.items, fetchItem{
				key: s.key(p), offset: p.offset, maxBytes: p.maxBytes, epoch: p.leaderEpoch, fetched: p.lastFetchedEpoch,
			})
		}
		return nil
	}
	for i := range q.partitions {
		p := &q.partitions[i]
		s.session.Set(s.key(p), p.offset, p.maxBytes, p.leaderEpoch, p.lastFetchedEpoch)
	}
	for e := s.session.First(); e != nil; e = s.session.Next(e) {
		s.items = append(s.items, fetchItem{
			key: e.Key, offset: e.FetchOffset, maxBytes: e.MaxBytes, epoch: e.LeaderEpoch, fetched: e.LastFetchedEpoch,
			entry: e, found: e.Found,
		})
	}
	return nil
}

// key makes a partition's key. The name of a topic that is here is not copied.
func (s *fetchState) key(p *fetchPartition) session.Key {
	k := session.Key{ID: p.id, Partition: p.index}
	if p.topic != nil {
		if t := s.broker.replicas.TopicBytes(p.topic); t != nil {
			k.Topic = t.Name
		} else {
			k.Topic = string(p.topic)
		}
	}
	return k
}

// collect reads the partitions, and while there is too little it waits for more.
func (s *fetchState) collect(ctx context.Context, c *transport.Call) {
	limit := min(max(int(s.req.maxBytes), 0), s.broker.fetchMax)
	if s.broker.throttles(quota.Fetch, c.Conn) {
		limit = min(limit, s.broker.security.quotas.Most(quota.Fetch, quotaUser(c.Conn.Auth.(*connAuth)), c.ClientID))
	}
	wanted := min(int(s.req.minBytes), limit)
	deadline := c.Received.Add(time.Duration(s.req.maxWaitMs) * time.Millisecond)
	for {
		bytes, urgent := s.readAll(c, limit)
		if urgent || bytes >= wanted || len(s.items) == 0 || s.req.maxWaitMs <= 0 || bytes > 0 && s.behindActive() {
			return
		}
		left := deadline.Sub(s.broker.clock.Now())
		if left <= 0 {
			return
		}
		if !s.park(ctx, c, int64(wanted-bytes), left) {
			continue
		}
		// Time is up or the client is gone: what is there now is the answer.
		s.readAll(c, limit)
		return
	}
}

// behindActive tells whether any read came out of a segment that is not written to any more. Such a read may have
// stopped at the segment's end, so waiting would not make it larger.
func (s *fetchState) behindActive() bool {
	for i := range s.items {
		it := &s.items[i]
		if it.read.Bytes == 0 {
			continue
		}
		if segs := it.found.Log().Segments(); len(segs) > 0 && it.offset < segs[len(segs)-1].BaseOffset {
			return true
		}
	}
	return false
}

// park waits for more bytes; it tells whether the wait ended for another reason than that there is news.
func (s *fetchState) park(ctx context.Context, c *transport.Call, missing int64, left time.Duration) (over bool) {
	isolation := s.isolation()
	s.waiter.Reset(missing)
	if cap(s.watches) < len(s.items) {
		s.watches = make([]replica.Watch, len(s.items)) // their addresses have to last
	}
	s.watches = s.watches[:len(s.items)]
	watched := 0
	defer func() {
		for i := range s.watches[:watched] {
			s.watches[i].Unwatch()
		}
	}()
	for i := range s.items {
		it := &s.items[i]
		watched = i + 1
		seen := it.read.HighWatermark
		if isolation == commitlog.ReadStable {
			seen = it.read.LastStable
		}
		if !it.found.Watch(&s.watches[i], s.waiter, it.offset, seen, isolation) {
			return false
		}
	}
	if s.timer == nil {
		s.timer = s.broker.clock.NewTimer(left)
	} else {
		select {
		case <-s.timer.C():
		default:
		}
		s.timer.Reset(left)
	}
	defer s.timer.Stop()
	s.watch.pause()
	defer s.watch.resume()
	select {
	case <-s.waiter.C:
		return false
	case <-s.timer.C():
	case <-c.Conn.Gone():
	case <-ctx.Done():
	}
	return true
}

func (s *fetchState) isolation() commitlog.Isolation {
	if s.req.isolation == 1 {
		return commitlog.ReadStable
	}
	return commitlog.ReadCommittedHW
}

// readAll reads every partition within the limits. urgent says that the answer must not wait for more data.
func (s *fetchState) readAll(c *transport.Call, limit int) (bytes int, urgent bool) {
	s.releaseReads()
	isolation := s.isolation()
	for i := range s.items {
		it := &s.items[i]
		s.readOne(it, c.Version, min(int(it.maxBytes), limit-bytes), bytes == 0, isolation)
		if it.err != nil || it.diverged != nil {
			urgent = true
		}
		bytes += it.read.Bytes
	}
	return bytes, urgent
}

// readOne reads one partition. The first one with data returns a batch whatever the limits say, or a consumer whose
// limit is below a batch's size would never get on.
func (s *fetchState) readOne(it *fetchItem, version int16, limit int, atLeastOne bool, isolation commitlog.Isolation) {
	it.err, it.diverged, it.read = nil, nil, commitlog.ReadInfo{}
	if s.badIsolation() { // versions that name topics have the error at each partition too
		if version >= 7 {
			s.resp.ErrorCode = kerr.UnknownServerError.Code
		}
		it.err = kerr.UnknownServerError
		return
	}
	if it.denied {
		it.err = kerr.TopicAuthorizationFailed
		return
	}
	if it.found == nil || it.found.Err() != nil {
		if it.found, it.err = s.find(it, version); it.err != nil {
			return
		}
		if it.entry != nil {
			it.entry.Found = it.found
		}
	}
	if s.req.replicaID >= 0 {
		// No other broker holds a replica of anything here.
		it.err = kerr.NotLeaderForPartition
		return
	}
	if it.err = it.found.CheckEpoch(max(it.epoch, -1)); it.err != nil { // here any negative epoch is none
		return
	}
	log := it.found.Log()
	if it.fetched >= 0 {
		epoch, end := log.EndOffsetForEpoch(it.fetched)
		switch {
		case end < 0:
			it.err = kerr.OffsetOutOfRange
			return
		case epoch < it.fetched || end < it.offset:
			it.diverged = &fetch.EpochEndOffset{Epoch: epoch, EndOffset: end}
			it.read.HighWatermark, it.read.LastStable, it.read.LogStart = log.HighWatermark(), log.LastStableOffset(), log.StartOffset()
			return
		}
	}
	read, err := log.Read(it.offset, max(limit, 0), atLeastOne, isolation)
	if err != nil {
		it.err = errorCode(err)
		if errors.Is(err, commitlog.ErrClosed) {
			it.found = nil
		}
		return
	}
	it.read, it.held = read, true
}

// find looks a partition up by what its request names it with.
func (s *fetchState) find(it *fetchItem, version int16) (*replica.Partition, *kerr.Error) {
	var t *replica.Topic
	missing := kerr.UnknownTopicOrPartition
	if version >= 13 {
		t, missing = s.broker.replicas.TopicByID(it.key.ID), kerr.UnknownTopicID
	} else {
		t = s.broker.replicas.Topic(it.key.Topic)
	}
	if t == nil {
		return nil, missing
	}
	return t.Leading(it.key.Partition)
}

// releaseReads gives back the files of the last reads. It runs again when the response is on its way.
func (s *fetchState) releaseReads() {
	for i := range s.items {
		if s.items[i].held {
			s.items[i].read.Release()
			s.items[i].held = false
		}
	}
}

// answer builds the response and returns the bytes of records in it. A session's response only has the partitions
// with news.
func (s *fetchState) answer(version int16) (bytes int) {
	isolation := s.isolation()
	for i := range s.items {
		it := &s.items[i]
		if it.entry != nil && !s.newsFor(it) {
			continue
		}
		t := s.topic(it.key)
		p := extendSlice(&t.Partitions)
		s.partition(p, it, version, isolation)
		bytes += it.read.Bytes
	}
	return bytes
}

// newsFor tells whether the client has to hear of a partition of its session, and keeps the session's books.
func (s *fetchState) newsFor(it *fetchItem) bool {
	if it.err != nil {
		it.entry.SentError()
		return true
	}
	news := s.full || it.read.Bytes > 0 || it.diverged != nil || it.entry.News(it.read.HighWatermark, it.read.LogStart)
	it.entry.Sent(it.read.HighWatermark, it.read.LogStart)
	if it.read.Bytes > 0 && !s.full {
		it.entry.ToEnd()
	}
	return news
}

// topic returns the topic of the response that the next partition goes into.
func (s *fetchState) topic(k session.Key) *fetch.Topic {
	if n := len(s.resp.Topics); n > 0 {
		if t := &s.resp.Topics[n-1]; t.ID == k.ID && t.Name == k.Topic {
			return t
		}
	}
	t := extendSlice(&s.resp.Topics)
	t.Name, t.ID, t.Partitions = k.Topic, k.ID, t.Partitions[:0]
	return t
}

func (s *fetchState) partition(p *fetch.Partition, it *fetchItem, version int16, isolation commitlog.Isolation) {
	records, aborted := p.Records[:0], p.Aborted[:0]
	if it.err != nil {
		*p = fetch.NewPartition(it.key.Partition, it.err.Code)
		p.Records = records
		if it.found == nil {
			p.Aborted = []fetch.AbortedTransaction{} // as Kafka has it for partitions that are not here
		}
		s.broker.metrics.failed(int16(kmsg.Fetch), it.err.Code)
		if version >= 16 && it.found != nil && (it.err == kerr.NotLeaderForPartition || it.err == kerr.FencedLeaderEpoch) {
			p.CurrentLeader = &field.CurrentLeader{ID: it.found.Leader(), Epoch: it.found.LeaderEpoch()}
			s.resp.NodeEndpoints = s.broker.endpointOf(s.resp.NodeEndpoints, it.found.Leader())
		}
		return
	}
	*p = fetch.Partition{
		Index: it.key.Partition, HighWatermark: it.read.HighWatermark, LastStableOffset: it.read.LastStable,
		LogStartOffset: it.read.LogStart, PreferredReadReplica: -1, DivergingEpoch: it.diverged,
	}
	for _, sl := range it.read.Slices {
		records = append(records, fetch.Range{File: sl.File, Pos: sl.Pos, Len: sl.Len})
	}
	p.Records = records
	if isolation == commitlog.ReadStable {
		if aborted == nil {
			aborted = []fetch.AbortedTransaction{}
		}
		for _, a := range it.read.Aborted {
			aborted = append(aborted, fetch.AbortedTransaction{ProducerID: a.ProducerID, FirstOffset: a.FirstOffset})
		}
		p.Aborted = aborted
	}
}

// extendSlice lengthens a slice by one element, which still has the memory of its last use.
func extendSlice[E any](s *[]E) *E {
	if len(*s) < cap(*s) {
		*s = (*s)[:len(*s)+1]
	} else {
		var zero E
		*s = append(*s, zero)
	}
	return &(*s)[len(*s)-1]
}
