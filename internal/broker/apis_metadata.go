package broker

// metadataAPIs are the APIs over the cluster's metadata: topics, configs, the cluster, producer ids.
var metadataAPIs []api
