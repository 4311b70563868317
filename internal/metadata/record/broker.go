package record

// Endpoint is one listener of a broker or controller.
type Endpoint struct {
	Name             string
	Host             string
	Port             uint16
	SecurityProtocol int16
}

func (e *Endpoint) fields(c *codec) {
	c.str(&e.Name)
	c.str(&e.Host)
	c.u16(&e.Port)
	c.i16(&e.SecurityProtocol)
	c.tags()
}

// FeatureRange is the range of a feature's levels a node supports.
type FeatureRange struct {
	Name     string
	Min, Max int16
}

func (f *FeatureRange) fields(c *codec) {
	c.str(&f.Name)
	c.i16(&f.Min)
	c.i16(&f.Max)
	c.tags()
}

// RegisterBroker says that a broker process exists; its epoch is the record's
// own offset.
type RegisterBroker struct {
	BrokerID             int32
	IsMigratingZkBroker  bool
	IncarnationID        UUID
	BrokerEpoch          int64
	EndPoints            []Endpoint
	Features             []FeatureRange
	Rack                 *string
	Fenced               bool
	InControlledShutdown bool
	LogDirs              []UUID
	CordonedLogDirs      []UUID // nil: not told yet
}

func (*RegisterBroker) Type() int16       { return 0 }
func (*RegisterBroker) Version() int16    { return 4 }
func (*RegisterBroker) maxVersion() int16 { return 4 }
func (r *RegisterBroker) fields(c *codec) {
	c.i32(&r.BrokerID)
	if c.version >= 2 {
		c.bool(&r.IsMigratingZkBroker)
	}
	c.uuid(&r.IncarnationID)
	c.i64(&r.BrokerEpoch)
	array(c, &r.EndPoints, 6, func(c *codec, e *Endpoint) { e.fields(c) })
	array(c, &r.Features, 6, func(c *codec, f *FeatureRange) { f.fields(c) })
	c.nullStr(&r.Rack)
	c.bool(&r.Fenced)
	if c.version >= 1 {
		c.bool(&r.InControlledShutdown)
	}
	var known []tag
	if c.version >= 3 {
		known = append(known, tag{0, len(r.LogDirs) > 0, func(c *codec) { c.uuids(&r.LogDirs) }})
	}
	if c.version >= 4 {
		known = append(known, tag{1, r.CordonedLogDirs != nil, func(c *codec) { c.nullUUIDs(&r.CordonedLogDirs) }})
	}
	c.tags(known...)
}

// UnregisterBroker removes a broker from the cluster.
type UnregisterBroker struct {
	BrokerID    int32
	BrokerEpoch int64
}

func (*UnregisterBroker) Type() int16       { return 1 }
func (*UnregisterBroker) Version() int16    { return 0 }
func (*UnregisterBroker) maxVersion() int16 { return 0 }
func (r *UnregisterBroker) fields(c *codec) {
	c.i32(&r.BrokerID)
	c.i64(&r.BrokerEpoch)
	c.tags()
}

// FenceBroker is the old way (before BrokerRegistrationChange) to fence.
type FenceBroker struct {
	ID    int32
	Epoch int64
}

func (*FenceBroker) Type() int16       { return 7 }
func (*FenceBroker) Version() int16    { return 0 }
func (*FenceBroker) maxVersion() int16 { return 0 }
func (r *FenceBroker) fields(c *codec) {
	c.i32(&r.ID)
	c.i64(&r.Epoch)
	c.tags()
}

// UnfenceBroker is the old way (before BrokerRegistrationChange) to unfence.
type UnfenceBroker struct {
	ID    int32
	Epoch int64
}

func (*UnfenceBroker) Type() int16       { return 8 }
func (*UnfenceBroker) Version() int16    { return 0 }
func (*UnfenceBroker) maxVersion() int16 { return 0 }
func (r *UnfenceBroker) fields(c *codec) {
	c.i32(&r.ID)
	c.i64(&r.Epoch)
	c.tags()
}

// BrokerRegistrationChange changes parts of a registration.
type BrokerRegistrationChange struct {
	BrokerID             int32
	BrokerEpoch          int64
	Fenced               int8   // -1 unfenced, 0 no change, 1 fenced
	InControlledShutdown int8   // 0 no change, 1 shutting down
	LogDirs              []UUID // empty: no change
	CordonedLogDirs      []UUID // nil: no change
}

func (*BrokerRegistrationChange) Type() int16 { return 17 }
func (r *BrokerRegistrationChange) Version() int16 {
	switch {
	case r.CordonedLogDirs != nil:
		return 3
	case len(r.LogDirs) > 0:
		return 2
	case r.InControlledShutdown != 0:
		return 1
	}
	return 0
}
func (*BrokerRegistrationChange) maxVersion() int16 { return 3 }
func (r *BrokerRegistrationChange) fields(c *codec) {
	c.i32(&r.BrokerID)
	c.i64(&r.BrokerEpoch)
	known := []tag{{0, r.Fenced != 0, func(c *codec) { c.i8(&r.Fenced) }}}
	if c.version >= 1 {
		known = append(known, tag{1, r.InControlledShutdown != 0, func(c *codec) { c.i8(&r.InControlledShutdown) }})
	}
	if c.version >= 2 {
		known = append(known, tag{2, len(r.LogDirs) > 0, func(c *codec) { c.uuids(&r.LogDirs) }})
	}
	if c.version >= 3 {
		known = append(known, tag{3, r.CordonedLogDirs != nil, func(c *codec) { c.nullUUIDs(&r.CordonedLogDirs) }})
	}
	c.tags(known...)
}

// RegisterController says which features and endpoints a controller has.
type RegisterController struct {
	ControllerID     int32
	IncarnationID    UUID
	ZkMigrationReady bool
	EndPoints        []Endpoint
	Features         []FeatureRange
}

func (*RegisterController) Type() int16       { return 27 }
func (*RegisterController) Version() int16    { return 0 }
func (*RegisterController) maxVersion() int16 { return 0 }
func (r *RegisterController) fields(c *codec) {
	c.i32(&r.ControllerID)
	c.uuid(&r.IncarnationID)
	c.bool(&r.ZkMigrationReady)
	array(c, &r.EndPoints, 6, func(c *codec, e *Endpoint) { e.fields(c) })
	array(c, &r.Features, 6, func(c *codec, f *FeatureRange) { f.fields(c) })
	c.tags()
}
