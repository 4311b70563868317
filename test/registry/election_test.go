package registry

import (
	"maps"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"leat.dev/test/launch"
)

// sessionTimeout is how long a registry that does not say that it goes is waited for. Whoever says so is not: less than this is at once,
// however busy the machine is.
const sessionTimeout = 10 * time.Second

// The smallest URL leads; the others forward to it, and one of them takes over when it goes, at once when it says so.
func TestElection(t *testing.T) {
	kinds(t, func(t *testing.T, b *launch.Broker) {
		n := nodes(t, b.Addr(), "_election", 3)
		for i := len(n) - 1; i >= 0; i-- { // each one that comes takes over
			n[i].start()
			settled(t, n[i], n[i+1:]...)
		}
		given := map[string]int{}
		for _, through := range n {
			name := "through_" + through.addr[len("127.0.0.1:"):]
			given[name] = through.register(name)
			if got := through.ids(); got[name] != given[name] { // who wrote through a node finds it there
				t.Errorf("%s holds %v after it acknowledged %s", through.url(), got, name)
			}
		}
		before := time.Now()
		n[0].end(syscall.SIGTERM)
		given["second"] = n[2].register("second")
		if took := time.Since(before); took > sessionTimeout {
			t.Errorf("writes were served again after %v", took)
		}
		settled(t, n[1], n[2])
		n[0].start()
		settled(t, n[0], n[1], n[2])
		given["third"] = n[2].register("third")
		for _, each := range n {
			eventually(t, "all nodes hold the same", func() bool { return maps.Equal(each.ids(), given) })
		}
		unique(t, given)
	})
}

func unique(t *testing.T, ids map[string]int) {
	t.Helper()
	seen := map[int]string{}
	for name, id := range ids {
		if other, twice := seen[id]; twice {
			t.Errorf("id %d was given to %s and to %s", id, name, other)
		}
		seen[id] = name
	}
}

// While nobody leads, reads are served and writes say so.
func TestReadableWithoutLeader(t *testing.T) {
	b := broker(t, launch.Leat)
	n := nodes(t, b.Addr(), "_readable", 2)
	n[1].args = []string{"--follower", "--store-timeout", "500ms"}
	n[0].start()
	n[1].start()
	settled(t, n[0], n[1])
	id := n[1].register("kept")
	n[0].end(syscall.SIGKILL)
	killed := time.Now()
	var a answer
	if status, err := n[1].call(t.Context(), http.MethodGet, "/subjects/kept/versions/1", nil, &a); err != nil || status != http.StatusOK || a.ID != id {
		t.Errorf("a read without leader: %d %+v %v", status, a, err)
	}
	status, err := n[1].call(t.Context(), http.MethodPost, "/subjects/lost/versions", enum("lost"), &a)
	over := a.Code == 50004 && time.Since(killed) > sessionTimeout/2 // on a slow machine the session has ended by now
	if err != nil || status != http.StatusInternalServerError || a.Code != 50003 && !over {
		t.Errorf("a write whose leader was killed: %d %+v %v", status, a, err)
	}
	eventually(t, "nobody leads once the session has ended", func() bool { return n[1].ready() == "ready for reads, no leader" })
	status, err = n[1].call(t.Context(), http.MethodPost, "/subjects/lost/versions", enum("lost"), &a)
	if err != nil || status != http.StatusInternalServerError || a.Code != 50004 || a.Message != "Leader not known." {
		t.Errorf("a write without leader: %d %+v %v", status, a, err)
	}
}

// A process that was killed and comes back at its address leads at once: nobody waits for the session of the dead one.
func TestRestart(t *testing.T) {
	b := broker(t, launch.Leat)
	inside := &node{t: t, addr: b.RegistryAddr()}
	given := map[string]int{"first": inside.register("first")}
	if err := b.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	given["second"] = inside.register("second")
	if took := time.Since(begin); took > sessionTimeout {
		t.Errorf("writes were served again after %v", took)
	}
	if got := inside.ids(); !maps.Equal(got, given) {
		t.Errorf("after a restart %v, before it %v", got, given)
	}
	unique(t, given)
}

// A topic that would delete schemas is refused, and it is said what to do.
func TestTopicNotCompacted(t *testing.T) {
	b := broker(t, launch.Leat)
	for _, policy := range []string{"delete", "compact,delete"} {
		name := "_" + strings.ReplaceAll(policy, ",", "_")
		out, err := exec.Command(launchBinary(t), "topic", "create", name, "--config", "cleanup.policy="+policy, "--bootstrap-servers", b.Addr()).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		n := nodes(t, b.Addr(), name, 1)[0]
		err = n.try()
		if err == nil || !strings.Contains(err.Error(), "cleanup.policy="+policy) || !strings.Contains(err.Error(), "leat config set topic "+name+" cleanup.policy=compact") {
			t.Errorf("%s: %v", policy, err)
		}
	}
}
