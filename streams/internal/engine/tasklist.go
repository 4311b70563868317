package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// taskList is a list of tasks as members of the group tell it: by sub-topology, its partitions with ranges,
// "0:0-3,7;2:1". An assignment that names thousands of tasks stays small by it.
type taskList []TaskID

// tasksMax bounds the tasks that one list may name. It is far above what a group can hold.
const tasksMax = 1 << 17

// MarshalText writes the list, in order and each task once.
func (l taskList) MarshalText() ([]byte, error) {
	ids := sortedTasks(l)
	var b []byte
	for i := 0; i < len(ids); {
		b = appendSubtopology(b, ids, i)
		to := i
		for to+1 < len(ids) && ids[to+1].Subtopology == ids[i].Subtopology && ids[to+1].Partition == ids[to].Partition+1 {
			to++
		}
		b = strconv.AppendInt(b, int64(ids[i].Partition), 10)
		if to > i {
			b = strconv.AppendInt(append(b, '-'), int64(ids[to].Partition), 10)
		}
		i = to + 1
	}
	return b, nil
}

// sortedTasks are the tasks by sub-topology and partition, each once.
func sortedTasks(ids []TaskID) []TaskID {
	ids = slices.Clone(ids)
	slices.SortFunc(ids, bySubtopology)
	return slices.Compact(ids)
}

// appendSubtopology separates entry i from the one before.
func appendSubtopology(b []byte, ids []TaskID, i int) []byte {
	if i > 0 && ids[i].Subtopology == ids[i-1].Subtopology {
		return append(b, ',')
	}
	if i > 0 {
		b = append(b, ';')
	}
	return append(strconv.AppendInt(b, int64(ids[i].Subtopology), 10), ':')
}

// UnmarshalText reads what MarshalText wrote.
func (l *taskList) UnmarshalText(text []byte) error {
	*l = (*l)[:0]
	return eachEntry(string(text), func(sub int, entry string) error {
		from, to, ranged := strings.Cut(entry, "-")
		first, err := strconv.ParseInt(from, 10, 32)
		last := first
		if err == nil && ranged {
			last, err = strconv.ParseInt(to, 10, 32)
		}
		if err != nil || first < 0 || last < first || last-first >= tasksMax-int64(len(*l)) {
			return fmt.Errorf("partitions %q of sub-topology %d", entry, sub)
		}
		for p := first; p <= last; p++ {
			*l = append(*l, TaskID{sub, int32(p)}) //nolint:gosec // parsed as 32 bits
		}
		return nil
	})
}

// eachEntry takes "sub:entry,entry;sub:entry" apart.
func eachEntry(text string, f func(sub int, entry string) error) error {
	if text == "" {
		return nil
	}
	for part := range strings.SplitSeq(text, ";") {
		id, entries, ok := strings.Cut(part, ":")
		sub, err := strconv.ParseInt(id, 10, 32)
		if !ok || err != nil || sub < 0 {
			return fmt.Errorf("a list of tasks has %.40q where a sub-topology and a colon should be", part)
		}
		for entry := range strings.SplitSeq(entries, ",") {
			if err := f(int(sub), entry); err != nil {
				return fmt.Errorf("a list of tasks: %w", err)
			}
		}
	}
	return nil
}

// taskSums are numbers by task, written as "0:0=1200,3=r;2:1=7". runningSum is r.
type taskSums map[TaskID]int64

// runningSum stands for the offset sum of a task that runs: it has all there is.
const runningSum int64 = -2

// MarshalText writes the sums in the order of the tasks.
func (s taskSums) MarshalText() ([]byte, error) {
	ids := slices.SortedFunc(maps.Keys(s), bySubtopology)
	var b []byte
	for i, id := range ids {
		b = strconv.AppendInt(appendSubtopology(b, ids, i), int64(id.Partition), 10)
		b = append(b, '=')
		if s[id] == runningSum {
			b = append(b, 'r')
		} else {
			b = strconv.AppendInt(b, s[id], 10)
		}
	}
	return b, nil
}

// UnmarshalText reads what MarshalText wrote.
func (s *taskSums) UnmarshalText(text []byte) error {
	*s = taskSums{}
	return eachEntry(string(text), func(sub int, entry string) error {
		p, n, ok := strings.Cut(entry, "=")
		partition, err := strconv.ParseInt(p, 10, 32)
		sum := runningSum
		if err == nil && n != "r" {
			if sum, err = strconv.ParseInt(n, 10, 64); sum < 0 {
				ok = false
			}
		}
		if !ok || err != nil || partition < 0 || len(*s) >= tasksMax {
			return fmt.Errorf("the offset sum %q of sub-topology %d", entry, sub)
		}
		(*s)[TaskID{sub, int32(partition)}] = sum //nolint:gosec // parsed as 32 bits
		return nil
	})
}

// UnmarshalJSON bounds what all lists together name, by tasksMax for each of what hosts run and what they keep.
func (g *groupInfo) UnmarshalJSON(data []byte) error {
	type plain groupInfo
	var read struct {
		plain
		Hosts map[string]struct {
			Active  string `json:"a"`
			Standby string `json:"s"`
		} `json:"hosts"`
	}
	if err := json.Unmarshal(data, &read); err != nil {
		return err
	}
	*g = groupInfo(read.plain)
	left := 2 * tasksMax
	for host, texts := range read.Hosts {
		var h hostTasks
		if err := errors.Join(h.Active.UnmarshalText([]byte(texts.Active)), h.Standby.UnmarshalText([]byte(texts.Standby))); err != nil {
			return err
		}
		if left -= len(h.Active) + len(h.Standby); left < 0 {
			return fmt.Errorf("more than %d tasks and copies of the group", 2*tasksMax)
		}
		if g.Hosts == nil {
			g.Hosts = map[string]hostTasks{}
		}
		g.Hosts[host] = h
	}
	return nil
}
