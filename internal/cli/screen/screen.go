// Package screen is what commands write to: standard output and standard error, tables, JSON, progress bars and
// numbers as people read them. It decides once whether a stream is a terminal. A Screen belongs to one command
// run and is used from one goroutine, except Progress, which may be advanced from any.
package screen

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// Format is how results are written.
type Format string

// The formats of --output.
const (
	FormatTable Format = "table"
	FormatJSON  Format = "json"
)

// Screen is where a command reads from and writes to.
type Screen struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer

	InTerminal  bool
	OutTerminal bool
	ErrTerminal bool

	Format Format
}

// Std is the screen of the process.
func Std() *Screen {
	return &Screen{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		InTerminal:  term.IsTerminal(int(os.Stdin.Fd())),
		OutTerminal: term.IsTerminal(int(os.Stdout.Fd())),
		ErrTerminal: term.IsTerminal(int(os.Stderr.Fd())) && os.Getenv("TERM") != "dumb",
		Format:      FormatTable,
	}
}

// JSON reports whether results are wanted as JSON.
func (s *Screen) JSON() bool { return s.Format == FormatJSON }

// Columns gives the width of the terminal that results are written to, or another number if it is none.
func (s *Screen) Columns(otherwise int) int {
	if s.OutTerminal {
		if width, _, err := term.GetSize(int(os.Stdout.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return otherwise
}

// WriteJSON writes a value as indented JSON, one value per command.
func (s *Screen) WriteJSON(v any) error {
	enc := json.NewEncoder(s.Out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// Printf writes to standard output.
func (s *Screen) Printf(format string, args ...any) error {
	_, err := fmt.Fprintf(s.Out, format, args...)
	return err
}

// Notef writes a line about the work itself to standard error, where it does not disturb pipes.
func (s *Screen) Notef(format string, args ...any) {
	fmt.Fprintf(s.Err, format+"\n", args...)
}

// Emit writes the value as JSON if that was asked for, and calls table otherwise.
func (s *Screen) Emit(v any, table func() error) error {
	if s.JSON() {
		return s.WriteJSON(v)
	}
	return table()
}
