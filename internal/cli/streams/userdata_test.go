package streams

import (
	"encoding/hex"
	"reflect"
	"testing"
)

// What Kafka Streams 4.3.1 wrote (SubscriptionInfo.encode and AssignmentInfo.encode) for the process
// 01020304-0506-0708-090a-0b0c0d0e0f10 at host:8080 with the tag zone=eu-1, active tasks 0_1 and 1_3 and standby 1_0.
const (
	sub7  = "000000070000000b0102030405060708090a0b0c0d0e0f1000000009686f73743a3830383000000002000000000000000100000001fffffffffffffffe00000001000000010000000300000000000004b0"
	sub9  = "000000090000000b0102030405060708090a0b0c0d0e0f1000000009686f73743a3830383000000002000000000000000100000001fffffffffffffffe00000001000000010000000300000000000004b00300000000"
	sub11 = "0000000b0000000b0102030405060708090a0b0c0d0e0f1000000009686f73743a38303830000000020000000000000001fffffffffffffffeffff000000010000000300000000000004b0ffff030000000000000001000000047a6f6e650000000465752d31"
	asg7  = "000000070000000b0000000200000000000000010000000100000003000000010000000100000000000000010006636c69636b730000000000000001000000000006636c69636b73000000010004686f737400001f900000000100000000000000010000000100056f7468657200001f91000000010000000000000000000000000000011f71fb04cb"
	asg11 = "0000000b0000000b0000000200000000000000010000000000000001000000030000000000000001000000010000000000000000000000010006636c69636b730000000000000001000000000006636c69636b73000000010004686f737400001f900000000100000000000000010000000100056f7468657200001f91000000010000000000000000000000000000011f71fb04cb"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestUserDataOfKafkaStreams(t *testing.T) {
	for _, c := range []struct {
		version, sub, asg string
		tags              map[string]string
	}{{"7", sub7, asg7, nil}, {"9", sub9, asg7, nil}, {"11", sub11, asg11, map[string]string{"zone": "eu-1"}}} {
		got, err := readJava(unhex(t, c.sub), unhex(t, c.asg))
		if err != nil {
			t.Fatal(err)
		}
		want := told{
			Process: "01020304-0506-0708-090a-0b0c0d0e0f10", Endpoint: "host:8080", Version: c.version, Tags: c.tags,
			Active: []string{"0_1", "1_3"}, Standby: []string{"1_0"}, Warmup: []string{}, ProbeAt: 1234567890123,
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("version %s:\n%+v\nwant\n%+v", c.version, got, want)
		}
		for n := range unhex(t, c.sub) {
			if _, err := readJava(unhex(t, c.sub)[:n], nil); err == nil {
				t.Errorf("version %s: %d bytes of a subscription are taken", c.version, n)
			}
		}
		for n := 1; n < len(c.asg)/2; n++ {
			if _, err := readJava(unhex(t, c.sub), unhex(t, c.asg)[:n]); err == nil {
				t.Errorf("version %s: %d bytes of an assignment are taken", c.version, n)
			}
		}
	}
}

const (
	ourJoin  = `{"v":2,"process":"ab12","workers":2,"endpoint":"h:1","topology":"77","sums":"0:0=r,1=5","standby":"0:1","tags":{"zone":"a"},"rack":"r1"}`
	ourGiven = `{"v":2,"active":"0:0-1,3;2:5","reads":{"2":["x"]},"standby":"1:0-1","warmup":"1:1","probe":7,"hosts":{"h:1":{"a":"0:0"}}}`
)

func TestUserDataOfLeat(t *testing.T) {
	got, err := readOurs([]byte(ourJoin), []byte(ourGiven))
	if err != nil {
		t.Fatal(err)
	}
	want := told{
		Process: "ab12", Workers: 2, Endpoint: "h:1", Topology: "77", Version: "2", Tags: map[string]string{"zone": "a"}, Rack: "r1",
		Active: []string{"0_0", "0_1", "0_3", "2_5"}, Standby: []string{"1_0"}, Warmup: []string{"1_1"}, ProbeAt: 7, reads: map[int][]string{2: {"x"}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nwant\n%+v", got, want)
	}
	for _, bad := range []string{"0", "x:1", "0:5-1", "0:-1", "0:0-999999999", ":1", "0:1;"} {
		if _, err := readTasks(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// Whatever stands there, reading ends, with an error or a list within its bound.
func FuzzUserData(f *testing.F) {
	for _, s := range []string{sub7, sub9, sub11, asg7, asg11} {
		f.Add(unhex(f, s), unhex(f, asg11))
	}
	f.Add([]byte(ourJoin), []byte(ourGiven))
	f.Fuzz(func(t *testing.T, joined, given []byte) {
		ours, _ := readOurs(joined, given)
		java, _ := readJava(joined, given)
		for _, d := range []told{ours, java} {
			if max(len(d.Active), len(d.Standby), len(d.Warmup)) > max(tasksMax, len(given)) {
				t.Fatal("more tasks than there can be")
			}
		}
	})
}
