package oracle

// Shrink leaves out what a difference does not need: steps by halves down to single ones, then headers, nulls and times.
// differs runs a case and tells whether it still parts.
func Shrink(c Case, differs func(Case) bool) Case {
	for size := len(c.Steps) / 2; size >= 1; {
		removed := false
		for i := 0; i+size <= len(c.Steps); {
			shorter := c
			shorter.Steps = append(append([]Step{}, c.Steps[:i]...), c.Steps[i+size:]...)
			if differs(shorter) {
				c, removed = shorter, true
			} else {
				i++
			}
		}
		if !removed {
			size /= 2
		}
	}
	for i := range c.Steps {
		for _, simpler := range simplify(c.Steps[i]) {
			other := c
			other.Steps = append([]Step{}, c.Steps...)
			other.Steps[i] = simpler
			if differs(other) {
				c = other
			}
		}
	}
	return c
}

func simplify(s Step) []Step {
	var all []Step
	if len(s.Headers) > 0 {
		t := s
		t.Headers = nil
		all = append(all, t)
	}
	if s.Topic != "" && string(s.Key) != "k1" {
		t := s
		t.Key = []byte("k1")
		all = append(all, t)
	}
	if s.Topic != "" && s.Time > 0 {
		t := s
		t.Headers = nil
		t.Time = 0
		all = append(all, t)
	}
	return all
}
