package broker

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Endpoint types of DescribeCluster.
const (
	brokerEndpoints     int8 = 1
	controllerEndpoints int8 = 2
)

func (b *Broker) handleDescribeCluster(_ context.Context, r *Request, req *kmsg.DescribeClusterRequest) kmsg.Response {
	resp := kmsg.NewPtrDescribeClusterResponse()
	switch {
	case r.Version == 0 || req.EndpointType == brokerEndpoints:
	case req.EndpointType == controllerEndpoints:
		resp.ErrorCode = kerr.MismatchedEndpointType.Code
		resp.ErrorMessage = new("The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER")
		return resp
	default:
		resp.ErrorCode = kerr.UnsupportedEndpointType.Code
		resp.ErrorMessage = new(fmt.Sprintf("Unsupported endpoint type %d", req.EndpointType))
		return resp
	}
	img := b.meta.Image()
	resp.ClusterID = img.ClusterID
	resp.ControllerID = b.nodeID
	for n := range img.Brokers() {
		e := n.Endpoint(r.Listener)
		if e == nil || n.Fenced && !req.IncludeFencedBrokers {
			continue
		}
		m := kmsg.NewDescribeClusterResponseBroker()
		m.NodeID, m.Host, m.Port, m.Rack, m.IsFenced = n.ID, e.Host, int32(e.Port), n.Rack, n.Fenced
		resp.Brokers = append(resp.Brokers, m)
	}
	if req.IncludeClusterAuthorizedOperations {
		resp.ClusterAuthorizedOperations = clusterOperations
	}
	return resp
}
