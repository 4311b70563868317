package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/metadata"
)

// configResourceTypes are the types that can be listed, in the order of the answer.
var configResourceTypes = []int8{
	metadata.BrokerLoggerResource, metadata.BrokerResource, metadata.TopicResource,
	metadata.ClientMetricsResource, metadata.GroupResource,
}

func (b *Broker) handleListConfigResources(_ context.Context, r *Request, req *kmsg.ListConfigResourcesRequest) kmsg.Response {
	resp := kmsg.NewPtrListConfigResourcesResponse()
	wanted := map[int8]bool{}
	for _, t := range req.ResourceTypes {
		wanted[t] = true
	}
	if r.Version == 0 {
		// The first version was only about client metrics.
		wanted = map[int8]bool{metadata.ClientMetricsResource: true}
	}
	known := 0
	for _, t := range configResourceTypes {
		if wanted[t] {
			known++
		}
	}
	if known < len(wanted) {
		resp.ErrorCode = kerr.UnsupportedVersion.Code
		return resp
	}
	img := b.meta.Image()
	for _, t := range configResourceTypes {
		if len(wanted) > 0 && !wanted[t] {
			continue
		}
		for _, name := range b.configResources(img, t) {
			m := kmsg.NewListConfigResourcesResponseConfigResource()
			m.Name, m.Type = name, t
			resp.ConfigResources = append(resp.ConfigResources, m)
		}
	}
	return resp
}

// configResources are the resources of a type that have configs: all topics and this broker do, by their defaults.
func (b *Broker) configResources(img *metadata.Image, typ int8) (names []string) {
	switch typ {
	case metadata.TopicResource:
		for t := range img.Topics() {
			names = append(names, t.Name)
		}
	case metadata.BrokerResource, metadata.BrokerLoggerResource:
		names = append(names, b.brokerResource())
	default:
		for name := range img.ConfigResources(typ) {
			names = append(names, name)
		}
	}
	return names
}
