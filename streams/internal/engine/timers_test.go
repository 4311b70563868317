package engine

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// timerScript answers the commands of testdata/timers:
//
//	every NAME stream|wall INTERVAL NOW [cancel|fail]   what it does when it fires
//	from NAME stream|wall START INTERVAL NOW
//	fire stream|wall NOW, next stream|wall, cancel NAME
func timerScript(t *testing.T) func([]string) string {
	var timers Timers
	var fired []string
	byName := map[string]*Timer{}
	call := func(name, then string) func(int64) error {
		return func(now int64) error {
			fired = append(fired, fmt.Sprintf("%s@%d", name, now))
			switch then {
			case "cancel":
				byName[name].Cancel()
			case "fail":
				return errors.New(name + " fails")
			}
			return nil
		}
	}
	clock := func(name string) Clock { return map[string]Clock{"stream": StreamTime, "wall": WallClock}[name] }
	return func(w []string) string {
		switch w[0] {
		case "every":
			then := ""
			if len(w) > 5 {
				then = w[5]
			}
			byName[w[1]] = timers.Every(clock(w[2]), number(t, w[3]), number(t, w[4]), call(w[1], then))
		case "from":
			byName[w[1]] = timers.EveryFrom(clock(w[2]), number(t, w[3]), number(t, w[4]), number(t, w[5]), call(w[1], ""))
		case "cancel":
			byName[w[1]].Cancel()
		case "next":
			if ms, ok := timers.Next(clock(w[1])); ok {
				return fmt.Sprint(ms)
			}
			return "never"
		case "fire":
			fired = nil
			any, err := timers.Fire(clock(w[1]), number(t, w[2]))
			if err != nil {
				fired = append(fired, "error: "+err.Error())
			}
			return strings.TrimSpace(fmt.Sprint(any, " ", strings.Join(fired, " ")))
		default:
			t.Fatalf("unknown command %q", w)
		}
		return ""
	}
}

func TestTimers(t *testing.T) { runScripts(t, "timers", timerScript) }

// TestTimersModel: a punctuator fires at most once a call, exactly when its due time has come, and its due times are
// multiples of its interval from its start.
func TestTimersModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var timers Timers
		type plan struct {
			start, interval, due int64
			fired                int
		}
		now := rapid.Int64Range(0, 100).Draw(t, "begin")
		var plans []*plan
		for range rapid.IntRange(1, 6).Draw(t, "timers") {
			p := &plan{interval: rapid.Int64Range(1, 30).Draw(t, "interval"), start: rapid.Int64Range(0, 200).Draw(t, "start")}
			p.due = p.start
			for p.due <= now && p.due != now || p.due < now {
				p.due += p.interval
			}
			if p.start < now && p.due == now {
				p.due += p.interval // what is missed is over
			}
			timers.EveryFrom(WallClock, p.start, p.interval, now, func(at int64) error {
				if at != now {
					t.Fatalf("given %d at %d", at, now)
				}
				p.fired++
				return nil
			})
			plans = append(plans, p)
		}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			now += rapid.Int64Range(0, 100).Draw(t, "pass")
			want, next := false, int64(1<<62)
			for _, p := range plans {
				p.fired = 0
				want = want || p.due <= now
			}
			got, err := timers.Fire(WallClock, now)
			if err != nil || got != want {
				t.Fatal(got, want, err)
			}
			for _, p := range plans {
				if (p.due <= now) != (p.fired == 1) || p.fired > 1 {
					t.Fatalf("due %d fired %d times at %d", p.due, p.fired, now)
				}
				for p.due <= now {
					p.due += p.interval
				}
				next = min(next, p.due)
			}
			if ms, ok := timers.Next(WallClock); !ok || ms != next {
				t.Fatalf("next %d, want %d", ms, next)
			}
		}
	})
}
