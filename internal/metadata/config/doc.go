// Package config is the table of Kafka's topic and broker settings: names,
// types, defaults, what they accept, what they mean here, and which broker
// setting stands in for a topic's when the topic has none.
//
// It decides nothing about who may change what where a cluster is involved
// (that is the controller's part) and keeps no state besides the parsed Static.
package config
