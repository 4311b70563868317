package metadata

import (
	"iter"
	"maps"
	"slices"
	"strings"

	"leat.dev/internal/metadata/record"
)

// Types of quota entities, and the keys of their quotas (KIP-546).
const (
	QuotaUser     = "user"
	QuotaClientID = "client-id"
	QuotaIP       = "ip"

	ProducerByteRate       = "producer_byte_rate"
	ConsumerByteRate       = "consumer_byte_rate"
	RequestPercentage      = "request_percentage"
	ControllerMutationRate = "controller_mutation_rate"
	ConnectionCreationRate = "connection_creation_rate"
)

// Quotas are the quotas of one entity. Neither the entity nor the values may
// be changed.
type Quotas struct {
	Entity QuotaEntity
	Values map[string]float64
}

// QuotaEntity is whom quotas are for: its parts in the order of their types,
// each at most once. A part without a name is the default of its type.
type QuotaEntity []record.QuotaEntity

// Part returns the part of a type, or nil.
func (e QuotaEntity) Part(typ string) *record.QuotaEntity {
	for i := range e {
		if e[i].Type == typ {
			return &e[i]
		}
	}
	return nil
}

// newQuotaEntity sorts the parts; of several of one type the last counts.
func newQuotaEntity(parts []record.QuotaEntity) QuotaEntity {
	e := make(QuotaEntity, 0, len(parts))
	for _, p := range parts {
		if old := e.Part(p.Type); old != nil {
			*old = p
			continue
		}
		e = append(e, p)
	}
	slices.SortFunc(e, func(a, b record.QuotaEntity) int { return strings.Compare(a.Type, b.Type) })
	return e
}

func compareQuotaEntities(a, b QuotaEntity) int {
	return slices.CompareFunc(a, b, func(x, y record.QuotaEntity) int {
		if c := strings.Compare(x.Type, y.Type); c != 0 {
			return c
		}
		switch { // the default comes first
		case x.Name == nil && y.Name == nil:
			return 0
		case x.Name == nil:
			return -1
		case y.Name == nil:
			return 1
		}
		return strings.Compare(*x.Name, *y.Name)
	})
}

// String is the entity as Kafka's messages have it.
func (e QuotaEntity) String() string {
	var b strings.Builder
	b.WriteString("ClientQuotaEntity(entries={")
	for i, p := range e {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(p.Type + "=")
		if p.Name != nil {
			b.WriteString(*p.Name)
		} else {
			b.WriteString("null")
		}
	}
	b.WriteString("})")
	return b.String()
}

// quotas is the part of the image about client quotas.
type quotas struct {
	entities sorted[QuotaEntity, *Quotas]
}

func newQuotas() quotas {
	return quotas{newSorted[QuotaEntity, *Quotas](compareQuotaEntities)}
}

// Quotas yields the entities that have quotas, in order.
func (i *Image) Quotas() iter.Seq[*Quotas] { return values(i.quotas.entities.all()) }

// QuotasOf returns the quotas of an entity whose parts are in order; nil if it
// has none.
func (i *Image) QuotasOf(e QuotaEntity) *Quotas {
	q, _ := i.quotas.entities.get(e)
	return q
}

// QuotasChanged tells whether any quota differs between prev, which may be nil,
// and i.
func (i *Image) QuotasChanged(prev *Image) bool {
	if prev == nil {
		return i.quotas.entities.len() > 0
	}
	for range diff(prev.quotas.entities, i.quotas.entities, compareQuotaEntities) {
		return true
	}
	return false
}

// apply adds a record about a quota; it tells whether the record was one.
func (q *quotas) apply(r record.Record) bool {
	c, ok := r.(*record.ClientQuota)
	if !ok {
		return false
	}
	e := newQuotaEntity(c.Entity)
	now := &Quotas{Entity: e, Values: map[string]float64{}}
	if old, found := q.entities.get(e); found {
		now.Values = maps.Clone(old.Values)
	}
	if c.Remove {
		delete(now.Values, c.Key)
	} else {
		now.Values[c.Key] = c.Value
	}
	if len(now.Values) == 0 {
		q.entities = q.entities.without(e)
	} else {
		q.entities = q.entities.with(e, now)
	}
	return true
}

// records yields the records of a snapshot; it tells whether to go on.
func (q *quotas) records(yield func(record.Record) bool) bool {
	for e, v := range q.entities.all() {
		for _, key := range slices.Sorted(maps.Keys(v.Values)) {
			if !yield(&record.ClientQuota{Entity: slices.Clone(e), Key: key, Value: v.Values[key]}) {
				return false
			}
		}
	}
	return true
}
