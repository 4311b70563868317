package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// coordinator is the broker that looks after a group, for requests that franz-go does not bring there by itself.
type coordinator struct {
	group string

	mu    sync.Mutex
	known bool
	node  int32
}

// heartbeat sends one to the coordinator, once. An error tells nothing of whether it arrived.
func (c *coordinator) heartbeat(ctx context.Context, client *kgo.Client, req *kmsg.StreamsGroupHeartbeatRequest) (*kmsg.StreamsGroupHeartbeatResponse, error) {
	node, err := c.find(ctx, client)
	if err != nil {
		return nil, fmt.Errorf("finding the coordinator of the group: %w", err)
	}
	got, err := client.Broker(int(node)).Request(ctx, req)
	if err != nil {
		c.forget()
		return nil, err
	}
	resp := got.(*kmsg.StreamsGroupHeartbeatResponse) //nolint:forcetypeassert // franz-go reads the answer to what was asked
	if err := kerr.ErrorForCode(resp.ErrorCode); errors.Is(err, kerr.NotCoordinator) || errors.Is(err, kerr.CoordinatorNotAvailable) {
		c.forget()
	}
	return resp, nil
}

func (c *coordinator) find(ctx context.Context, client *kgo.Client) (int32, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known {
		return c.node, nil
	}
	req := kmsg.NewPtrFindCoordinatorRequest()
	req.CoordinatorKey, req.CoordinatorKeys = c.group, []string{c.group}
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return 0, err
	}
	node, code := resp.NodeID, resp.ErrorCode
	if len(resp.Coordinators) > 0 {
		node, code = resp.Coordinators[0].NodeID, resp.Coordinators[0].ErrorCode
	}
	if err := kerr.ErrorForCode(code); err != nil {
		return 0, err
	}
	c.known, c.node = true, node
	return node, nil
}

func (c *coordinator) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known = false
}
