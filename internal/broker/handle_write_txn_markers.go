package broker

import (
	"context"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/coord"
	"leat.dev/internal/coord/txn"
)

// handleWriteTxnMarkers ends transactions in partitions led here: for the coordinator on another broker, or for an
// administrator who aborts one that hangs.
func (b *Broker) handleWriteTxnMarkers(ctx context.Context, _ *Request, req *kmsg.WriteTxnMarkersRequest) kmsg.Response {
	resp := kmsg.NewPtrWriteTxnMarkersResponse()
	var w markerWait
	for i := range req.Markers {
		m := &req.Markers[i]
		out := kmsg.NewWriteTxnMarkersResponseMarker()
		out.ProducerID = m.ProducerID
		for j := range m.Topics {
			t := kmsg.NewWriteTxnMarkersResponseMarkerTopic()
			t.Topic = m.Topics[j].Topic
			for _, index := range m.Topics[j].Partitions {
				p := kmsg.NewWriteTxnMarkersResponseMarkerTopicPartition()
				p.Partition, p.ErrorCode = index, kerr.RequestTimedOut.Code
				t.Partitions = append(t.Partitions, p)
			}
			out.Topics = append(out.Topics, t)
		}
		resp.Markers = append(resp.Markers, out)
	}
	for i := range req.Markers {
		m := &req.Markers[i]
		producer := txn.Producer{ID: m.ProducerID, Epoch: m.ProducerEpoch}
		end := coord.EndTxn{Commit: m.Committed, CoordinatorEpoch: m.CoordinatorEpoch, TxnVersion: int16(m.TransactionVersion)}
		for j := range m.Topics {
			for k, index := range m.Topics[j].Partitions {
				tp := txn.TopicPartition{Topic: m.Topics[j].Topic, Partition: index}
				b.writeMarker(tp, producer, end, w.slot(&resp.Markers[i].Topics[j].Partitions[k].ErrorCode))
			}
		}
	}
	ctx, cancel := b.within(ctx, 0)
	defer cancel()
	w.await(ctx)
	return resp
}

// markerWait gathers the outcomes of markers, each in a place of the response.
type markerWait struct {
	mu      sync.Mutex
	waiting int
	over    chan struct{} // closed when waiting falls to 0; nil while nobody waits
	ended   bool          // the response is on its way: nothing may write to it
}

// slot returns what tells the outcome of one marker.
func (w *markerWait) slot(code *int16) func(*kerr.Error) {
	w.mu.Lock()
	w.waiting++
	w.mu.Unlock()
	return func(err *kerr.Error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if !w.ended {
			*code = fencedBefore(err, 0, 0)
		}
		if w.waiting--; w.waiting == 0 && w.over != nil {
			close(w.over)
		}
	}
}

// await returns when all outcomes are known, or ctx ends.
func (w *markerWait) await(ctx context.Context) {
	w.mu.Lock()
	if w.waiting > 0 {
		w.over = make(chan struct{})
		w.mu.Unlock()
		select {
		case <-w.over:
		case <-ctx.Done():
		}
		w.mu.Lock()
	}
	w.ended = true
	w.mu.Unlock()
}
