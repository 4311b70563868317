package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// handleDescribeUserSCRAMCredentials tells which mechanisms users have credentials for; the credentials stay here.
func (b *Broker) handleDescribeUserSCRAMCredentials(_ context.Context, _ *Request, req *kmsg.DescribeUserSCRAMCredentialsRequest) kmsg.Response {
	resp := kmsg.NewPtrDescribeUserSCRAMCredentialsResponse()
	resp.ErrorMessage = new("")
	infos := map[string][]kmsg.DescribeUserSCRAMCredentialsResponseResultCredentialInfo{}
	var all []string
	for c := range b.meta.Image().ScramCredentials() {
		if infos[c.Name] == nil {
			all = append(all, c.Name)
		}
		i := kmsg.NewDescribeUserSCRAMCredentialsResponseResultCredentialInfo()
		i.Mechanism, i.Iterations = c.Mechanism, c.Iterations
		infos[c.Name] = append(infos[c.Name], i)
	}
	asked, times := all, map[string]int{}
	if len(req.Users) > 0 {
		asked = nil
		for _, u := range req.Users {
			if times[u.Name]++; times[u.Name] == 1 {
				asked = append(asked, u.Name)
			}
		}
	}
	for _, user := range asked {
		r := kmsg.NewDescribeUserSCRAMCredentialsResponseResult()
		r.User = user
		r.ErrorMessage = new("") // as in Kafka
		fail := func(err *kerr.Error, message string) { r.ErrorCode, r.ErrorMessage = err.Code, &message }
		switch {
		case times[user] > 1:
			fail(kerr.DuplicateResource, "Cannot describe SCRAM credentials for the same user twice in a single request: "+user)
		case infos[user] == nil:
			fail(kerr.ResourceNotFound, "Attempt to describe a user credential that does not exist: "+user)
		default:
			r.CredentialInfos = infos[user]
		}
		resp.Results = append(resp.Results, r)
	}
	return resp
}

// handleAlterUserSCRAMCredentials answers when users can log in with their new credentials.
func (b *Broker) handleAlterUserSCRAMCredentials(ctx context.Context, r *Request, req *kmsg.AlterUserSCRAMCredentialsRequest) kmsg.Response {
	ctx, cancel := b.within(ctx, 0)
	defer cancel()
	resp := b.meta.AlterScramCredentials(ctx, req)
	for i := range resp.Results {
		if resp.Results[i].ErrorCode == 0 {
			b.security.audit.changed(r, "user credentials altered", "user", resp.Results[i].User)
		}
	}
	return resp
}
