package broker

import (
	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/broker/acl"
	"leat.dev/internal/broker/transport"
)

// This is the authorization of the two APIs that go around the table. Without an authorizer it costs a comparison.

// authorize finds out what of a Produce request the client may write to. What it may not is answered alike whether it
// exists or not.
func (s *produceState) authorize(c *transport.Call) *kerr.Error {
	s.denied = s.denied[:0]
	b := s.broker
	if !b.restricts(c.Conn) {
		return nil
	}
	r := b.requestOf(c)
	if s.req.TransactionID != nil && s.anyTransactional() && !b.allowed(r, acl.Write, acl.TransactionalID, string(s.req.TransactionID)) {
		return kerr.TransactionalIDAuthorizationFailed
	}
	for i := range s.req.Topics {
		t := &s.req.Topics[i]
		name := string(t.Name)
		if c.Version >= 13 {
			topic := b.replicas.TopicByID(t.ID)
			if topic == nil {
				s.denied = append(s.denied, false) // an id tells no name
				continue
			}
			name = topic.Name
		}
		s.denied = append(s.denied, !b.allowed(r, acl.Write, acl.Topic, name))
	}
	return nil
}

// isDenied tells whether the client may not write to the i-th topic.
func (s *produceState) isDenied(i int) bool { return len(s.denied) > 0 && s.denied[i] }

// authorize marks the partitions that the client may not read. It looks at all of a session each time, because
// permissions come and go.
func (s *fetchState) authorize(c *transport.Call) {
	b := s.broker
	if !b.restricts(c.Conn) {
		return
	}
	r := b.requestOf(c)
	if s.req.replicaID >= 0 {
		ok := b.allowed(r, acl.ClusterAction, acl.Cluster, acl.ClusterName)
		for i := range s.items {
			s.items[i].denied = !ok
		}
		return
	}
	known := map[string]bool{}
	for i := range s.items {
		it := &s.items[i]
		name := it.key.Topic
		if c.Version >= 13 {
			topic := b.replicas.TopicByID(it.key.ID)
			if topic == nil {
				continue
			}
			name = topic.Name
		}
		denied, asked := known[name]
		if !asked {
			denied = !b.allowed(r, acl.Read, acl.Topic, name)
			known[name] = denied
		}
		it.denied = denied
	}
}
