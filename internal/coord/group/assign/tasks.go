package assign

import (
	"cmp"
	"maps"
	"slices"
)

// TaskID names a task of a streams application: all that one partition number
// brings of a subtopology's source topics.
type TaskID struct {
	Subtopology string
	Partition   int32
}

func (t TaskID) compareBySubtopology(o TaskID) int {
	return cmp.Or(cmp.Compare(t.Subtopology, o.Subtopology), cmp.Compare(t.Partition, o.Partition))
}

func (t TaskID) compareByPartition(o TaskID) int {
	return cmp.Or(cmp.Compare(t.Partition, o.Partition), cmp.Compare(t.Subtopology, o.Subtopology))
}

// Tasks are sets of partition numbers by subtopology, each sorted and not empty.
type Tasks map[string][]int32

// Equal tells whether two hold the same tasks.
func (t Tasks) Equal(o Tasks) bool { return maps.EqualFunc(t, o, slices.Equal[[]int32]) }

// Count is the number of tasks.
func (t Tasks) Count() int {
	n := 0
	for _, ps := range t {
		n += len(ps)
	}
	return n
}

func (t Tasks) add(id TaskID) {
	ps := t[id.Subtopology]
	if at, found := slices.BinarySearch(ps, id.Partition); !found {
		t[id.Subtopology] = slices.Insert(ps, at, id.Partition)
	}
}

// TaskSet is what a member of a streams group has to do. A standby task keeps a
// copy of an active task's state; a warm-up task builds one for a member that shall
// take the active task over.
type TaskSet struct {
	Active  Tasks
	Standby Tasks
	Warmup  Tasks
}

// Equal tells whether two are the same.
func (s TaskSet) Equal(o TaskSet) bool {
	return s.Active.Equal(o.Active) && s.Standby.Equal(o.Standby) && s.Warmup.Equal(o.Warmup)
}

// Subtopology is a part of a topology as an assignor sees it.
type Subtopology struct {
	ID       string
	Tasks    int32
	Stateful bool // has changelogs, so that standby tasks make sense
}

// StreamsMember is a member of a streams group as an assignor sees it. Members of
// one process share its state directories.
type StreamsMember struct {
	ID      string
	Process string
	Current TaskSet // what the assignment before gave it
}
