package txn

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
)

func (s *Shard) describe(ev Describe) {
	all := make([]Description, 0, len(ev.TransactionalIDs))
	for _, id := range ev.TransactionalIDs {
		d := Description{TransactionalID: id}
		if t := s.byID[id]; t == nil {
			d.Err = kerr.TransactionalIDNotFound
		} else {
			d.State, d.Producer, d.TimeoutMillis = t.state, t.producer, t.timeoutMillis
			d.StartMillis, d.Partitions = t.started, sortedPartitions(t.partitions)
		}
		all = append(all, d)
	}
	s.reply(ev.ID, all)
}

// list names the transactional ids that pass all filters, sorted.
func (s *Shard) list(ev List) {
	all := []Listing{}
	now := s.now.UnixMilli()
	for _, id := range sortedKeys(s.byID) {
		t := s.byID[id]
		switch {
		case len(ev.States) > 0 && !slices.Contains(ev.States, t.state),
			len(ev.ProducerIDs) > 0 && !slices.Contains(ev.ProducerIDs, t.producer.ID),
			ev.RunningMillis >= 0 && now-t.started <= ev.RunningMillis,
			ev.Pattern != nil && !ev.Pattern.MatchString(id):
			continue
		}
		all = append(all, Listing{TransactionalID: id, ProducerID: t.producer.ID, State: t.state})
	}
	s.reply(ev.ID, all)
}
