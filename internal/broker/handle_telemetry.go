package broker

import (
	"context"
	"io"

	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/broker/telemetry"
	"leat.dev/internal/metadata"
)

// newTelemetry takes clients' metrics.
func (b *Broker) newTelemetry() *telemetry.Manager {
	return telemetry.New(telemetry.Options{
		Clock: b.clock, MaxBytes: b.cfg.Int("telemetry.max.bytes"),
		NewID: func() (id [16]byte) { b.random(id[:]); return id },
	})
}

// telemetryChanged follows the subscriptions in the metadata.
func (b *Broker) telemetryChanged(prev, next *metadata.Image) {
	for typ, name := range next.ChangedConfigs(prev) {
		if typ == metadata.ClientMetricsResource {
			b.telemetry.SetSubscription(name, next.Configs(typ, name))
		}
	}
}

// WriteClientMetrics writes what clients pushed of their metrics in Prometheus's text format.
func (b *Broker) WriteClientMetrics(w io.Writer) error { return b.telemetry.Write(w) }

// client is what subscriptions can tell clients apart by.
func (r *Request) client() telemetry.Client {
	or := func(s string) string {
		if s == "" {
			return "unknown" // as in Kafka, of clients too old to say
		}
		return s
	}
	return telemetry.Client{
		ID: r.ClientID, SoftwareName: or(r.ClientSoftwareName), SoftwareVersion: or(r.ClientSoftwareVersion),
		Address: r.RemoteAddr.Addr().Unmap().String(), Port: r.RemoteAddr.Port(),
	}
}

// handleGetTelemetrySubscriptions tells a client which metrics to push. The zero instance id gets a new one.
func (b *Broker) handleGetTelemetrySubscriptions(_ context.Context, r *Request, req *kmsg.GetTelemetrySubscriptionsRequest) kmsg.Response {
	resp := kmsg.NewPtrGetTelemetrySubscriptionsResponse()
	id, s, err := b.telemetry.Subscription(r.client(), req.ClientInstanceID)
	if err != nil {
		resp.ErrorCode = err.Code
		return resp
	}
	resp.ClientInstanceID, resp.SubscriptionID = id, s.ID
	resp.AcceptedCompressionTypes = telemetry.AcceptedCompression
	resp.PushIntervalMillis = int32(s.Interval.Milliseconds())
	resp.TelemetryMaxBytes = int32(b.cfg.Int("telemetry.max.bytes"))
	resp.DeltaTemporality = true
	resp.RequestedMetrics = s.Metrics
	return resp
}

// handlePushTelemetry takes a client's metrics.
func (b *Broker) handlePushTelemetry(_ context.Context, r *Request, req *kmsg.PushTelemetryRequest) kmsg.Response {
	resp := kmsg.NewPtrPushTelemetryResponse()
	err := b.telemetry.Push(r.client(), telemetry.Push{
		Instance: req.ClientInstanceID, SubscriptionID: req.SubscriptionID, Terminating: req.Terminating,
		Compression: req.CompressionType, Metrics: req.Metrics,
	})
	if err != nil {
		resp.ErrorCode = err.Code
	}
	return resp
}
