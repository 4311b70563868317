package assign

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func subs(all ...Subtopology) []Subtopology { return all }

func TestSticky(t *testing.T) {
	plain, stored := Subtopology{"0", 4, false}, Subtopology{"1", 4, true}
	none := Tasks{}
	for _, test := range []struct {
		name     string
		subs     []Subtopology
		members  []StreamsMember
		standbys int
		want     map[string]TaskSet
	}{
		{"nobody", subs(plain), nil, 1, map[string]TaskSet{}},
		{"nothing to do", nil, []StreamsMember{{ID: "a"}}, 1, map[string]TaskSet{"a": {none, none, none}}},
		{"one", subs(plain, stored), []StreamsMember{{ID: "a", Process: "p"}}, 2,
			map[string]TaskSet{"a": {Tasks{"0": {0, 1, 2, 3}, "1": {0, 1, 2, 3}}, none, none}}},
		{"the lowest partitions stay", subs(plain), []StreamsMember{
			{ID: "a", Process: "p", Current: TaskSet{Active: Tasks{"0": {0, 1, 2, 3}}}}, {ID: "b", Process: "q"}}, 0,
			map[string]TaskSet{"a": {Tasks{"0": {0, 1}}, none, none}, "b": {Tasks{"0": {2, 3}}, none, none}}},
		{"the state's owner takes over", subs(stored), []StreamsMember{
			{ID: "b", Process: "q", Current: TaskSet{Active: Tasks{"1": {1, 3}}, Standby: Tasks{"1": {0}}}},
			{ID: "c", Process: "r", Current: TaskSet{Active: Tasks{}, Standby: Tasks{"1": {2}}}}}, 0,
			map[string]TaskSet{"b": {Tasks{"1": {1, 3}}, none, none}, "c": {Tasks{"1": {0, 2}}, none, none}}},
		{"standbys go to other processes", subs(stored), []StreamsMember{{ID: "a", Process: "p"}, {ID: "b", Process: "q"}}, 1,
			map[string]TaskSet{"a": {Tasks{"1": {0, 2}}, Tasks{"1": {1, 3}}, none}, "b": {Tasks{"1": {1, 3}}, Tasks{"1": {0, 2}}, none}}},
		{"a process with more threads has more", subs(plain), []StreamsMember{{ID: "a", Process: "p"}, {ID: "b", Process: "p"}, {ID: "c", Process: "p"}, {ID: "d", Process: "q"}}, 0,
			map[string]TaskSet{"a": {Tasks{"0": {0}}, none, none}, "b": {Tasks{"0": {2}}, none, none}, "c": {Tasks{"0": {3}}, none, none}, "d": {Tasks{"0": {1}}, none, none}}},
	} {
		if got := Sticky(test.subs, test.members, test.standbys); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s:\n got %v\nwant %v", test.name, got, test.want)
		}
	}
}

// TestStickyProperties: whatever was before, each task is active once; a process
// has a task once; each stateful task has as many standbys as processes allow; no
// member has more than its share of active tasks, counting the tasks it kept.
func TestStickyProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all []Subtopology
		for i := range rapid.IntRange(1, 4).Draw(t, "subtopologies") {
			all = append(all, Subtopology{fmt.Sprint(i), rapid.Int32Range(1, 12).Draw(t, "tasks"), rapid.Bool().Draw(t, "stateful")})
		}
		standbys := rapid.IntRange(0, 2).Draw(t, "standbys")
		var members []StreamsMember
		for i := range rapid.IntRange(1, 8).Draw(t, "members") {
			members = append(members, StreamsMember{ID: fmt.Sprint("m", i), Process: fmt.Sprint("p", rapid.IntRange(0, 4).Draw(t, "process"))})
		}
		for round := range 4 {
			result := Sticky(all, members, standbys)
			checkSticky(t, all, members, standbys, result)
			if again := Sticky(all, slices.Clone(members), standbys); !reflect.DeepEqual(again, result) {
				t.Fatal("not the same twice")
			}
			for i := range members {
				members[i].Current = result[members[i].ID]
			}
			if round == 0 && standbys == 0 {
				// Nothing has changed, so nothing moves.
				if kept := Sticky(all, members, standbys); !reflect.DeepEqual(kept, result) {
					t.Fatalf("moved without need:\n%v\n%v", result, kept)
				}
			}
			switch rapid.IntRange(0, 2).Draw(t, "change") {
			case 0:
				if len(members) > 1 {
					members = slices.Delete(members, 0, 1)
				}
			case 1:
				members = append(members, StreamsMember{ID: fmt.Sprint("n", round), Process: fmt.Sprint("p", rapid.IntRange(0, 5).Draw(t, "process"))})
			}
		}
	})
}

func checkSticky(t *rapid.T, all []Subtopology, members []StreamsMember, standbys int, result map[string]TaskSet) {
	processes := map[string]bool{}
	active, copies := map[TaskID]int{}, map[TaskID]int{}
	inProcess := map[string]int{} // process and task
	total := 0
	for _, m := range members {
		processes[m.Process] = true
		r, ok := result[m.ID]
		if !ok {
			t.Fatalf("%s is left out", m.ID)
		}
		for sub, ps := range r.Active {
			for _, p := range ps {
				active[TaskID{sub, p}]++
				inProcess[fmt.Sprint(m.Process, sub, ",", p)]++
			}
		}
		for sub, ps := range r.Standby {
			for _, p := range ps {
				copies[TaskID{sub, p}]++
				inProcess[fmt.Sprint(m.Process, sub, ",", p)]++
			}
		}
	}
	for _, sub := range all {
		total += int(sub.Tasks)
		for p := range sub.Tasks {
			id := TaskID{sub.ID, p}
			if active[id] != 1 {
				t.Fatalf("%v is active %d times", id, active[id])
			}
			want := 0
			if sub.Stateful {
				want = min(standbys, len(processes)-1)
			}
			if copies[id] != want {
				t.Fatalf("%v has %d standbys, not %d: %v", id, copies[id], want, result)
			}
		}
	}
	for what, n := range inProcess {
		if n > 1 {
			t.Fatalf("%s is in its process %d times", what, n)
		}
	}
	if len(processes) == len(members) {
		share := (total + len(members) - 1) / len(members)
		for id, r := range result {
			if r.Active.Count() > share {
				t.Fatalf("%s has %d active tasks, its share is %d", id, r.Active.Count(), share)
			}
		}
	}
}
