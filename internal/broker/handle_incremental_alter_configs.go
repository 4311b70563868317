package broker

import (
	"context"
	"fmt"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/metadata"
)

// handleIncrementalAlterConfigs leaves to the controller what it can decide, and answers here what concerns this
// broker: requests for another one, and loggers.
func (b *Broker) handleIncrementalAlterConfigs(ctx context.Context, _ *Request, req *kmsg.IncrementalAlterConfigsRequest) kmsg.Response {
	refused := kmsg.NewPtrIncrementalAlterConfigsResponse()
	forward := *req
	forward.Resources = nil
	for _, r := range req.Resources {
		code, message := b.checkAlter(int8(r.ResourceType), r.ResourceName, len(r.Configs) > 0)
		if code == nil {
			forward.Resources = append(forward.Resources, r)
			continue
		}
		m := kmsg.NewIncrementalAlterConfigsResponseResource()
		m.ResourceType, m.ResourceName = r.ResourceType, r.ResourceName
		m.ErrorCode, m.ErrorMessage = code.Code, &message
		refused.Resources = append(refused.Resources, m)
	}
	ctx, cancel := b.within(ctx, 0)
	defer cancel()
	resp := b.meta.IncrementalAlterConfigs(ctx, &forward)
	resp.Resources = append(resp.Resources, refused.Resources...)
	return resp
}

// checkAlter says why configs cannot be altered by this broker, or returns nil.
func (b *Broker) checkAlter(typ int8, name string, any bool) (*kerr.Error, string) {
	id, err := strconv.ParseInt(name, 10, 32)
	switch typ {
	case metadata.BrokerResource:
		if err == nil && int32(id) != b.nodeID {
			return kerr.InvalidRequest, fmt.Sprintf("Unexpected broker id, expected %d, but received %s", b.nodeID, name)
		}
	case metadata.BrokerLoggerResource:
		switch {
		case err != nil:
			return kerr.InvalidRequest, "Node id must be an integer, but it is: " + name
		case int32(id) != b.nodeID:
			return kerr.InvalidRequest, fmt.Sprintf("Unexpected node id. Expected %d, but received %s", b.nodeID, name)
		case any:
			return kerr.InvalidConfig, "Log levels are set when the process starts; there are no loggers to alter."
		}
	}
	return nil, ""
}
