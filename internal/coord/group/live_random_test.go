package group

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var liveRandom = flag.Int("live-random", 0, "how many random sequences to compare with the broker at LEAT_GROUPS_BROKER")

// TestLiveRandom sends random sequences of requests of a few clients to the state
// machine and to Apache Kafka (set up as for TestLive), and compares every answer.
// Where Kafka leaves a choice open, as of a new leader, a sequence ends.
func TestLiveRandom(t *testing.T) {
	t.Parallel()
	addr := os.Getenv("LEAT_GROUPS_BROKER")
	if addr == "" || *liveRandom == 0 {
		t.Skip("LEAT_GROUPS_BROKER or -live-random is not set: no broker to compare with")
	}
	createOffsetsTopic(t, addr)
	seed := uint64(time.Now().UnixNano())
	for i := range *liveRandom {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			r := &randomScript{t: t, rng: rand.New(rand.NewPCG(seed, uint64(i))), core: newWorld(t), gens: map[string]int32{}}
			r.core.settings.InitialRebalanceDelay = 400 * time.Millisecond
			r.core.step(Configure{r.core.settings})
			r.live = &liveWorld{t: t, addr: addr, suffix: fmt.Sprintf(".%d.%d", seed, i), replies: make(chan liveReply, 100), uuids: map[string]string{}}
			for range 25 {
				if !r.command() {
					break
				}
			}
			if t.Failed() {
				t.Logf("seed %d, the sequence was:\n%s", seed, strings.Join(r.done, "\n"))
			}
		})
	}
}

type randomScript struct {
	t    *testing.T
	rng  *rand.Rand
	core *world
	live *liveWorld
	done []string
	ids  []string // member ids that replies named
	gens map[string]int32
}

func (r *randomScript) pick(of ...string) string { return of[r.rng.IntN(len(of))] }

// command runs one command on both sides; false ends the sequence.
func (r *randomScript) command() bool {
	line := r.next()
	if !r.run(line) {
		return false
	}
	// The first rebalance waits for a delay that nothing else depends on.
	if g := r.core.shard.classic("g"); g != nil && g.state == PreparingRebalance && g.previous == Empty {
		return r.run("advance 1300ms")
	}
	return true
}

func (r *randomScript) next() string {
	gen := int32(0)
	if g := r.core.shard.classic("g"); g != nil {
		gen = g.generation
	}
	if r.rng.IntN(8) == 0 {
		gen--
	}
	id, instance := "-", ""
	if len(r.ids) > 0 && r.rng.IntN(8) > 0 {
		id = r.ids[r.rng.IntN(len(r.ids))]
	}
	if strings.HasPrefix(id, "i") && r.rng.IntN(6) > 0 || r.rng.IntN(12) == 0 {
		instance = " instance=" + r.pick("ix", "iy")
		if strings.HasPrefix(id, "i") && r.rng.IntN(6) > 0 {
			instance = " instance=" + id[:2]
		}
	}
	switch r.rng.IntN(12) {
	case 0, 1:
		who := " client=" + r.pick("ca", "cb", "cc")
		if r.rng.IntN(3) == 0 {
			who += " instance=" + r.pick("ix", "iy")
		}
		return "join g - v=" + r.pick("5", "7", "9") + who + " session=60s protos=" + r.pick("range:t", "range:u", "range:t,sticky:t")
	case 2, 3, 4:
		return "join g " + id + " v=" + r.pick("5", "7", "9") + instance + " session=60s client=ca protos=" + r.pick("range:t", "range:t", "range:u", "range:t,sticky:t", "sticky:t")
	case 5, 6, 7:
		assign := ""
		for i, m := range r.ids {
			assign += fmt.Sprintf("%s:A%d,", m, i)
		}
		return fmt.Sprintf("sync g %s gen=%d v=4%s assign=%s", id, gen, instance, assign)
	case 8:
		return fmt.Sprintf("heartbeat g %s gen=%d%s", id, gen, instance)
	case 9:
		at := ""
		if instance != "" {
			at = "@" + strings.TrimPrefix(instance, " instance=")
		}
		if id == "-" {
			id = ""
		}
		if id+at == "" {
			return "describe g"
		}
		return "leave g " + id + at
	case 10:
		return fmt.Sprintf("commit g t-0 member=%s gen=%d%s offset=%d", id, gen, instance, r.rng.IntN(1000))
	default:
		return r.pick("describe g", "fetch g t-0", "offset-delete g t-0 u-0", "list", "delete g")
	}
}

var (
	modelID     = regexp.MustCompile(`\b(c[abc]|i[xy])-(\d+)\b`)
	unknownID   = regexp.MustCompile(`\b(c[abc]|i[xy])-` + uuidSuffix.String())
	leaderField = regexp.MustCompile(` leader=\S+| members=\[[^]]*\]`)
)

func (r *randomScript) run(line string) bool {
	r.done = append(r.done, line)
	c := parseCommand(line)
	var want []string
	text := r.core.do(c)
	r.core.out.Reset()
	r.core.advance(r.core.now) // timers without a delay
	for out := range strings.Lines(text + r.core.out.String()) {
		out = strings.TrimSpace(timePrefix.ReplaceAllString(out, ""))
		if !strings.HasPrefix(out, "append ") && !r.superseded(c, out) {
			want = append(want, out)
		}
	}
	got := r.live.do(c, want)
	if len(got) == 1 && strings.Contains(got[0], "UNKNOWN_SERVER_ERROR") {
		return false // Kafka stumbles over a pending member id with an instance id
	}
	for i := range got {
		got[i] = unknownID.ReplaceAllString(got[i], "$1-?")
	}
	for i := range want {
		want[i] = modelID.ReplaceAllStringFunc(want[i], func(id string) string {
			if r.live.realID(id) == id {
				return id[:2] + "-?"
			}
			if !slices.Contains(r.ids, id) {
				r.ids = append(r.ids, id)
			}
			return id
		})
	}
	slices.Sort(want)
	if slices.Equal(got, want) {
		return true
	}
	same := func(lines []string) string { return leaderField.ReplaceAllString(strings.Join(lines, "\n"), "") }
	if same(got) == same(want) {
		return false // the choice of a leader, or of the order of ids not known yet
	}
	r.t.Errorf("%s\nthe broker:\n  %s\nthe state machine:\n  %s", line, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	return false
}

// superseded recognises answers that Kafka never gives: to a request that the
// same member has sent again, and to the SyncGroup of one that leaves.
func (r *randomScript) superseded(c command, out string) bool {
	if strings.HasPrefix(out, fmt.Sprintf("#%d ", r.core.requests)) {
		return false
	}
	switch c.Verb {
	case "join":
		return strings.Contains(out, "REBALANCE_IN_PROGRESS member=")
	case "sync":
		return strings.HasSuffix(out, " REBALANCE_IN_PROGRESS")
	case "leave":
		return strings.HasSuffix(out, " UNKNOWN_MEMBER_ID")
	}
	return false
}
