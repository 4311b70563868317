package regions

import (
	"testing"

	"leat.dev/streams/streamstest"
)

func TestQuakesPerRegionAndHour(t *testing.T) {
	d := streamstest.New(t, PerRegion)
	in := d.In(Quakes)
	in.Send("1", Quake{"1", 1000, 0.3, "37km NNE of Amboy, Washington"}, 9_999_999)
	in.Send("2", Quake{"2", 2000, 2.5, "Washington"}, 9_999_999)
	in.Send("3", Quake{"3", 3_600_000, -0.5, "20km NNE of Lima, Montana"}, 9_999_999)
	in.Send("4", Quake{"4", 1500, 1, "8km W of Forks, Washington"}, 9_999_999) // an hour late
	d.WOut(Hours).Want(t, `
		Washington@0    | {"quakes":1,"strongest":0.3} @1000
		Washington@0    | {"quakes":2,"strongest":2.5} @2000
		Montana@3600000 | {"quakes":1,"strongest":-0.5} @3600000
		Washington@0    | {"quakes":3,"strongest":2.5} @2000`)
}
