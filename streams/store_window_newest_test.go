package streams

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestNewestWindows: what newestWindows says of windows is true of those that were put, also where it has forgotten some.
func TestNewestWindows(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		observed := rapid.Int64Range(-1, 20).Draw(rt, "observed")
		n := newestWindows{since: observed, last: observed}
		retention := rapid.Int64Range(1, 200).Draw(rt, "retention")
		put := map[string]map[int64]bool{"a": {}, "b": {}}
		old := observed // there may have been windows by then
		stream := observed
		keys := rapid.SampledFrom([]string{"a", "b"})
		for range rapid.IntRange(1, 120).Draw(rt, "operations") {
			key := keys.Draw(rt, "key")
			start := max(0, stream+rapid.Int64Range(-40, 10).Draw(rt, "start"))
			switch rapid.IntRange(0, 9).Draw(rt, "operation") {
			case 0:
				n.begin(rapid.Int64Range(-1, stream+1).Draw(rt, "again"))
			case 1, 2, 3:
				if there := put[key][start] || start <= old; there && start > stream-retention && n.lacks([]byte(key), start) {
					rt.Fatalf("%s has %d", key, start)
				}
			case 4, 5:
				to := start + rapid.Int64Range(0, 30).Draw(rt, "to")
				found, ok := n.between([]byte(key), start, to)
				if !ok {
					continue
				}
				if start <= old {
					rt.Fatalf("it cannot know of %d", start)
				}
				for at := max(start, stream-retention+1); at < to; at++ {
					if put[key][at] && !slices.Contains(found, at) {
						rt.Fatalf("%s has %d, found were %v", key, at, found)
					}
				}
				if !slices.IsSorted(found) {
					rt.Fatalf("%v are in no order", found)
				}
			default:
				stream = max(stream, start)
				n.put([]byte(key), start, stream-retention)
				put[key][start] = true
			}
		}
	})
}
