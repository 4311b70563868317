package differ

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Versions are the versions a broker advertises, by API.
type Versions map[kmsg.Key][2]int16

// parse reads "", "4", "4-" or "4-6" as versions of an API.
func (v Versions) parse(key kmsg.Key, text string) (low, high int16, err error) {
	known, ok := v[key]
	if !ok {
		return 0, 0, fmt.Errorf("Kafka does not advertise %s", kmsg.NameForKey(int16(key))) //nolint:staticcheck // a name
	}
	low, high = known[0], known[1]
	if text == "" {
		return low, high, nil
	}
	a, b, isRange := strings.Cut(text, "-")
	n, err := strconv.ParseInt(a, 10, 16)
	if err != nil {
		return 0, 0, err
	}
	low = int16(n)
	if !isRange {
		return low, low, nil
	}
	if b != "" {
		if n, err = strconv.ParseInt(b, 10, 16); err != nil {
			return 0, 0, err
		}
		high = int16(n)
	}
	return low, high, nil
}

// String is the form ParseVersions reads: a line an API.
func (v Versions) String() string {
	keys := make([]kmsg.Key, 0, len(v))
	for k := range v {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	var b strings.Builder
	for _, k := range keys {
		fmt.Fprintf(&b, "%d %s %d-%d\n", k, kmsg.NameForKey(int16(k)), v[k][0], v[k][1])
	}
	return b.String()
}

// ParseVersions reads lines "key name min-max".
func ParseVersions(text string) (Versions, error) {
	out := Versions{}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		var key, low, high int16
		var name string
		if _, err := fmt.Sscanf(strings.TrimSpace(line), "%d %s %d-%d", &key, &name, &low, &high); err != nil {
			return nil, fmt.Errorf("%q: %w", line, err)
		}
		out[kmsg.Key(key)] = [2]int16{low, high}
	}
	return out, nil
}

func fromResponse(resp *kmsg.ApiVersionsResponse) Versions {
	out := Versions{}
	for _, k := range resp.ApiKeys {
		out[kmsg.Key(k.ApiKey)] = [2]int16{k.MinVersion, k.MaxVersion}
	}
	return out
}
