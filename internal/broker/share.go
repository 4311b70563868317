package broker

import (
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"leat.dev/internal/broker/coordinator"
	"leat.dev/internal/coord/share"
	"leat.dev/internal/metadata"
)

// shareTopic is where the share coordinator keeps its state.
const shareTopic = "__share_group_state"

// startShares makes the share coordinator; it leads nothing yet.
func (b *Broker) startShares() {
	o := coordinator.ShareOptions{
		Surroundings: b.coordinatorSurroundings(shareTopic, b.createShareTopic),
		Settings:     b.shareSettings,
		Exists: func(tp share.TopicPartition) bool {
			t := b.meta.Image().TopicByID(tp.TopicID)
			return t != nil && tp.Partition >= 0 && int(tp.Partition) < len(t.Partitions)
		},
		Metrics: b.metrics.shareCoordinatorMetrics(),
	}
	o.CommitTimeout = b.cfg.Millis("share.coordinator.write.timeout.ms")
	o.BatchBytes = b.maxMessageBytes(shareTopic)
	b.shares = coordinator.NewShares(o)
}

// patientShares is the share coordinator for those in this process who pass requests on to it.
func (b *Broker) patientShares() share.Persister {
	return coordinator.Patient{Persister: b.shares, Clock: b.clock}
}

// closeShares ends the share coordinator; what waits in it is answered.
func (b *Broker) closeShares() {
	if b.shares != nil {
		b.shares.Close()
	}
}

// shareSettings are those of the share coordinator. They are static, as in Kafka.
func (b *Broker) shareSettings() share.Settings {
	s := share.DefaultSettings()
	s.UpdatesPerSnapshot = b.cfg.Int("share.coordinator.snapshot.update.records.per.snapshot")
	return s
}

// createShareTopic makes __share_group_state the way the broker's settings say. Nothing is
// deleted from it by age; the coordinator cuts off what it does not need.
func (b *Broker) createShareTopic(ctx context.Context) error {
	return b.createInternalTopic(ctx, shareTopic, b.cfg.Int("share.coordinator.state.topic.num.partitions"),
		"cleanup.policy", "delete",
		"compression.type", "producer",
		"segment.bytes", b.cfg.String("share.coordinator.state.topic.segment.bytes"),
		"min.insync.replicas", b.cfg.String("share.coordinator.state.topic.min.isr"),
		"retention.ms", "-1",
	)
}

// shareTopicsDeleted follows the metadata for the share coordinator.
func (b *Broker) shareTopicsDeleted(prev, next *metadata.Image) {
	var gone [][16]byte
	for old, now := range next.ChangedTopics(prev) {
		if old != nil && (now == nil || now.ID != old.ID) {
			gone = append(gone, old.ID)
		}
	}
	if len(gone) > 0 {
		b.shares.TopicsDeleted(gone)
	}
}

// checkShareKey says what is wrong with the key of a share coordinator: "group:topicId:partition", where the group may
// hold colons itself.
func checkShareKey(key string) string {
	parts := strings.Split(key, ":")
	if len(parts) < 3 {
		return fmt.Sprintf("the key %q of a share coordinator is not of the form group:topicId:partition", key)
	}
	n := len(parts)
	group, id, partition := strings.Join(parts[:n-2], ":"), parts[n-2], parts[n-1]
	if strings.TrimSpace(group) == "" {
		return fmt.Sprintf("the key %q of a share coordinator names no group", key)
	}
	if raw, err := base64.RawURLEncoding.DecodeString(id); err != nil || len(raw) != 16 {
		return fmt.Sprintf("the key %q of a share coordinator has no topic id", key)
	}
	if _, err := strconv.ParseInt(partition, 10, 32); err != nil {
		return fmt.Sprintf("the key %q of a share coordinator has no partition number", key)
	}
	return ""
}
