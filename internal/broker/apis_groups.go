package broker

// groupAPIs are the APIs of the group coordinator: groups and their offsets.
var groupAPIs []api
