// Package metadata keeps the cluster's metadata: brokers, topics, partitions,
// configs, features and producer id blocks.
//
// Truth is the metadata log, a commitlog partition named __cluster_metadata-0
// of Kafka's own metadata records. go.etcd.io/raft orders its entries, one
// entry per record batch; a lone broker is a quorum of one and takes the same
// path as any other. Applying the records in order gives the Image, an
// immutable value that readers take from an atomic pointer without a lock.
// docs/formats/metadata-log.md describes the files, docs/adr/0004 the choices.
//
// A Node has two goroutines, started by Open and ended by Close. The raft loop
// owns the raft core, its storage and the newest uncommitted image: controller
// operations run there one after the other, check their request against that
// image and propose records. The apply loop owns the published image: it calls
// the subscribers in order and then answers the operation. So an answered
// operation is durable, committed and seen by every subscriber.
//
// The package does not store or serve partitions, and knows no sockets: what
// peers say reaches Node.Step, and what is for them goes to the Transport.
package metadata
