package metadata

import "leat.dev/internal/metadata/record"

// MetadataVersion is the feature that says which metadata records may occur.
const MetadataVersion = "metadata.version"

// TransactionVersion is the feature that says which transaction protocol producers
// may use; 2 is that of KIP-890.
const TransactionVersion = "transaction.version"

// GroupVersion is the feature that says which group protocols there are; 1 is that
// of KIP-848.
const GroupVersion = "group.version"

// metadataLevel is Kafka 4.3's metadata.version.
const metadataLevel = 30

// Feature is a feature of the cluster with the levels this program supports.
type Feature struct {
	Name     string
	Min, Max int16
	// Initial is the level a new cluster is finalised at; 0 leaves it off.
	Initial int16
}

// SupportedFeatures are the features this program knows, by name. A feature
// appears here when what it switches on is served: clients act on it.
func SupportedFeatures() []Feature {
	return []Feature{
		{Name: GroupVersion, Min: 0, Max: 1, Initial: 1},
		{Name: MetadataVersion, Min: 7, Max: metadataLevel, Initial: metadataLevel},
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
