package launch

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// CompileJava compiles the Java sources of a folder of the repository with Kafka's jars into a folder, and gives the class path they
// run with. The error is ErrUnavailable where there is no JDK or Kafka's jars cannot be had.
func CompileJava(ctx context.Context, folder, into string) (classPath string, err error) {
	if _, err := exec.LookPath("javac"); err != nil {
		return "", fmt.Errorf("%w: javac is not installed (Debian: apt-get install default-jdk-headless)", ErrUnavailable)
	}
	lib, err := KafkaLib(ctx)
	if err != nil {
		return "", err
	}
	root, err := Root()
	if err != nil {
		return "", err
	}
	sources, err := filepath.Glob(filepath.Join(root, folder, "*.java"))
	if err != nil {
		return "", err
	}
	jars := filepath.Join(lib, "*")
	if out, err := exec.CommandContext(ctx, "javac", append([]string{"-d", into, "-cp", jars}, sources...)...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("javac: %w\n%s", err, out)
	}
	return into + string(os.PathListSeparator) + jars, nil
}
