// Package registry judges schema registries from outside: processes that share a topic on a broker of ours or on Apache
// Kafka, over their HTTP API, and the topic they leave behind. Processes are stopped, killed and frozen while schemas are
// registered; what was acknowledged has to be there afterwards, under ids that nothing else has.
package registry
