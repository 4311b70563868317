package broker

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

type resource struct {
	typ  kmsg.ConfigResourceType
	name string
}

func describeConfigs(c *conn, r resource, keys ...string) *kmsg.DescribeConfigsResponseResource {
	c.t.Helper()
	req := kmsg.NewPtrDescribeConfigsRequest()
	req.IncludeSynonyms, req.IncludeDocumentation = true, true
	rs := kmsg.NewDescribeConfigsRequestResource()
	rs.ResourceType, rs.ResourceName, rs.ConfigNames = r.typ, r.name, keys
	req.Resources = append(req.Resources, rs)
	return &ask[*kmsg.DescribeConfigsResponse](c, req, 4).Resources[0]
}

// one describes a single config: value, source, and its synonyms.
func one(c *conn, r resource, key string) string {
	c.t.Helper()
	got := describeConfigs(c, r, key)
	if len(got.Configs) != 1 {
		return fmt.Sprintf("%d configs, error %v", len(got.Configs), kerr.ErrorForCode(got.ErrorCode))
	}
	cfg := got.Configs[0]
	s := fmt.Sprintf("%s %v", text(cfg.Value), cfg.Source)
	for _, y := range cfg.ConfigSynonyms {
		s += fmt.Sprintf(" [%s=%s %v]", y.Name, text(y.Value), y.Source)
	}
	return s
}

// incremental alters configs of one resource: key, operation, value and so on.
func incremental(c *conn, r resource, validate bool, edits ...any) *kmsg.IncrementalAlterConfigsResponseResource {
	c.t.Helper()
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	req.ValidateOnly = validate
	rs := kmsg.NewIncrementalAlterConfigsRequestResource()
	rs.ResourceType, rs.ResourceName = r.typ, r.name
	for i := 0; i+2 < len(edits); i += 3 {
		cfg := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		cfg.Name, cfg.Op = edits[i].(string), edits[i+1].(kmsg.IncrementalAlterConfigOp)
		if v, ok := edits[i+2].(string); ok {
			cfg.Value = &v
		}
		rs.Configs = append(rs.Configs, cfg)
	}
	req.Resources = append(req.Resources, rs)
	return &ask[*kmsg.IncrementalAlterConfigsResponse](c, req, 1).Resources[0]
}

const (
	set      = kmsg.IncrementalAlterConfigOpSet
	unset    = kmsg.IncrementalAlterConfigOpDelete
	add      = kmsg.IncrementalAlterConfigOpAppend
	subtract = kmsg.IncrementalAlterConfigOpSubtract
)

func TestDescribeTopicConfigs(t *testing.T) {
	h := startBroker(t, "log.retention.hours", "2", "log.segment.bytes", "2000000")
	h.createTopic("p", 1, "flush.ms", "7")
	c := h.dial()
	p := resource{kmsg.ConfigResourceTypeTopic, "p"}
	all := describeConfigs(c, p)
	if len(all.Configs) != 33 {
		t.Errorf("%d configs, want Kafka's 33", len(all.Configs))
	}
	for _, cfg := range all.Configs {
		if cfg.Documentation == nil || *cfg.Documentation == "" || cfg.ReadOnly || cfg.IsSensitive || cfg.Value == nil {
			t.Errorf("%+v", cfg)
		}
	}
	for key, want := range map[string]string{
		"cleanup.policy": "delete DEFAULT_CONFIG [log.cleanup.policy=delete DEFAULT_CONFIG]",
		"flush.ms":       "7 DYNAMIC_TOPIC_CONFIG [flush.ms=7 DYNAMIC_TOPIC_CONFIG]",
		// As in Kafka: the hours count, but a list of synonyms begins with the setting itself.
		"retention.ms":  "7200000 DEFAULT_CONFIG",
		"segment.bytes": "2000000 STATIC_BROKER_CONFIG [log.segment.bytes=2000000 STATIC_BROKER_CONFIG] [log.segment.bytes=1073741824 DEFAULT_CONFIG]",
	} {
		if got := one(c, p, key); got != want {
			t.Errorf("%s: %s, want %s", key, got, want)
		}
	}
	if got := describeConfigs(c, p, "retention.ms", "nope", "segment.ms"); len(got.Configs) != 2 {
		t.Errorf("%d configs for two known names", len(got.Configs))
	}
	for r, want := range map[resource]*kerr.Error{
		{kmsg.ConfigResourceTypeTopic, "nope"}:   kerr.UnknownTopicOrPartition,
		{kmsg.ConfigResourceTypeTopic, "a b"}:    kerr.InvalidTopicException,
		{kmsg.ConfigResourceTypeTopic, ""}:       kerr.InvalidTopicException,
		{kmsg.ConfigResourceTypeBroker, "7"}:     kerr.InvalidRequest,
		{kmsg.ConfigResourceTypeBroker, "x"}:     kerr.InvalidRequest,
		{kmsg.ConfigResourceType(99), "x"}:       kerr.InvalidRequest,
		{kmsg.ConfigResourceTypeGroupConfig, ""}: kerr.InvalidRequest,
	} {
		if got := describeConfigs(c, r); got.ErrorCode != want.Code || len(got.Configs) > 0 {
			t.Errorf("%v: %v, %d configs; want %v", r, kerr.ErrorForCode(got.ErrorCode), len(got.Configs), want)
		}
	}
}

func TestIncrementalAlterConfigs(t *testing.T) {
	h := startBroker(t)
	h.createTopic("p1", 1, "retention.ms", "5000")
	c := h.dial()
	p := resource{kmsg.ConfigResourceTypeTopic, "p1"}
	b, all := resource{kmsg.ConfigResourceTypeBroker, "1"}, resource{kmsg.ConfigResourceTypeBroker, ""}
	for i, step := range []struct {
		got     *kmsg.IncrementalAlterConfigsResponseResource
		want    *kerr.Error
		message string
	}{
		{incremental(c, p, false, "retention.ms", set, "7000"), nil, ""},
		{incremental(c, p, false, "retention.ms", set, "x"), kerr.InvalidConfig, "Invalid value x for configuration retention.ms: Not a number of type LONG"},
		{incremental(c, p, false, "foo", set, "x"), kerr.InvalidConfig, "Unknown topic config name: foo"},
		{incremental(c, p, false, "foo", unset, nil), nil, ""},
		{incremental(c, p, false, "cleanup.policy", add, "compact"), nil, ""},
		{incremental(c, p, false, "cleanup.policy", add, "compact"), nil, ""},
		{incremental(c, p, false, "cleanup.policy", subtract, "delete"), nil, ""},
		{incremental(c, p, false, "retention.ms", add, "5"), kerr.InvalidConfig, "Can't APPEND to key retention.ms because its type is not LIST."},
		{incremental(c, p, false, "retention.ms", subtract, "5"), kerr.InvalidConfig, "Can't SUBTRACT to key retention.ms because its type is not LIST."},
		{incremental(c, p, false, "retention.ms", set, nil), kerr.InvalidRequest, "Null value not supported for : retention.ms"},
		{incremental(c, p, false, "retention.ms", set, "1", "retention.ms", set, "2"), kerr.InvalidRequest, "Error due to duplicate config keys"},
		{incremental(c, p, false, "segment.ms", set, "1", "retention.ms", set, "x"), kerr.InvalidConfig, "Invalid value x for configuration retention.ms: Not a number of type LONG"},
		{incremental(c, p, true, "retention.ms", set, "9"), nil, ""},
		{incremental(c, resource{p.typ, "nope"}, false, "retention.ms", set, "1"), kerr.UnknownTopicOrPartition, "The topic 'nope' does not exist."},
		{incremental(c, resource{p.typ, ""}, false, "retention.ms", set, "1"), kerr.InvalidRequest, "Default topic resources are not allowed."},
		{incremental(c, resource{kmsg.ConfigResourceType(99), "p1"}, false, "retention.ms", set, "1"), kerr.InvalidRequest, "Unknown resource type 99"},
		{incremental(c, b, false, "log.retention.ms", set, "10000000"), nil, ""},
		{incremental(c, all, false, "log.retention.ms", set, "20000000"), nil, ""},
		{incremental(c, all, false, "some.plugin", set, "secret"), nil, ""},
		{incremental(c, b, false, "num.partitions", set, "5"), kerr.InvalidRequest, "Cannot update these configs dynamically: [num.partitions]"},
		{incremental(c, b, false, "message.max.bytes", set, "-1"), kerr.InvalidRequest, "Invalid value -1 for configuration message.max.bytes: Value must be at least 0"},
		{incremental(c, resource{b.typ, "7"}, false, "log.retention.ms", set, "1"), kerr.InvalidRequest, "Unexpected broker id, expected 1, but received 7"},
		{incremental(c, resource{b.typ, "abc"}, false, "log.retention.ms", set, "1"), kerr.InvalidRequest, "Node id must be an integer, but it is: abc"},
	} {
		code := int16(0)
		if step.want != nil {
			code = step.want.Code
		}
		if step.got.ErrorCode != code || text(step.got.ErrorMessage) != step.message {
			t.Errorf("step %d: %v %q, want %v %q", i, kerr.ErrorForCode(step.got.ErrorCode), text(step.got.ErrorMessage), step.want, step.message)
		}
	}
	check := func(r resource, key, want string) {
		t.Helper()
		if got := one(c, r, key); got != want {
			t.Errorf("%s: %s, want %s", key, got, want)
		}
	}
	check(p, "retention.ms", "7000 DYNAMIC_TOPIC_CONFIG [retention.ms=7000 DYNAMIC_TOPIC_CONFIG] [log.retention.ms=10000000 DYNAMIC_BROKER_CONFIG] [log.retention.ms=20000000 DYNAMIC_DEFAULT_BROKER_CONFIG] [log.retention.hours=168 DEFAULT_CONFIG]")
	check(p, "cleanup.policy", "compact DYNAMIC_TOPIC_CONFIG [cleanup.policy=compact DYNAMIC_TOPIC_CONFIG] [log.cleanup.policy=delete DEFAULT_CONFIG]")
	check(p, "segment.ms", "604800000 DEFAULT_CONFIG")
	check(b, "log.retention.ms", "10000000 DYNAMIC_BROKER_CONFIG [log.retention.ms=10000000 DYNAMIC_BROKER_CONFIG] [log.retention.ms=20000000 DYNAMIC_DEFAULT_BROKER_CONFIG] [log.retention.hours=168 DEFAULT_CONFIG]")
	check(all, "log.retention.ms", "20000000 DYNAMIC_DEFAULT_BROKER_CONFIG [log.retention.ms=20000000 DYNAMIC_DEFAULT_BROKER_CONFIG]")
	check(all, "some.plugin", " DYNAMIC_DEFAULT_BROKER_CONFIG [some.plugin= DYNAMIC_DEFAULT_BROKER_CONFIG]")

	// The topic goes back to what the broker says, and keeps doing so.
	incremental(c, p, false, "retention.ms", unset, nil)
	h.restart()
	c = h.dial()
	check(p, "retention.ms", "10000000 DYNAMIC_BROKER_CONFIG [log.retention.ms=10000000 DYNAMIC_BROKER_CONFIG] [log.retention.ms=20000000 DYNAMIC_DEFAULT_BROKER_CONFIG] [log.retention.hours=168 DEFAULT_CONFIG]")
}

func TestAlterConfigsReplaces(t *testing.T) {
	h := startBroker(t)
	h.createTopic("p", 1, "retention.ms", "5000", "segment.ms", "6000")
	c := h.dial()
	alter := func(key, value string) *kmsg.AlterConfigsResponseResource {
		req := kmsg.NewPtrAlterConfigsRequest()
		rs := kmsg.NewAlterConfigsRequestResource()
		rs.ResourceType, rs.ResourceName = kmsg.ConfigResourceTypeTopic, "p"
		cfg := kmsg.NewAlterConfigsRequestResourceConfig()
		cfg.Name, cfg.Value = key, &value
		rs.Configs = append(rs.Configs, cfg)
		req.Resources = append(req.Resources, rs)
		return &ask[*kmsg.AlterConfigsResponse](c, req, 2).Resources[0]
	}
	if got := alter("foo", "1"); got.ErrorCode != kerr.InvalidConfig.Code || text(got.ErrorMessage) != "Unknown topic config name: foo" {
		t.Errorf("%+v", got)
	}
	if got := alter("retention.ms", "9000"); got.ErrorCode != 0 {
		t.Errorf("%+v", got)
	}
	own := h.meta.Image().Configs(2, "p")
	if len(own) != 1 || own["retention.ms"] != "9000" {
		t.Errorf("the topic's own configs are %v", own)
	}
}

func TestListConfigResources(t *testing.T) {
	h := startBroker(t)
	h.createTopic("t1", 1)
	c := h.dial()
	for _, test := range []struct {
		types   []int8
		version int16
		want    string
	}{
		{nil, 0, "0"},
		{nil, 1, "0 8:1 4:1 2:t1"},
		{[]int8{2, 4}, 1, "0 4:1 2:t1"},
		{[]int8{99}, 1, "35"},
		{[]int8{0}, 1, "35"},
	} {
		req := kmsg.NewPtrListConfigResourcesRequest()
		req.ResourceTypes = test.types
		resp := ask[*kmsg.ListConfigResourcesResponse](c, req, test.version)
		got := fmt.Sprint(resp.ErrorCode)
		for _, r := range resp.ConfigResources {
			typ := r.Type
			if test.version == 0 {
				typ = 16
			}
			got += fmt.Sprintf(" %d:%s", typ, r.Name)
		}
		if got != test.want {
			t.Errorf("types %v, version %d: %s, want %s", test.types, test.version, got, test.want)
		}
	}
}
