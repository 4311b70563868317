package demo

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"leat.dev/examples/quakes/regions"
)

// event is one earthquake: what the demo needs of it, and the line as it is written to the log.
type event struct {
	quake regions.Quake
	line  []byte
}

// bucket is what earthquakes are counted by.
type bucket struct {
	Region string
	Hour   int64 // its start, milliseconds since 1970
}

func (e event) bucket() bucket {
	const hour = int64(time.Hour / time.Millisecond)
	return bucket{e.quake.Region(), int64(e.quake.Time) / hour * hour}
}

func parseEvent(line []byte) (event, error) {
	var e event
	if err := json.Unmarshal(line, &e.quake); err != nil {
		return e, fmt.Errorf("not an event: %w", err)
	}
	e.line = line
	return e, nil
}

// realEvents is where a week of real earthquakes lies beside a checkout of the project, if it does.
const realEvents = "shared/data/events/earthquakes.jsonl"

// FindEvents looks for the file of real events beside the working directory and beside the program's own directory;
// it returns "" if there is none.
func FindEvents(program string) string {
	dirs := []string{".."}
	if program != "" {
		dirs = append(dirs, filepath.Join(filepath.Dir(program), "..", ".."))
	}
	for _, dir := range dirs {
		name := filepath.Join(dir, realEvents)
		if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
			return name
		}
	}
	return ""
}

// loadEvents reads the file, or makes events up, and says which.
func loadEvents(name string) ([]event, string, error) {
	if name == "" {
		return madeUp(), "no file of real events here: these are made up", nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, "", fmt.Errorf("events: %w", err)
	}
	defer f.Close()
	var events []event
	seen := map[string]bool{}
	s := bufio.NewScanner(f)
	for n := 1; s.Scan(); n++ {
		if len(s.Bytes()) == 0 {
			continue
		}
		e, err := parseEvent([]byte(s.Text()))
		if err != nil {
			return nil, "", fmt.Errorf("%s, line %d: %w", name, n, err)
		}
		if e.quake.ID == "" || seen[e.quake.ID] {
			return nil, "", fmt.Errorf("%s, line %d: the id %q is empty or stands twice", name, n, e.quake.ID)
		}
		seen[e.quake.ID] = true
		events = append(events, e)
	}
	if err := s.Err(); err != nil {
		return nil, "", fmt.Errorf("%s: %w", name, err)
	}
	const fewest = 100 // for a crash in the middle
	if len(events) < fewest {
		return nil, "", fmt.Errorf("%s holds %d events; the demo needs %d", name, len(events), fewest)
	}
	first, last := events[0].quake.Time.Time().UTC(), events[len(events)-1].quake.Time.Time().UTC()
	return events, fmt.Sprintf("real events of %s to %s", first.Format("2 January 2006"), last.Format("2 January 2006")), nil
}

// madeUp makes a few days of earthquakes that look like real ones: ten times fewer for each magnitude more.
func madeUp() []event {
	const count, days = 1500, 5
	rng := rand.New(rand.NewPCG(1906, 4)) // always the same
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	places := []string{"Alaska", "Alaska", "California", "California", "California", "Chile", "Japan", "Nevada", "Washington"}
	events := make([]event, count)
	at := start
	for i := range events {
		at = at.Add(time.Duration(rng.ExpFloat64() * float64(days*24*time.Hour) / count))
		mag := math.Round(min(rng.ExpFloat64()/math.Ln10*1.2+0.3, 7)*100) / 100
		line := fmt.Sprintf(`{"id":"made-up-%04d","time":%d,"mag":%g,"place":"somewhere, %s"}`, i, at.UnixMilli(), mag, places[rng.IntN(len(places))])
		e, err := parseEvent([]byte(line))
		if err != nil {
			panic(err) // the line above is always an event
		}
		events[i] = e
	}
	return events
}
