package metadata

import (
	"maps"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// quotaFilter is what a description asks for: parts with a certain name, nil
// for the default one, and parts with any name.
type quotaFilter struct {
	exact map[string]*string
	any   map[string]bool
}

func (f *quotaFilter) names(typ string) bool {
	_, exact := f.exact[typ]
	return exact || f.any[typ]
}

// DescribeClientQuotas answers with the quotas of the entities that the request
// describes: those that have all parts it asks for, and with Strict no others.
func (i *Image) DescribeClientQuotas(req *kmsg.DescribeClientQuotasRequest) *kmsg.DescribeClientQuotasResponse {
	resp := kmsg.NewPtrDescribeClientQuotasResponse()
	f, why := newQuotaFilter(req.Components)
	if why != nil {
		resp.ErrorCode, resp.ErrorMessage = why.fields()
		return resp
	}
	resp.ErrorMessage = new("") // as in Kafka
	resp.Entries = []kmsg.DescribeClientQuotasResponseEntry{}
	for q := range i.Quotas() {
		if !f.matches(q.Entity, req.Strict) {
			continue
		}
		r := kmsg.NewDescribeClientQuotasResponseEntry()
		for _, p := range q.Entity {
			part := kmsg.NewDescribeClientQuotasResponseEntryEntity()
			part.Type, part.Name = p.Type, p.Name
			r.Entity = append(r.Entity, part)
		}
		for _, key := range slices.Sorted(maps.Keys(q.Values)) {
			value := kmsg.NewDescribeClientQuotasResponseEntryValue()
			value.Key, value.Value = key, q.Values[key]
			r.Values = append(r.Values, value)
		}
		resp.Entries = append(resp.Entries, r)
	}
	return resp
}

func newQuotaFilter(components []kmsg.DescribeClientQuotasRequestComponent) (*quotaFilter, *refusal) {
	f := &quotaFilter{exact: map[string]*string{}, any: map[string]bool{}}
	invalid := func(why string) (*quotaFilter, *refusal) { return nil, refuse(kerr.InvalidRequest, why) }
	for _, c := range components {
		switch {
		case c.EntityType == "":
			return invalid("Invalid empty entity type.")
		case f.names(c.EntityType):
			return invalid("Entity type " + c.EntityType + " cannot appear more than once in the filter.")
		case c.EntityType != QuotaUser && c.EntityType != QuotaClientID && c.EntityType != QuotaIP:
			return nil, refuse(kerr.UnsupportedVersion, "Unsupported entity type "+c.EntityType)
		}
		switch c.MatchType {
		case kmsg.QuotasMatchTypeExact:
			if c.Match == nil {
				return invalid("Request specified MATCH_TYPE_EXACT, but set match string to null.")
			}
			f.exact[c.EntityType] = c.Match
		case kmsg.QuotasMatchTypeDefault:
			if c.Match != nil {
				return invalid("Request specified MATCH_TYPE_DEFAULT, but also specified a match string.")
			}
			f.exact[c.EntityType] = nil
		case kmsg.QuotasMatchTypeAny:
			if c.Match != nil {
				return invalid("Request specified MATCH_TYPE_SPECIFIED, but also specified a match string.")
			}
			f.any[c.EntityType] = true
		default:
			return invalid("Unknown match type " + strconv.Itoa(int(c.MatchType)))
		}
	}
	if f.names(QuotaIP) && (f.names(QuotaUser) || f.names(QuotaClientID)) {
		return invalid("Invalid entity filter component combination. IP filter component should not be used with user or clientId filter component.")
	}
	return f, nil
}

func (f *quotaFilter) matches(e QuotaEntity, strict bool) bool {
	if strict && len(e) != len(f.exact)+len(f.any) {
		return false
	}
	for typ, name := range f.exact {
		p := e.Part(typ)
		if p == nil || (p.Name == nil) != (name == nil) || name != nil && *p.Name != *name {
			return false
		}
	}
	for typ := range f.any {
		if e.Part(typ) == nil {
			return false
		}
	}
	return true
}
