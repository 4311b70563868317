package broker

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

var metricsSub = resource{kmsg.ConfigResourceTypeClientMetrics, "sub"}

// The answers to settings of subscriptions are Kafka 4.3.1's to the same requests.
func TestClientMetricsConfigs(t *testing.T) {
	h := startBroker(t)
	c := h.dial()
	for _, step := range []struct {
		name, key string
		op        kmsg.IncrementalAlterConfigOp
		value     any
		want      *kerr.Error
		message   string
	}{
		{"sub", "interval.ms", set, "99", kerr.InvalidRequest, "Invalid value 99 for interval.ms, interval must be between 100 and 3600000 (1 hour)"},
		{"sub", "interval.ms", set, "x", kerr.InvalidConfig, "Invalid value x for configuration interval.ms: Not a number of type INT"},
		{"", "interval.ms", set, "1000", kerr.InvalidRequest, "Subscription name can't be empty"},
		{"sub", "foo", set, "1", kerr.InvalidRequest, "Unknown client metrics configuration: foo"},
		{"sub", "interval.ms", set, nil, kerr.InvalidRequest, "Null value not supported for : interval.ms"},
		{"sub", "match", set, "a=b", kerr.InvalidConfig, "Illegal client matching pattern: a=b"},
		{"sub", "match", set, "client_id=[", kerr.InvalidConfig, "Illegal client matching pattern: client_id=["},
		{"sub", "match", set, "client_id=a=b", kerr.InvalidConfig, "Illegal client matching pattern: client_id=a=b"},
		{"sub", "match", set, "client_id=", kerr.InvalidConfig, "Illegal client matching pattern: client_id="},
		{"sub", "metrics", set, "a,,b", kerr.InvalidConfig, "Configuration 'metrics' values must not be empty."},
		{"sub", "metrics", add, "a", kerr.InvalidConfig, "Can't APPEND to key metrics because its type is not LIST."},
		{"sub", "match", set, " client_id = x ", nil, ""},
		{"sub", "metrics", set, "b,a,b", nil, ""},
	} {
		got := incremental(c, resource{kmsg.ConfigResourceTypeClientMetrics, step.name}, false, step.key, step.op, step.value)
		code := int16(0)
		if step.want != nil {
			code = step.want.Code
		}
		if got.ErrorCode != code || text(got.ErrorMessage) != step.message && step.want != nil {
			t.Errorf("%s %v: %v %s", step.key, step.value, kerr.ErrorForCode(got.ErrorCode), text(got.ErrorMessage))
		}
	}
	for key, want := range map[string]string{
		"interval.ms": "300000 DEFAULT_CONFIG",
		"match":       "client_id = x CLIENT_METRICS_CONFIG [match=client_id = x CLIENT_METRICS_CONFIG]",
		"metrics":     "b,a CLIENT_METRICS_CONFIG [metrics=b,a CLIENT_METRICS_CONFIG]",
	} {
		if got := one(c, metricsSub, key); got != want {
			t.Errorf("%s: %s, want %s", key, got, want)
		}
	}
	if got := describeConfigs(c, resource{kmsg.ConfigResourceTypeClientMetrics, ""}); got.ErrorCode != kerr.InvalidRequest.Code {
		t.Errorf("%+v", got)
	}
	list := ask[*kmsg.ListConfigResourcesResponse](c, kmsg.NewPtrListConfigResourcesRequest(), 0)
	if len(list.ConfigResources) != 1 || list.ConfigResources[0].Name != "sub" {
		t.Errorf("%+v", list)
	}
}

// A client is asked for what its subscription says, from the moment that is changed, and what it pushes is served.
func TestTelemetry(t *testing.T) {
	h := startBroker(t)
	c := h.dial()
	c.id = "app-1"
	hello := kmsg.NewPtrApiVersionsRequest()
	hello.ClientSoftwareName, hello.ClientSoftwareVersion = "soft", "1.2"
	ask[*kmsg.ApiVersionsResponse](c, hello, 3)
	get := kmsg.NewPtrGetTelemetrySubscriptionsRequest()
	first := ask[*kmsg.GetTelemetrySubscriptionsResponse](c, get, 0)
	if first.ClientInstanceID == ([16]byte{}) || first.PushIntervalMillis != 300000 || len(first.RequestedMetrics) != 0 ||
		len(first.AcceptedCompressionTypes) != 4 || first.TelemetryMaxBytes != 1<<20 || !first.DeltaTemporality {
		t.Fatalf("%+v", first)
	}
	get.ClientInstanceID = first.ClientInstanceID
	if again := ask[*kmsg.GetTelemetrySubscriptionsResponse](c, get, 0); again.ErrorCode != kerr.ThrottlingQuotaExceeded.Code {
		t.Errorf("%+v", again)
	}
	incremental(c, metricsSub, false, "metrics", set, "*", "match", set, "client_id=app-.*,client_software_name=soft,client_software_version=1\\..*")
	subscribed := ask[*kmsg.GetTelemetrySubscriptionsResponse](c, get, 0)
	if subscribed.ErrorCode != 0 || subscribed.SubscriptionID == first.SubscriptionID || strings.Join(subscribed.RequestedMetrics, " ") != "*" {
		t.Fatalf("%+v", subscribed)
	}
	push := kmsg.NewPtrPushTelemetryRequest()
	push.ClientInstanceID, push.SubscriptionID = first.ClientInstanceID, subscribed.SubscriptionID
	// One gauge "m" with the value 1, as protobuf.
	push.Metrics = []byte("\x0a\x14\x12\x12\x12\x10\x0a\x01m\x2a\x0b\x0a\x09\x21\x00\x00\x00\x00\x00\x00\xf0\x3f")
	if got := ask[*kmsg.PushTelemetryResponse](c, push, 0); got.ErrorCode != 0 {
		t.Fatal(kerr.ErrorForCode(got.ErrorCode))
	}
	var out strings.Builder
	if err := h.WriteClientMetrics(&out); err != nil || !strings.Contains(out.String(), "\nm{client_id=\"app-1\",client_instance_id=") {
		t.Errorf("%v\n%s", err, out.String())
	}
	// The subscription survives a restart.
	h.restart()
	c = h.dial()
	c.id = "app-2"
	ask[*kmsg.ApiVersionsResponse](c, hello, 3)
	if got := ask[*kmsg.GetTelemetrySubscriptionsResponse](c, kmsg.NewPtrGetTelemetrySubscriptionsRequest(), 0); len(got.RequestedMetrics) != 1 {
		t.Errorf("after a restart: %+v", got)
	}
}
