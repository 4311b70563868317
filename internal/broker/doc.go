// Package broker answers the Kafka protocol: it decodes a request, finds the handler of its API key in one table,
// and returns what the handler built. What a broker stores and decides lives in the rooms below: partitions in
// broker/replica, groups in broker/coordinator, topics and configs in metadata. The transport package owns the sockets.
//
// One file per API, handle_<api>.go; the tables apis*.go say which keys and versions are served, and docs/compat.md is
// generated from them. A handler may block: the transport runs one request of a connection at a time and ends the
// handler's context when the client goes away or the broker stops. Produce and Fetch, the hot path, go around kmsg
// and have entries of their own.
package broker
