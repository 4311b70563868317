package streamsapp

import (
	"errors"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/streams"
)

// TestCloseWhileJoining: a member that died keeps a broker from answering the join of another one until its session times out. An
// app that is closed meanwhile does not wait for that, and is no member afterwards.
func TestCloseWhileJoining(t *testing.T) {
	onEach(t, func(t *testing.T, c *cluster) {
		c.create(1, "lines", "counts")
		c.ghost("joining", "lines")
		r := c.run("joining", func(b *streams.Builder) {
			lines.Stream(b).To(streams.NewTopic("counts", streams.String, streams.String))
		})
		members := func(want int) func() error {
			return func() error {
				groups, err := c.admin.DescribeGroups(t.Context(), "joining")
				if err == nil && len(groups["joining"].Members) != want {
					err = fmt.Errorf("%d members, not %d", len(groups["joining"].Members), want)
				}
				return err
			}
		}
		c.eventually(members(2))
		r.close()
		c.eventually(members(1))
	})
}

// ghost joins a group as an app would, and is never heard of again. Its session lasts longer than anybody is patient.
func (c *cluster) ghost(group, topic string) {
	c.t.Helper()
	const session = 10 * 60_000 // ms
	data := kmsg.NewConsumerMemberMetadata()
	data.Topics = []string{topic}
	req := kmsg.NewPtrJoinGroupRequest()
	req.Group, req.ProtocolType = group, "consumer"
	req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = session, session
	p := kmsg.NewJoinGroupRequestProtocol()
	p.Name, p.Metadata = "leat-streams", data.AppendTo(nil)
	req.Protocols = append(req.Protocols, p)
	c.eventually(func() error {
		resp, err := req.RequestWith(c.t.Context(), c.client)
		if err == nil {
			err = kerr.ErrorForCode(resp.ErrorCode)
		}
		if errors.Is(err, kerr.MemberIDRequired) {
			req.MemberID = resp.MemberID
		}
		return err
	})
}
