// Package telemetry takes the metrics that clients push (KIP-714): which client is asked for what, whether a push is
// in order, and the latest values, which are served to Prometheus.
//
// A client asks for its subscription, and is told a list of metric names, an interval and an id that changes with
// them. It then pushes OTLP metrics under that id. What a push holds is kept only as far as a subscription that matches
// the client asks for it.
//
// Everything that clients can make grow has a bound: instances (InstancesMax, the one that was silent longest makes
// room), series of one client and of all (SeriesPerClientMax, SeriesMax), the length of names and labels (LabelsMax),
// the size of a push (telemetry.max.bytes), and what it may be when decompressed (PayloadMax); one push is decoded at a
// time. An instance is forgotten when it has been silent for a minute and three intervals.
//
// A Manager is safe for concurrent use and starts no goroutines. The format that is read is
// opentelemetry/proto/metrics/v1; numbers are gauges and sums, of histograms and summaries the count and the sum.
package telemetry
