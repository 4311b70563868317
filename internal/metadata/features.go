package metadata

import "leat.dev/internal/metadata/record"

// The features of Kafka 4.3. What each level switches on stands in docs/formats/metadata-log.md.
const (
	// EligibleLeaderReplicas keeps replicas that left the in-sync set above the last
	// min.insync.replicas as candidates for an election (KIP-966).
	EligibleLeaderReplicas = "eligible.leader.replicas.version"
	// GroupVersion says which group protocols there are; 1 is that of KIP-848.
	GroupVersion = "group.version"
	// KRaftVersion says how the quorum's voters are kept: 0 in the settings, 1 in the log
	// (KIP-853). It is the quorum's own and has no record among the metadata.
	KRaftVersion = "kraft.version"
	// MetadataVersion says which metadata records may occur.
	MetadataVersion = "metadata.version"
	// ShareVersion switches on share groups (KIP-932).
	ShareVersion = "share.version"
	// StreamsVersion switches on streams groups (KIP-1071).
	StreamsVersion = "streams.version"
	// TransactionVersion says which transaction protocol producers may use; 2 is that of
	// KIP-890.
	TransactionVersion = "transaction.version"
)

// metadataLevel is Kafka 4.3's metadata.version.
const metadataLevel = 30

// Feature is a feature of the cluster with the levels this program supports.
type Feature struct {
	Name     string
	Min, Max int16
	// Initial is the level a new cluster is finalised at; 0 leaves it off.
	Initial int16
}

// SupportedFeatures are the features this program knows, by name, with the levels that
// Kafka 4.3 supports and begins a new cluster with.
func SupportedFeatures() []Feature {
	return []Feature{
		{Name: EligibleLeaderReplicas, Min: 0, Max: 1, Initial: 1},
		{Name: GroupVersion, Min: 0, Max: 1, Initial: 1},
		{Name: KRaftVersion, Min: 0, Max: 1, Initial: 0},
		{Name: MetadataVersion, Min: 7, Max: metadataLevel, Initial: metadataLevel},
		{Name: ShareVersion, Min: 0, Max: 1, Initial: 1},
		{Name: StreamsVersion, Min: 0, Max: 1, Initial: 1},
		{Name: TransactionVersion, Min: 0, Max: 2, Initial: 2},
	}
}

// bootstrapRecords are the first records of a new cluster.
func bootstrapRecords() []record.Record {
	var out []record.Record
	for _, f := range SupportedFeatures() {
		if f.Initial > 0 {
			out = append(out, &record.FeatureLevel{Name: f.Name, Level: f.Initial})
		}
	}
	return out
}
