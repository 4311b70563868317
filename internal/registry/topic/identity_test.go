package topic

import (
	"encoding/json"
	"testing"
)

func member(t *testing.T, id, base string, eligible, leader bool) candidate {
	t.Helper()
	i, err := NewIdentity(base, eligible)
	if err != nil {
		t.Fatal(err)
	}
	i.Leader = leader
	return candidate{id, i}
}

func TestChoose(t *testing.T) {
	a := member(t, "m-a", "http://a:8081", true, false)
	b := member(t, "m-b", "http://b:8081", true, true)
	ten := member(t, "m-ten", "http://a:10081", true, false) // as text it comes before a:8081
	follower := member(t, "m-f", "http://0:8081", false, false)
	twin := member(t, "m-twin", "http://b:8081", true, false)
	for _, k := range []struct {
		name    string
		members []candidate
		sticky  bool
		want    string
	}{
		{"the smallest URL", []candidate{b, a}, false, `{"error":0,"master":"m-a","master_identity":{"host":"a","port":8081,"master_eligibility":true,"scheme":"http","version":1,"leader":false},"version":1}`},
		{"as text", []candidate{a, ten}, false, `{"error":0,"master":"m-ten","master_identity":{"host":"a","port":10081,"master_eligibility":true,"scheme":"http","version":1,"leader":false},"version":1}`},
		{"sticky", []candidate{a, b}, true, `{"error":0,"master":"m-b","master_identity":{"host":"b","port":8081,"master_eligibility":true,"scheme":"http","version":1,"leader":true},"version":1}`},
		{"not eligible", []candidate{follower, b}, false, `{"error":0,"master":"m-b","master_identity":{"host":"b","port":8081,"master_eligibility":true,"scheme":"http","version":1,"leader":true},"version":1}`},
		{"nobody eligible", []candidate{follower}, false, `{"error":0,"master":null,"master_identity":null,"version":1}`},
		{"one URL twice", []candidate{a, b, twin}, false, `{"error":1,"master":null,"master_identity":null,"version":1}`},
		{"nobody", nil, false, `{"error":0,"master":null,"master_identity":null,"version":1}`},
	} {
		if got := string(encode(choose(k.members, k.sticky))); got != k.want {
			t.Errorf("%s:\n%s, want\n%s", k.name, got, k.want)
		}
	}
}

func TestIdentity(t *testing.T) {
	i, err := NewIdentity("https://[::1]:443", true)
	if err != nil || i.URL() != "https://[::1]:443" {
		t.Errorf("%+v %v", i, err)
	}
	if got, want := string(encode(i)), `{"host":"::1","port":443,"master_eligibility":true,"scheme":"https","version":1,"leader":false}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for _, bad := range []string{"", "a:8081", "http://a", "ftp://a:1", "http://:8081", "http://a:b", "http://a:8081:1"} {
		if _, err := NewIdentity(bad, true); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func FuzzAssignment(f *testing.F) {
	f.Add([]byte(`{"error":0,"master":"m-a","master_identity":{"host":"a","port":8081,"master_eligibility":true,"scheme":"http","version":1,"leader":false},"version":1}`))
	f.Add([]byte(`{"error":1,"master":null,"master_identity":null}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if a, err := parseAssignment(data); err == nil {
			if _, err := json.Marshal(a); err != nil {
				t.Error(err)
			}
		}
		if i, err := parseIdentity(data); err == nil {
			_ = i.URL()
		}
	})
}
