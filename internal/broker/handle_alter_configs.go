package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/metadata"
	"leat.dev/internal/metadata/config"
)

// handleAlterConfigs is the older way: what a request does not name goes back to its default.
func (b *Broker) handleAlterConfigs(ctx context.Context, _ *Request, req *kmsg.AlterConfigsRequest) kmsg.Response {
	refused := kmsg.NewPtrAlterConfigsResponse()
	forward := *req
	forward.Resources = nil
	for _, r := range req.Resources {
		code, message := b.checkAlter(int8(r.ResourceType), r.ResourceName)
		switch {
		case int8(r.ResourceType) == metadata.BrokerLoggerResource:
			// Replacing all levels at once was never possible.
			code, message = kerr.InvalidRequest, "Unknown resource type 8"
		case code == nil && int8(r.ResourceType) == metadata.BrokerResource:
			edits := make([]config.Edit, len(r.Configs))
			for j, c := range r.Configs {
				edits[j] = edit(c.Name, config.Set, c.Value)
			}
			code, message = b.checkBrokerEdits(r.ResourceName, edits, true)
		}
		if code == nil {
			forward.Resources = append(forward.Resources, r)
			continue
		}
		m := kmsg.NewAlterConfigsResponseResource()
		m.ResourceType, m.ResourceName = r.ResourceType, r.ResourceName
		m.ErrorCode, m.ErrorMessage = code.Code, &message
		refused.Resources = append(refused.Resources, m)
	}
	ctx, cancel := b.within(ctx, 0)
	defer cancel()
	resp := b.meta.AlterConfigs(ctx, &forward)
	resp.Resources = append(resp.Resources, refused.Resources...)
	return resp
}
