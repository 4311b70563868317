package quota

import (
	"fmt"
	"testing"
)

func TestParseEntity(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"user", "alice", "producer_byte_rate=1"}, "user alice [producer_byte_rate=1]"},
		{[]string{"client-id", "app", "user", "*"}, "user * client-id app []"},
		{[]string{"user", "user", "ip"}, `"ip" needs a name`},
		{[]string{"ip", "10.0.0.1", "x"}, "ip 10.0.0.1 [x]"},
		{[]string{"ip", "10.0.0.1", "user", "a"}, "quotas of an address hold for connections, before the user and the client id are known"},
		{[]string{"user", "a", "user", "b"}, `"user" is given twice`},
		{[]string{"alice"}, "whose quotas?"},
		{[]string{"user", "producer_byte_rate=1"}, `"user" needs a name`},
	} {
		e, rest, err := parseEntity(c.args)
		got := fmt.Sprintf("%v %v", e, rest)
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%v: %s, want %s", c.args, got, c.want)
		}
	}
}

func TestResolve(t *testing.T) {
	rows := []row{
		{entity{"user": "a"}, map[string]float64{"producer_byte_rate": 1, "consumer_byte_rate": 2}},
		{entity{"user": "a", "client-id": "*"}, map[string]float64{"producer_byte_rate": 3}},
		{entity{"user": "*", "client-id": "app"}, map[string]float64{"consumer_byte_rate": 4}},
		{entity{"client-id": "app"}, map[string]float64{"request_percentage": 5, "consumer_byte_rate": 6}},
		{entity{"ip": "*"}, map[string]float64{"connection_creation_rate": 7}},
	}
	for _, c := range []struct {
		of   entity
		want string
	}{
		{entity{"user": "a", "client-id": "app"}, "consumer_byte_rate=2 of user a; producer_byte_rate=3 of user a client-id *; request_percentage=5 of client-id app; "},
		{entity{"user": "b", "client-id": "app"}, "consumer_byte_rate=4 of user * client-id app; request_percentage=5 of client-id app; "},
		{entity{"user": "b"}, ""},
		{entity{"ip": "10.0.0.1"}, "connection_creation_rate=7 of ip *; "},
	} {
		got := ""
		for _, f := range resolve(rows, c.of) {
			got += fmt.Sprintf("%s=%v of %s; ", f.Quota, f.Value, f.From)
		}
		if got != c.want {
			t.Errorf("%v: %s, want %s", c.of, got, c.want)
		}
	}
}
