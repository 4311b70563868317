package registry

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"leat.dev/test/launch"
)

// Recorded sessions of Confluent's registry are replayed against a process, through the leader and through a follower, by
// the program that comes with them. internal/registry/rest replays all of them inside; here are those in which nothing differs
// on purpose.
func TestRecorded(t *testing.T) {
	root, err := launch.Root()
	if err != nil {
		t.Fatal(err)
	}
	dir := os.Getenv("LEAT_REGISTRY_SESSIONS")
	if dir == "" {
		dir = filepath.Join(root, "..", "shared", "conformance", "registry")
	}
	program := filepath.Join(dir, "replay.py")
	if _, err := os.Stat(program); err != nil {
		t.Skipf("no recorded sessions in %s", dir)
	}
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("python3 is not installed")
	}
	b := broker(t, launch.Leat)
	n := nodes(t, b.Addr(), "_recorded_leader", 1)
	n[0].start()
	for name, through := range map[string]func() *node{
		"leader": func() *node { return n[0] },
		"follower": func() *node {
			two := nodes(t, b.Addr(), "_recorded_follower", 2)
			two[0].start()
			two[1].start()
			settled(t, two[0], two[1])
			return two[1]
		},
	} {
		t.Run(name, func(t *testing.T) {
			url := through().url()
			for _, file := range []string{"rest-config", "rest-contexts", "rest-mode", "rest-http", "avro-canonical", "json-canonical"} {
				out, err := exec.CommandContext(t.Context(), "python3", program, "--loose", "--skip-faults", url, filepath.Join(dir, file+".jsonl")).CombinedOutput()
				lines := strings.Split(strings.TrimSpace(string(out)), "\n")
				last := lines[len(lines)-1]
				if err != nil || !strings.Contains(last, " 0 failed ") {
					t.Errorf("%s: %v\n%s", file, err, strings.Join(lines[max(0, len(lines)-12):], "\n"))
					continue
				}
				t.Logf("%s: %s", file, last)
			}
		})
	}
}
