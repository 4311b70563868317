package metadata

import (
	"context"
	"slices"

	"leat.dev/internal/metadata/record"
)

// ReplicaPlace says which of its log directories a broker has a replica in.
type ReplicaPlace struct {
	Topic     record.UUID
	Partition int32
	Directory record.UUID
}

// AssignDirectories notes which log directories a broker has, by their ids, and which of them replicas are in (KIP-858).
// Places of partitions that are gone, or have no replica there, are left out, and so are those that are known.
func (n *Node) AssignDirectories(ctx context.Context, broker int32, dirs []record.UUID, places []ReplicaPlace) error {
	_, err := submit(ctx, n, func(v *view) (struct{}, []record.Record, error) {
		var records []record.Record
		b := v.Broker(broker)
		if b != nil && len(dirs) > 0 && !slices.Equal(b.LogDirs, dirs) {
			records = append(records, &record.BrokerRegistrationChange{BrokerID: broker, BrokerEpoch: b.Epoch, LogDirs: dirs})
		}
		for _, place := range places {
			t := v.TopicByID(place.Topic)
			if t == nil || int(place.Partition) >= len(t.Partitions) {
				continue
			}
			p := &t.Partitions[place.Partition]
			at := slices.Index(p.Replicas, broker)
			if at < 0 || at < len(p.Directories) && p.Directories[at] == place.Directory {
				continue
			}
			r := record.NewPartitionChange(place.Partition, place.Topic)
			r.Directories = make([]record.UUID, len(p.Replicas))
			copy(r.Directories, p.Directories)
			r.Directories[at] = place.Directory
			records = append(records, r)
		}
		return struct{}{}, records, nil
	})
	return err
}
