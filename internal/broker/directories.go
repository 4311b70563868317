package broker

import (
	"context"
	"errors"
	"path/filepath"
	"slices"

	"leat.dev/internal/commitlog/logdir"
	"leat.dev/internal/metadata"
	"leat.dev/internal/metadata/config"
	"leat.dev/internal/metadata/record"
)

// LogDirs are the log directories that the settings name, and the one of them, or besides them, that the metadata is in.
// own is the only one if they name none.
func LogDirs(c *config.Static, own string) (dirs []string, meta string, err error) {
	for _, name := range []string{"log.dirs", "log.dir"} {
		if _, set := c.Lookup(name); set && len(c.List(name)) > 0 {
			dirs = c.List(name)
			break
		}
	}
	if len(dirs) == 0 {
		dirs = []string{own}
	}
	for i, dir := range dirs {
		if dirs[i], err = filepath.Abs(dir); err != nil {
			return nil, "", err
		}
	}
	meta = dirs[0]
	if dir := c.String("metadata.log.dir"); dir != "" {
		if meta, err = filepath.Abs(dir); err != nil {
			return nil, "", err
		}
	}
	return dirs, meta, nil
}

// directoriesChanged asks for the metadata to be told where partitions are.
func (b *Broker) directoriesChanged() {
	select {
	case b.unassigned <- struct{}{}:
	default:
	}
}

// assignDirectories keeps the metadata right about which of several log directories each partition is in (KIP-858): the
// controller cannot know it when a topic is made. What it says decides after a restart whether a partition that is not
// there is new, or lies in a directory that failed.
func (b *Broker) assignDirectories(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.unassigned:
		}
		places := b.misplaced(b.meta.Image())
		if len(places) == 0 && !b.directoriesDiffer() {
			continue
		}
		err := b.meta.AssignDirectories(ctx, b.nodeID, uuids(b.dir.IDs()), places)
		if err != nil && ctx.Err() == nil && !errors.Is(err, metadata.ErrClosed) {
			b.log.Warn("the metadata could not be told which log directories partitions are in", "err", err)
		}
	}
}

// directoriesDiffer tells whether another set of directories is in use than the broker was registered with.
func (b *Broker) directoriesDiffer() bool {
	known := b.meta.Image().Broker(b.nodeID)
	return known != nil && !slices.Equal(known.LogDirs, uuids(b.dir.IDs()))
}

// misplaced are the partitions that are in another directory than the image says.
func (b *Broker) misplaced(img *metadata.Image) (out []metadata.ReplicaPlace) {
	for t := range img.Topics() {
		for i := range t.Partitions {
			p := &t.Partitions[i]
			at := slices.Index(p.Replicas, b.nodeID)
			if at < 0 {
				continue
			}
			id, ok := b.dir.DirectoryOf(logdir.TopicPartition{Topic: t.Name, Partition: int32(i)})
			if ok && (at >= len(p.Directories) || p.Directories[at] != record.UUID(id)) {
				out = append(out, metadata.ReplicaPlace{Topic: t.ID, Partition: int32(i), Directory: id})
			}
		}
	}
	return out
}

func uuids(ids [][16]byte) (out []record.UUID) {
	for _, id := range ids {
		out = append(out, id)
	}
	return out
}
