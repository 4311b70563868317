package broker

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/metadata"
	"leat.dev/internal/metadata/config"
)

func (b *Broker) handleDescribeConfigs(_ context.Context, _ *Request, req *kmsg.DescribeConfigsRequest) kmsg.Response {
	resp := kmsg.NewPtrDescribeConfigsResponse()
	img := b.meta.Image()
	for i := range req.Resources {
		asked := &req.Resources[i]
		r := kmsg.NewDescribeConfigsResponseResource()
		r.ResourceType, r.ResourceName = asked.ResourceType, asked.ResourceName
		entries, code, message := b.describeConfigs(img, int8(asked.ResourceType), asked.ResourceName)
		r.ErrorMessage = &message
		if code != nil {
			r.ErrorCode = code.Code
		}
		for _, e := range entries {
			// No names, or an empty list of them, asks for all.
			if len(asked.ConfigNames) == 0 || slices.Contains(asked.ConfigNames, e.Name) {
				r.Configs = append(r.Configs, describedConfig(&e, req))
			}
		}
		resp.Resources = append(resp.Resources, r)
	}
	return resp
}

func (b *Broker) describeConfigs(img *metadata.Image, typ int8, name string) (entries []config.Entry, code *kerr.Error, message string) {
	switch typ {
	case metadata.TopicResource:
		if why := metadata.CheckTopicName(name); why != "" {
			return nil, kerr.InvalidTopicException, why
		}
		if img.Topic(name) == nil {
			return nil, kerr.UnknownTopicOrPartition, ""
		}
		return config.DescribeTopic(img.Configs(typ, name), b.dynamicSettings(img), b.cfg), nil, ""
	case metadata.BrokerResource:
		if name == "" {
			return config.DescribeCluster(b.dynamicSettings(img)), nil, ""
		}
		if message := b.checkBrokerName(name, " or empty string,"); message != "" {
			return nil, kerr.InvalidRequest, message
		}
		return config.DescribeBroker(b.dynamicSettings(img), b.cfg), nil, ""
	case metadata.BrokerLoggerResource:
		if name == "" {
			return nil, kerr.InvalidRequest, "Broker id must not be empty"
		}
		if message := b.checkBrokerName(name, ""); message != "" {
			return nil, kerr.InvalidRequest, message
		}
		return b.describeLoggers(), nil, ""
	case metadata.ClientMetricsResource:
		if name == "" {
			return nil, kerr.InvalidRequest, "Client metrics subscription name must not be empty"
		}
		return config.DescribeClientMetrics(img.Configs(typ, name)), nil, ""
	case metadata.GroupResource:
		if name == "" {
			return nil, kerr.InvalidRequest, "Group name must not be empty"
		}
		return config.DescribeGroup(img.Configs(typ, name), b.dynamicSettings(img), b.cfg), nil, ""
	}
	return nil, kerr.InvalidRequest, fmt.Sprintf("Unknown resource type %d", typ)
}

// checkBrokerName says what is wrong with asking this broker about the broker of that name, or returns "".
func (b *Broker) checkBrokerName(name, alternative string) string {
	id, err := strconv.ParseInt(name, 10, 32)
	switch {
	case err != nil:
		return "Broker id must be an integer, but it is: " + name
	case int32(id) != b.nodeID:
		return fmt.Sprintf("Unexpected broker id, expected %d%s but received %s", b.nodeID, alternative, name)
	}
	return ""
}

func describedConfig(e *config.Entry, req *kmsg.DescribeConfigsRequest) kmsg.DescribeConfigsResponseResourceConfig {
	c := kmsg.NewDescribeConfigsResponseResourceConfig()
	c.Name, c.Value, c.ReadOnly, c.IsSensitive = e.Name, e.Value, e.ReadOnly, e.Sensitive
	c.Source = kmsg.ConfigSource(e.Source)
	c.ConfigType = kmsg.ConfigType(e.Type)
	if req.IncludeDocumentation {
		c.Documentation = &e.Doc
	}
	if req.IncludeSynonyms {
		for _, s := range e.Synonyms {
			y := kmsg.NewDescribeConfigsResponseResourceConfigConfigSynonym()
			y.Name, y.Value, y.Source = s.Name, s.Value, kmsg.ConfigSource(s.Source)
			c.ConfigSynonyms = append(c.ConfigSynonyms, y)
		}
	}
	return c
}
