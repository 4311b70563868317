package consume

import (
	"bufio"
	"io"
	"os"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
	"leat.dev/internal/cli/screen"
)

// output is where records go: standard output, or a file with a progress bar.
type output struct {
	w    *bufio.Writer
	file io.Closer
	bar  *screen.Progress
}

func openOutput(env *command.Env, name string, total int64) (*output, error) {
	const buffer = 256 << 10
	if name == "" || name == "-" {
		return &output{w: bufio.NewWriterSize(env.Out, buffer), bar: &screen.Progress{}}, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, fault.Usage("cannot write %s", name).WithDetail("%v", err)
	}
	return &output{w: bufio.NewWriterSize(f, buffer), file: f, bar: env.Progress("consuming", total, false)}, nil
}

func (o *output) close() error {
	o.bar.Done()
	err := o.w.Flush()
	if o.file != nil {
		if closeErr := o.file.Close(); err == nil {
			err = closeErr
		}
	}
	return err
}
