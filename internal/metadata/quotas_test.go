package metadata

import (
	"maps"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"leat.dev/internal/metadata/record"
)

var quotaNames = rapid.SampledFrom([]*string{nil, new("a"), new("b")})

func randomQuotaEntity(t *rapid.T) QuotaEntity {
	var parts []record.QuotaEntity
	for _, typ := range rapid.SampledFrom([][]string{{QuotaUser}, {QuotaClientID}, {QuotaUser, QuotaClientID}, {QuotaIP}}).Draw(t, "types") {
		parts = append(parts, record.QuotaEntity{Type: typ, Name: quotaNames.Draw(t, typ)})
	}
	return newQuotaEntity(parts)
}

func randomQuotas(t *rapid.T) quotaAlteration {
	a := quotaAlteration{entity: randomQuotaEntity(t)}
	for _, key := range []string{ProducerByteRate, RequestPercentage} {
		if rapid.Bool().Draw(t, key) {
			op := kmsg.NewAlterClientQuotasRequestEntryOp()
			op.Key, op.Value, op.Remove = key, float64(rapid.IntRange(1, 3).Draw(t, "value")), rapid.Bool().Draw(t, "remove")
			a.ops = append(a.ops, op)
		}
	}
	return a
}

// TestQuotasModel compares with a map of maps, descriptions included.
func TestQuotasModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newController(1)
		model := map[string]map[string]float64{}
		entities := map[string]QuotaEntity{}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			before := c.img
			a := randomQuotas(t)
			c.commit(c.view().alterQuotas([]quotaAlteration{a}))
			name := a.entity.String()
			entities[name] = a.entity
			if model[name] == nil {
				model[name] = map[string]float64{}
			}
			was := maps.Clone(model[name])
			for _, op := range a.ops {
				if op.Remove {
					delete(model[name], op.Key)
				} else {
					model[name][op.Key] = op.Value
				}
			}
			if changed := c.img.QuotasChanged(before); changed != !maps.Equal(was, model[name]) {
				t.Fatalf("changed: %v", changed)
			}
			if len(model[name]) == 0 {
				delete(model, name)
			}
		}
		n := 0
		for q := range c.img.Quotas() {
			n++
			if !maps.Equal(q.Values, model[q.Entity.String()]) || c.img.QuotasOf(q.Entity) != q {
				t.Fatalf("%v has %v, want %v", q.Entity, q.Values, model[q.Entity.String()])
			}
		}
		if n != len(model) {
			t.Fatalf("%d entities, want %d", n, len(model))
		}
		// A strict filter with the parts of an entity finds that entity alone.
		for name, e := range entities {
			req := kmsg.NewPtrDescribeClientQuotasRequest()
			req.Strict = true
			for _, p := range e {
				component := kmsg.NewDescribeClientQuotasRequestComponent()
				component.EntityType, component.Match = p.Type, p.Name
				if p.Name == nil {
					component.MatchType = kmsg.QuotasMatchTypeDefault
				}
				req.Components = append(req.Components, component)
			}
			resp := c.img.DescribeClientQuotas(req)
			if want := min(1, len(model[name])); resp.ErrorCode != 0 || len(resp.Entries) != want {
				t.Fatalf("%s: error %d, %d entries", name, resp.ErrorCode, len(resp.Entries))
			}
		}
	})
}
