package field

// CurrentLeader tells a client which leader to turn to; Produce and Fetch
// responses carry it as a tagged field.
type CurrentLeader struct {
	ID    int32
	Epoch int32
}

// Endpoint is where a broker listens; Produce and Fetch responses carry those
// of the leaders they name.
type Endpoint struct {
	NodeID int32
	Host   string
	Port   int32
	Rack   string // empty: null
}

// CurrentLeader writes a tagged field with a leader.
func (w *Writer) CurrentLeader(tag uint32, l CurrentLeader) {
	w.Tag(tag, 4+4+1)
	w.Int32(l.ID)
	w.Int32(l.Epoch)
	w.EndStruct()
}

// NodeEndpoints writes a tagged field with an array of endpoints.
func (w *Writer) NodeEndpoints(tag uint32, list []Endpoint) {
	size := UvarintSize(uint32(len(list) + 1))
	for i := range list {
		e := &list[i]
		size += 4 + CompactStringSize(e.Host) + 4 + CompactStringSize(e.Rack) + 1
	}
	w.Tag(tag, size)
	w.ArrayLen(len(list))
	for i := range list {
		e := &list[i]
		w.Int32(e.NodeID)
		w.String(e.Host)
		w.Int32(e.Port)
		w.NullableString(e.Rack)
		w.EndStruct()
	}
}
