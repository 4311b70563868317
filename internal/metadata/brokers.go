package metadata

import (
	"context"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/metadata/record"
)

// StartBroker registers the broker of this process and unfences it at once: it
// lives as long as the controller it asks. PreviousBrokerEpoch of the request
// is the epoch before a clean shutdown and -1 after any other; then the leader
// epochs of all partitions that the broker leads go up, so that consumers can
// notice what a crash may have taken. It returns the broker's new epoch.
func (n *Node) StartBroker(ctx context.Context, req *kmsg.BrokerRegistrationRequest) (epoch int64, err error) {
	return submit(ctx, n, func(v *view) (int64, []record.Record, error) {
		epoch, records, err := v.register(req)
		if err != nil {
			return 0, nil, err
		}
		records[0].(*record.RegisterBroker).Fenced = false
		clean := false
		if old := v.Broker(req.BrokerID); old != nil {
			clean = old.Epoch == req.PreviousBrokerEpoch && !old.Fenced
		}
		return epoch, append(records, v.leadAgain(req.BrokerID, !clean)...), nil
	})
}

// register checks a registration and returns the broker's epoch, which is the
// offset of the record, the first one returned.
func (v *view) register(req *kmsg.BrokerRegistrationRequest) (epoch int64, records []record.Record, err error) {
	if req.ClusterID != v.ClusterID {
		return 0, nil, refuse(kerr.InconsistentClusterID, fmt.Sprintf("Expected cluster ID %s, but got cluster ID %s", v.ClusterID, req.ClusterID))
	}
	if old := v.Broker(req.BrokerID); old != nil && !old.Fenced && old.Incarnation != req.IncarnationID && req.BrokerID != v.node.o.NodeID {
		return 0, nil, refuse(kerr.DuplicateBrokerRegistration, fmt.Sprintf("Another broker is registered with that broker id. If the broker was recently restarted this should self-resolve once the session of %d times out.", req.BrokerID))
	}
	r := &record.RegisterBroker{
		BrokerID: req.BrokerID, IncarnationID: req.IncarnationID, BrokerEpoch: v.nextOffset,
		Rack: req.Rack, Fenced: true,
	}
	for _, l := range req.Listeners {
		r.EndPoints = append(r.EndPoints, record.Endpoint{Name: l.Name, Host: l.Host, Port: l.Port, SecurityProtocol: l.SecurityProtocol})
	}
	for _, f := range req.Features {
		r.Features = append(r.Features, record.FeatureRange{Name: f.Name, Min: f.MinSupportedVersion, Max: f.MaxSupportedVersion})
		if level := v.Features[f.Name]; level != 0 && (level < f.MinSupportedVersion || level > f.MaxSupportedVersion) {
			return 0, nil, refuse(kerr.UnsupportedVersion, fmt.Sprintf("Unable to register because the broker does not support finalized version %d of %s. The broker wants a version between %d and %d, inclusive.", level, f.Name, f.MinSupportedVersion, f.MaxSupportedVersion))
		}
	}
	for _, d := range req.LogDirs {
		r.LogDirs = append(r.LogDirs, d)
	}
	return r.BrokerEpoch, []record.Record{r}, nil
}

// leadAgain makes a broker that came back the leader of the partitions without
// one whose in-sync replicas it is among. With bump, those it leads already
// get a new leader epoch.
func (v *view) leadAgain(broker int32, bump bool) []record.Record {
	var out []record.Record
	for t := range v.Topics() {
		for id := range t.Partitions {
			p := &t.Partitions[id]
			switch {
			case p.Leader == broker && bump, p.Leader == NoLeader && slices.Contains(p.ISR, broker):
				c := record.NewPartitionChange(int32(id), t.ID)
				c.Leader = broker
				out = append(out, c)
			}
		}
	}
	return out
}

// producerIDBlock is how many ids a broker gets at a time.
const producerIDBlock = 1000

// AllocateProducerIDs hands out a block of producer ids nobody else gets.
func (n *Node) AllocateProducerIDs(ctx context.Context) (first int64, count int32, err error) {
	first, err = submit(ctx, n, func(v *view) (int64, []record.Record, error) {
		first := v.NextProducerID
		if first > 1<<63-1-producerIDBlock {
			return 0, nil, refuse(kerr.UnknownServerError, "Exhausted all producer ids.")
		}
		r := &record.ProducerIDs{BrokerID: n.o.NodeID, BrokerEpoch: -1, NextProducerID: first + producerIDBlock}
		if b := v.Broker(n.o.NodeID); b != nil {
			r.BrokerEpoch = b.Epoch
		}
		return first, []record.Record{r}, nil
	})
	return first, producerIDBlock, err
}

// NextProducerID is an id nobody else gets, out of a block that this node was
// handed. What is left of the block when the node stops is never used.
func (n *Node) NextProducerID(ctx context.Context) (int64, error) {
	select {
	case n.producerIDs <- struct{}{}: // one caller at a time fetches a block
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	defer func() { <-n.producerIDs }()
	if n.nextID == n.endID {
		first, count, err := n.AllocateProducerIDs(ctx)
		if err != nil {
			return 0, err
		}
		n.nextID, n.endID = first, first+int64(count)
	}
	n.nextID++
	return n.nextID - 1, nil
}

// ErrorCode is Kafka's code for an error of an operation that returns a Go
// error, 0 for nil.
func ErrorCode(err error) int16 {
	code, _ := refusalOf(err).fields()
	return code
}
