package metadata

import (
	"context"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/metadata/record"
)

// UnregisterBroker forgets a broker that is gone for good: it leads nothing and is in
// sync with nothing any more, and nothing is placed on it. Partitions still list it
// among their replicas. The broker of this process cannot be unregistered: Kafka would
// do it, and be without any broker until a restart.
func (n *Node) UnregisterBroker(ctx context.Context, id int32) *kmsg.UnregisterBrokerResponse {
	_, err := submit(ctx, n, func(v *view) (struct{}, []record.Record, error) {
		records, why := v.unregister(id)
		if why != nil {
			return struct{}{}, nil, why
		}
		return struct{}{}, records, nil
	})
	resp := kmsg.NewPtrUnregisterBrokerResponse()
	resp.ErrorCode, resp.ErrorMessage = refusalOf(err).fields()
	return resp
}

func (v *view) unregister(id int32) ([]record.Record, *refusal) {
	b := v.Broker(id)
	if b == nil {
		return nil, refuse(kerr.BrokerIDNotRegistered, fmt.Sprintf("Broker ID %d is not currently registered", id))
	}
	if id == v.node.o.NodeID {
		return nil, refuse(kerr.InvalidRequest, fmt.Sprintf("Broker %d is the one that answers this request: it cannot be unregistered while it runs.", id))
	}
	return append(v.leaveInSync(id), &record.UnregisterBroker{BrokerID: id, BrokerEpoch: b.Epoch}), nil
}

// leaveInSync takes a broker out of leadership and of the in-sync replicas. The last
// replica in sync stays, as the only one to have all data, but does not lead.
func (v *view) leaveInSync(id int32) []record.Record {
	var out []record.Record
	for t := range v.Topics() {
		for i := range t.Partitions {
			p := &t.Partitions[i]
			leads, inSync := p.Leader == id, slices.Contains(p.ISR, id)
			if !leads && (!inSync || len(p.ISR) == 1) {
				continue
			}
			r := record.NewPartitionChange(int32(i), t.ID)
			if inSync && len(p.ISR) > 1 {
				r.ISR = without(p.ISR, []int32{id})
			}
			if leads {
				r.Leader = NoLeader
				for _, other := range p.Replicas {
					if other != id && v.electable(p, other) {
						r.Leader = other
						break
					}
				}
			}
			out = append(out, r)
		}
	}
	return out
}
