package shell

import (
	"path/filepath"
	"regexp"
	"strings"
)

// varying is what differs from run to run.
var varying = []struct {
	re   *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`\bin \d[\d.]* (ns|µs|ms|s)\b`), "in TIME"},
	{regexp.MustCompile(`(id: |"(?:id|topic_id)": ")[A-Za-z0-9_-]{22}`), "${1}ID"},
	{regexp.MustCompile(`, \d[\d.]* (ns|µs|ms|s): `), ", TIME: "},
	// Leader epochs count restarts.
	{regexp.MustCompile(`(?m)^( +\d+ +1) {2,}\d+(  1         1 )`), "$1  EPOCH$2"},
	{regexp.MustCompile(`(?m)^(\d+(?:-\d+)? +\d+ +\d+ +\d+ \w+ +)\d+ 20`), "${1}E 20"},
	{regexp.MustCompile(`"leader_epoch":\d+`), `"leader_epoch":E`},
	{regexp.MustCompile(`"seconds": [\d.e-]+`), `"seconds": TIME`},
	{regexp.MustCompile(`\bleat-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}\b`), "MEMBER"},
	{regexp.MustCompile(`\b\d+/\d+ seq \d+-\d+`), "PRODUCER"},
	{regexp.MustCompile(`"(producer_id|crc)":\d+`), `"$1":N`},
	{regexp.MustCompile(`\b[0-9a-f]{8}, the batch's bytes give [0-9a-f]{8}\b`), "CRC, the batch's bytes give CRC"},
}

// Normalize puts words in the place of what differs from run to run: times, identifiers, addresses, directories.
func (s *Session) Normalize(out string) string {
	for _, v := range varying {
		out = v.re.ReplaceAllString(out, v.with)
	}
	out = strings.ReplaceAll(out, s.Broker.Addr(), "BROKER")
	if s.registryURL != "" {
		out = strings.ReplaceAll(out, s.registryURL, "http://REGISTRY")
	}
	return strings.ReplaceAll(out, filepath.Dir(s.Work), "DIR")
}
