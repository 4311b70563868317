package broker

import (
	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/broker/coordinator"
	"leat.dev/internal/coord/group"
	"leat.dev/internal/coord/share"
	"leat.dev/internal/metadata"
)

// servesShareGroups tells whether the cluster lets groups of this kind be.
func (b *Broker) servesShareGroups() bool {
	return b.meta.Image().Features[metadata.ShareVersion] >= 1
}

// shareGroupOptions are what the group coordinator needs for share groups.
func (b *Broker) shareGroupOptions(o *coordinator.Options) {
	o.SharePersister = func() share.Persister {
		if b.shares == nil {
			return nil
		}
		return b.patientShares()
	}
	o.ShareMemberGone = b.shareMemberGone
	o.LatestOffset = func(topic string, partition int32) (int64, *kerr.Error) {
		p, err := b.replicas.Partition(topic, partition)
		if err != nil {
			return 0, err
		}
		return p.HighWatermark(), nil
	}
}

// shareGroupSettings are the group coordinator's settings for share groups.
func (b *Broker) shareGroupSettings(s *group.ShareSettings) {
	s.MaxSize = b.cfg.Int("group.share.max.size")
	s.InitializeRetry = max(s.InitializeRetry, b.cfg.Millis("offsets.commit.timeout.ms"))
	s.ForGroup = func(id string) group.GroupConfig { return b.groupConfigOf("share", id) }
	s.GroupConfig = s.ForGroup("")
}
