// Package config is the table of Kafka's topic and broker settings: names,
// types, defaults, what they accept, what they mean here, and which broker
// setting stands in for a topic's when the topic has none.
//
// A setting has one declaration, from which parsing, checks, descriptions and
// suggestions for mistyped names follow. Kafka's settings that mean nothing
// here are accepted with a warning that says why, so that a server.properties
// can be taken along; names that nobody knows are refused.
//
// The package decides nothing that needs the cluster (that is the controller's
// part) and keeps no state besides the parsed Static.
package config
