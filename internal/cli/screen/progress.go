package screen

import (
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// Progress shows how far long work has come: a bar on a terminal, nothing at all elsewhere, so that logs and
// pipes stay clean.
type Progress struct{ bar *progressbar.ProgressBar }

// Progress starts a bar on standard error. A total of -1 stands for unknown and shows a spinner; bytes chooses
// the unit.
func (s *Screen) Progress(what string, total int64, bytes bool) *Progress {
	if !s.ErrTerminal {
		return &Progress{}
	}
	return &Progress{bar: progressbar.NewOptions64(total,
		progressbar.OptionSetDescription(what),
		progressbar.OptionSetWriter(s.Err),
		progressbar.OptionShowBytes(bytes),
		progressbar.OptionShowCount(),
		progressbar.OptionSetWidth(24),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetRenderBlankState(true),
		progressbar.OptionSpinnerType(14),
	)}
}

// Add advances the bar.
func (p *Progress) Add(n int) {
	if p.bar != nil {
		_ = p.bar.Add(n) // only ever fails to draw
	}
}

// Set moves the bar to an absolute position.
func (p *Progress) Set(n int64) {
	if p.bar != nil {
		_ = p.bar.Set64(n)
	}
}

// Describe changes the text beside the bar.
func (p *Progress) Describe(what string) {
	if p.bar != nil {
		p.bar.Describe(what)
	}
}

// Done removes the bar. It may be called more than once.
func (p *Progress) Done() {
	if p.bar != nil {
		_ = p.bar.Finish()
		_ = p.bar.Clear()
		p.bar = nil
	}
}

// Reader returns a reader that advances the bar by the bytes read through it.
func (p *Progress) Reader(r io.Reader) io.Reader {
	if p.bar == nil {
		return r
	}
	return &countingReader{r: r, p: p}
}

type countingReader struct {
	r io.Reader
	p *Progress
}

func (c *countingReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.p.Add(n)
	return n, err
}
