package record

// Config sets one configuration key of one resource; a nil value removes it.
type Config struct {
	ResourceType int8
	ResourceName string
	Name         string
	Value        *string
}

func (*Config) Type() int16       { return 4 }
func (*Config) Version() int16    { return 0 }
func (*Config) maxVersion() int16 { return 0 }
func (r *Config) fields(c *codec) {
	c.i8(&r.ResourceType)
	c.str(&r.ResourceName)
	c.str(&r.Name)
	c.nullStr(&r.Value)
	c.tags()
}

// FeatureLevel finalises a feature at a level; 0 takes it away.
type FeatureLevel struct {
	Name  string
	Level int16
}

func (*FeatureLevel) Type() int16       { return 12 }
func (*FeatureLevel) Version() int16    { return 0 }
func (*FeatureLevel) maxVersion() int16 { return 0 }
func (r *FeatureLevel) fields(c *codec) {
	c.str(&r.Name)
	c.i16(&r.Level)
	c.tags()
}

// ProducerIDs hands all producer ids below NextProducerID out to a broker.
type ProducerIDs struct {
	BrokerID       int32
	BrokerEpoch    int64
	NextProducerID int64
}

func (*ProducerIDs) Type() int16       { return 15 }
func (*ProducerIDs) Version() int16    { return 0 }
func (*ProducerIDs) maxVersion() int16 { return 0 }
func (r *ProducerIDs) fields(c *codec) {
	c.i32(&r.BrokerID)
	c.i64(&r.BrokerEpoch)
	c.i64(&r.NextProducerID)
	c.tags()
}

// QuotaEntity is one part of the entity a quota is for.
type QuotaEntity struct {
	Type string
	Name *string // nil: the default entity
}

// ClientQuota sets or removes one quota of one entity.
type ClientQuota struct {
	Entity []QuotaEntity
	Key    string
	Value  float64
	Remove bool
}

func (*ClientQuota) Type() int16       { return 14 }
func (*ClientQuota) Version() int16    { return 0 }
func (*ClientQuota) maxVersion() int16 { return 0 }
func (r *ClientQuota) fields(c *codec) {
	array(c, &r.Entity, 3, func(c *codec, e *QuotaEntity) {
		c.str(&e.Type)
		c.nullStr(&e.Name)
		c.tags()
	})
	c.str(&r.Key)
	c.f64(&r.Value)
	c.bool(&r.Remove)
	c.tags()
}

// NoOp changes nothing.
type NoOp struct{}

func (*NoOp) Type() int16       { return 20 }
func (*NoOp) Version() int16    { return 0 }
func (*NoOp) maxVersion() int16 { return 0 }
func (*NoOp) fields(c *codec)   { c.tags() }

// ZkMigrationState is written by Kafka 3.x only.
type ZkMigrationState struct{ State int8 }

func (*ZkMigrationState) Type() int16       { return 21 }
func (*ZkMigrationState) Version() int16    { return 0 }
func (*ZkMigrationState) maxVersion() int16 { return 0 }
func (r *ZkMigrationState) fields(c *codec) {
	c.i8(&r.State)
	c.tags()
}

// BeginTransaction opens a group of records that count only together.
type BeginTransaction struct{ Name *string }

func (*BeginTransaction) Type() int16       { return 23 }
func (*BeginTransaction) Version() int16    { return 0 }
func (*BeginTransaction) maxVersion() int16 { return 0 }
func (r *BeginTransaction) fields(c *codec) {
	c.tags(tag{0, r.Name != nil, func(c *codec) { c.nullStr(&r.Name) }})
}

// EndTransaction makes the open group of records count.
type EndTransaction struct{}

func (*EndTransaction) Type() int16       { return 24 }
func (*EndTransaction) Version() int16    { return 0 }
func (*EndTransaction) maxVersion() int16 { return 0 }
func (*EndTransaction) fields(c *codec)   { c.tags() }

// AbortTransaction forgets the open group of records.
type AbortTransaction struct{ Reason *string }

func (*AbortTransaction) Type() int16       { return 25 }
func (*AbortTransaction) Version() int16    { return 0 }
func (*AbortTransaction) maxVersion() int16 { return 0 }
func (r *AbortTransaction) fields(c *codec) {
	c.tags(tag{0, r.Reason != nil, func(c *codec) { c.nullStr(&r.Reason) }})
}
