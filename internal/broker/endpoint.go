package broker

import "leat.dev/internal/wire/field"

// endpointOf adds where a broker listens, once, to the list that Produce and Fetch responses carry. It is the
// endpoint of the listener that all brokers have, which is enough for a client that is connected by it.
func (b *Broker) endpointOf(list []field.Endpoint, id int32) []field.Endpoint {
	for i := range list {
		if list[i].NodeID == id {
			return list
		}
	}
	node := b.meta.Image().Broker(id)
	if node == nil || len(node.Endpoints) == 0 {
		return list
	}
	e := &node.Endpoints[0]
	out := field.Endpoint{NodeID: id, Host: e.Host, Port: int32(e.Port)}
	if node.Rack != nil {
		out.Rack = *node.Rack
	}
	return append(list, out)
}
