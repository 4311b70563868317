package metadata

import (
	"strconv"

	"leat.dev/internal/commitlog"
	"leat.dev/internal/metadata/config"
)

// dynamic is the broker settings kept in the image, as this node sees them.
func (n *Node) dynamic(i *Image) config.Dynamic {
	return config.Dynamic{
		Cluster: i.Configs(BrokerResource, ""),
		Broker:  i.Configs(BrokerResource, strconv.Itoa(int(n.o.NodeID))),
	}
}

func (v *view) dynamic() config.Dynamic { return v.node.dynamic(v.Image) }

// TopicConfig is what the topic's logs are to be configured with.
func (n *Node) TopicConfig(i *Image, topic string) commitlog.Config {
	return config.Resolve(i.Configs(TopicResource, topic), n.dynamic(i), n.o.Static)
}
