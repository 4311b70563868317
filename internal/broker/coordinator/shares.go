package coordinator

import (
	"context"
	"encoding/base64"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/coord"
	"leat.dev/internal/coord/share"
)

// ShareOptions are the surroundings of Shares, whose topic is __share_group_state. All fields are
// required unless said otherwise.
type ShareOptions struct {
	Surroundings

	// Settings returns the settings in force; they are read when a partition is
	// loaded and by Reconfigure.
	Settings func() share.Settings
	// Exists tells whether a partition is in the metadata. It does not block.
	Exists func(share.TopicPartition) bool

	// Metrics may be nil.
	Metrics *ShareMetrics
}

// ShareMetrics are called by shards, many at once; any field may be nil. They must not
// block.
type ShareMetrics struct {
	// Partitions is called with the change in the number of share-partitions.
	Partitions func(delta int)
	// Loaded is called for each loaded partition.
	Loaded func(took time.Duration, records int64)
	// Committed is called for each batch with the time from append to commit.
	Committed func(took time.Duration, requests int)
}

// Shares is the share coordinator of one broker, and the share.Persister of those who are
// in one process with it.
type Shares struct {
	*coordinators[share.Event]
	o ShareOptions
}

var _ share.Persister = (*Shares)(nil)

// NewShares returns a coordinator that leads nothing yet.
func NewShares(o ShareOptions) *Shares {
	if o.Metrics == nil {
		o.Metrics = &ShareMetrics{}
	}
	s := &Shares{o: o}
	s.coordinators = newCoordinators(runtimeOptions[share.Event]{
		Surroundings: o.Surroundings, kind: "share", topic: "__share_group_state",
		newMachine:  func() machine[share.Event] { return share.New(s.settings(), o.Exists) },
		loaded:      share.Loaded{},
		tick:        share.Tick{},
		newReport:   s.newReport,
		onLoaded:    o.Metrics.Loaded,
		onCommitted: o.Metrics.Committed,
	})
	return s
}

// Reconfigure hands the current settings to all shards, without waiting.
func (s *Shares) Reconfigure() { s.tellAll(share.Configure{Settings: s.settings()}) }

// TopicsDeleted drops the state of topics that are gone. It does not wait for that.
func (s *Shares) TopicsDeleted(ids [][16]byte) { s.tellAll(share.TopicsDeleted{IDs: ids}) }

// settings bounds a record by what a batch holds.
func (s *Shares) settings() share.Settings {
	set := s.o.Settings()
	set.MaxRecordBytes = min(set.MaxRecordBytes, s.recordBytes())
	return set
}

// newReport tells the metrics what changed in one shard.
func (s *Shares) newReport() func(machine[share.Event]) {
	var last share.Counts
	return func(m machine[share.Event]) {
		var now share.Counts
		if m != nil {
			now = m.(*share.Shard).Counts()
		}
		if d := now.Partitions - last.Partitions; d != 0 && s.o.Metrics.Partitions != nil {
			s.o.Metrics.Partitions(d)
		}
		last = now
	}
}

// ShareKey is what a share-partition's partition of __share_group_state is worked out
// from, and what FindCoordinator is asked with: "group:topicId:partition", with the id in
// base64 for URLs.
func ShareKey(group string, tp share.TopicPartition) string {
	return group + ":" + base64.RawURLEncoding.EncodeToString(tp.TopicID[:]) + ":" + strconv.Itoa(int(tp.Partition))
}

// Initialize implements share.Persister.
func (s *Shares) Initialize(ctx context.Context, group string, list []share.InitializePartition) []share.Result {
	return ask(ctx, s, group, list, asResult, func(id coord.RequestID, part []share.InitializePartition) share.Event {
		return share.Initialize{ID: id, Group: group, Partitions: part}
	})
}

// Write implements share.Persister.
func (s *Shares) Write(ctx context.Context, group string, list []share.WritePartition) []share.Result {
	return ask(ctx, s, group, list, asResult, func(id coord.RequestID, part []share.WritePartition) share.Event {
		return share.Write{ID: id, Group: group, Partitions: part}
	})
}

// Delete implements share.Persister.
func (s *Shares) Delete(ctx context.Context, group string, list []share.TopicPartition) []share.Result {
	return ask(ctx, s, group, list, asResult, func(id coord.RequestID, part []share.TopicPartition) share.Event {
		return share.Delete{ID: id, Group: group, Partitions: part}
	})
}

// Read implements share.Persister.
func (s *Shares) Read(ctx context.Context, group string, list []share.ReadPartition) []share.ReadResult {
	return ask(ctx, s, group, list, asReadResult, func(id coord.RequestID, part []share.ReadPartition) share.Event {
		return share.Read{ID: id, Group: group, Partitions: part}
	})
}

// ReadSummary implements share.Persister.
func (s *Shares) ReadSummary(ctx context.Context, group string, list []share.ReadPartition) []share.SummaryResult {
	return ask(ctx, s, group, list, asSummaryResult, func(id coord.RequestID, part []share.ReadPartition) share.Event {
		return share.ReadSummary{ID: id, Group: group, Partitions: part}
	})
}

func asResult(r share.Result) share.Result               { return r }
func asReadResult(r share.Result) share.ReadResult       { return share.ReadResult{Result: r} }
func asSummaryResult(r share.Result) share.SummaryResult { return share.SummaryResult{Result: r} }

// ask has every share-partition answered by the shard it belongs to; all shards are asked
// at once, each with all that is its own. A group without a name is refused.
func ask[P interface{ At() share.TopicPartition }, R any](
	ctx context.Context, s *Shares, group string, list []P, failed func(share.Result) R, event func(coord.RequestID, []P) share.Event,
) []R {
	out := make([]R, len(list))
	refuse := func(err *kerr.Error, message string) []R {
		for i := range list {
			out[i] = failed(share.Result{TopicPartition: list[i].At(), Err: err, Message: message})
		}
		return out
	}
	if group == "" {
		return refuse(kerr.InvalidRequest, "Group id must be specified and non-empty.")
	}
	keys := make([]string, len(list))
	for i := range list {
		keys[i] = ShareKey(group, list[i].At())
	}
	one := func(p portion) {
		part := make([]P, len(p.places))
		for i, place := range p.places {
			part[i] = list[place]
		}
		r, err := s.call(ctx, p.keys[0], func(id coord.RequestID) share.Event { return event(id, part) })
		for i, place := range p.places {
			if err != nil {
				out[place] = failed(share.Result{TopicPartition: part[i].At(), Err: err, Message: err.Description})
				continue
			}
			out[place] = r.([]R)[i]
		}
	}
	if err := s.EnsureTopic(ctx); err != nil {
		s.o.Logger.Warn("the topic of a coordinator cannot be created", "topic", s.coordinators.o.topic, "err", err)
		return refuse(kerr.CoordinatorNotAvailable, kerr.CoordinatorNotAvailable.Description)
	}
	all := s.portions(keys)
	done := make(chan struct{}, len(all))
	for _, p := range all[min(1, len(all)):] {
		go func() {
			one(p)
			done <- struct{}{}
		}()
	}
	if len(all) > 0 {
		one(all[0])
	}
	for range len(all) - 1 {
		<-done
	}
	return out
}
