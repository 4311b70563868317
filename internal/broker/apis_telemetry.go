package broker

import "github.com/twmb/franz-go/pkg/kmsg"

// telemetryAPIs are those by which clients push their metrics (KIP-714). Apache Kafka offers them only with a plugin
// that takes the metrics; here they are served to Prometheus, so the APIs are always there. A client that no subscription
// matches asks every five minutes and pushes nothing.
var telemetryAPIs = []api{
	{key: kmsg.GetTelemetrySubscriptions, min: 0, max: 0, handle: typed((*Broker).handleGetTelemetrySubscriptions)},
	{key: kmsg.PushTelemetry, min: 0, max: 0, handle: typed((*Broker).handlePushTelemetry)},
}
