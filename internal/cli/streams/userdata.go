package streams

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
)

// told is what a member of an application says of itself and is told, whichever library it runs. Tasks are written as
// 0_1: sub-topology and partition.
type told struct {
	Process  string            `json:"process,omitempty"`
	Workers  int               `json:"workers,omitempty"` // 0: not said
	Endpoint string            `json:"endpoint,omitempty"`
	Topology string            `json:"topology,omitempty"` // a hash
	Rack     string            `json:"rack,omitempty"`
	Tags     map[string]string `json:"tags,omitempty"`
	Version  string            `json:"version,omitempty"` // of its user data
	Active   []string          `json:"active"`
	Standby  []string          `json:"standby"`
	Warmup   []string          `json:"warmup"`
	Stopping bool              `json:"stopping,omitempty"` // it asked that the whole application stops
	Error    string            `json:"error,omitempty"`    // with which it was told to end
	ProbeAt  int64             `json:"probe_at,omitempty"` // the next probing rebalance, ms since the epoch
	reads    map[int][]string  // topics by sub-topology, of who assigned the tasks
}

// tasksMax bounds the tasks that are taken from one member's user data.
const tasksMax = 1 << 17

// readOurs reads the user data of members of Leat's library: what it sent when it joined and what it got.
func readOurs(joined, given []byte) (told, error) {
	var self struct {
		V        int               `json:"v"`
		Process  string            `json:"process"`
		Workers  int               `json:"workers"`
		Endpoint string            `json:"endpoint"`
		Topology string            `json:"topology"`
		Stop     bool              `json:"stop"`
		Tags     map[string]string `json:"tags"`
		Rack     string            `json:"rack"`
	}
	var info struct {
		Error   string           `json:"error"`
		Active  string           `json:"active"`
		Standby string           `json:"standby"`
		Warmup  string           `json:"warmup"`
		ProbeAt int64            `json:"probe"`
		Reads   map[int][]string `json:"reads"`
	}
	out := told{Active: []string{}, Standby: []string{}, Warmup: []string{}}
	if err := json.Unmarshal(joined, &self); err != nil {
		return out, fmt.Errorf("what it said when it joined: %w", err)
	}
	out.Process, out.Workers, out.Endpoint, out.Topology = self.Process, self.Workers, self.Endpoint, self.Topology
	out.Tags, out.Rack, out.Stopping, out.Version = self.Tags, self.Rack, self.Stop, strconv.Itoa(self.V)
	if len(given) == 0 { // between two generations
		return out, nil
	}
	err := json.Unmarshal(given, &info)
	for _, list := range []struct {
		to   *[]string
		text string
	}{{&out.Active, info.Active}, {&out.Standby, info.Standby}, {&out.Warmup, info.Warmup}} {
		if err == nil {
			*list.to, err = readTasks(list.text)
		}
	}
	out.Error, out.ProbeAt, out.reads = info.Error, info.ProbeAt, info.Reads
	// Warm-ups are standbys that will be active here.
	out.Standby = slices.DeleteFunc(out.Standby, func(id string) bool { return slices.Contains(out.Warmup, id) })
	if err != nil {
		return out, fmt.Errorf("what it was told: %w", err)
	}
	return out, nil
}

// readTasks reads a list such as "0:0-3,7;2:1".
func readTasks(text string) ([]string, error) {
	out := []string{}
	if text == "" {
		return out, nil
	}
	for part := range strings.SplitSeq(text, ";") {
		sub, entries, ok := strings.Cut(part, ":")
		if _, err := strconv.ParseUint(sub, 10, 31); err != nil || !ok {
			return nil, fmt.Errorf("%.40q is no list of tasks", part)
		}
		for entry := range strings.SplitSeq(entries, ",") {
			from, to, ranged := strings.Cut(entry, "-")
			first, err := strconv.ParseUint(from, 10, 31)
			last := first
			if err == nil && ranged {
				last, err = strconv.ParseUint(to, 10, 31)
			}
			if err != nil || last < first || last-first >= uint64(tasksMax-len(out)) {
				return nil, fmt.Errorf("%.40q is no range of partitions", entry)
			}
			for p := first; p <= last; p++ {
				out = append(out, sub+"_"+strconv.FormatUint(p, 10))
			}
		}
	}
	return out, nil
}

// Kafka Streams' user data: big-endian fields, the versions 7 to 11 (2.6 to 4.3). Its SubscriptionInfoData.json describes
// the one; the other is written field by field.
const (
	javaVersionMin = 7
	javaVersionMax = 11
)

var errShort = errors.New("it ends too early, or holds a length that cannot be")

// reader reads big-endian fields; the first failure stays.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if r.bad || n < 0 || n > len(r.b) {
		r.bad = true
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) int8() int8 {
	if b := r.take(1); b != nil {
		return int8(b[0]) //nolint:gosec // the bits
	}
	return 0
}

func (r *reader) int16() int {
	if b := r.take(2); b != nil {
		return int(int16(binary.BigEndian.Uint16(b))) //nolint:gosec // the bits
	}
	return 0
}

func (r *reader) int32() int {
	if b := r.take(4); b != nil {
		return int(int32(binary.BigEndian.Uint32(b))) //nolint:gosec // the bits
	}
	return 0
}

func (r *reader) int64() int64 {
	if b := r.take(8); b != nil {
		return int64(binary.BigEndian.Uint64(b)) //nolint:gosec // the bits
	}
	return 0
}

// count reads the length of a list whose entries have at least size bytes each.
func (r *reader) count(size int) int {
	n := r.int32()
	if n < 0 || n > len(r.b)/size {
		r.bad = true
		return 0
	}
	return n
}

func (r *reader) text(n int) string { return string(r.take(n)) }

func task(sub, partition int) string { return strconv.Itoa(sub) + "_" + strconv.Itoa(partition) }

// readJava reads the user data of members of Kafka Streams.
func readJava(joined, given []byte) (told, error) {
	out := told{Active: []string{}, Standby: []string{}, Warmup: []string{}}
	if err := out.readSubscription(joined); err != nil {
		return out, fmt.Errorf("what it said when it joined: %w", err)
	}
	if len(given) == 0 {
		return out, nil
	}
	if err := out.readAssignment(given); err != nil {
		return out, fmt.Errorf("what it was told: %w", err)
	}
	return out, nil
}

// readSubscription reads a SubscriptionInfo.
func (t *told) readSubscription(b []byte) error {
	r := &reader{b: b}
	version := r.int32()
	if r.bad || version < javaVersionMin || version > javaVersionMax {
		return fmt.Errorf("its version is %d, and %d to %d are known", version, javaVersionMin, javaVersionMax)
	}
	t.Version = strconv.Itoa(version)
	r.int32() // latest supported
	if id := r.take(16); id != nil {
		t.Process = fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
	}
	t.Endpoint = r.text(r.int32())
	for n := r.count(8); n > 0 && !r.bad; n-- { // offset sums by task, which only the leader needs
		r.int32()
		if version < 10 {
			r.take(12 * r.count(12))
			continue
		}
		r.take(12)
		if n := r.int16(); n >= 0 { // a named topology
			r.take(n)
		}
	}
	if version >= 8 {
		r.int8() // makes subscriptions differ
	}
	if version >= 9 {
		t.Stopping = r.int32() != 0
	}
	if version >= 11 {
		for n := r.count(8); n > 0 && !r.bad; n-- {
			key := r.text(r.int32())
			if t.Tags == nil {
				t.Tags = map[string]string{}
			}
			t.Tags[key] = r.text(r.int32())
		}
	}
	if r.bad {
		return errShort
	}
	return nil
}

// readAssignment reads an AssignmentInfo.
func (t *told) readAssignment(b []byte) error {
	r := &reader{b: b}
	version := r.int32()
	if r.bad || version < javaVersionMin || version > javaVersionMax {
		return fmt.Errorf("its version is %d, and %d to %d are known", version, javaVersionMin, javaVersionMax)
	}
	r.int32() // commonly supported
	for n := r.count(8); n > 0 && !r.bad; n-- {
		t.Active = append(t.Active, r.javaTask(version))
	}
	for n := r.count(12); n > 0 && !r.bad; n-- {
		t.Standby = append(t.Standby, r.javaTask(version))
		for m := r.count(6); m > 0 && !r.bad; m-- {
			r.take(r.int16()) // topic
			r.int32()         // partition
		}
	}
	for n := r.count(6); n > 0 && !r.bad; n-- { // topics by number
		r.int32()
		r.take(r.int16())
	}
	for range 2 { // who has which partitions, active and standby
		for n := r.count(10); n > 0 && !r.bad; n-- {
			r.take(r.int16())
			r.int32()
			r.take(8 * r.count(8))
		}
	}
	code := r.int32()
	next := r.int64()
	if r.bad {
		return errShort
	}
	t.Error = assignmentErrors[code]
	if code != 0 && t.Error == "" {
		t.Error = fmt.Sprintf("error %d", code)
	}
	if next != 1<<63-1 {
		t.ProbeAt = next
	}
	return nil
}

// assignmentErrors are Kafka Streams' AssignorError.
var assignmentErrors = map[int]string{1: "incomplete source topic metadata", 2: "version probing", 3: "assignment error", 4: "shut down", 5: "rebalance needed"}

// javaTask reads a task, with the name of a named topology behind it.
func (r *reader) javaTask(version int) string {
	id := task(r.int32(), r.int32())
	if version >= 10 {
		n := r.int32()
		if n < 0 || n > len(r.b)/2 {
			r.bad = true
			return id
		}
		if n > 0 {
			units := make([]uint16, n)
			for i := range units {
				units[i] = uint16(r.int16()) //nolint:gosec // the bits
			}
			id = string(utf16.Decode(units)) + "__" + id
		}
	}
	return id
}
