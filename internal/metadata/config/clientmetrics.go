package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Bounds and default of a subscription's interval.ms (KIP-714).
const (
	clientMetricsMinInterval     = 100
	clientMetricsMaxInterval     = 3_600_000
	clientMetricsDefaultInterval = 300_000
)

// clientMetricsDefs are the settings of a client metrics subscription.
var clientMetricsDefs = index(
	Def{Name: "interval.ms", Type: Int, Default: itoa(clientMetricsDefaultInterval),
		Doc: "How often matching clients push their metrics, between 100 ms and an hour. Of several subscriptions that match a client the shortest interval counts."},
	Def{Name: "match", Type: List, Default: "", check: nothingEmpty("match"),
		Doc: "Which clients the subscription is for: selector=regular expression, all of which have to match. Selectors: " + strings.Join(clientSelectors, ", ") + ". Empty for all clients."},
	Def{Name: "metrics", Type: List, Default: "", check: nothingEmpty("metrics"),
		Doc: "The metrics that clients push: those whose names begin with one of these prefixes; * for all metrics, empty for none."},
)

// clientSelectors are what a subscription's match may look at.
var clientSelectors = []string{
	ClientInstanceID, ClientID, ClientSoftwareName, ClientSoftwareVersion, ClientSourceAddress, ClientSourcePort,
}

// The selectors of a subscription's match.
const (
	ClientInstanceID      = "client_instance_id"
	ClientID              = "client_id"
	ClientSoftwareName    = "client_software_name"
	ClientSoftwareVersion = "client_software_version"
	ClientSourceAddress   = "client_source_address"
	ClientSourcePort      = "client_source_port"
)

// ClientMetrics returns the declaration of a setting of a client metrics subscription, or nil.
func ClientMetrics(name string) *Def { return clientMetricsDefs.byName[name] }

// nothingEmpty refuses lists like "a,,b".
func nothingEmpty(name string) func(value) string {
	return func(v value) string {
		if slices.Contains(v.list, "") {
			return "Configuration '" + name + "' values must not be empty."
		}
		return ""
	}
}

// A MetricsSubscription says which metrics the matching clients push, and how often.
type MetricsSubscription struct {
	Interval time.Duration
	Metrics  []string // prefixes of names; AllMetrics for all
	Match    map[string]*regexp.Regexp
}

// AllMetrics as an element of a subscription's metrics stands for all metrics.
const AllMetrics = "*"

// InvalidRequest marks an error about settings that clients are told as INVALID_REQUEST, where others are INVALID_CONFIG.
type InvalidRequest struct{ text string }

func (e InvalidRequest) Error() string { return e.text }

// ParseMetricsSubscription reads the settings of a client metrics subscription. The errors are Kafka's: an unknown name
// and an interval out of bounds are InvalidRequest. Patterns are Go's regular expressions (RE2) and have to match whole.
func ParseMetricsSubscription(overrides map[string]string) (s MetricsSubscription, err error) {
	values := map[string]value{}
	for _, name := range sortedKeys(overrides) {
		d := ClientMetrics(name)
		if d == nil {
			return s, InvalidRequest{"Unknown client metrics configuration: " + name}
		}
		if values[name], err = d.parse(overrides[name]); err != nil {
			return s, err
		}
	}
	s.Interval = clientMetricsDefaultInterval * time.Millisecond
	if v, ok := values["interval.ms"]; ok {
		if v.num < clientMetricsMinInterval || v.num > clientMetricsMaxInterval {
			return s, InvalidRequest{fmt.Sprintf("Invalid value %d for interval.ms, interval must be between %d and %d (1 hour)", v.num, clientMetricsMinInterval, clientMetricsMaxInterval)}
		}
		s.Interval = time.Duration(v.num) * time.Millisecond
	}
	s.Metrics = values["metrics"].list
	s.Match, err = parseMatch(values["match"].list)
	return s, err
}

// parseMatch: of several patterns for one selector the last counts, as in Kafka.
func parseMatch(list []string) (map[string]*regexp.Regexp, error) {
	out := map[string]*regexp.Regexp{}
	for _, item := range list {
		selector, pattern, ok := strings.Cut(item, "=")
		selector, pattern = strings.TrimSpace(selector), strings.TrimSpace(pattern)
		re, err := regexp.Compile(`\A(?:` + pattern + `)\z`)
		if !ok || pattern == "" || strings.Contains(pattern, "=") || !slices.Contains(clientSelectors, selector) || err != nil {
			return nil, fmt.Errorf("Illegal client matching pattern: %s", item) //nolint:staticcheck // Kafka's own sentence
		}
		out[selector] = re
	}
	return out, nil
}

// DescribeClientMetrics describes the settings of a client metrics subscription, by name.
func DescribeClientMetrics(overrides map[string]string) []Entry {
	out := make([]Entry, 0, len(clientMetricsDefs.defs))
	for i := range clientMetricsDefs.defs {
		d := &clientMetricsDefs.defs[i]
		e := Entry{Name: d.Name, Value: new(d.Default), Type: d.Type, Doc: d.Doc, Source: FromDefault}
		if s, ok := overrides[d.Name]; ok {
			if v, err := d.parse(s); err == nil {
				s = v.text
			}
			e.Value, e.Source = new(s), FromClientMetrics
			e.Synonyms = []Synonym{{d.Name, new(s), FromClientMetrics}}
		}
		out = append(out, e)
	}
	return out
}
