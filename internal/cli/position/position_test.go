package position

import (
	"maps"
	"strings"
	"testing"
	"time"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/screen"
)

func TestRead(t *testing.T) {
	read := func(text string) (map[Partition]int64, error) {
		return Read(&command.Env{Screen: &screen.Screen{In: strings.NewReader(text)}}, "-")
	}
	got, err := read("a,0,5\n\n b , 1 , 7 \n")
	if want := (map[Partition]int64{{"a", 0}: 5, {"b", 1}: 7}); err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
	for _, s := range []string{"a,0", "a,x,1", "a,0,-1", "a,-1,0", "a,0,1,2"} {
		if _, err := read(s); err == nil || !strings.Contains(err.Error(), "line 1") {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add("a,0,5\n")
	f.Fuzz(func(_ *testing.T, text string) {
		_, _ = Read(&command.Env{Screen: &screen.Screen{In: strings.NewReader(text)}, Timeout: time.Second}, "-")
	})
}
