package broker

import (
	"context"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// handleDescribeClientQuotas answers from the image.
func (b *Broker) handleDescribeClientQuotas(_ context.Context, _ *Request, req *kmsg.DescribeClientQuotasRequest) kmsg.Response {
	return b.meta.Image().DescribeClientQuotas(req)
}

// handleAlterClientQuotas answers when the quotas hold.
func (b *Broker) handleAlterClientQuotas(ctx context.Context, r *Request, req *kmsg.AlterClientQuotasRequest) kmsg.Response {
	ctx, cancel := b.within(ctx, 0)
	defer cancel()
	resp := b.meta.AlterClientQuotas(ctx, req)
	for i := range resp.Entries {
		if resp.Entries[i].ErrorCode != 0 || req.ValidateOnly {
			continue
		}
		var parts []string
		for _, p := range resp.Entries[i].Entity {
			name := "(default)"
			if p.Name != nil {
				name = *p.Name
			}
			parts = append(parts, p.Type+"="+name)
		}
		b.security.audit.changed(r, "client quotas altered", "entity", strings.Join(parts, ","))
	}
	return resp
}
