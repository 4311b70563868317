package oracle

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"leat.dev/test/launch"
)

// Java is a running process of java/Oracle.java. It serves one caller at a time.
type Java struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	done chan error
}

// StartJava compiles the programs into dir and starts the process. The error is launch.ErrUnavailable where there is no JDK
// or Kafka's jars cannot be had.
func StartJava(ctx context.Context, dir string) (*Java, error) {
	classPath, err := launch.CompileJava(ctx, "test/streams/java", filepath.Join(dir, "classes"))
	if err != nil {
		return nil, err
	}
	state := filepath.Join(dir, "state")
	cmd := exec.Command("java", "-Xmx768m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dorg.apache.logging.log4j.level=OFF",
		"-cp", classPath, "Oracle", state)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	j := &Java{cmd: cmd, in: in, out: bufio.NewReaderSize(out, 1<<20), done: make(chan error, 1)}
	return j, nil
}

// Close ends the process.
func (j *Java) Close() error {
	return errors.Join(j.in.Close(), j.cmd.Wait())
}

// Ask runs a case.
func (j *Java) Ask(c Case) (Answer, error) {
	if _, err := io.WriteString(j.in, c.String()+"end\n"); err != nil {
		return Answer{}, err
	}
	a, err := readAnswer(j.out)
	a.settle()
	return a, err
}

// Describe is the text of Java's topology.
func (j *Java) Describe(c Case) (string, error) {
	c.Steps = nil
	lines, err := j.lines("describe" + strings.TrimPrefix(c.head(), "case"))
	if err != nil {
		return "", err
	}
	var text []string
	for _, l := range lines {
		if after, ok := strings.CutPrefix(l, "text "); ok {
			text = append(text, after)
		} else {
			return "", fmt.Errorf("%s: %s", c.head(), l)
		}
	}
	return strings.Join(text, "\n"), nil
}

// Programs are the names of Java's catalogue.
func (j *Java) Programs() ([]string, error) {
	lines, err := j.lines("catalogue")
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], "program ")
	}
	return lines, err
}

func (j *Java) lines(request string) ([]string, error) {
	if _, err := io.WriteString(j.in, request+"\n"); err != nil {
		return nil, err
	}
	var lines []string
	for {
		line, err := j.out.ReadString('\n')
		if err != nil {
			return nil, err
		}
		line = strings.TrimSuffix(line, "\n")
		if line == "end" {
			return lines, nil
		}
		lines = append(lines, line)
	}
}
