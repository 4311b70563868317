package config

import "testing"

func TestJAAS(t *testing.T) {
	l, err := ParseJAAS("org.apache.kafka.common.security.plain.PlainLoginModule required\n username=\"a\" user_b='c \\' d' n=1;")
	if err != nil || l.Module != "PlainLoginModule" || l.Options["username"] != "a" || l.Options["user_b"] != "c ' d" || l.Options["n"] != "1" {
		t.Errorf("%+v %v", l, err)
	}
	for _, bad := range []string{"", "X", "X required", "X maybe ;", "X required a ;", "X required a= ;", "X required a=\"b", "X required a=b a=c;", ";"} {
		if _, err := ParseJAAS(bad); err == nil {
			t.Errorf("%q passes", bad)
		}
	}
}

func FuzzJAAS(f *testing.F) {
	f.Add("X required a=\"b\";")
	f.Fuzz(func(_ *testing.T, s string) { _, _ = ParseJAAS(s) })
}
