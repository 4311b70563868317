package streamsapp

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"leat.dev/test/launch"
)

// java is a process of java/Twin.java. It runs any number of applications of Kafka Streams; each is asked for by one caller
// at a time. Its goroutine reads answers and ends with the process.
type java struct {
	in io.WriteCloser

	mu      sync.Mutex
	waiting map[string]chan string // by application id
}

// startJava compiles the programs and starts the process, which is killed when the test ends.
func startJava(t *testing.T) *java {
	t.Helper()
	classPath, err := launch.CompileJava(t.Context(), "test/streamsapp/java", t.TempDir())
	if errors.Is(err, launch.ErrUnavailable) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("java", "-Xmx1g", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dorg.apache.logging.log4j.level=ERROR",
		"-cp", classPath, "Twin")
	log, err := os.Create(filepath.Join(t.TempDir(), "java.log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	j := &java{in: in, waiting: map[string]chan string{}}
	done := make(chan struct{})
	go func() { defer close(done); j.listen(out) }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-done
		_ = cmd.Wait()
		if text, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("Java wrote:\n%s", text[max(0, len(text)-8000):])
		}
	})
	return j
}

func (j *java) listen(out io.Reader) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		id, answer, _ := strings.Cut(lines.Text(), " ")
		j.mu.Lock()
		if c := j.waiting[id]; c != nil {
			c <- answer
		}
		j.mu.Unlock()
	}
}

// ask sends a request about an application and waits until it is done.
func (j *java) ask(t testing.TB, id, format string, args ...any) {
	t.Helper()
	if text := j.tell(t, id, format, args...); text != "ok" {
		t.Fatalf("Java: %s: %s", id, text)
	}
}

// tell sends a request about an application and waits for the answer.
func (j *java) tell(t testing.TB, id, format string, args ...any) string {
	t.Helper()
	answer := make(chan string, 1)
	j.mu.Lock()
	j.waiting[id] = answer
	_, err := fmt.Fprintf(j.in, format+"\n", args...)
	j.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	select {
	case text := <-answer:
		return text
	case <-time.After(2 * patience):
		t.Fatalf("Java does not answer: "+format, args...)
		return ""
	}
}
