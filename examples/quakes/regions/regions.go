// Package regions counts earthquakes per region and hour: the topology of the example quakes, and of `leat demo`.
package regions

import (
	"strings"
	"time"

	"leat.dev/streams"
)

// Quake is an earthquake, of what the US Geological Survey says about one.
type Quake struct {
	ID    string       `json:"id"`
	Time  streams.Time `json:"time"`
	Mag   float64      `json:"mag"`
	Place string       `json:"place"` // 37km NNE of Amboy, Washington
}

// Region is the part of the place behind the last comma.
func (q Quake) Region() string {
	if i := strings.LastIndex(q.Place, ", "); i >= 0 {
		return q.Place[i+2:]
	}
	return q.Place
}

// Hour is what happened in a region in an hour.
type Hour struct {
	Quakes    int64   `json:"quakes"`
	Strongest float64 `json:"strongest"`
}

// Add takes a quake in.
func (h Hour) Add(q Quake) Hour {
	if h.Quakes == 0 {
		h.Strongest = q.Mag
	}
	return Hour{h.Quakes + 1, max(h.Strongest, q.Mag)}
}

// The topics.
var (
	Quakes = streams.NewTopic("quakes", streams.String, streams.JSON[Quake]())
	Hours  = streams.NewWindowedTopic("quakes-per-region", streams.String, streams.JSON[Hour](), time.Hour)
)

// eventTime is when the earth shook, not when the record was written.
func eventTime(r streams.Record[string, Quake], _ streams.Time) streams.Time { return r.Value.Time }

// PerRegion is the topology. Networks report late, and revise: an hour stays open for another month.
func PerRegion(b *streams.Builder) {
	Quakes.Stream(b, streams.Timestamps(eventTime)).
		GroupBy(streams.String, Quake.Region).
		Windowed(streams.Tumbling(time.Hour).Grace(31*24*time.Hour)).
		Aggregate("hours", streams.JSON[Hour](), Hour.Add).
		ToStream().
		To(Hours)
}
