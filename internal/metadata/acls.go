package metadata

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/metadata/record"
)

// Resource, pattern and permission types and operations of ACLs with a meaning
// of their own here, as the protocol numbers them.
const (
	aclAny          = 1
	aclCluster      = 4
	patternMatch    = 2
	patternLiteral  = 3
	patternPrefixed = 4
	lastResource    = 7
	lastOperation   = 15
	permissionDeny  = 2
	permissionAllow = 3
)

// ClusterResource is the only name of the resource type CLUSTER.
const ClusterResource = "kafka-cluster"

// WildcardResource as a literal name stands for all resources of its type.
const WildcardResource = "*"

// ACLFilter selects access control entries; nil strings match everything.
type ACLFilter struct {
	ResourceType   int8
	ResourceName   *string
	PatternType    int8
	Principal      *string
	Host           *string
	Operation      int8
	PermissionType int8
}

// Check says what is wrong with the filter, "" for nothing.
func (f *ACLFilter) Check() string {
	switch {
	case f.ResourceType < aclAny || f.ResourceType > lastResource, f.PatternType < aclAny || f.PatternType > patternPrefixed:
		return "Unknown patternFilter."
	case f.Operation < aclAny || f.Operation > lastOperation, f.PermissionType < aclAny || f.PermissionType > permissionAllow:
		return "Unknown entryFilter."
	}
	return ""
}

// Matches tells whether the filter selects the entry. The pattern type MATCH
// selects every pattern that covers the filter's name.
func (f *ACLFilter) Matches(a *ACL) bool {
	fits := func(want, have int8) bool { return want == aclAny || want == have }
	same := func(want *string, have string) bool { return want == nil || *want == have }
	return fits(f.ResourceType, a.ResourceType) && f.matchesName(a) &&
		same(f.Principal, a.Principal) && same(f.Host, a.Host) &&
		fits(f.Operation, a.Operation) && fits(f.PermissionType, a.PermissionType)
}

func (f *ACLFilter) matchesName(a *ACL) bool {
	if f.PatternType != aclAny && f.PatternType != patternMatch && f.PatternType != a.PatternType {
		return false
	}
	switch {
	case f.ResourceName == nil:
		return true
	case f.PatternType != patternMatch:
		return *f.ResourceName == a.ResourceName
	case a.PatternType == patternPrefixed:
		return strings.HasPrefix(*f.ResourceName, a.ResourceName)
	}
	return *f.ResourceName == a.ResourceName || a.ResourceName == WildcardResource
}

// CreateACLs adds access control entries; errors stand in the response, for
// each entry its own.
func (n *Node) CreateACLs(ctx context.Context, req *kmsg.CreateACLsRequest) *kmsg.CreateACLsResponse {
	resp, err := submit(ctx, n, func(v *view) (*kmsg.CreateACLsResponse, []record.Record, error) {
		return v.createACLs(req)
	})
	if err != nil {
		resp = kmsg.NewPtrCreateACLsResponse()
		for range req.Creations {
			r := kmsg.NewCreateACLsResponseResult()
			r.ErrorCode, r.ErrorMessage = refusalOf(err).fields()
			resp.Results = append(resp.Results, r)
		}
	}
	return resp
}

func (v *view) createACLs(req *kmsg.CreateACLsRequest) (*kmsg.CreateACLsResponse, []record.Record, error) {
	resp := kmsg.NewPtrCreateACLsResponse()
	type binding struct { // an entry without its id
		typ, pattern, operation, permission int8
		name, principal, host               string
	}
	of := func(a *ACL) binding {
		return binding{a.ResourceType, a.PatternType, a.Operation, a.PermissionType, a.ResourceName, a.Principal, a.Host}
	}
	known := map[binding]bool{}
	for a := range v.ACLs() {
		known[of(a)] = true
	}
	var records []record.Record
	for i := range req.Creations {
		c := &req.Creations[i]
		r := kmsg.NewCreateACLsResponseResult()
		a := &ACL{
			ResourceType: int8(c.ResourceType), ResourceName: c.ResourceName, PatternType: int8(c.ResourcePatternType),
			Principal: c.Principal, Host: c.Host, Operation: int8(c.Operation), PermissionType: int8(c.PermissionType),
		}
		if why := checkACL(a); why != "" {
			r.ErrorCode, r.ErrorMessage = refuse(kerr.InvalidRequest, why).fields()
		} else if !known[of(a)] {
			known[of(a)] = true
			if _, err := io.ReadFull(v.node.o.Random, a.ID[:]); err != nil {
				return nil, nil, fmt.Errorf("making an id: %w", err)
			}
			records = append(records, a)
		}
		resp.Results = append(resp.Results, r)
	}
	return resp, records, nil
}

// checkACL says what is wrong with an entry, "" for nothing.
func checkACL(a *ACL) string {
	switch {
	case a.ResourceType == aclCluster && a.ResourceName != ClusterResource && a.ResourceName != "":
		return "The only valid name for the CLUSTER resource is " + ClusterResource
	case a.ResourceName == "":
		return "Invalid empty resource name"
	case a.ResourceType <= aclAny || a.ResourceType > lastResource:
		return fmt.Sprintf("Invalid resourceType %d", a.ResourceType)
	case a.PatternType != patternLiteral && a.PatternType != patternPrefixed:
		return fmt.Sprintf("Invalid patternType %d", a.PatternType)
	case a.Operation <= aclAny || a.Operation > lastOperation:
		return fmt.Sprintf("Invalid operation %d", a.Operation)
	case a.PermissionType != permissionDeny && a.PermissionType != permissionAllow:
		return fmt.Sprintf("Invalid permissionType %d", a.PermissionType)
	case !strings.Contains(a.Principal, ":"):
		return "Could not parse principal from `" + a.Principal + "` (no colon is present separating the principal type from the principal name)"
	}
	return ""
}

// DeleteACLs removes the entries that filters select; errors stand in the
// response, for each filter its own.
func (n *Node) DeleteACLs(ctx context.Context, req *kmsg.DeleteACLsRequest) *kmsg.DeleteACLsResponse {
	resp, err := submit(ctx, n, func(v *view) (*kmsg.DeleteACLsResponse, []record.Record, error) {
		resp, records := v.deleteACLs(req)
		return resp, records, nil
	})
	if err != nil {
		resp = kmsg.NewPtrDeleteACLsResponse()
		for range req.Filters {
			r := kmsg.NewDeleteACLsResponseResult()
			r.ErrorCode, r.ErrorMessage = refusalOf(err).fields()
			resp.Results = append(resp.Results, r)
		}
	}
	return resp
}

func (v *view) deleteACLs(req *kmsg.DeleteACLsRequest) (*kmsg.DeleteACLsResponse, []record.Record) {
	resp := kmsg.NewPtrDeleteACLsResponse()
	var records []record.Record
	removed := map[record.UUID]bool{}
	for i := range req.Filters {
		q := &req.Filters[i]
		f := ACLFilter{
			ResourceType: int8(q.ResourceType), ResourceName: q.ResourceName, PatternType: int8(q.ResourcePatternType),
			Principal: q.Principal, Host: q.Host, Operation: int8(q.Operation), PermissionType: int8(q.PermissionType),
		}
		r := kmsg.NewDeleteACLsResponseResult()
		if why := f.Check(); why != "" {
			r.ErrorCode, r.ErrorMessage = refuse(kerr.InvalidRequest, why).fields()
			resp.Results = append(resp.Results, r)
			continue
		}
		for a := range v.ACLs() {
			if !f.Matches(a) {
				continue
			}
			m := kmsg.NewDeleteACLsResponseResultMatchingACL()
			m.ResourceType, m.ResourceName = kmsg.ACLResourceType(a.ResourceType), a.ResourceName
			m.ResourcePatternType = kmsg.ACLResourcePatternType(a.PatternType)
			m.Principal, m.Host = a.Principal, a.Host
			m.Operation, m.PermissionType = kmsg.ACLOperation(a.Operation), kmsg.ACLPermissionType(a.PermissionType)
			r.MatchingACLs = append(r.MatchingACLs, m)
			if !removed[a.ID] {
				removed[a.ID] = true
				records = append(records, &record.RemoveAccessControlEntry{ID: a.ID})
			}
		}
		resp.Results = append(resp.Results, r)
	}
	return resp, records
}
