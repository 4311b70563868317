package engine

import (
	"bytes"
	"compress/flate"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestUserDataStaysSmall(t *testing.T) {
	info := groupInfo{Version: userDataVersion, Hosts: map[string]hostTasks{}, Standby: taskList{{0, 3}, {2, 1}}, ProbeAt: 12}
	hosts := []string{"a:1", "b:1", "c:1", "d:1", "e:1", "f:1", "g:1", "h:1", "i:1", "j:1"}
	for sub := range 5 {
		for p := range 1000 {
			at := hosts[(p*7919+sub)%len(hosts)]
			h := info.Hosts[at]
			h.Active = append(h.Active, TaskID{sub, int32(p)})
			info.Hosts[at] = h
		}
	}
	data := encodeUserData(&info)
	if len(data) > 16<<10 {
		t.Fatalf("5000 tasks take %d bytes", len(data))
	}
	var back groupInfo
	if err := decodeUserData(data, &back); err != nil || !reflect.DeepEqual(info, back) {
		t.Fatal(err, back)
	}
	self := memberInfo{Version: userDataVersion, Sums: taskSums{{0, 1}: 7, {0, 2}: runningSum, {3, 0}: 0}, Tags: map[string]string{"zone": "a"}}
	var same memberInfo
	if err := decodeUserData(encodeUserData(&self), &same); err != nil || !reflect.DeepEqual(self, same) {
		t.Fatal(err, same)
	}
}

func TestTaskListText(t *testing.T) {
	text, err := taskList{{2, 1}, {0, 3}, {0, 0}, {0, 1}, {0, 1}, {0, 2}, {0, 7}}.MarshalText()
	if err != nil || string(text) != "0:0-3,7;2:1" {
		t.Fatal(string(text), err)
	}
}

func TestUserDataIsBounded(t *testing.T) {
	data := []byte(`{"v":2,"hosts":{`)
	for h := range 4 {
		data = fmt.Appendf(data, `"h%d:1":{"a":"0:0-131000"},`, h)
	}
	data = append(data, `"z:1":{"s":"1:1"}}}`...)
	var info groupInfo
	if err := decodeUserData(data, &info); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Fatal(err)
	}
	long := []byte{deflatedData}
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression)
	for range userDataMax>>10 + 1 {
		_, _ = w.Write(make([]byte, 1<<10))
	}
	_ = w.Close()
	if err := decodeUserData(append(long, b.Bytes()...), &info); err == nil || !strings.Contains(err.Error(), "16 MiB") {
		t.Fatal(err)
	}
}

func FuzzTaskList(f *testing.F) {
	for _, s := range []string{"", "0:0-3,7;2:1", "0:0-2147483647", "0:1;0:1", "1:", ":1", "0:3-1", "-1:0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var l, again taskList
		if l.UnmarshalText([]byte(text)) != nil {
			return
		}
		if len(l) > tasksMax {
			t.Fatal(len(l))
		}
		out, _ := l.MarshalText()
		if err := again.UnmarshalText(out); err != nil || !sameTasks(l, again) {
			t.Fatalf("%q became %q: %v", text, out, err)
		}
	})
}

func FuzzTaskSums(f *testing.F) {
	for _, s := range []string{"", "0:0=1200,3=r;2:1=7", "0:1=-5", "0:1", "0:1=99999999999999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var s, again taskSums
		if s.UnmarshalText([]byte(text)) != nil {
			return
		}
		out, _ := s.MarshalText()
		if err := again.UnmarshalText(out); err != nil || !reflect.DeepEqual(s, again) {
			t.Fatalf("%q became %q: %v", text, out, err)
		}
	})
}

func FuzzParseAssignment(f *testing.F) {
	tasks := map[TaskID][]TopicPartition{{0, 1}: {{"a", 1}, {"b", 1}}}
	info := groupInfo{Version: userDataVersion, Standby: taskList{{0, 2}}, Hosts: map[string]hostTasks{"h:1": {Active: taskList{{0, 1}}}}}
	f.Add(memberAssignment("m", []TaskID{{0, 1}}, tasks, &info).MemberAssignment)
	for p := range int32(2000) {
		info.Standby = append(info.Standby, TaskID{int(p % 7), p * 2})
	}
	f.Add(memberAssignment("m", []TaskID{{0, 1}}, tasks, &info).MemberAssignment)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		parts, info, err := parseAssignment(data)
		if err == nil && parts == nil {
			t.Fatal("no error and no partitions", info)
		}
	})
}

func FuzzMemberInfo(f *testing.F) {
	f.Add(encodeUserData(&memberInfo{Version: userDataVersion, Sums: taskSums{{0, 1}: 7}, Standby: taskList{{1, 1}}}))
	f.Add([]byte{deflatedData, 0})
	f.Add([]byte(`{"v":2,"sums":"0:1"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var info memberInfo
		_ = decodeUserData(data, &info) // it must not panic, nor take much memory
	})
}
