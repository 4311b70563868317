package metadata

import (
	"encoding/binary"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"leat.dev/internal/base/vfs"
	"leat.dev/internal/metadata/record"
	"leat.dev/internal/wire/batch"
)

const (
	snapshotSuffix = ".checkpoint"
	// snapshotBatchRecords keeps the batches of a snapshot small.
	snapshotBatchRecords = 1024
)

// snapshotPath is Kafka's name of a snapshot: the offset after its last
// record and that record's epoch.
func snapshotPath(dir string, offset int64, term uint64) string {
	return path.Join(dir, fmt.Sprintf("%020d-%010d%s", offset, term, snapshotSuffix))
}

// records yields records that make the image out of nothing, in an order in
// which each fits what came before.
func (i *Image) records(yield func(record.Record) bool) {
	for _, name := range slices.Sorted(maps.Keys(i.Features)) {
		if !yield(&record.FeatureLevel{Name: name, Level: i.Features[name]}) {
			return
		}
	}
	for b := range i.Brokers() {
		if !yield(&record.RegisterBroker{
			BrokerID: b.ID, IncarnationID: b.Incarnation, BrokerEpoch: b.Epoch,
			EndPoints: b.Endpoints, Features: b.Features, Rack: b.Rack,
			Fenced: b.Fenced, InControlledShutdown: b.InControlledShutdown,
			LogDirs: b.LogDirs, CordonedLogDirs: b.CordonedLogDirs,
		}) {
			return
		}
	}
	for t := range i.Topics() {
		if !yield(&record.Topic{Name: t.Name, TopicID: t.ID}) {
			return
		}
		for p := range t.Partitions {
			if !yield(t.Partitions[p].record(t.ID, int32(p))) {
				return
			}
		}
	}
	for k, c := range i.configs.all() {
		for _, name := range slices.Sorted(maps.Keys(c.values)) {
			if !yield(&record.Config{ResourceType: k.typ, ResourceName: k.name, Name: name, Value: new(c.values[name])}) {
				return
			}
		}
	}
	if !i.security.records(yield) || !i.quotas.records(yield) {
		return
	}
	if i.NextProducerID > 0 {
		yield(&record.ProducerIDs{BrokerID: noNode, BrokerEpoch: -1, NextProducerID: i.NextProducerID})
	}
}

// record is the partition as the record that creates it.
func (p *Partition) record(topic record.UUID, id int32) *record.Partition {
	r := &record.Partition{
		PartitionID: id, TopicID: topic, Replicas: p.Replicas, ISR: p.ISR,
		RemovingReplicas: p.Removing, AddingReplicas: p.Adding,
		Leader: p.Leader, LeaderEpoch: p.LeaderEpoch, PartitionEpoch: p.PartitionEpoch,
		Directories: p.Directories, EligibleLeaderReplicas: p.ELR, LastKnownELR: p.LastKnownELR,
	}
	if p.Recovering {
		r.LeaderRecoveryState = 1
	}
	return r
}

// encodeSnapshot is the content of a snapshot file: a header, batches of
// records and a footer, with offsets of their own from 0.
func (i *Image) encodeSnapshot(now int64) []byte {
	epoch := i.Epoch
	header := binary.BigEndian.AppendUint64(make([]byte, 2, 12), uint64(now))
	out := controlBatch(batch.ControlSnapshotHeader, header, 0, now)
	next := int64(1)
	var pending []record.Record
	flush := func() {
		if len(pending) == 0 {
			return
		}
		data, err := encodeRecords(pending, now)
		if err != nil {
			panic(err) // uncompressed: fails only beyond 2 GiB, which 1,024 records cannot reach
		}
		batch.Batch(data).SetBaseOffset(next)
		out = append(out, data...)
		next += int64(len(pending))
		pending = pending[:0]
	}
	for r := range i.records {
		if pending = append(pending, r); len(pending) == snapshotBatchRecords {
			flush()
		}
	}
	flush()
	out = append(out, controlBatch(batch.ControlSnapshotFooter, make([]byte, 2, 3), next, now)...)
	for b, err := range batch.Split(out) {
		if err != nil {
			panic(err) // it was built above
		}
		b.SetLeaderEpoch(epoch)
	}
	return out
}

// decodeSnapshot adds a snapshot's records to an empty draft.
func decodeSnapshot(data []byte, d *draft) error {
	complete := false
	next := int64(0)
	for b, err := range batch.Split(data) {
		if err != nil {
			return err
		}
		h := b.Header()
		if !b.VerifyCRC() || h.BaseOffset != next || complete {
			return fmt.Errorf("%w: batch at offset %d", record.ErrCorrupt, next)
		}
		next = h.NextOffset()
		if !h.Control() {
			if err := decodeRecords(b, d.apply); err != nil {
				return err
			}
			continue
		}
		for r, err := range b.Records(nil, len(b)) {
			if err != nil {
				return err
			}
			kind, err := batch.ParseControl(r)
			if err != nil {
				return err
			}
			if first := r.Offset == 0; first != (kind == batch.ControlSnapshotHeader) {
				return fmt.Errorf("%w: control record %d at offset %d", record.ErrCorrupt, kind, r.Offset)
			}
			complete = complete || kind == batch.ControlSnapshotFooter
		}
	}
	if !complete {
		return fmt.Errorf("%w: no footer", record.ErrCorrupt)
	}
	return nil
}

// loadSnapshot is the image at the base.
func loadSnapshot(fs vfs.FS, dir string, base logBase, clusterID string) (*Image, error) {
	img := newImage(clusterID)
	if base.index == 0 {
		return img, nil
	}
	name := snapshotPath(dir, base.offset, base.term)
	data, err := vfs.ReadFile(fs, name)
	if err != nil {
		return nil, fmt.Errorf("reading the metadata snapshot: %w", err)
	}
	d := img.draft()
	if err := decodeSnapshot(data, d); err != nil {
		return nil, fmt.Errorf("metadata snapshot %s: %w", name, err)
	}
	img = d.finish()
	img.Offset, img.Epoch = base.offset-1, int32(base.term)
	return img, nil
}

// removeSnapshots removes all snapshots but the base's, unfinished ones too.
func removeSnapshots(fs vfs.FS, dir string, base logBase) error {
	entries, err := fs.ReadDir(dir)
	if err != nil {
		return err
	}
	keep := path.Base(snapshotPath(dir, base.offset, base.term))
	for _, e := range entries {
		if e.Name == keep || !strings.Contains(e.Name, snapshotSuffix) {
			continue
		}
		if err := fs.Remove(path.Join(dir, e.Name)); err != nil {
			return err
		}
	}
	return nil
}
