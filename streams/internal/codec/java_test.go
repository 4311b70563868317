package codec

import (
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestJava asks the Kafka Streams that is here about other values than the recorded ones. LEAT_KAFKA_LIBS names the folder
// of its jars, LEAT_JAVA_SEED what values.
func TestJava(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("asks Java, which takes some seconds")
	}
	home, _ := os.UserHomeDir()
	libs := cmp.Or(os.Getenv("LEAT_KAFKA_LIBS"), filepath.Join(home, ".cache/leat-oracle/lib"))
	if found, _ := filepath.Glob(filepath.Join(libs, "kafka-streams-4*.jar")); len(found) == 0 {
		t.Skipf("no Kafka Streams in %s", libs)
	}
	javac, err := exec.LookPath("javac")
	if err != nil {
		t.Skip("no javac here")
	}
	classes, path := t.TempDir(), filepath.Join(libs, "*")
	if out, err := exec.CommandContext(t.Context(), javac, "-nowarn", "-cp", path, "-d", classes, "testdata/Vectors.java").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	java := filepath.Join(filepath.Dir(javac), "java")
	out, err := exec.CommandContext(t.Context(), java, "-cp", classes+string(os.PathListSeparator)+path, "Vectors", cmp.Or(os.Getenv("LEAT_JAVA_SEED"), "1")).Output()
	if err != nil {
		t.Fatal(err)
	}
	checkVectors(t, string(out))
}
