package broker

// coreAPIs are the APIs of the log itself: produce, fetch, offsets, log directories, and ApiVersions.
var coreAPIs []api
