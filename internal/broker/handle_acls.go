package broker

import (
	"cmp"
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/metadata"
)

// noAuthorizer and noAuthorizerToDescribe are the messages of SECURITY_DISABLED, as Kafka has them.
const (
	noAuthorizer           = "No Authorizer is configured."
	noAuthorizerToDescribe = "No Authorizer is configured on the broker"
)

// handleDescribeACLs lists the access control entries that a filter selects, by resource.
func (b *Broker) handleDescribeACLs(_ context.Context, _ *Request, req *kmsg.DescribeACLsRequest) kmsg.Response {
	resp := kmsg.NewPtrDescribeACLsResponse()
	resp.ErrorMessage = new("") // as in Kafka
	fail := func(err *kerr.Error, message string) kmsg.Response {
		resp.ErrorCode, resp.ErrorMessage = err.Code, &message
		return resp
	}
	if b.security.standard == nil {
		return fail(kerr.SecurityDisabled, noAuthorizerToDescribe)
	}
	f := metadata.ACLFilter{
		ResourceType: int8(req.ResourceType), ResourceName: req.ResourceName, PatternType: int8(req.ResourcePatternType),
		Principal: req.Principal, Host: req.Host, Operation: int8(req.Operation), PermissionType: int8(req.PermissionType),
	}
	if why := f.Check(); why != "" {
		return fail(kerr.InvalidRequest, why)
	}
	type resource struct {
		typ, pattern int8
		name         string
	}
	at := map[resource]int{}
	for a := range b.meta.Image().ACLs() {
		if !f.Matches(a) {
			continue
		}
		key := resource{a.ResourceType, a.PatternType, a.ResourceName}
		i, ok := at[key]
		if !ok {
			i = len(resp.Resources)
			at[key] = i
			r := kmsg.NewDescribeACLsResponseResource()
			r.ResourceType, r.ResourceName = kmsg.ACLResourceType(a.ResourceType), a.ResourceName
			r.ResourcePatternType = kmsg.ACLResourcePatternType(a.PatternType)
			resp.Resources = append(resp.Resources, r)
		}
		e := kmsg.NewDescribeACLsResponseResourceACL()
		e.Principal, e.Host = a.Principal, a.Host
		e.Operation, e.PermissionType = kmsg.ACLOperation(a.Operation), kmsg.ACLPermissionType(a.PermissionType)
		resp.Resources[i].ACLs = append(resp.Resources[i].ACLs, e)
	}
	slices.SortFunc(resp.Resources, func(x, y kmsg.DescribeACLsResponseResource) int {
		return cmp.Or(cmp.Compare(x.ResourceType, y.ResourceType), cmp.Compare(x.ResourceName, y.ResourceName), cmp.Compare(x.ResourcePatternType, y.ResourcePatternType))
	})
	return resp
}

// handleCreateACLs answers when the entries hold.
func (b *Broker) handleCreateACLs(ctx context.Context, r *Request, req *kmsg.CreateACLsRequest) kmsg.Response {
	if b.security.standard == nil {
		resp := kmsg.NewPtrCreateACLsResponse()
		for range req.Creations {
			out := kmsg.NewCreateACLsResponseResult()
			out.ErrorCode, out.ErrorMessage = kerr.SecurityDisabled.Code, kmsg.StringPtr(noAuthorizer)
			resp.Results = append(resp.Results, out)
		}
		return resp
	}
	ctx, cancel := b.within(ctx, 0)
	defer cancel()
	resp := b.meta.CreateACLs(ctx, req)
	for i := range resp.Results {
		if c := &req.Creations[i]; resp.Results[i].ErrorCode == 0 {
			resp.Results[i].ErrorMessage = new("") // as in Kafka
			b.security.audit.changed(r, "acl created", "for", c.Principal, "from_host", c.Host, "permission", c.PermissionType,
				"operation", c.Operation, "resource_type", c.ResourceType, "resource", c.ResourceName, "pattern", c.ResourcePatternType)
		}
	}
	return resp
}

// handleDeleteACLs answers when the entries are gone.
func (b *Broker) handleDeleteACLs(ctx context.Context, r *Request, req *kmsg.DeleteACLsRequest) kmsg.Response {
	if b.security.standard == nil {
		resp := kmsg.NewPtrDeleteACLsResponse()
		for range req.Filters {
			out := kmsg.NewDeleteACLsResponseResult()
			out.ErrorCode, out.ErrorMessage = kerr.SecurityDisabled.Code, kmsg.StringPtr(noAuthorizer)
			resp.Results = append(resp.Results, out)
		}
		return resp
	}
	ctx, cancel := b.within(ctx, 0)
	defer cancel()
	resp := b.meta.DeleteACLs(ctx, req)
	for i := range resp.Results {
		for j := range resp.Results[i].MatchingACLs {
			a := &resp.Results[i].MatchingACLs[j]
			b.security.audit.changed(r, "acl deleted", "for", a.Principal, "from_host", a.Host, "permission", a.PermissionType,
				"operation", a.Operation, "resource_type", a.ResourceType, "resource", a.ResourceName, "pattern", a.ResourcePatternType)
		}
	}
	return resp
}
