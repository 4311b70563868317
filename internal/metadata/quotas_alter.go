package metadata

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/metadata/record"
)

// recordsPerRequest is Kafka's bound on the records that one request may write.
const recordsPerRequest = 10_000

// quotaAlteration is what a request wants of one entity.
type quotaAlteration struct {
	entity QuotaEntity
	ops    []kmsg.AlterClientQuotasRequestEntryOp
}

// AlterClientQuotas sets and removes quotas; the response has one entry for
// each entity, and an entity's changes come true all or not at all. As in
// Kafka, an entity that is named twice is changed as its first mention says
// and answered with an error.
func (n *Node) AlterClientQuotas(ctx context.Context, req *kmsg.AlterClientQuotasRequest) *kmsg.AlterClientQuotasResponse {
	var order []QuotaEntity
	var changes []quotaAlteration
	named := newSorted[QuotaEntity, *refusal](compareQuotaEntities)
	for _, e := range req.Entries {
		parts := make([]record.QuotaEntity, len(e.Entity))
		for i, p := range e.Entity {
			parts[i] = record.QuotaEntity{Type: p.Type, Name: p.Name}
		}
		entity := newQuotaEntity(parts)
		var why *refusal
		keys := map[string]bool{}
		for _, op := range e.Ops {
			if keys[op.Key] {
				why = refuse(kerr.InvalidRequest, "Ignoring duplicate entity "+entity.String())
			}
			keys[op.Key] = true
		}
		if _, again := named.get(entity); again {
			why = refuse(kerr.InvalidRequest, "Ignoring duplicate entity "+entity.String())
		} else {
			order = append(order, entity)
			if why == nil {
				if why = checkQuotas(entity, e.Ops); why == nil {
					changes = append(changes, quotaAlteration{entity, e.Ops})
				}
			}
		}
		named = named.with(entity, why)
	}
	_, err := submit(ctx, n, func(v *view) (struct{}, []record.Record, error) {
		records := v.alterQuotas(changes)
		if len(records) > recordsPerRequest {
			return struct{}{}, nil, refuse(kerr.PolicyViolation, "Unable to perform excessively large batch operation.")
		}
		if req.ValidateOnly {
			records = nil
		}
		return struct{}{}, records, nil
	})
	resp := kmsg.NewPtrAlterClientQuotasResponse()
	for _, e := range order {
		r := kmsg.NewAlterClientQuotasResponseEntry()
		for _, p := range e {
			part := kmsg.NewAlterClientQuotasResponseEntryEntity()
			part.Type, part.Name = p.Type, p.Name
			r.Entity = append(r.Entity, part)
		}
		why, _ := named.get(e)
		if err != nil {
			why = refusalOf(err)
		}
		r.ErrorCode, r.ErrorMessage = why.fields()
		resp.Entries = append(resp.Entries, r)
	}
	return resp
}

// alterQuotas makes the records of what differs from what is.
func (v *view) alterQuotas(changes []quotaAlteration) (records []record.Record) {
	for _, c := range changes {
		var now map[string]float64
		if q := v.QuotasOf(c.entity); q != nil {
			now = q.Values
		}
		for _, op := range c.ops {
			value, set := now[op.Key]
			if op.Remove && set {
				records = append(records, &record.ClientQuota{Entity: c.entity, Key: op.Key, Remove: true})
			} else if !op.Remove && (!set || value != op.Value) {
				records = append(records, &record.ClientQuota{Entity: c.entity, Key: op.Key, Value: op.Value})
			}
		}
	}
	return records
}

// integral bounds the quotas that are whole numbers.
var integral = map[string]struct {
	most float64
	kind string
}{
	ProducerByteRate: {math.MaxInt64, "LONG"}, ConsumerByteRate: {math.MaxInt64, "LONG"}, ConnectionCreationRate: {math.MaxInt32, "INT"},
}

// checkQuotas says what is wrong with the changes of an entity.
func checkQuotas(e QuotaEntity, ops []kmsg.AlterClientQuotasRequestEntryOp) *refusal {
	invalid := func(format string, args ...any) *refusal {
		return refuse(kerr.InvalidRequest, fmt.Sprintf(format, args...))
	}
	if len(e) == 0 {
		return invalid("Invalid empty client quota entity")
	}
	for _, p := range e {
		switch p.Type {
		case QuotaUser, QuotaClientID, QuotaIP:
		default:
			return invalid("Unhandled client quota entity type: %s", p.Type)
		}
		if p.Name != nil && *p.Name == "" {
			return invalid("Empty %s not supported", p.Type)
		}
	}
	ip := e.Part(QuotaIP)
	if ip != nil {
		if len(e) > 1 {
			return invalid("Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId") //nolint:misspell // as in Kafka
		}
		if ip.Name != nil {
			// Kafka also takes names of hosts and looks them up, each broker for itself.
			if _, err := ParseQuotaIP(*ip.Name); err != nil {
				return invalid("%s is not a valid IP or resolvable host.", *ip.Name)
			}
		}
	}
	for _, op := range ops {
		if op.Remove {
			continue
		}
		known := ip != nil
		switch op.Key {
		case ProducerByteRate, ConsumerByteRate, RequestPercentage, ControllerMutationRate:
			known = ip == nil
		case ConnectionCreationRate:
		default:
			known = false
		}
		if !known {
			return invalid("Invalid configuration key %s", op.Key)
		}
		if !(op.Value > 0) { // NaN too, which Kafka takes and then never lets such a client do anything
			return invalid("Quota %s must be greater than 0", op.Key)
		}
		if bound, ok := integral[op.Key]; ok {
			if op.Value > bound.most {
				article := "a"
				if strings.HasPrefix(bound.kind, "I") {
					article = "an"
				}
				return invalid("Proposed value for %s is too large for %s %s.", op.Key, article, bound.kind)
			}
			if math.Mod(op.Value, 1) > 1e-6 {
				return invalid("%s cannot be a fractional value.", op.Key)
			}
		}
	}
	return nil
}

// ParseQuotaIP reads the name of an entity of type ip.
func ParseQuotaIP(name string) (netip.Addr, error) {
	a, err := netip.ParseAddr(strings.Trim(name, "[]"))
	return a.Unmap().WithZone(""), err
}
