package tree

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"leat.dev/internal/registry/schema/source"
)

// FuzzParse holds the parser against encoding/json: the same texts are JSON, and what is printed means the same.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		``, ` `, `null`, `{"a":[1,-2.50e+3,"\u00e9\ud83d\ude00\ud800",true,{}],"a":null}`, `[01]`, `{"a" 1}`, "\"\x01\"", `"\q"`,
		`-`, `1.`, `[1,]`, `{"a":1}x`, `nul`, "{\"\xff\":0}", `"`, `[[[`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, rest, err := Parse(text)
		var limit *source.Error
		if errors.As(err, &limit) {
			return
		}
		ok := err == nil && n != nil && strings.TrimLeft(text[rest:], " \t\r\n") == ""
		if ok != json.Valid([]byte(text)) {
			t.Fatalf("%q: ours says %v (%v), encoding/json the opposite", text, ok, err)
		}
		if !ok {
			if err != nil && err.Error() == "" {
				t.Fatal("an error without text")
			}
			return
		}
		printed := n.String()
		again, _, err := Parse(printed)
		if err != nil || again.String() != printed {
			t.Fatalf("%q printed as %q does not read back: %v", text, printed, err)
		}
		var a, b any
		if json.Unmarshal([]byte(text), &a) == nil && json.Unmarshal([]byte(printed), &b) == nil && !reflect.DeepEqual(a, b) {
			t.Fatalf("%q printed as %q means something else", text, printed)
		}
		n.Sorted()
		n.Print(&strings.Builder{}, JavaDecimal)
	})
}

func TestJavaNumbers(t *testing.T) {
	for v, want := range map[float64]string{0: "0.0", 1: "1.0", 0.001: "0.001", 0.00099: "9.9E-4", 1e7: "1.0E7", 9999999: "9999999.0", -1.5e-300: "-1.5E-300", 123456.789: "123456.789"} {
		if got := JavaDouble(v); got != want {
			t.Errorf("%g: %s, not %s", v, got, want)
		}
	}
	if got := JavaFloat(0.1); got != "0.1" {
		t.Error(got)
	}
	for text, want := range map[string]string{
		"1.10": "1.10", "1e3": "1E+3", "-0": "0", "0.000001": "0.000001", "0.0000001": "1E-7", "12e-1": "1.2", "1.5E+10": "1.5E+10",
		"100": "100", "0.00": "0.00", "-12.30": "-12.30", "1E400": "1E+400", "1e99999999999": "1e99999999999",
	} {
		if got := JavaDecimal(text); got != want {
			t.Errorf("%s: %s, not %s", text, got, want)
		}
	}
	if CompareNumbers("1e999999999", "2") != 1 || CompareNumbers("0.10", "1e-1") != 0 || CompareNumbers("-3", "2") != -1 {
		t.Error("numbers out of order")
	}
}

func TestJavaOrders(t *testing.T) {
	if CompareJava("\U0001F600", "\uE000") >= 0 || CompareJava("a", "ab") >= 0 || CompareJava("b", "a") <= 0 {
		t.Error("texts out of Java's order")
	}
	if got := JavaSetOrder([]string{"next", "v"}, []string{"v", "b"}); !reflect.DeepEqual(got, []string{"b", "v", "next"}) && !reflect.DeepEqual(got, []string{"next", "b", "v"}) {
		t.Error(got)
	}
	if got := JavaIntSetOrder([]int{3, 17, 1}, []int{16}); !reflect.DeepEqual(got, []int{16, 17, 1, 3}) {
		t.Error(got)
	}
}

func TestLimits(t *testing.T) {
	for name, text := range map[string]string{
		"depth":  strings.Repeat("[", source.DepthMax+2),
		"size":   strings.Repeat(" ", source.TextBytesMax+1),
		"values": "[" + strings.Repeat("0,", source.NodesMax) + "0]",
	} {
		var limit *source.Error
		if _, _, err := Parse(text); !errors.As(err, &limit) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
