package broker

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/coord/group"
)

// handleJoinGroup answers when the rebalance that the member joins is complete.
func (b *Broker) handleJoinGroup(ctx context.Context, r *Request, req *kmsg.JoinGroupRequest) kmsg.Response {
	return b.groups.JoinGroup(ctx, group.Client{ID: r.ClientID, Host: r.Host()}, req)
}

// randomUUID makes a UUID as Kafka ends member ids with.
func randomUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
