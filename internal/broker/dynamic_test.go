package broker

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"leat.dev/internal/base/loglevel"
	"leat.dev/internal/base/vfs"
)

var (
	thisBroker = resource{kmsg.ConfigResourceTypeBroker, "1"}
	allBrokers = resource{kmsg.ConfigResourceTypeBroker, ""}
	itsLoggers = resource{kmsg.ConfigResourceTypeBrokerLogger, "1"}
)

func mustAlter(c *conn, r resource, edits ...any) {
	c.t.Helper()
	if got := incremental(c, r, false, edits...); got.ErrorCode != 0 {
		c.t.Fatalf("%v %v: %v %s", r, edits, kerr.ErrorForCode(got.ErrorCode), text(got.ErrorMessage))
	}
}

// Limits of connections hold from the moment they are changed, and end when they are taken back.
func TestConnectionLimitsChange(t *testing.T) {
	h := startBroker(t)
	admin := h.dial()
	admits := func() bool {
		c := h.dial()
		defer c.Close()
		req := kmsg.NewPtrApiVersionsRequest()
		if _, err := c.Write(kmsg.NewRequestFormatter().AppendRequest(nil, req, 1)); err != nil {
			return false
		}
		_, err := c.tryReceive(req)
		return err == nil
	}
	for _, step := range []struct {
		r     resource
		key   string
		op    kmsg.IncrementalAlterConfigOp
		value any
		want  bool
	}{
		{allBrokers, "max.connections.per.ip", set, "1", false},
		{thisBroker, "max.connections.per.ip", set, "5", true},
		{thisBroker, "max.connections.per.ip.overrides", set, "127.0.0.1:1", false},
		{thisBroker, "max.connections.per.ip.overrides", unset, nil, true},
		{thisBroker, "max.connections.per.ip", unset, nil, false},
		{allBrokers, "max.connections.per.ip", unset, nil, true},
	} {
		mustAlter(admin, step.r, step.key, step.op, step.value)
		waitFor(t, func() bool { return admits() == step.want })
	}
	mustAlter(admin, thisBroker, "listener.name.plaintext.max.connections", set, "7", "max.connection.creation.rate", set, "99")
	if l := h.server.Limits(); l.CreationRate != 99 || l.Listeners["PLAINTEXT"].MaxConnections != 7 {
		t.Errorf("%+v", l)
	}
	h.restart()
	if l := h.server.Limits(); l.CreationRate != 99 || l.Listeners["PLAINTEXT"].MaxConnections != 7 {
		t.Errorf("after a restart: %+v", l)
	}
}

// A broker's setting that stands in for a topic's holds at once for topics without their own.
func TestTopicDefaultsChange(t *testing.T) {
	h := startBroker(t)
	h.createTopic("plain", 1)
	h.createTopic("own", 1, "max.message.bytes", "100000")
	c := h.dial()
	mustAlter(c, allBrokers, "message.max.bytes", set, "200")
	large := records(strings.Repeat("x", 1000))
	for topic, want := range map[string]int16{"plain": kerr.MessageTooLarge.Code, "own": 0} {
		resp := ask[*kmsg.ProduceResponse](c, produceRequest(topic, 0, -1, large), 9)
		if got := resp.Topics[0].Partitions[0].ErrorCode; got != want {
			t.Errorf("%s: %v", topic, kerr.ErrorForCode(got))
		}
	}
	mustAlter(c, allBrokers, "message.max.bytes", unset, nil)
	c.produce("plain", 0, large)
}

// What Kafka 4.3.1 answers to the same changes, besides those that the comments name.
func TestBrokerConfigsAreChecked(t *testing.T) {
	h := startBroker(t)
	c := h.dial()
	const ok = int16(0)
	bad := kerr.InvalidRequest.Code
	for _, step := range []struct {
		r       resource
		set     string
		code    int16
		message string
	}{
		{thisBroker, "num.io.threads=16", ok, ""},
		{thisBroker, "num.io.threads=17", bad, "should not be greater than double the current value 8"},
		{thisBroker, "num.io.threads=3", bad, "should be at least half the current value 8"},
		{allBrokers, "num.network.threads=0", bad, "Value must be at least 1"},
		{allBrokers, "listener.name.plaintext.num.network.threads=40", bad, "double the current value 3"},
		{thisBroker, "log.cleaner.threads=2", ok, ""},
		{thisBroker, "log.cleaner.threads=3", bad, "double the current value 1"},
		{thisBroker, "log.cleaner.dedupe.buffer.size=1048576", bad, "at least 1MB per cleaner thread"},
		{thisBroker, "log.cleaner.io.max.bytes.per.second=100000", ok, ""},
		{thisBroker, "log.cleaner.enable=false", bad, "Cannot update these configs dynamically: [log.cleaner.enable]"},
		{thisBroker, "max.connections=0", bad, "Invalid max.connections 0"},
		{thisBroker, "max.connections.per.ip=0", bad, "only if max.connections.per.ip.overrides"},
		{allBrokers, "listener.name.plaintext.max.connections=-1", bad, "Value must be at least 0"},
		{allBrokers, "listeners=PLAINTEXT://:9093", bad, "at default cluster level, broker id must be specified: [listeners]"},
		{thisBroker, "listeners=PLAINTEXT://:9093", bad, "cannot change while the broker runs"}, // Kafka takes it
		{thisBroker, "listeners=PLAINTEXT://:9092", ok, ""},
		{thisBroker, "principal.builder.class=nosuch.Class", bad, "Java plugins cannot be loaded"},
		{thisBroker, "principal.builder.class=org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder", ok, ""},
		{thisBroker, "metric.reporters=nosuch.Class", bad, "Java plugins cannot be loaded"},
		{thisBroker, "ssl.keystore.location=/x", bad, "only per-listener using the listener prefix: [ssl.keystore.location]"},
		{thisBroker, "ssl.principal.mapping.rules=X", bad, "Cannot update these configs dynamically"},
		{allBrokers, "listener.name.plaintext.ssl.keystore.location=/x", bad, "at default cluster level, broker id must be specified"},
		{thisBroker, "listener.name.plaintext.ssl.client.auth=foo", bad, "String must be one of: required, requested, none"},
		{thisBroker, "listener.name.nosuch.ssl.keystore.location=/x", ok, ""},
		{thisBroker, "listener.name.plaintext.foo.bar=1", bad, "is not a setting of a listener"}, // Kafka takes it
		{thisBroker, "leader.replication.throttled.rate=-1", bad, "Value must be at least 0"},
		{allBrokers, "group.consumer.assignment.interval.ms=99999", bad, "must be less than or equal to group.consumer.max.assignment.interval.ms"},
		{allBrokers, "group.coordinator.cached.buffer.max.bytes=5", bad, "Value must be at least 524288"},
		{allBrokers, "log.retention.hours=5", bad, "Cannot update these configs dynamically: [log.retention.hours]"},
		{allBrokers, "log.local.retention.ms=999999999999", bad, "Value must not be more than log.retention.ms"},
		{allBrokers, "node.id=5", bad, "Cannot update these configs dynamically: [node.id]"},
		{allBrokers, "foo.bar=1", ok, ""},
		{thisBroker, "telemetry.max.bytes=5", bad, "Cannot update these configs dynamically"},
		{thisBroker, "super.users=User:a", bad, "Cannot update these configs dynamically"}, // Kafka takes it, without effect
	} {
		name, value, _ := strings.Cut(step.set, "=")
		got := incremental(c, step.r, false, name, set, value)
		if got.ErrorCode != step.code || !strings.Contains(text(got.ErrorMessage), step.message) {
			t.Errorf("%v %s: %v %s", step.r, step.set, kerr.ErrorForCode(got.ErrorCode), text(got.ErrorMessage))
		}
		// Taking back what was never set is always in order.
		mustAlter(c, step.r, name, unset, nil)
	}
	mustAlter(c, allBrokers, "foo.bar", set, "1")
	if got := describeConfigs(c, allBrokers, "foo.bar").Configs; len(got) != 1 || !got[0].ReadOnly || !got[0].IsSensitive || got[0].Value != nil {
		t.Errorf("%+v", got)
	}
	mustAlter(c, thisBroker, "num.io.threads", set, "12")
	mustAlter(c, allBrokers, "num.io.threads", set, "10")
	if got := one(c, thisBroker, "num.io.threads"); got != "12 DYNAMIC_BROKER_CONFIG [num.io.threads=12 DYNAMIC_BROKER_CONFIG] [num.io.threads=10 DYNAMIC_DEFAULT_BROKER_CONFIG] [num.io.threads=8 DEFAULT_CONFIG]" {
		t.Error(got)
	}
}

// Listener settings that cannot work are refused, and nothing of them is kept.
func TestBadListenerSettingsAreRefused(t *testing.T) {
	s := startSecure(t)
	admin := s.client(SASLPlaintext, "", plain.Auth{User: "admin", Pass: "a-secret"}.AsMechanism())
	for setting, want := range map[string]string{
		"listener.name.ssl.ssl.keystore.location=/nosuch":                     "no such file",
		"listener.name.ssl.ssl.keystore.key=nonsense":                         "listener SSL",
		"listener.name.ssl.ssl.truststore.certificates=nonsense":              "listener SSL",
		"listener.name.ssl.ssl.principal.mapping.rules=RULE:":                 "listener SSL",
		"listener.name.ssl.ssl.cipher.suites=NO_SUCH_SUITE":                   "NO_SUCH_SUITE",
		"listener.name.sasl_ssl.plain.sasl.jaas.config=PlainLoginModule":      "jaas",
		"listener.name.sasl_ssl.sasl.enabled.mechanisms=GSSAPI":               "Krb5LoginModule",
		"listener.name.sasl_ssl.sasl.oauthbearer.jwks.endpoint.url=gopher://": "URL",
	} {
		name, value, _ := strings.Cut(setting, "=")
		got := alterBroker(t, admin, name, value)
		if got.ErrorCode != kerr.InvalidRequest.Code || !strings.Contains(text(got.ErrorMessage), want) {
			t.Errorf("%s: %v %s", setting, kerr.ErrorForCode(got.ErrorCode), text(got.ErrorMessage))
		}
	}
	if kept := s.dynamicSettings(s.meta.Image()).Broker; len(kept) != 0 {
		t.Errorf("kept %v", kept)
	}
	// What works is taken: another certificate, which new connections are shown.
	cert, key := s.ca.issue("renewed")
	for name, value := range map[string]string{"ssl.keystore.key": key, "ssl.keystore.certificate.chain": cert} {
		if got := alterBroker(t, admin, "listener.name.ssl."+name, value); got.ErrorCode != 0 {
			// A key without its chain does not fit the old one's: both have to come at once.
			if !strings.Contains(text(got.ErrorMessage), "listener SSL") {
				t.Error(text(got.ErrorMessage))
			}
		}
	}
	if got := alterBroker(t, admin, "listener.name.ssl.ssl.keystore.key", key, "listener.name.ssl.ssl.keystore.certificate.chain", cert); got.ErrorCode != 0 {
		t.Fatal(text(got.ErrorMessage))
	}
	if who, err := s.whoami(s.client(SSL, "alice", nil)); who != "User:alice" {
		t.Error(who, err)
	}
}

func alterBroker(t *testing.T, admin *kgo.Client, pairs ...string) *kmsg.IncrementalAlterConfigsResponseResource {
	t.Helper()
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	r := kmsg.NewIncrementalAlterConfigsRequestResource()
	r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeBroker, "1"
	for i := 0; i+1 < len(pairs); i += 2 {
		e := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		e.Name, e.Value = pairs[i], &pairs[i+1]
		r.Configs = append(r.Configs, e)
	}
	req.Resources = append(req.Resources, r)
	resp, err := req.RequestWith(t.Context(), admin)
	if err != nil {
		t.Fatal(err)
	}
	return &resp.Resources[0]
}

// lines is what a broker logs.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lines) has(s string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.b.String(), s)
}

// Levels of loggers are described and changed as Kafka's are, and hold at once.
func TestLoggers(t *testing.T) {
	out := &lines{}
	h := &harness{t: t, fs: vfs.NewMem(1), path: "/log", settings: map[string]string{"node.id": "1"},
		levels: loglevel.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: loglevel.Trace}), slog.LevelWarn)}
	h.open()
	t.Cleanup(h.stop)
	c := h.dial()
	if got := one(c, itsLoggers, "leat.broker.requests"); got != "WARN DYNAMIC_BROKER_LOGGER_CONFIG" {
		t.Error(got)
	}
	if n := len(describeConfigs(c, itsLoggers).Configs); n != 10 {
		t.Errorf("%d loggers", n)
	}
	for _, step := range []struct {
		r       resource
		edits   []any
		want    *kerr.Error
		message string
	}{
		{itsLoggers, []any{"root", set, "debug"}, kerr.InvalidConfig, "Cannot set the log level of root to debug as it is not a supported log level. Valid log levels are DEBUG, ERROR, FATAL, INFO, TRACE, WARN"},
		{itsLoggers, []any{"root", unset, nil}, kerr.InvalidRequest, "Removing the log level of the root logger is not allowed"},
		{itsLoggers, []any{"nosuch", set, "INFO"}, kerr.InvalidConfig, "Logger nosuch does not exist!"},
		{itsLoggers, []any{"root", add, "INFO"}, kerr.InvalidRequest, "APPEND operation is not allowed for the BROKER_LOGGER resource"},
		{itsLoggers, []any{"root", subtract, "INFO"}, kerr.InvalidRequest, "SUBTRACT operation is not allowed for the BROKER_LOGGER resource"},
		{itsLoggers, []any{"root", set, nil}, kerr.InvalidRequest, "Null value not supported for : root"},
		{itsLoggers, []any{"root", set, "INFO", "root", set, "WARN"}, kerr.InvalidRequest, "Error due to duplicate config keys"},
		{itsLoggers, []any{"root", set, "DEBUG", "nosuch", set, "WARN"}, kerr.InvalidConfig, "Logger nosuch does not exist!"},
		{resource{kmsg.ConfigResourceTypeBrokerLogger, "2"}, []any{"root", set, "INFO"}, kerr.InvalidRequest, "Unexpected node id. Expected 1, but received 2"},
		{resource{kmsg.ConfigResourceTypeBrokerLogger, "x"}, []any{"root", set, "INFO"}, kerr.InvalidRequest, "Node id must be an integer, but it is: x"},
	} {
		got := incremental(c, step.r, false, step.edits...)
		if got.ErrorCode != step.want.Code || text(got.ErrorMessage) != step.message {
			t.Errorf("%v: %v %s", step.edits, kerr.ErrorForCode(got.ErrorCode), text(got.ErrorMessage))
		}
	}
	if out.has("api=") {
		t.Error("requests are logged unasked")
	}
	if got := incremental(c, itsLoggers, true, "leat.broker.requests", set, "DEBUG"); got.ErrorCode != 0 || one(c, itsLoggers, "leat.broker.requests") != "WARN DYNAMIC_BROKER_LOGGER_CONFIG" {
		t.Error("validating changed a level")
	}
	mustAlter(c, itsLoggers, "leat.broker", set, "DEBUG")
	ask[*kmsg.ListGroupsResponse](c, kmsg.NewPtrListGroupsRequest(), 3)
	waitFor(t, func() bool {
		return out.has("level=DEBUG msg=request logger=leat.broker.requests api=ListGroups version=3")
	})
	mustAlter(c, itsLoggers, "leat.broker", unset, nil)
	if got := fmt.Sprint(one(c, itsLoggers, "leat.broker"), one(c, itsLoggers, "root")); got != "WARN DYNAMIC_BROKER_LOGGER_CONFIGWARN DYNAMIC_BROKER_LOGGER_CONFIG" {
		t.Error(got)
	}
}
